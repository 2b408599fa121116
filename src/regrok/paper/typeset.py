"""From generated files to the PDF: what the paper includes, and latexmk with errors that a person can read."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from regrok import latex
from regrok.errors import RegrokError
from regrok.figures import drawable, source
from regrok.paper.program import latex_command
from regrok.study.words import DIRECTION, INCONCLUSIVE, NOT_REPRODUCED
from regrok.tables import buildable

EPOCH = "1767225600"
"""SOURCE_DATE_EPOCH of the PDF unless the environment has one: the same input gives the same bytes."""

TIMEOUT = 300
BUILD = "generated/build"


def assemble(
    paper: Path | str,
    results: Path | str,
    config: Any,
    ledger: Mapping[str, Any],
    repository: str | None = None,
) -> Path:
    """Fill paper/generated with what this scale has, and nothing of another scale; returns that folder.

    Copies numbers.tex, figures/*.{pdf,tex} and tables/*.tex of `results`, and writes scope.tex (scale, what
    ran, which figures and tables there are) and unreproduced.tex (claims that did not come out, with the reason).
    repository: address of the sources for the figures' links; without one they point beside the PDF. Raises
    RegrokError naming a file that should be there and is not.
    """
    paper, results = Path(paper), Path(results)
    generated = paper / "generated"
    figures, tables = drawable(config), buildable(config)
    for folder in ("figures", "tables"):
        shutil.rmtree(generated / folder, ignore_errors=True)
        (generated / folder).mkdir(parents=True)
    wanted = ["numbers.tex", "numbers.json"]
    wanted += [f"figures/{name}.{kind}" for name in figures for kind in ("pdf", "tex")]
    wanted += [f"tables/{name}.tex" for name in tables]
    for name in wanted:
        if not (results / name).exists():
            raise RegrokError(
                f"{results / name} does not exist; build it with: snakemake --cores all"
            )
        shutil.copyfile(results / name, generated / name)
    (generated / "scope.tex").write_text(
        scope(config, figures, tables, repository), encoding="utf-8"
    )
    (generated / "unreproduced.tex").write_text(unreproduced(ledger), encoding="utf-8")
    return generated


def scope(
    config: Any,
    figures: list[str],
    tables: list[str],
    repository: str | None,
) -> str:
    """What the paper's conditionals ask: scale, anonymity, experiments, figures with their sources, tables."""
    lines = [f"\\regrokset{{scope}}{{scale}}{{{config.scale}}}"]
    if config.anonymous:
        lines.append(r"\regrokset{is}{anonymous}{yes}")
    if config.scale == "smoke":
        lines.append(r"\regrokset{is}{smoke}{yes}")
    here = [name for name in config.experiments if config.runs_here(name)]
    lines += [f"\\regrokset{{experiment}}{{{name}}}{{yes}}" for name in here]
    base = repository.rstrip("/") if repository else ".."
    for name in figures:
        path = f"src/regrok/figures/{source(config.figures[name].draw).name}"
        lines.append(f"\\regrokset{{figure}}{{{name}}}{{yes}}")
        lines.append(f"\\regrokset{{source}}{{{name}}}{{{latex.escape(path)}}}")
        if not config.anonymous:
            lines.append(f"\\regrokset{{link}}{{{name}}}{{{base}/{path}}}")
    lines += [f"\\regrokset{{table}}{{{name}}}{{yes}}" for name in tables]
    return "\n".join(lines) + "\n"


def unreproduced(ledger: Mapping[str, Any]) -> str:
    """A list of the claims that did not come out: statement, published, ours, why the predicate says so."""
    lines = []
    for verdict in (NOT_REPRODUCED, DIRECTION, INCONCLUSIVE):
        claims = [c for c in ledger["claims"] if c["verdict"] == verdict]
        if not claims:
            continue
        lines += [rf"\paragraph{{{verdict.capitalize()}.}}", r"\begin{description}"]
        for claim in claims:
            lines.append(
                rf"\item[{latex.escape(claim['id'])}] {latex.escape(claim['statement'])} "
                rf"Published: {latex.escape(claim['published_text'])}. Here: {latex.estimate(claim)}; "
                rf"{latex.escape(claim['reason'])}. \explanation{{{claim['id']}}}"
            )
        lines.append(r"\end{description}")
    if not lines:
        lines = ["Every claim that can be judged at this scale is reproduced."]
    return "\n".join(lines) + "\n"


def available() -> bool:
    """Whether the PDF can be typeset here."""
    return latex_command() is not None


def typeset(paper: Path | str, out_pdf: Path | str, main: str = "main", build: str = BUILD) -> str:
    """Run latexmk, or tectonic, on paper/<main>.tex and put the PDF at `out_pdf`; returns the log's text.

    build: folder below `paper` for LaTeX's own files; two documents that are typeset at once need two.
    Raises RegrokError with LaTeX's own first errors, the file and line of each, and where the whole log is.
    """
    paper, out_pdf = Path(paper), Path(out_pdf)
    program = latex_command()
    if program is None:
        raise RegrokError(
            "neither latexmk with pdflatex nor tectonic was found; install TeX (make tex) and build again"
        )
    environment = {
        **os.environ,
        "SOURCE_DATE_EPOCH": os.environ.get("SOURCE_DATE_EPOCH", EPOCH),
        "FORCE_SOURCE_DATE": "1",
        "TZ": "UTC",
        # Long lines in the log, so that file names and messages are not broken in two.
        "max_print_line": "10000",
    }
    if program == "latexmk":
        command = [
            "latexmk",
            "-pdf",
            "-interaction=nonstopmode",
            "-halt-on-error",
            "-file-line-error",
        ]
        made = "regrok" if main == "main" else main
        command += [f"-outdir={build}", f"-jobname={made}", f"{main}.tex"]
    else:
        # Tectonic names its output after the source and runs as often as references need.
        command = ["tectonic", "--keep-logs", "--outdir", build, f"{main}.tex"]
        made = main
    (paper / build).mkdir(parents=True, exist_ok=True)
    try:
        done = subprocess.run(
            command, cwd=paper, env=environment, capture_output=True, timeout=TIMEOUT, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise RegrokError(
            f"{program} did not finish within {TIMEOUT} s; its log is {paper / build}/{made}.log"
        ) from error
    log_path = paper / build / f"{made}.log"
    log = log_path.read_text(encoding="utf-8", errors="replace") if log_path.exists() else ""
    if done.returncode != 0:
        output = done.stdout.decode(errors="replace") + done.stderr.decode(errors="replace")
        found = (
            errors(log)
            or errors(output)
            or [output.strip().splitlines()[-1] if output.strip() else "no output"]
        )
        raise RegrokError("\n  ".join([f"LaTeX stopped; the whole log is {log_path}:", *found[:5]]))
    out_pdf.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(paper / build / f"{made}.pdf", out_pdf)
    return log


ERROR = re.compile(
    r"^(?:\./)?(?P<where>[^\s:]+\.(?:tex|sty|bib):\d+): (?P<what>.+)$|^! (?P<plain>.+)$"
)


def errors(log: str) -> list[str]:
    """`file:line: message` of every error in a LaTeX log, with the line of source that LaTeX shows under it."""
    found = []
    lines = log.splitlines()
    for i, line in enumerate(lines):
        match = ERROR.match(line)
        if match is None:
            continue
        words = f"{match['where']}: {match['what']}" if match["where"] else match["plain"]
        shown = next((after for after in lines[i + 1 : i + 8] if after.startswith("l.")), "")
        found.append(f"{words}  [{shown.strip()}]" if shown else words)
    return list(dict.fromkeys(found))

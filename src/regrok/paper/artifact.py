"""The artifact appendix and the reproducibility checklist, with numbers from the results: paper/artifact.pdf.

It reads the paper's numbers (regrok.paper.numbers) and a few facts of its own, `\\setting{artifact.…}`: what is
installed, what was built, how many seeds. Its text is held to the paper's rule: no number is typed by hand.
"""

from __future__ import annotations

import json
import re
import shutil
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from regrok import latex
from regrok.errors import RegrokError
from regrok.figures import drawable
from regrok.paper import texts
from regrok.paper.assemble import scope
from regrok.paper.lint import check, digits, lint_log, undefined_keys
from regrok.paper.typeset import typeset
from regrok.runs.frames import load
from regrok.tables import buildable

TEXT = ("artifact.tex", "artifact_checklist.tex")
FRAMES = ("runs", "curves", "spectra", "experiments")


def facts(results: Path, config: Any, checks: Mapping[str, Any], root: Path) -> dict[str, str]:
    """Key → TeX of what the appendix states beyond the paper's numbers.

    checks: checks.json of the same results. root: the checkout, for requirements.lock and pyproject.toml.
    """
    runs = load(results).runs
    lock = (root / "requirements.lock").read_text(encoding="utf-8")
    torch = re.search(r"^torch==([\d.]+)", lock, re.MULTILINE)
    if torch is None:
        raise RegrokError("requirements.lock: no line torch==…; run: make lock")
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    size = sum((results / f"{name}.parquet").stat().st_size for name in FRAMES)
    made = {
        "packages": latex.exact(len(re.findall(r"^[^#\s].*==", lock, re.MULTILINE))),
        "torch": torch[1],
        "python": project["requires-python"].lstrip(">="),
        "memory_gib": latex.exact(config.trainer.memory_gib),
        "fits": latex.exact(len(config.fits)),
        "figures": latex.exact(len(drawable(config))),
        "tables": latex.exact(len(buildable(config))),
        "megabytes": latex.number(size / 1e6, 2),
        "longest_minutes": latex.number(float(runs["wall_seconds"].max()) / 60, 2),
        "seeds": _span(runs.groupby("cell")["seed"].nunique()),
        "grids": "the published ones"
        if config.scale == "paper"
        else "smaller than the published ones",
        "checks": latex.escape("; ".join(checks["tests"])),
        "points": latex.exact(int(checks["logged_points"])),
        "parameters": _span(runs["parameters"]),
    }
    return {f"artifact.{key}": value for key, value in made.items()}


def _span(counts: pd.Series) -> str:
    least, most = int(counts.min()), int(counts.max())
    return latex.exact(least) if least == most else f"{latex.exact(least)} to {latex.exact(most)}"


def build(
    root: Path | str,
    folder: Path | str,
    results: Path | str,
    config: Any,
    checks: Mapping[str, Any],
    out_pdf: Path | str,
) -> None:
    """Put artifact.tex and its values together in `folder`, lint and typeset it into `out_pdf`.

    root: the checkout. Raises RegrokError with the lint's findings or LaTeX's errors; an old PDF is then gone.
    """
    root, folder, results = Path(root), Path(folder), Path(results)
    folder.mkdir(parents=True, exist_ok=True)
    known = json.loads((results / "numbers.json").read_text(encoding="utf-8"))
    own = facts(results, config, checks, root)
    known["setting"] |= own
    sources = {name: root / "paper" / name for name in (*TEXT, "regrok.sty")}
    for name, path in {**sources, "numbers.tex": results / "numbers.tex"}.items():
        shutil.copyfile(path, folder / name)
    (folder / "scope.tex").write_text(scope(config, [], [], None), encoding="utf-8")
    lines = [f"\\regrokset{{setting}}{{{key}}}{{{text}}}" for key, text in own.items()]
    (folder / "facts.tex").write_text("\n".join(lines) + "\n", encoding="utf-8")
    Path(out_pdf).unlink(missing_ok=True)
    check(lint([sources[name] for name in TEXT], known, config))
    log = typeset(folder, out_pdf, sources, main="artifact")
    try:
        check(lint_log(log, sources))
    except RegrokError:
        Path(out_pdf).unlink(missing_ok=True)
        raise


def lint(paths: Iterable[Path], known: Mapping[str, Mapping[str, str]], config: Any) -> list[str]:
    """`file:line: finding` for digits typed by hand and keys that do not exist."""
    findings = []
    for path in paths:
        text = texts.without_comments(path.read_text(encoding="utf-8"))
        start = max(text.find(r"\title"), 0)
        prose = "\n" * text[:start].count("\n") + re.sub(
            r"#\d|p\{[\d.]+\\textwidth\}|\\multicolumn\{\d\}", "", text[start:]
        )
        keys = undefined_keys(text, known, config, texts.conditions(config))
        findings += [f"{path}:{line}: {what}" for line, what in (*digits(prose), *keys)]
    return findings

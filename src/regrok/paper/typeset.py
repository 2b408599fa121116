"""LaTeX on an assembled folder: latexmk or tectonic, with errors that a person can read."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from regrok.errors import RegrokError
from regrok.paper.program import latex_command

EPOCH = "1767225600"
"""SOURCE_DATE_EPOCH of the PDF unless the environment has one: the same input gives the same bytes."""

TIMEOUT = 300
BUILD = "build"
"""LaTeX's own files, below the folder that is typeset."""


def typeset(
    folder: Path | str, out_pdf: Path | str, sources: Mapping[str, Path], main: str = "main"
) -> str:
    """Run latexmk, or tectonic, on <folder>/<main>.tex and put the PDF at `out_pdf`; returns the log's text.

    sources: file of the folder → what it is a copy of, for the errors' places. Raises RegrokError with LaTeX's own
    first errors, the file and line of each, and where the whole log is.
    """
    folder, out_pdf = Path(folder), Path(out_pdf)
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
        command += [f"-outdir={BUILD}", f"{main}.tex"]
    else:
        # Tectonic runs as often as references need.
        command = ["tectonic", "--keep-logs", "--outdir", BUILD, f"{main}.tex"]
    build = folder / BUILD
    build.mkdir(parents=True, exist_ok=True)
    try:
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, timeout=TIMEOUT, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise RegrokError(
            f"{program} did not finish within {TIMEOUT} s; its log is {build / main}.log"
        ) from error
    log_path = build / f"{main}.log"
    log = log_path.read_text(encoding="utf-8", errors="replace") if log_path.exists() else ""
    if done.returncode != 0:
        output = done.stdout.decode(errors="replace") + done.stderr.decode(errors="replace")
        found = (
            errors(log, sources)
            or errors(output, sources)
            or [output.strip().splitlines()[-1] if output.strip() else "no output"]
        )
        raise RegrokError("\n  ".join([f"LaTeX stopped; the whole log is {log_path}:", *found[:5]]))
    out_pdf.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(build / f"{main}.pdf", out_pdf)
    return log


ERROR = re.compile(
    r"^(?:\./)?(?P<file>[^\s:]+\.(?:tex|sty|bib)):(?P<line>\d+): (?P<what>.+)$|^! (?P<plain>.+)$"
)


def errors(log: str, sources: Mapping[str, Path]) -> list[str]:
    """`file:line: message` of every error in a LaTeX log, with the line of source that LaTeX shows under it.

    A file that is a copy is named by what it is a copy of, where an edit lasts.
    """
    found = []
    lines = log.splitlines()
    for i, line in enumerate(lines):
        match = ERROR.match(line)
        if match is None:
            continue
        words = match["plain"]
        if match["file"]:
            place = sources.get(match["file"], match["file"])
            words = f"{place}:{match['line']}: {match['what']}"
        shown = next((after for after in lines[i + 1 : i + 8] if after.startswith("l.")), "")
        found.append(f"{words}  [{shown.strip()}]" if shown else words)
    return list(dict.fromkeys(found))

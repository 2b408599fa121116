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
from regrok.paper.surroundings import surroundings

TIMEOUT = 300
BUILD = "build"
"""LaTeX's own files, below the folder that is typeset."""

COMMANDS = {
    "latexmk": (
        # First of all: no rc file of the user, the project or the system, which could move the log away.
        *("latexmk", "-norc", "-pdf", "-g"),
        *("-interaction=nonstopmode", "-halt-on-error", "-file-line-error"),
        *(f"-outdir={BUILD}", f"-auxdir={BUILD}"),
        # BibTeX runs where the references are; else it is told of them by a path that it splits at a comma.
        *("-e", "$bibtex_fudge = 0;"),
    ),
    # Tectonic runs as often as references need.
    "tectonic": ("tectonic", "--keep-logs", "--outdir", BUILD),
}
"""Program → its command, before the name of the file. -g: typeset, though nothing has changed since last time."""


def typeset(
    folder: Path | str, out_pdf: Path | str, sources: Mapping[str, Path], main: str = "main"
) -> str:
    """Run latexmk, or tectonic, on <folder>/<main>.tex and put the PDF at `out_pdf`; returns the log's text.

    sources: file of the folder → what it is a copy of, for the errors' places. Raises RegrokError with LaTeX's own
    first errors, the file and line of each, and where the whole log is; also where there is no log.
    """
    folder, out_pdf = Path(folder), Path(out_pdf)
    program = latex_command()
    if program is None:
        raise RegrokError(
            "neither latexmk with pdflatex nor tectonic was found; install TeX (make tex) and build again"
        )
    build = folder / BUILD
    build.mkdir(parents=True, exist_ok=True)
    log_path, pdf = build / f"{main}.log", build / f"{main}.pdf"
    # What an earlier build left must not be read as this one's.
    for path in (log_path, pdf):
        path.unlink(missing_ok=True)
    environment = surroundings(os.environ, f"{BUILD}/texmf")
    command = [*COMMANDS[program], f"{main}.tex"]
    try:
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, timeout=TIMEOUT, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise RegrokError(
            f"{program} did not finish within {TIMEOUT} s; its log is {build / main}.log"
        ) from error
    log = log_path.read_text(encoding="utf-8", errors="replace") if log_path.exists() else ""
    if done.returncode != 0:
        output = done.stdout.decode(errors="replace") + done.stderr.decode(errors="replace")
        found = (
            errors(log, sources)
            or errors(output, sources)
            or [output.strip().splitlines()[-1] if output.strip() else "no output"]
        )
        raise RegrokError("\n  ".join([f"LaTeX stopped; the whole log is {log_path}:", *found[:5]]))
    for path in (log_path, pdf):
        if not path.is_file() or not path.stat().st_size:
            raise RegrokError(
                f"{program} ended without an error and left no {path}; without its log nobody can tell whether the "
                f"paper is whole. Delete {build} and build again"
            )
    out_pdf.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(pdf, out_pdf)
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

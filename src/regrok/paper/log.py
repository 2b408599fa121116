"""Which file LaTeX was reading when it wrote a line of its log.

The log opens a parenthesis with the name of every file that it begins to read and closes it at the file's end:

    (./studies/norm_delay/section.tex (./tables/fits.tex
    Overfull \\hbox (12.5pt too wide) in alignment at lines 2--7
    ) )
"""

from __future__ import annotations

import re
from collections.abc import Iterator

OPENED = re.compile(r"\((?P<file>[^\s()\[\]{}\"]+\.[A-Za-z]+)(?=[\s()\[\]]|$)|\(|\)")
"""A file that begins, another parenthesis, the end of either."""

SHOWN = re.compile(r"(?:Over|Under)full \\[hv]box ")
"""How a message begins below which TeX shows what it set, with whatever parentheses that has."""


def placed(log: str) -> Iterator[tuple[str, str]]:
    """Each line of a log with the file that was being read, as LaTeX was given it (`tables/fits.tex`); "" for none."""
    open_files: list[str | None] = []
    shown = False
    for line in log.splitlines():
        yield next((name for name in reversed(open_files) if name), ""), line
        # What TeX shows of a box ends with an empty line.
        shown = bool(SHOWN.match(line)) or (shown and bool(line.strip()))
        if shown:
            continue
        for match in OPENED.finditer(line):
            if match.group() != ")":
                name = match["file"]
                open_files.append(name.removeprefix("./") if name else None)
            elif open_files:
                open_files.pop()

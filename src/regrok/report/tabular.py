"""The tables that `regrok.tables.parts.booktabs` wrote, read back: every cell as HTML."""

from __future__ import annotations

import re
from dataclasses import dataclass

from regrok.report import tex

HEADING = re.compile(r"\s*(?:\\addlinespace(?:\[[^]]*\])?\s*)?\\multicolumn\{\d+\}")
RULE = re.compile(r"\\(?:toprule|midrule|bottomrule|addlinespace)\b(?:\[[^]]*\])?")


@dataclass(frozen=True)
class Tabular:
    """One table."""

    caption: str
    """TeX."""
    header: list[str]
    rows: list[list[str] | str]
    """A row that is one string is a group's heading."""
    numeric: list[bool]
    """Which columns are set flush right."""


def read_table(source: str) -> Tabular:
    """The caption, header and rows of a table's .tex. Raises ValueError for what booktabs did not write."""
    caption, _ = tex.argument(source, source.index(r"\caption{") + len(r"\caption"))
    begin = re.search(r"\\begin\{(?:longtable|tabular)\}", source)
    head = re.search(r"\\toprule(.*?)\\midrule", source, re.DOTALL)
    if begin is None or head is None:
        raise ValueError("not a table of regrok.tables.parts.booktabs")
    columns, _ = tex.argument(source, begin.end())
    # A longtable repeats its header before \endlastfoot.
    start = max(head.end(), source.find(r"\endlastfoot") + len(r"\endlastfoot"))
    header = [tex.to_html(cell) for cell in _rows(head[1])[0]]
    rows = [_row(cells) for cells in _rows(source[start : source.index(r"\bottomrule", start)])]
    return Tabular(caption, header, rows, _flush_right(columns, len(header)))


def _row(cells: list[str]) -> list[str] | str:
    if len(cells) == 1 and HEADING.match(cells[0]):
        return tex.to_html(RULE.sub("", cells[0]))
    return [tex.to_html(RULE.sub("", cell)) for cell in cells]


def _rows(body: str) -> list[list[str]]:
    """Rows of cells, split at `\\\\` and `&` outside groups."""
    rows: list[list[str]] = []
    cells: list[str] = []
    cell, depth = "", 0
    for token in tex.TOKEN.finditer(body):
        word = token[0]
        depth += {"{": 1, "}": -1}.get(word, 0)
        if depth == 0 and word.startswith("\\\\"):
            rows.append([*cells, cell])
            cells, cell = [], ""
        elif depth == 0 and word == "&":
            cells.append(cell)
            cell = ""
        else:
            cell += word
    return rows


def _flush_right(columns: str, width: int) -> list[bool]:
    """Which of the columns of a specification are `r`."""
    # Without the material between columns (@{…}, >{…}) and the widths (p{…}) only the letters are left.
    bare, at = "", 0
    while at < len(columns):
        if columns[at] == "{":
            _, at = tex.argument(columns, at)
        else:
            bare += columns[at]
            at += 1
    letters = re.sub(r"[^lcrpmb]", "", bare)
    return [letter == "r" for letter in letters[:width].ljust(width, "l")]

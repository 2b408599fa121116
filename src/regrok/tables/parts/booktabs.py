"""Rows to booktabs: short tables float, long ones break across pages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

EMPTY = "No entry in this build."
"""The one row of a table that has nothing to list."""


@dataclass(frozen=True)
class Wide:
    """A row that spans all columns and wraps, on one page with the row after it."""

    text: str


def table(
    name: str,
    columns: str,
    header: Sequence[str],
    rows: Sequence[Sequence[str] | str | Wide],
    caption: str,
    long: bool = False,
    together: frozenset[int] = frozenset(),
    size: str = r"\scriptsize",
) -> str:
    """A whole environment with caption and label `tab:<name>`.

    columns: the column specification. A row that is one string spans all columns (a group's heading).
    together: indices of rows that no page break may follow. A table without rows says that it has none.
    """
    width = len(header)
    shown = rows or [EMPTY]
    lines = [_row(row, width, i == 0, i in together) for i, row in enumerate(shown)]
    head = [r"\toprule", " & ".join(header) + r" \\", r"\midrule"]
    body = [*lines, r"\bottomrule"]
    label = rf"\caption{{{caption}}}\label{{tab:{name}}}"
    if not long:
        inner = [rf"\begin{{tabular}}{{{columns}}}", *head, *body, r"\end{tabular}"]
        parts = [r"\begin{table}[tbp]", r"\centering", label, size, *inner, r"\end{table}"]
        return "\n".join(parts) + "\n"
    parts = [
        rf"{{{size}\setlength{{\tabcolsep}}{{3.5pt}}",
        rf"\begin{{longtable}}{{{columns}}}",
        # The caption keeps its own size; longtable would give it the table's.
        label.replace(r"\caption{", r"\caption{\footnotesize ", 1) + r"\\",
        *head,
        r"\endfirsthead",
        *head,
        r"\endhead",
        r"\midrule",
        rf"\multicolumn{{{width}}}{{r@{{}}}}{{continued on the next page}}\\",
        r"\endfoot",
        r"\endlastfoot",
        *body,
        r"\end{longtable}}",
    ]
    return "\n".join(parts) + "\n"


def _row(row: Sequence[str] | str | Wide, width: int, first: bool, kept: bool) -> str:
    if isinstance(row, Wide):
        column = r"@{}>{\raggedright\arraybackslash}p{\textwidth}@{}"
        return rf"\addlinespace[1.5pt] \multicolumn{{{width}}}{{{column}}}{{{row.text}}} \\*"
    if isinstance(row, str):
        space = "" if first else r"\addlinespace "
        return rf"{space}\multicolumn{{{width}}}{{@{{}}l@{{}}}}{{\itshape {row}}} \\*"
    if len(row) != width:
        raise ValueError(f"a row of {len(row)} cells in a table of {width} columns")
    return " & ".join(row) + (r" \\*" if kept else r" \\")

"""Steps to 99 % of the validation set by operation and share of the data, with the runs that got there.

fits: fits of law `operations` whose groups are operations.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from regrok import latex
from regrok.tables import Built, Material
from regrok.tables.parts.booktabs import table
from regrok.tables.parts.operations import family, rows, shares, short

READS = ("fits",)
DEFAULTS: dict[str, Any] = {}
NEEDS: dict[str, Any] = {"fits": ["operations"]}
PLAIN = (
    *("fit", "operation", "family", "percent", "runs", "memorised", "grokked", "censored"),
    *("max_steps", "T_grok", "T_grok_low", "T_grok_high", "T_mem"),
)
"""Columns of the CSV."""


def build(name: str, entry: Any, material: Material) -> Built:
    """A row per operation, a column per share; a cell is the median and how many of the runs got there."""
    cells: list[Mapping[str, Any]] = []
    plain: list[dict[str, Any]] = []
    for fit in entry.fits:
        made = material.fits.get(fit)
        if made is None or made["law"] != "operations":
            continue
        cells += made["cells"]
        plain += [_plain(fit, cell) for cell in made["cells"]]
    grid = rows(cells)
    columns = shares(grid)
    lines: list[Any] = []
    for operation, own in grid.items():
        of = family(operation)
        if of not in lines:
            lines.append(of)
        lines.append([short(operation), *(_cell(own.get(percent)) for percent in columns)])
    caption = (
        r"\textbf{Operations.} Median of the first step at 99\,\% of the validation set, and how many of the runs got "
        r"there within their budget; runs that did not are counted in the medians as later than it. $>$: the median "
        r"lies beyond the budget. A dash: no run of this operation at this share of the equations."
    )
    header = ["", *(rf"{percent}\,\%" for percent in columns)]
    tex = table(
        name,
        "@{}l" + "@{\\hspace{6pt}}r" * len(columns) + "@{}",
        header,
        lines,
        caption,
        size=r"\fontsize{7}{8.6}\selectfont",
    )
    return Built(tex, pd.DataFrame(plain, columns=list(PLAIN)))


def _cell(cell: Mapping[str, Any] | None) -> str:
    if cell is None:
        return latex.NOTHING
    count = f"{cell['grokked']}/{cell['runs']}"
    value = cell["T_grok"]["value"]
    steps = latex.number(value) if value is not None else rf"$>${latex.exact(cell['max_steps'])}"
    return f"{steps} ({count})"


def _plain(fit: str, cell: Mapping[str, Any]) -> dict[str, Any]:
    known = {
        column: cell[column] for column in ("percent", "runs", "memorised", "grokked", "max_steps")
    }
    return {
        "fit": fit,
        "operation": cell["group"],
        "family": family(cell["group"]),
        **known,
        "censored": cell["runs"] - cell["grokked"],
        "T_grok": cell["T_grok"]["value"],
        "T_grok_low": cell["T_grok"]["low"],
        "T_grok_high": cell["T_grok"]["high"],
        "T_mem": cell["T_mem"]["value"],
    }

"""One row per cell: n, fraction grokked, T_mem, T_grok, delay, V_mem, V_final, with the published mean beneath.

experiments: in the order shown; those that do not run at this scale are left out. fits: the `cells` fit.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from regrok import latex
from regrok.errors import RegrokError
from regrok.study.published import Cells
from regrok.tables import Built, Material
from regrok.tables.parts.booktabs import table

READS = ("frames", "fits", "published")
DEFAULTS: dict[str, Any] = {}
NEEDS: dict[str, Any] = {"fits": ["cells"]}

SETTINGS = {
    "operation": "",
    "p": r"$p$",
    "n": r"$n$",
    "train_size": "samples",
    "init_scale": "init scale",
    "model": "",
    "depth": "depth",
    "width": "width",
    "residual": "residual",
    "activation": "",
    "optimiser": "",
    "momentum": "momentum",
    "learning_rate": r"$\eta$",
    "weight_decay": r"$\lambda$",
}
"""Columns that tell the cells of an experiment apart, with their sign."""

MEASURES = ("T_mem", "T_grok", "delay", "V_mem", "V_final")

PLAIN = (
    *("experiment", "cell", *SETTINGS, "runs"),
    *(f"{m}{part}" for m in ("grokked", *MEASURES) for part in ("", "_low", "_high")),
    *(f"published_{measure}" for measure in ("runs", "grokked", *MEASURES)),
)
"""Columns of the CSV."""

HEADER = (
    "cell",
    "$n$",
    "grokked",
    r"$T_{\mathrm{mem}}$",
    r"$T_{\mathrm{grok}}$",
    "delay",
    r"$V_{\mathrm{mem}}$",
    r"$V_{\mathrm{final}}$",
)


LONG_NAME = 23
"""Characters on the page beyond which the names of cells wrap: as many as 0.95 in hold."""

WIDEST = 144
"""Characters of the widest cells of all columns that a line holds; with more the type is smaller."""


def build(name: str, entry: Any, material: Material) -> Built:
    """The table of a study's entry. Raises RegrokError when no fit of law `cells` is listed or done."""
    fits = [material.fits[f] for f in entry.fits if f in material.fits]
    fits = [fit for fit in fits if fit["law"] == "cells"]
    records = {r["cell"]: r for fit in fits for r in fit["cells"]}
    if not fits:
        raise RegrokError(
            f"table {name}: needs a fit of law 'cells'; its fits are {list(entry.fits)}"
        )
    published = material.published.cells if material.published else {}
    wordings = material.published.wordings if material.published else {}
    members = material.frames.experiments
    settings = material.frames.runs.drop_duplicates("cell").set_index("cell")[list(SETTINGS)]
    lines: list[Any] = []
    rows: list[dict[str, Any]] = []
    together: set[int] = set()
    for experiment in entry.experiments:
        here = members[members.experiment == experiment].cell.unique()
        cells = [records[cell] for cell in here if cell in records and cell in settings.index]
        if not cells:
            continue
        setting = {
            cell["cell"]: settings.loc[cell["cell"]].astype(object).to_dict() for cell in cells
        }
        varying = [c for c in SETTINGS if len({repr(one[c]) for one in setting.values()}) > 1]
        if "p" in varying:
            varying = [c for c in varying if c != "train_size"]  # it follows from p
        if "model" in varying:
            # Each architecture has its own optimiser.
            varying = [c for c in varying if c not in ("optimiser", "momentum")]
        cells.sort(key=lambda cell: tuple(_order(setting[cell["cell"]][c]) for c in varying))
        title = material.scope.titles[experiment]
        lines.append(f"{latex.escape(experiment.replace('_', ' '))}: {latex.escape(title)}")
        theirs = reported(published.get(experiment))
        for cell in cells:
            own = setting[cell["cell"]]
            found = match(theirs, own)
            words = ", ".join(_setting(c, own[c]) for c in varying if not pd.isna(own[c]))
            lines.append(_ours(cell, words or "default point"))
            if found:
                together.add(len(lines) - 1)
                lines.append(_theirs(found))
            rows.append(_plain(experiment, cell, own, found))
    caption = (
        r"\textbf{Cells.} $n$ runs; share that grokked with its Wilson interval; Kaplan--Meier medians of "
        r"$T_{\mathrm{mem}}$, $T_{\mathrm{grok}}$ and delay in steps, which count censored runs; means of the norms; "
        r"all with 95\,\% intervals. A dash: the median lies beyond the budget, or the run set has no such "
        r"quantity."
    )
    if any(row["published_runs"] is not None for row in rows):
        caption += (
            r" Beneath, where a cell has the published settings, the published mean $\pm$ standard deviation over the "
            rf"runs that grokked ({_sources(entry.experiments, wordings)})."
        )
    # Names of several settings wrap and columns move together: the norms' intervals need the width.
    longest = max((latex.printed(line[0]) for line in cells_of(lines)), default=0)
    wraps = longest > LONG_NAME
    first = r">{\raggedright\arraybackslash}p{0.95in}" if wraps else "l"
    gap = "4.6pt" if wraps else "3.6pt"
    columns = rf"@{{}}{first}@{{\hspace{{3pt}}}}r" + rf"@{{\hspace{{{gap}}}}}l" * 6 + "@{}"
    widths = [
        max(map(latex.printed, column), default=0) for column in zip(*cells_of(lines), strict=True)
    ]
    size = rf"\fontsize{{{'6.5' if sum(widths) > WIDEST else '7'}}}{{8.6}}\selectfont"
    kept = frozenset(together)
    tex = table(name, columns, HEADER, lines, caption, long=True, together=kept, size=size)
    return Built(tex, pd.DataFrame(rows, columns=list(PLAIN)))


def cells_of(lines: Sequence[Any]) -> list[list[str]]:
    """Rows without the titles between them."""
    return [line for line in lines if not isinstance(line, str)]


def _sources(experiments: list[str], wordings: Mapping[str, str]) -> str:
    """Where the published means come from, each said once, in the order of the experiments."""
    return "; ".join(dict.fromkeys(wordings[e] for e in experiments if e in wordings))


def reported(cells: Cells | None) -> list[dict[str, Any]]:
    """The published rows of an experiment as plain values, without what is not reported."""
    return cells.plain()["rows"] if cells else []


def _order(value: Any) -> tuple[int, Any]:
    return (1, str(value)) if isinstance(value, str) or pd.isna(value) else (0, value)


def match(
    rows: Sequence[Mapping[str, Any]], setting: Mapping[str, Any]
) -> Mapping[str, Any] | None:
    """The published row whose `match` agrees with a cell's settings (NaN agrees with nothing)."""
    for row in rows:
        if all(_agrees(setting[key], value) for key, value in row["match"].items()):
            return row
    return None


def _agrees(ours: Any, theirs: Any) -> bool:
    if isinstance(theirs, str | bool) or isinstance(ours, str):
        return bool(ours == theirs)
    return ours is not None and math.isclose(ours, theirs)


def _setting(column: str, value: Any) -> str:
    sign = SETTINGS[column]
    return f"{sign} {latex.exact(value)}" if sign else latex.exact(value)


def _ours(cell: Mapping[str, Any], name: str) -> list[str]:
    share = cell["grokked"]
    count = round((share["value"] or 0) * cell["runs"])
    return [
        name,
        latex.exact(cell["runs"]),
        f"{count} {latex.interval(share['low'], share['high'], 2)}",
        *(latex.estimate(cell[measure]) for measure in MEASURES),
    ]


def _theirs(row: Mapping[str, Any]) -> list[str]:
    grokked = latex.exact(row["grokked"]) if "grokked" in row else ""
    grey = [r"published", latex.exact(row["runs"]), grokked]
    for measure in MEASURES:
        value, spread = row.get(measure), row.get(f"{measure}_sd")
        words = latex.exact(value)
        if spread is not None:
            words += rf" $\pm$ {latex.exact(spread)}"
        grey.append("" if value is None else words)
    first, *rest = [rf"\textcolor{{regrokgrey}}{{{cell}}}" if cell else "" for cell in grey]
    return [rf"\quad {first}", *rest]


def _plain(
    experiment: str,
    cell: Mapping[str, Any],
    own: Mapping[str, Any],
    found: Mapping[str, Any] | None,
) -> dict[str, Any]:
    row: dict[str, Any] = {"experiment": experiment, "cell": cell["cell"]}
    row |= {column: own[column] for column in SETTINGS}
    row["runs"] = cell["runs"]
    for measure in ("grokked", *MEASURES):
        for part in ("value", "low", "high"):
            row[measure if part == "value" else f"{measure}_{part}"] = cell[measure][part]
    for measure in ("runs", "grokked", *MEASURES):
        row[f"published_{measure}"] = found.get(measure) if found else None
    return row

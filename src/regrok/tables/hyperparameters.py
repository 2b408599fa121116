"""Every setting of every experiment, from the columns of its own runs."""

from __future__ import annotations

from typing import Any

import pandas as pd

from regrok import latex
from regrok.study.columns import SETTINGS
from regrok.tables import Built, Material
from regrok.tables.parts.booktabs import table

READS = ("frames",)
DEFAULTS: dict[str, Any] = {}

HEADER = ("experiment", "runs", "cells", "seeds", "settings")
COLUMNS = (
    r"@{}>{\raggedright\arraybackslash}p{0.85in}rr>{\raggedright\arraybackslash}p{0.65in}"
    r">{\raggedright\arraybackslash}p{3.55in}@{}"
)


def settings(runs: pd.DataFrame) -> dict[str, str]:
    """Column → the values that the runs take, as TeX; columns that apply to none of them are left out."""
    found = {}
    for column in (c.name for c in SETTINGS if c.name in runs):
        values = [v for v in runs[column].tolist() if not pd.isna(v)]
        # Python takes True for 1: flags are told apart before they are listed.
        flags = all(isinstance(v, bool) for v in values)
        if values:
            found[column] = (
                latex.listing({"yes" if v else "no" for v in values})
                if flags
                else latex.listing(values)
            )
    return found


def build(name: str, entry: Any, material: Material) -> Built:
    """The first experiment in full, every other by what differs from it."""
    members = material.frames.experiments
    first: dict[str, str] = {}
    rows, plain = [], []
    for experiment in entry.experiments:
        ids = members[members.experiment == experiment].run_id
        runs = material.frames.runs[material.frames.runs.run_id.isin(ids)]
        if runs.empty:
            continue
        found = settings(runs)
        shown = {k: v for k, v in found.items() if first.get(k) != v}
        first = first or found
        words = "; ".join(f"{latex.escape(k.replace('_', ' '))} {v}" for k, v in shown.items())
        title = material.scope.titles[experiment]
        rows.append(
            [
                f"{latex.escape(experiment.replace('_', ' '))}: {latex.escape(title)}",
                latex.exact(len(runs)),
                latex.exact(runs.cell.nunique()),
                latex.listing(runs.seed),
                words or "the same",
            ]
        )
        seeds = " ".join(map(str, sorted(runs.seed.unique())))
        plain.append(
            {
                "experiment": experiment,
                "runs": len(runs),
                "cells": runs.cell.nunique(),
                "seeds": seeds,
            }
            | {c: " ".join(map(str, sorted(set(runs[c].dropna())))) for c in found}
        )
    caption = (
        r"\textbf{Every setting,} read from the runs themselves: the first experiment in full, the others where they "
        r"differ from it."
    )
    frame = pd.DataFrame(plain) if plain else pd.DataFrame(columns=list(HEADER[:-1]))
    return Built(table(name, COLUMNS, HEADER, rows, caption, long=True), frame)

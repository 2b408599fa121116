"""What each optimiser does where: outcomes per cell, and shares per group of runs (arXiv 2603.13331, A9).

"Fails to grok" hides two different failures: a run that never memorised had nothing to generalise from. So every
share of grokked runs stands beside the share of memorised ones, and beside the share among those.
"""

from __future__ import annotations

from typing import Any

import pandas as pd

from regrok.laws.parts import estimate as est
from regrok.laws.parts.selection import cell_settings, grouped, plain
from regrok.laws.regimes import described, shares
from regrok.measures.events import OUTCOMES
from regrok.runs.frames import Frames
from regrok.study.defaults import option

DEFAULTS: dict[str, Any] = {"groups": {}}
REFERS: dict[str, Any] = {"groups": "groups"}
ESTIMATES: dict[str, list[str]] = {
    "groups": [
        "regimes:regimes",
        "train_accuracy_max",
        "validation_accuracy_unfinished",
        "outcome.*",
    ]
}


def fit(frames: Frames, options: dict[str, Any], seed: int) -> est.Result:
    """Shares and outcome counts per group of options.groups (see selection.group); a phase diagram's cells.

    Estimates per group: memorised_share, grokked_share, grokked_given_memorised_share; diverged_share, collapsed_share
    and grokked_given_finite_share, of those that memorised and did not diverge; train_accuracy_max (mean of the runs'
    best), validation_accuracy_unfinished (the best of any run that memorised and did not grok: near 1, a
    longer budget might have changed its outcome), and a count per outcome (outcome.<outcome with underscores>). Cells:
    counts, the most frequent outcome, shares, and the arms the cell serves.
    """
    runs, experiments = frames.runs, frames.experiments
    groups = option(options, DEFAULTS)["groups"]
    estimates = {}
    for name, rows in grouped(runs, experiments, groups).items():
        for key, value in described(rows, name).items():
            estimates[f"{name}.{key}"] = value
        estimates[f"{name}.train_accuracy_max"] = est.mean(rows["train_accuracy_max"])
        unfinished = rows.loc[
            rows["T_mem"].notna() & rows["T_grok"].isna(), "validation_accuracy_max"
        ]
        estimates[f"{name}.validation_accuracy_unfinished"] = (
            est.exact(float(unfinished.max()), len(unfinished), "largest")
            if len(unfinished)
            else est.missing("every run that memorised also grokked", 0, "largest")
        )
        for outcome in OUTCOMES:
            count = int((rows["outcome"] == outcome).sum())
            key = f"{name}.outcome.{outcome.replace(' ', '_')}"
            estimates[key] = est.exact(count, len(rows), "count", "runs")
    arms = experiments.groupby("cell")["arm"].unique()
    cells = []
    for cell, rows in runs.groupby("cell", sort=True):
        counts = {o: int((rows["outcome"] == o).sum()) for o in OUTCOMES}
        cells.append(
            cell_settings(rows)
            | {"arms": sorted(str(a) for a in arms[cell] if pd.notna(a)), "runs": len(rows)}
            | {"outcomes": counts, "outcome": max(OUTCOMES, key=lambda o: counts[o])}
            | {"train_accuracy_max": plain(float(rows["train_accuracy_max"].mean()))}
            | shares(rows)
        )
    return {"estimates": estimates, "points": [], "cells": cells}

"""Whether generalisation lasts: first against sustained crossings, and the runs that lose it again.

T_grok is the first evaluation at 99 % of the validation set. A run may fall below again, so first crossings alone say
nothing of where a network ends. Lost is what stays below .90 for 1,000 steps (`regrok.measures.events`), which can only
be seen of a run that was trained on for as long.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from regrok.laws.parts import estimate as est
from regrok.laws.parts.selection import grouped, plain
from regrok.measures.events import DWELL, THRESHOLDS
from regrok.runs.frames import Frames
from regrok.study.defaults import option

DEFAULTS: dict[str, Any] = {"groups": {}}
REFERS: dict[str, Any] = {"groups": "groups"}
ESTIMATES: dict[str, list[str]] = {
    "groups": [
        "first_share",
        "sustained_share",
        "sustained_given_first_share",
        "sustained_over_first",
        "lost_share",
        "regained_share",
        "late_below_share",
    ]
}
SHOWN = (
    *("run_id", "cell", "seed", "T_mem", "T_grok", "T_grok_99_sustained", "T_lost", "T_regained"),
    *("validation_accuracy_late", "validation_accuracy_final", "steps", "max_steps", "outcome"),
)


def share(did: pd.Series, of: pd.Series, why: str = "") -> est.Estimate:
    """Share of the runs in `of` that did it, with what was left out."""
    count, n, left_out = int((did & of).sum()), int(of.sum()), int((~of).sum())
    note = f"{count} of {n}" + (f"; {left_out} left out, {why}" if why and left_out else "")
    return est.share(count, n, note)


def resolved(runs: pd.DataFrame) -> est.Floor | None:
    """Between which values the logging alone leaves the geometric mean of sustained over first; None where it may be 0.

    A sustained crossing is no earlier than the first, so the least ratio is 1.
    """
    low = (runs["T_grok_99_sustained_previous"] / runs["T_grok"]).clip(lower=1.0)
    high = runs["T_grok_99_sustained"] / runs["T_grok_previous"]
    if runs.empty or not np.isfinite(high).all():
        return None
    return float(np.exp(np.log(low).mean())), float(np.exp(np.log(high).mean()))


def of_group(rows: pd.DataFrame) -> dict[str, est.Estimate]:
    """The estimates of one group; see `fit`."""
    first, sustained = rows["T_grok"].notna(), rows["T_grok_99_sustained"].notna()
    everyone = pd.Series(True, index=rows.index)
    watched = first & (rows["steps"] - rows["T_grok"] >= DWELL)
    lost = watched & rows["T_lost"].notna()
    late = first & rows["validation_accuracy_late"].notna()
    below = rows["validation_accuracy_late"] < THRESHOLDS["99"]
    both = rows[first & sustained & (rows["T_grok"] > 0)]
    ratio = both["T_grok_99_sustained"] / both["T_grok"]
    never = (
        f"{int((first & ~sustained).sum())} never sustained" if (first & ~sustained).any() else ""
    )
    return {
        "first_share": share(first, everyone),
        "sustained_share": share(sustained, everyone),
        "sustained_given_first_share": share(sustained, first, "never at the threshold"),
        "sustained_over_first": est.mean(ratio, note=never, log=True, floor=resolved(both)),
        "lost_share": share(lost, watched, f"not trained on for {DWELL:,} steps after T_grok"),
        "regained_share": share(rows["T_regained"].notna(), lost),
        "late_below_share": share(below, late, "without T_grok or stopped before their budget"),
    }


def fit(frames: Frames, options: dict[str, Any], seed: int) -> est.Result:
    """Shares per group of options.groups (see selection.group).

    Estimates per group: first_share and sustained_share, of all runs those that were once, and three evaluations in a
    row, at 99 % of the validation set; sustained_given_first_share; sustained_over_first, the geometric mean of the
    ratio of the two steps; lost_share, of the runs trained on for 1,000 steps after T_grok those that then lost it;
    regained_share, of those; late_below_share, of the runs with T_grok and a whole budget those whose median accuracy
    over its last tenth is below 99 %. Points: one record per run.
    """
    estimates: dict[str, est.Estimate] = {}
    points: list[dict[str, Any]] = []
    groups = option(options, DEFAULTS)["groups"]
    for name, rows in grouped(frames.runs, frames.experiments, groups).items():
        estimates |= {f"{name}.{key}": value for key, value in of_group(rows).items()}
        points += [
            {"group": name} | {c: plain(row[c]) for c in SHOWN} for row in rows.to_dict("records")
        ]
    return {"estimates": estimates, "points": points, "cells": []}

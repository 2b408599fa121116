"""How late runs generalise: T_mem, T_grok and the factor between them, where some runs may never get there.

"Memorised before 1,000 steps, generalised 1,000 times later" (arXiv 2201.02177, section 3.1) is a factor of two times,
so means here are geometric. A run that was not seen to generalise was watched to its last step: its factor is at least
what that gives, and the mean with it is a bound from below.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from regrok.laws.parts import estimate as est
from regrok.laws.parts import resolution
from regrok.laws.parts.absence import where_it_memorised
from regrok.laws.parts.selection import grouped, plain, watched
from regrok.runs.frames import Frames
from regrok.study.defaults import option

DEFAULTS: dict[str, Any] = {"groups": {}}
REFERS: dict[str, Any] = {"groups": "groups"}
ESTIMATES: dict[str, list[str]] = {"groups": ["T_mem_mean", "T_grok_mean", "late_factor"]}
SHOWN = ("run_id", "cell", "seed", "T_mem", "T_grok", "steps", "max_steps", "outcome")


def geometric(
    values: np.ndarray, ends: resolution.Ends, unfinished: int, unit: str = ""
) -> est.Estimate:
    """Geometric mean of positive values; with unfinished runs among them a bound, whose upper end is null.

    values: (n,); ends: between which the logging leaves each value.
    """
    floor = None
    if values.size and min(end.min() for end in ends) > 0:
        low, high = (float(np.exp(np.log(end).mean())) for end in ends)
        floor = (low, high)
    if values.size and (values <= 0).any():
        return est.missing("a time of 0 has no factor", values.size, "geometric mean", unit)
    made = est.mean(values, unit, log=True, floor=floor)
    if not unfinished or made.value is None:
        return made
    note = f"{unfinished} of {values.size} runs did not get there, and count with their last step: a bound"
    return replace(made, high=None, note=note)


def of_group(name: str, rows: pd.DataFrame) -> dict[str, est.Estimate]:
    """The estimates of one group; see `fit`."""
    memorised = rows[rows["T_mem"].notna()]
    T_mem = memorised["T_mem"].to_numpy(float)
    mem_low, mem_high = resolution.ends(memorised, "T_mem", memorised["T_mem"])
    every = watched(rows)
    grok_low, grok_high = resolution.ends(rows, "T_grok", every)
    unfinished = int(rows["T_grok"].isna().sum())
    left = len(rows) - len(memorised)
    late, late_low, late_high = (
        pd.Series(end, index=rows.index)[memorised.index].to_numpy(float)
        for end in (every.to_numpy(float), grok_low, grok_high)
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = late / T_mem, late_low / mem_high, late_high / mem_low
    missing = int(memorised["T_grok"].isna().sum())
    words = f"{left} of {len(rows)} runs never memorised: left out" if left else ""
    found = {
        "T_mem_mean": geometric(T_mem, (mem_low, mem_high), 0, "steps").noting(words),
        "T_grok_mean": geometric(every.to_numpy(float), (grok_low, grok_high), unfinished, "steps"),
        "late_factor": geometric(ratios[0], ratios[1:], missing).noting(words),
    }
    return {key: where_it_memorised(value, name, rows) for key, value in found.items()}


def fit(frames: Frames, options: dict[str, Any], seed: int) -> est.Result:
    """Geometric means per group of options.groups (see selection.group), with t intervals of the logarithms.

    Estimates per group: T_mem_mean, of the runs that memorised; T_grok_mean, of all runs, and late_factor, the mean of
    T_grok/T_mem over those that memorised, both bounds from below where a run did not generalise. Points: one per run.
    """
    estimates: dict[str, est.Estimate] = {}
    points: list[dict[str, Any]] = []
    groups = option(options, DEFAULTS)["groups"]
    for name, rows in grouped(frames.runs, frames.experiments, groups).items():
        estimates |= {f"{name}.{key}": value for key, value in of_group(name, rows).items()}
        points += [
            {"group": name} | {c: plain(row[c]) for c in SHOWN} for row in rows.to_dict("records")
        ]
    return {"estimates": estimates, "points": points, "cells": []}

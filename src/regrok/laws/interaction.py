"""Does the ratio of two levels depend on another setting: activations by weight decay, as paper B's two sweeps suggest.

Table 4 of arXiv 2603.25009 has GELU last in one sweep and first in the other; the sweeps differ in width, learning rate
and weight decay at once. Here one setting is moved, and the ratio of delays is taken at each of its values.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from regrok.errors import RegrokError
from regrok.laws import comparison
from regrok.laws.parts import estimate as est
from regrok.laws.parts import lifetimes
from regrok.laws.parts.selection import conditions, distinct, grok_interval, plain, watched, within
from regrok.runs.frames import Frames
from regrok.study.defaults import option

DEFAULTS: dict[str, Any] = {
    "factor": "activation",
    "reference": None,
    "over": "weight_decay",
    "within": {},
    "family": "weibull",
    "replicates": 400,
}
REFERS: dict[str, Any] = {
    "factor": "columns",
    "over": "quantities",
    "within": "limits",
    "family": ["weibull", "log_normal"],
}
NEEDS: dict[str, Any] = {"options": ["reference"]}
ESTIMATES: dict[str, list[str]] = {
    "": ["*_at_*.*", "*_over_*.at_*.*", "*_over_*.exponent_difference"]
}


def exponent_difference(
    runs: pd.DataFrame, level: str, settings: dict[str, Any], seed: int
) -> est.Estimate:
    """Exponent of `over` for the level less that for the reference, from one regression of log T_grok.

    Zero: the ratio of the two is the same at every value. Interval-censored, bootstrap over seeds within cells.
    """
    family, over = settings["family"], settings["over"]
    estimator = (
        f"interval-censored {family.replace('_', '-')} AFT, bootstrap over seeds within cells"
    )
    interval = grok_interval(runs)
    upper = interval["upper"].to_numpy(float)
    lower = np.where(np.isinf(upper), watched(runs), interval["lower"]).astype(float)
    other = (runs[settings["factor"]] == level).to_numpy(float)
    log = np.log(runs[over].to_numpy(float))
    log = log - log.mean()
    x = pd.DataFrame({"other": other, "log": log, "cross": other * log})
    found = lifetimes.accelerated_failure_time(lower, upper, x, family)["cross"]
    if found.value is None or found.reason is not None:
        return found
    cells, values = conditions(runs), x.to_numpy()
    start = lifetimes.coefficients(lower, upper, values, np.ones(len(runs)), family)
    rows = est.resample(cells, settings["replicates"], np.random.default_rng(seed))
    draws = [
        lifetimes.coefficients(
            lower, upper, values, np.bincount(i, minlength=len(runs)).astype(float), family, start
        )[2]
        for i in rows
    ]
    strata = np.unique(cells).size
    return est.from_draws(
        found.value, np.array(draws), len(runs), strata, estimator, note=found.note
    )


def fit(frames: Frames, options: dict[str, Any], seed: int) -> est.Result:
    """Ratios of each level over the reference at each value of `over`, and how they move with it.

    options: factor (a column of names), reference (one of its levels), over (a column of positive numbers), within,
    family, replicates. Estimates: those of `comparison` per <level>_at_<value> and per ratio
    <level>_over_<reference>.at_<value>; and <level>_over_<reference>.exponent_difference, zero where the ratio is the
    same at every value. Cells: one record per level and value. Points: one per run.
    """
    runs = frames.runs
    settings = option(options, DEFAULTS)
    factor, over, reference = settings["factor"], settings["over"], settings["reference"]
    runs = distinct(within(runs, settings["within"])).reset_index(drop=True)
    for column in (factor, over):
        if column not in runs:
            raise RegrokError(f"options: runs have no column '{column}'")
    levels = sorted(runs[factor].dropna().unique())
    if len(runs) and reference not in levels:
        known = ", ".join(map(str, levels))
        raise RegrokError(f"options.reference = {reference!r}: no such {factor}; there are {known}")
    values = sorted(runs[over].unique())
    # One horizon for all values, so that the ratios can be compared.
    parts = {
        f"{level}_at_{value:g}": runs[(runs[factor] == level) & (runs[over] == value)]
        for level in levels
        for value in values
    }
    parts = {name: rows for name, rows in parts.items() if len(rows)}
    others = [level for level in levels if level != reference]
    ratios = {
        f"{level}_over_{reference}.at_{value:g}": [
            f"{level}_at_{value:g}",
            f"{reference}_at_{value:g}",
        ]
        for level in others
        for value in values
        if {f"{level}_at_{value:g}", f"{reference}_at_{value:g}"} <= set(parts)
    }
    estimates = comparison.side_by_side(parts, ratios, settings["replicates"], seed)
    cells: list[dict[str, Any]] = []
    for level in others:
        pair = runs[runs[factor].isin([level, reference])]
        if (pair[over] > 0).all() and pair[over].nunique() > 1:
            estimates[f"{level}_over_{reference}.exponent_difference"] = exponent_difference(
                pair.reset_index(drop=True), level, settings, seed
            )
    for name, rows in parts.items():
        first = rows.iloc[0]
        record = {factor: plain(first[factor]), over: plain(first[over]), "runs": len(rows)}
        for key in ("grokked_share", "delay_restricted_mean", "T_grok_restricted_mean"):
            record[key] = estimates[f"{name}.{key}"]
        ratio = f"{first[factor]}_over_{reference}.at_{first[over]:g}"
        record["ratio"] = estimates.get(f"{ratio}.T_grok_restricted_ratio")
        cells.append(record)
    return {"estimates": estimates, "points": comparison.group_points(parts), "cells": cells}

"""The regimes of weight decay: the share of runs that grok per λ, with Wilson intervals (arXiv 2603.13331, A12)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from . import estimate as est
from . import option
from .selection import cell_settings, distinct, within

DEFAULTS: dict[str, Any] = {
    "factor": "weight_decay",
    "regimes": {},
    "within": {},
    "replicates": 2000,
}


def shares(runs: pd.DataFrame) -> dict[str, est.Estimate]:
    """Shares of the runs that memorised, that grokked, and that grokked among those that memorised."""
    memorised, grokked = runs["T_mem"].notna(), runs["T_grok"].notna()
    both = int((memorised & grokked).sum())
    return {
        "memorised_share": est.share(int(memorised.sum()), len(runs)),
        "grokked_share": est.share(int(grokked.sum()), len(runs)),
        "grokked_given_memorised_share": est.share(both, int(memorised.sum())),
    }


def fastest(runs: pd.DataFrame, factor: str, replicates: int, seed: int) -> est.Estimate:
    """The factor's value whose runs have the least mean delay, among values where all runs grokked.

    Its interval spans the values that win in 95 % of resamples of the seeds.
    """
    estimator = "value of least mean delay, bootstrap over seeds"
    whole = runs.groupby(factor)["T_grok"].transform(lambda t: t.notna().all())
    runs = runs[whole & runs["T_mem"].notna()]
    if runs.empty:
        return est.missing("no value at which all runs grok", 0, estimator)
    values, label = np.unique(runs[factor].to_numpy(float), return_inverse=True)
    delay = runs["delay"].to_numpy(float)

    def winner(i: np.ndarray) -> np.ndarray:
        means = np.stack([np.where(label[i] == k, delay[i], np.nan) for k in range(values.size)])
        return values[np.argmin(np.nanmean(means, -1), axis=0)]

    return est.bootstrap(
        winner, label, replicates, seed, estimator, bounds=(float(values[0]), float(values[-1]))
    )


def fit(
    runs: pd.DataFrame,
    curves: pd.DataFrame,
    experiments: pd.DataFrame,
    spectra: pd.DataFrame,
    options: dict[str, Any],
    seed: int,
) -> dict[str, Any]:
    """Shares per regime and per value of the factor.

    options: factor (a column), regimes (name → [lowest, highest] value of the factor), within, replicates.
    Estimates per regime: memorised_share, grokked_share, grokked_given_memorised_share; and fastest_<factor>.
    Cells: the same shares per cell.
    """
    settings = option(options, DEFAULTS)
    factor = settings["factor"]
    runs = distinct(within(runs, settings["within"]))
    estimates = {}
    for name, limits in settings["regimes"].items():
        for key, value in shares(within(runs, {factor: limits})).items():
            estimates[f"{name}.{key}"] = value
    estimates[f"fastest_{factor}"] = fastest(runs, factor, settings["replicates"], seed)
    cells = [
        cell_settings(rows) | {"n": len(rows)} | shares(rows)
        for _, rows in runs.groupby("cell", sort=True)
    ]
    return {
        "estimates": estimates,
        "points": [],
        "cells": sorted(cells, key=lambda c: c.get(factor, 0)),
    }

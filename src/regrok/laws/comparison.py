"""Groups of runs side by side: shares that grok, delays, and the ratio of two groups' delays (arXiv 2603.25009)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from . import estimate as est
from . import lifetimes, option
from .cells import delay_time
from .regimes import shares
from .selection import distinct, group, plain

DEFAULTS: dict[str, Any] = {"groups": {}, "ratios": {}}


def ratio(a: np.ndarray, b: np.ndarray) -> tuple[est.Estimate, est.Estimate]:
    """mean(a) / mean(b) and its logarithm, with the delta method's interval on the log and Welch's degrees of freedom.

    a, b: positive delays of the runs that grokked.
    """
    estimator = "ratio of means, delta method with Welch's degrees of freedom"
    n = a.size + b.size
    if not a.size or not b.size or a.mean() <= 0 or b.mean() <= 0:
        nothing = est.missing("a group has no run that grokked late", n, estimator)
        return nothing, dict(nothing)
    log_ratio = math.log(a.mean() / b.mean())
    if min(a.size, b.size) < 2:
        one = estimator + "; one run gives no interval"
        return (
            est.estimate(math.exp(log_ratio), None, None, n, one),
            est.estimate(log_ratio, None, None, n, one),
        )
    parts = [x.var(ddof=1) / x.size / x.mean() ** 2 for x in (a, b)]
    variance = sum(parts)
    freedom = variance**2 / sum(v**2 / (x.size - 1) for v, x in zip(parts, (a, b), strict=True))
    half = stats.t.ppf(0.5 + est.LEVEL / 2, freedom) * math.sqrt(variance) if variance > 0 else 0.0
    low, high = log_ratio - half, log_ratio + half
    return (
        est.estimate(math.exp(log_ratio), math.exp(low), math.exp(high), n, estimator),
        est.estimate(log_ratio, low, high, n, estimator),
    )


def spread_ratio(a: np.ndarray, b: np.ndarray) -> tuple[est.Estimate, est.Estimate]:
    """Standard deviation of a over that of b and its logarithm, with the F distribution's interval."""
    estimator = "ratio of standard deviations, F interval"
    n = a.size + b.size
    if min(a.size, b.size) < 2 or not a.std() or not b.std():
        nothing = est.missing("a group has no spread", n, estimator)
        return nothing, dict(nothing)
    square = a.var(ddof=1) / b.var(ddof=1)
    tails = stats.f.ppf([0.5 + est.LEVEL / 2, 0.5 - est.LEVEL / 2], a.size - 1, b.size - 1)
    value, low, high = (math.sqrt(square / q) for q in (1.0, *tails))
    return (
        est.estimate(value, low, high, n, estimator),
        est.estimate(math.log(value), math.log(low), math.log(high), n, estimator),
    )


def fit(
    runs: pd.DataFrame,
    curves: pd.DataFrame,
    experiments: pd.DataFrame,
    spectra: pd.DataFrame,
    options: dict[str, Any],
    seed: int,
) -> dict[str, Any]:
    """Estimates per group of options.groups (see selection.group) and per ratio (name → [group, group]).

    Per group: memorised_share, grokked_share, grokked_given_memorised_share, delay_mean (of the runs that grokked,
    as papers print it), delay_median (Kaplan–Meier, censored runs included), rms_grok_mean. Per ratio:
    delay_ratio, log_delay_ratio, spread_ratio, log_spread_ratio. Points: one record per run and group.
    """
    settings = option(options, DEFAULTS)
    estimates: dict[str, est.Estimate] = {}
    points: list[dict[str, Any]] = []
    delays = {}
    for name, chosen in settings["groups"].items():
        rows = distinct(group(runs, experiments, chosen))
        delays[name] = rows["delay"].dropna().to_numpy(float)
        estimates |= {f"{name}.{key}": value for key, value in shares(rows).items()}
        estimates[f"{name}.delay_mean"] = est.mean(rows["delay"], "steps")
        estimates[f"{name}.delay_median"] = lifetimes.median(*delay_time(rows))
        estimates[f"{name}.rms_grok_mean"] = est.mean(rows["rms_grok"])
        columns = (
            "run_id",
            "cell",
            "seed",
            "T_mem",
            "T_grok",
            "delay",
            "outcome",
            "steps",
            "rms_grok",
        )
        points += [
            {"group": name} | {c: plain(r[c]) for c in columns} for r in rows.to_dict("records")
        ]
    for name, (a, b) in settings["ratios"].items():
        keys = ("delay_ratio", "log_delay_ratio", "spread_ratio", "log_spread_ratio")
        found = (*ratio(delays[a], delays[b]), *spread_ratio(delays[a], delays[b]))
        estimates |= {f"{name}.{key}": value for key, value in zip(keys, found, strict=True)}
    return {"estimates": estimates, "points": points, "cells": []}

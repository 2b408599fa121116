"""The delay law with all its factors at once: log delay = β₀ + β_η log η + β_λ log λ + β_L log log(V_mem/V_final) + σε.

The law of arXiv 2603.13331, delay ∝ (1/ηλ)·log(V_mem/V_final), says β_η = β_λ = −1 and β_L = +1. Fitted as an
accelerated-failure-time model, since each delay is known between two logged points and some runs never grok.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from regrok.laws.parts import estimate as est
from regrok.laws.parts import lifetimes
from regrok.laws.parts.selection import (
    conditions,
    delay_interval,
    distinct,
    log_norm_ratio,
    plain,
    within,
)
from regrok.runs.frames import Frames
from regrok.study.defaults import option

DEFAULTS: dict[str, Any] = {"within": {}, "families": ["weibull", "log_normal"]}
REFERS: dict[str, Any] = {"within": "limits", "families": ["weibull", "log_normal"]}
ESTIMATES: dict[str, list[str]] = {
    "families": [
        "log_learning_rate",
        "log_weight_decay",
        "log_log_norm_ratio",
    ]
}
COVARIATES = ("log_learning_rate", "log_weight_decay", "log_log_norm_ratio")


def covariates(runs: pd.DataFrame) -> pd.DataFrame:
    """log η, log λ and log of L = log(V_mem/V_final); NaN where a logarithm does not exist."""
    with np.errstate(all="ignore"):
        frame = pd.DataFrame(
            {
                "log_learning_rate": np.log(runs["learning_rate"].astype(float)),
                "log_weight_decay": np.log(runs["weight_decay"].astype(float)),
                "log_log_norm_ratio": np.log(log_norm_ratio(runs)),
            }
        )
    return frame.replace([np.inf, -np.inf], np.nan)


def fit(frames: Frames, options: dict[str, Any], seed: int) -> est.Result:
    """Exponents of η, λ and the log norm ratio, per family of the residual's distribution.

    Left out, and counted in the note: runs that never memorised (they have no delay) and runs whose norm did not
    fall (log L does not exist). Estimates: <family>.log_learning_rate, .log_weight_decay and
    .log_log_norm_ratio. Points: per run its interval and covariates; and the Kaplan–Meier curve of
    T_grok of every cell (kind "kaplan_meier").
    """
    runs = frames.runs
    settings = option(options, DEFAULTS)
    runs = distinct(within(runs, settings["within"])).reset_index(drop=True)
    x, interval = covariates(runs), delay_interval(runs)
    usable = x.notna().all(axis=1) & interval["lower"].notna()
    bounds = interval[usable].to_numpy(float)
    left_out = {
        "never memorised": int(runs["T_mem"].isna().sum()),
        "norm did not fall": int((runs["T_mem"].notna() & ~usable).sum()),
    }
    note = ", ".join(f"{n} left out ({why})" for why, n in left_out.items() if n)
    estimates = {}
    for family in settings["families"]:
        found = lifetimes.accelerated_failure_time(bounds[:, 0], bounds[:, 1], x[usable], family)
        for name, value in found.items():
            estimates[f"{family}.{name}"] = value.noting(note)
    points = [
        {c: plain(run[c]) for c in ("run_id", "cell", "seed", "outcome")}
        | {c: plain(x.loc[i, c]) for c in COVARIATES}
        | {
            "kind": "run",
            "lower": plain(interval.loc[i, "lower"]),
            "upper": plain(interval.loc[i, "upper"]),
        }
        | {"used": bool(usable[i])}
        for i, run in runs.iterrows()
    ]
    durations = runs["T_grok"].fillna(runs["steps"]).astype(float)
    for _, rows in runs.groupby(conditions(runs), sort=True):
        fitted = lifetimes.kaplan_meier(durations[rows.index], rows["T_grok"].notna())
        first = rows.iloc[0]
        label = {
            c: plain(first[c]) for c in ("cell", "p", "init_scale", "learning_rate", "weight_decay")
        }
        points += [{"kind": "kaplan_meier"} | label | r for r in lifetimes.curve_records(fitted)]
    return {"estimates": estimates, "points": points, "cells": []}

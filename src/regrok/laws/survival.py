"""The delay law with all its factors at once: log delay = β₀ + β_η log η + β_λ log λ + β_L log log(V_mem/V_final) + σε.

The law of arXiv 2603.13331, delay ∝ (1/ηλ)·log(V_mem/V_final), says β_η = β_λ = −1 and β_L = +1. Fitted as an
accelerated-failure-time model, since each delay is known between two logged points and some runs never grok.

V_final is V where training stopped. For a run that grokked that is V_post; for one that did not it is the norm of a
network that still memorises, a covariate made by the budget. With `V_post: grokked` such a run takes the mean log
V_final of the runs of its cell that grokked, and with `interval: cells` the interval is that of whole cells, whose runs
share all but their seed.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from regrok.laws.parts import estimate as est
from regrok.laws.parts import jackknife, lifetimes
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

DEFAULTS: dict[str, Any] = {
    "within": {},
    "families": ["weibull", "log_normal"],
    "V_post": "run",
    "interval": "wald",
}
REFERS: dict[str, Any] = {
    "within": "limits",
    "families": ["weibull", "log_normal"],
    "V_post": ["run", "grokked"],
    "interval": ["wald", "cells"],
}
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


def with_post(runs: pd.DataFrame) -> pd.DataFrame:
    """The runs, V_final of one that did not grok being the geometric mean over the grokked ones of its cell.

    NaN in a cell where none grokked: its V_post is not known.
    """
    grokked = runs["T_grok"].notna()
    with np.errstate(all="ignore"):
        logs = np.log(runs["V_final"].astype(float)).where(grokked)
    of_cell = np.exp(logs.groupby(conditions(runs)).transform("mean"))
    return runs.assign(V_final=runs["V_final"].astype(float).where(grokked, of_cell))


def over_cells(
    found: dict[str, est.Estimate],
    bounds: np.ndarray,
    x: np.ndarray,
    cells: np.ndarray,
    family: str,
) -> dict[str, est.Estimate]:
    """The fit's estimates with intervals over cells. bounds: (n, 2) steps; x: (n, d); cells: (n,) labels."""
    found = {
        name: replace(value, estimator=value.estimator.removesuffix(", Wald interval"))
        for name, value in found.items()
    }
    if any(value.value is None for value in found.values()):
        return found
    usable = lifetimes.timed(bounds[:, 0], bounds[:, 1], x)
    bounds, x, cells = bounds[usable], x[usable], cells[usable]

    def of(rows: np.ndarray, start: np.ndarray | None = None) -> np.ndarray:
        design = np.column_stack([x[rows], np.ones(rows.size)])
        if np.linalg.matrix_rank(design[np.isfinite(bounds[rows, 1])]) < design.shape[1]:
            return np.full(design.shape[1] + 1, np.nan)
        ones = np.ones(rows.size)
        lower, upper = bounds[rows].T
        return lifetimes.coefficients(lower, upper, x[rows], ones, family, start)

    whole = of(np.arange(len(x)))
    left_out = np.array([of(rows, whole) for rows in jackknife.clusters(cells)])
    free = jackknife.freedom(np.column_stack([x, np.ones(len(x))]), cells)
    return {
        name: jackknife.with_interval(value, whole[j], left_out[:, j], "cell", free=free[j])
        for j, (name, value) in enumerate(found.items())
    }


def fit(frames: Frames, options: dict[str, Any], seed: int) -> est.Result:
    """Exponents of η, λ and the log norm ratio, per family of the residual's distribution.

    options: within; families; V_post (run: V_final of every run; grokked: of those that grokked, see the module);
    interval (wald: runs are independent; cells: jackknife over cells). Left out, and counted in the note: runs that
    never memorised (they have no delay), runs whose norm did not fall (log L does not exist), and with V_post:
    grokked runs of a cell where none grokked. Estimates: <family>.log_learning_rate, .log_weight_decay,
    .log_log_norm_ratio. Points: per run its interval and covariates; and the Kaplan–Meier curve of T_grok of every
    cell (kind "kaplan_meier").
    """
    runs = frames.runs
    settings = option(options, DEFAULTS)
    runs = distinct(within(runs, settings["within"])).reset_index(drop=True)
    read = with_post(runs) if settings["V_post"] == "grokked" else runs
    x, interval = covariates(read), delay_interval(runs)
    usable = x.notna().all(axis=1) & interval["lower"].notna()
    bounds = interval[usable].to_numpy(float)
    memorised, unknown = runs["T_mem"].notna(), read["V_final"].isna() & runs["V_final"].notna()
    left_out = {
        "never memorised": int((~memorised).sum()),
        "no run of its cell grokked": int((memorised & unknown).sum()),
        "norm did not fall": int((memorised & ~usable & ~unknown).sum()),
    }
    note = ", ".join(f"{n} left out ({why})" for why, n in left_out.items() if n)
    estimates = {}
    for family in settings["families"]:
        found = lifetimes.accelerated_failure_time(bounds[:, 0], bounds[:, 1], x[usable], family)
        if settings["interval"] == "cells":
            cells = conditions(runs)[usable]
            found = over_cells(found, bounds, x[usable].to_numpy(float), cells, family)
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

"""One factor at a time: T_grok and delay against 1/λ, 1/η, 1/(ηλ) or the escape time.

The paper's reading is a straight line by least squares and its R² or Pearson r (arXiv 2603.13331, A3–A5, A7). A line
with a free intercept fits many curves that are not inverse; the log-log exponent asks the question directly, so it
stands beside it, and beside both the accelerated-failure-time exponent, which keeps the censored runs.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from regrok.errors import RegrokError
from regrok.laws.parts import (
    cell_slope,
    lifetimes,
    r_squared,
    regression,
    resolution,
    variation,
)
from regrok.laws.parts import estimate as est
from regrok.laws.parts.selection import (
    cell_settings,
    conditions,
    delay_interval,
    distinct,
    escape_theory,
    grok_interval,
    log_norm_ratio,
    plain,
    within,
)
from regrok.runs.frames import Frames
from regrok.study.defaults import option

DEFAULTS: dict[str, Any] = {
    "factor": None,
    "within": {},
    "replicates": 2000,
    "survival": True,
}
REFERS: dict[str, Any] = {
    "factor": [
        "weight_decay",
        "learning_rate",
        "learning_rate_times_weight_decay",
        "escape_theory",
        "log_norm_ratio",
        "modulus",
    ],
    "within": "limits",
}
NEEDS: dict[str, Any] = {"options": ["factor"]}
ESTIMATES: dict[str, list[str]] = {
    "": [
        "T_grok.slope",
        "T_grok.intercept",
        "T_grok.r_squared",
        "T_grok.r_squared_population",
        "T_grok.pearson_population",
        "T_grok.slope_cells",
        "T_grok.exponent_cells",
        "T_grok.pearson",
        "T_grok.exponent",
        "T_grok.exponent_survival",
        "T_grok.product_mean",
        "T_grok.product_cv",
        "T_grok.product_cv_population",
        "delay.slope",
        "delay.intercept",
        "delay.r_squared",
        "delay.r_squared_population",
        "delay.pearson_population",
        "delay.slope_cells",
        "delay.exponent_cells",
        "delay.pearson",
        "delay.exponent",
        "delay.exponent_survival",
        "delay.product_mean",
        "delay.product_cv",
        "delay.product_cv_population",
    ]
}
RESPONSES = ("T_grok", "delay")
INVERSE = {
    "weight_decay": lambda runs: runs["weight_decay"].astype(float),
    "learning_rate": lambda runs: runs["learning_rate"].astype(float),
    "learning_rate_times_weight_decay": lambda runs: (
        runs["learning_rate"].astype(float) * runs["weight_decay"].astype(float)
    ),
}
"""Factors that the time is said to be inverse in: the line is drawn against 1/factor."""
DIRECT = {
    "escape_theory": escape_theory,
    "log_norm_ratio": log_norm_ratio,
    "modulus": lambda runs: runs["p"].astype(float),
}
"""Factors that the time is said to be proportional to."""


def _response(
    runs: pd.DataFrame, response: str, factor: str, settings: dict[str, Any], seed: int
) -> dict[str, est.Estimate]:
    """Slope, intercept, R², Pearson r, exponent, and mean and CV of the product, for one response."""
    inverse = factor in INVERSE
    known = runs[runs[response].notna() & (runs["factor"] > 0)]
    dropped = len(runs) - len(known)
    note = (
        f"{dropped} of {len(runs)} runs without a {response} or a factor left out"
        if dropped
        else ""
    )
    groups, x, t = conditions(known), known["factor"].to_numpy(), known[response].to_numpy(float)
    line_x = 1 / x if inverse else x
    ends = resolution.ends(known, response, known[response])
    # Where seeds differ by more than the logging, the bootstrap over them holds what the logging adds.
    unresolved = bool(t.size) and resolution.unresolved(t, ends, groups)
    unit = {"learning_rate_times_weight_decay": "", "escape_theory": ""}.get(factor, "steps")

    def of(
        statistic: Any, name: str, unit: str = "", bounds: tuple[float, float] = est.UNBOUNDED
    ) -> est.Estimate:
        return est.bootstrap(
            lambda i: statistic(i, t[i]),
            groups,
            settings["replicates"],
            seed,
            f"{name}, bootstrap over seeds within cells",
            unit,
            note,
            bounds,
            resolution.floor(lambda t: statistic(slice(None), t), t, ends) if unresolved else None,
        )

    def line(statistic: Any, *rest: Any) -> est.Estimate:
        against = f"1/{factor}" if inverse else factor
        return of(
            lambda i, t: statistic(np.broadcast_to(line_x[i], t.shape), t),
            f"least squares against {against}",
            *rest,
        )

    def product(statistic: Any) -> Any:
        return lambda i, t: statistic(t * x[i] if inverse else t / x[i])

    spread = "standard deviation over mean"
    replicates = settings["replicates"]
    r2, r = r_squared.population(line_x, t, groups, replicates, seed, note, unresolved)
    positive = t > 0
    log_x, log_t = np.log(x[positive]), np.log(t[positive])
    each = t * x if inverse else t / x
    return {
        "slope": line(regression.slope, unit),
        "intercept": line(regression.intercept, "steps"),
        "r_squared": line(regression.r_squared, "", est.SHARE),
        "r_squared_population": r2,
        "pearson_population": r,
        "slope_cells": cell_slope.slope(line_x, t, groups, unit, note, unresolved),
        "exponent_cells": cell_slope.slope(
            log_x, log_t, groups[positive], "", note, unresolved, _logged(t, ends)
        ),
        "pearson": line(regression.pearson, "", est.CORRELATION),
        "exponent": _exponent(known, response, settings, seed, note, unresolved),
        "product_mean": of(product(lambda values: values.mean(-1)), "mean", unit),
        "product_cv": of(product(regression.coefficient_of_variation), spread, "", est.POSITIVE),
        "product_cv_population": _variation(each, groups, replicates, seed, note, unresolved),
    }


def _variation(
    each: np.ndarray, groups: np.ndarray, replicates: int, seed: int, note: str, unresolved: bool
) -> est.Estimate:
    """Coefficient of variation of the products, (n,), with seeds without end."""
    if not each.size or (each <= 0).any():
        return est.missing("no runs, or a time of 0", each.size, variation.ESTIMATOR)
    found = variation.population(variation.Cells.of(each, groups), replicates, seed, note)
    alike = "no interval: seeds differ by no more than their logging"
    return est.without_interval(found, alike) if unresolved and found.value is not None else found


def _logged(t: np.ndarray, ends: resolution.Ends) -> resolution.Ends:
    """Logarithms of the ends of the times above 0. One that may be 0 has none: half of the time stands for it."""
    positive = t > 0
    lower, upper = (end[positive] for end in ends)
    return np.log(np.where(lower > 0, lower, t[positive] / 2)), np.log(upper)


def _exponent(
    known: pd.DataFrame,
    response: str,
    settings: dict[str, Any],
    seed: int,
    note: str,
    unresolved: bool,
) -> est.Estimate:
    """Slope of log time on log factor by least squares, of the times above 0."""
    t = known[response].to_numpy(float)
    positive = t > 0
    log_x, log_t = np.log(known["factor"].to_numpy()[positive]), np.log(t[positive])
    not_positive = f"{(~positive).sum()} not positive" if (~positive).any() else ""
    between = _logged(t, resolution.ends(known, response, known[response]))
    return est.bootstrap(
        lambda i: regression.slope(log_x[i], log_t[i]),
        conditions(known)[positive],
        settings["replicates"],
        seed,
        "log-log least squares, bootstrap over seeds within cells",
        note="; ".join(filter(None, [note, not_positive])),
        floor=(
            resolution.floor(
                lambda log_t: regression.slope(np.broadcast_to(log_x, log_t.shape), log_t),
                log_t,
                between,
            )
            if unresolved and log_t.size
            else None
        ),
    )


def _survival_exponent(runs: pd.DataFrame, response: str) -> est.Estimate:
    """Exponent of the factor from a Weibull accelerated-failure-time fit with the censored runs."""
    interval = (grok_interval if response == "T_grok" else delay_interval)(runs)
    usable = interval["lower"].notna() & (runs["factor"] > 0)
    covariate = pd.DataFrame({"exponent": np.log(runs.loc[usable, "factor"].to_numpy())})
    bounds = interval[usable].to_numpy(float)
    return lifetimes.accelerated_failure_time(bounds[:, 0], bounds[:, 1], covariate, "weibull")[
        "exponent"
    ]


def fit(frames: Frames, options: dict[str, Any], seed: int) -> est.Result:
    """Least squares, power law and survival exponent for T_grok and delay over one factor.

    options: factor (weight_decay, learning_rate, learning_rate_times_weight_decay, escape_theory, log_norm_ratio or
    modulus), within (limits on columns), replicates, survival (whether to fit exponent_survival too).
    Estimates per response: slope, intercept, r_squared (of these runs), r_squared_population and pearson_population
    (with seeds without end), slope_cells and exponent_cells (by each cell's own spread), pearson, exponent,
    exponent_survival, product_mean and product_cv (of T·factor, or T/factor for the last three factors),
    product_cv_population (with seeds without end).
    Points: one record per run, censored ones included. Cells: mean and standard deviation.
    """
    runs = frames.runs
    settings = option(options, DEFAULTS)
    factor = settings["factor"]
    if factor not in INVERSE | DIRECT:
        allowed = ", ".join(INVERSE | DIRECT)
        raise RegrokError(f"options.factor = {factor!r}; allowed: {allowed}")
    runs = distinct(within(runs, settings["within"])).reset_index(drop=True)
    runs = runs.assign(factor=(INVERSE | DIRECT)[factor](runs))
    estimates = {}
    for response in RESPONSES:
        for key, value in _response(runs, response, factor, settings, seed).items():
            estimates[f"{response}.{key}"] = value
        if settings["survival"]:
            estimates[f"{response}.exponent_survival"] = _survival_exponent(runs, response)
    points = [
        {
            c: plain(run[c])
            for c in ("run_id", "cell", "seed", "p", "init_scale", "learning_rate", "weight_decay")
        }
        | {"x": plain(1 / run["factor"] if factor in INVERSE and run["factor"] else run["factor"])}
        | {c: plain(run[c]) for c in ("factor", "T_mem", "T_grok", "delay", "outcome", "steps")}
        | {"censored": bool(pd.isna(run["T_grok"]))}
        for run in runs.to_dict("records")
    ]
    cells = []
    for cell, rows in runs.groupby("cell", sort=True):
        record = cell_settings(rows) | {"factor": plain(float(rows["factor"].mean()))}
        record |= {"runs": len(rows), "grokked": int(rows["T_grok"].notna().sum())}
        for response in RESPONSES:
            record[response] = resolution.mean(rows, response)
            record[f"{response}_sd"] = plain(float(rows[response].std(ddof=1)))
        cells.append(record | {"cell": cell})
    return {"estimates": estimates, "points": points, "cells": cells}

"""What censoring does to the exponent of λ, on simulated runs with a planted one.

T = T₁·λ^β·ε with ε Weibull noise, at the published λ of regime II, stopped at a common budget that leaves a given
share without T_grok. Least squares on the runs that finished, which is what the papers do, is pulled towards
zero, since the slow runs of the small λ are missing; so is entering the budget as if it were T_grok. The
accelerated-failure-time fit is not.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import statsmodels.api as sm

from regrok.laws.parts import estimate as est
from regrok.laws.parts import lifetimes
from regrok.laws.parts.heard import heard
from regrok.runs.frames import Frames
from regrok.study.defaults import option

DEFAULTS: dict[str, Any] = {
    "exponent": -1.0,
    "steps_at_one": 1200.0,
    "noise": 0.2,
    "weight_decay": [0.1, 0.3, 0.5, 1.0],
    "runs_per_cell": 200,
    "log_every": 25,
    "censored": [0.0, 0.1, 0.2, 0.3, 0.4, 0.5],
}
ESTIMATES: dict[str, list[str]] = {
    "": ["planted", "survival.at_*", "finished_runs.at_*", "budget_as_time.at_*"]
}
ESTIMATORS = ("survival", "finished_runs", "budget_as_time")


def simulate(settings: dict[str, Any], censored: float, seed: int) -> pd.DataFrame:
    """Simulated runs: weight_decay, lower, upper (steps; T lies between, upper ∞ if censored), observed."""
    rng = np.random.default_rng(seed)
    weight_decay = np.repeat(settings["weight_decay"], settings["runs_per_cell"]).astype(float)
    # A Weibull of shape 1/noise: noise is the scale of log T's Gumbel residual.
    time = settings["steps_at_one"] * weight_decay ** settings["exponent"]
    time = time * rng.weibull(1 / settings["noise"], weight_decay.size)
    budget = np.inf if censored == 0 else np.quantile(time, 1 - censored)
    step = settings["log_every"]
    upper = np.ceil(time / step) * step
    observed = upper <= budget
    stop = budget if np.isfinite(budget) else upper.max()
    return pd.DataFrame(
        {
            "weight_decay": weight_decay,
            "lower": np.where(observed, upper - step, math.floor(stop / step) * step),
            "upper": np.where(observed, upper, np.inf),
            "observed": observed,
        }
    )


def exponents(runs: pd.DataFrame) -> dict[str, est.Estimate]:
    """The exponent of λ by each estimator."""
    log_decay = np.log(runs["weight_decay"].to_numpy())
    covariate = pd.DataFrame({"exponent": log_decay})
    lower, upper = runs["lower"].to_numpy(), runs["upper"].to_numpy()
    observed = runs["observed"].to_numpy()

    def least_squares(rows: np.ndarray, time: np.ndarray) -> est.Estimate:
        if not rows.any() or np.ptp(log_decay[rows]) == 0:
            return est.missing("one weight decay left", int(rows.sum()), "log-log least squares")
        with heard() as said:
            fitted = sm.OLS(np.log(time[rows]), sm.add_constant(log_decay[rows])).fit()
            low, high = fitted.conf_int(1 - est.LEVEL)[1]
        found = est.estimate(
            fitted.params[1], low, high, int(rows.sum()), "log-log least squares, t interval"
        )
        return est.without_interval(found, f"no interval: {'; '.join(said)}") if said else found

    return {
        "survival": lifetimes.accelerated_failure_time(lower, upper, covariate, "weibull")[
            "exponent"
        ],
        "finished_runs": least_squares(observed, upper),
        "budget_as_time": least_squares(np.ones_like(observed), np.where(observed, upper, lower)),
    }


def fit(frames: Frames, options: dict[str, Any], seed: int) -> est.Result:
    """Estimated exponents at each censored share; reads no runs.

    Estimates: planted, and <estimator>.at_<percent>. Points: estimator, censored, exponent, low, high, planted.
    """
    settings = option(options, DEFAULTS)
    planted = float(settings["exponent"])
    simulated = len(settings["weight_decay"]) * settings["runs_per_cell"]
    estimates = {"planted": est.exact(planted, simulated, "planted in simulated runs")}
    points = []
    for censored in settings["censored"]:
        found = exponents(simulate(settings, censored, seed))
        for name in ESTIMATORS:
            note = f"simulated, {censored:.0%} of {simulated} runs censored"
            value = replace(found[name], note=note)
            estimates[f"{name}.at_{round(100 * censored)}"] = value
            points.append(
                {
                    "estimator": name,
                    "censored": censored,
                    "exponent": value.value,
                    "planted": planted,
                }
                | {"low": value.low, "high": value.high, "n": value.n}
            )
    return {"estimates": estimates, "points": points, "cells": []}

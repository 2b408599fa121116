"""T_grok between the two steps that it is known to lie between, and how its logarithm goes with covariates."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pandas as pd
from scipy import stats

from regrok.laws.parts import estimate as est
from regrok.laws.parts import lifetimes
from regrok.laws.parts.selection import grok_interval, watched


def bounds(runs: pd.DataFrame) -> np.ndarray:
    """(n, 2) steps: above the first and at most the second lies T_grok; ∞ is the second of a run that did not grok.

    Such a run was watched to its last step, or counts to the end of its budget where it was given up early.
    """
    interval = grok_interval(runs)
    upper = interval["upper"].to_numpy(float)
    lower = np.where(np.isinf(upper), watched(runs), interval["lower"]).astype(float)
    return np.column_stack([lower, upper])


def coefficient(runs: pd.DataFrame, x: pd.DataFrame, name: str, family: str) -> est.Estimate:
    """What log T_grok changes by for one unit of the covariate `name`, the other columns of x held: (n, d).

    Interval-censored maximum likelihood with this family of residuals (weibull or log_normal). Wald's interval is
    widened by √(n/f) and to Student's quantile, f being the finished runs less the fitted coefficients: with log-normal
    residuals and every run finished it is then that of least squares, which is exact.
    """
    lower, upper = bounds(runs).T
    found = lifetimes.accelerated_failure_time(lower, upper, x, family)[name]
    value, low, high = found.value, found.low, found.high
    if value is None or low is None or high is None:
        return found
    finished = int(np.isfinite(upper).sum())
    free = finished - x.shape[1] - 1
    estimator = found.estimator.replace("Wald interval", "Wald interval widened to Student's")
    found = replace(found, estimator=estimator)
    if free < 1:
        few = f"no interval: {finished} finished runs and as many coefficients"
        return est.without_interval(found, few)
    factor = math.sqrt(finished / free) * stats.t.ppf(0.5 + est.LEVEL / 2, free) / lifetimes.NORMAL
    ends = [float(value + factor * (end - value)) for end in (low, high)]
    return replace(found, low=ends[0], high=ends[1])

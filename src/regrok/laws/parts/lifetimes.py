"""Times that are known only to lie in an interval: lifelines' accelerated-failure-time models and Kaplan–Meier.

A run that did not grok within its budget is right-censored; one that did crossed the threshold between two logged
points. Dropping the first kind or pretending that the second is exact biases the exponents.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pandas as pd
from lifelines import KaplanMeierFitter, LogNormalAFTFitter, WeibullAFTFitter
from lifelines.exceptions import ConvergenceError
from lifelines.utils import median_survival_times
from scipy import optimize, special

from regrok.laws.parts import estimate as est

FAMILIES = {"weibull": WeibullAFTFitter, "log_normal": LogNormalAFTFitter}
NORMAL = 1.959963984540054
"""Quantile of the normal distribution for 95 % intervals."""
NEVER = 1e9
"""Stands for ∞ as an interval's upper end, in units of the median time: lifelines' log-normal gradient is NaN at ∞."""
SHORTEST = 1e-6
"""Stands for 0 as a lower end, in the same units; and the least width of an interval."""


def accelerated_failure_time(
    lower: np.ndarray, upper: np.ndarray, covariates: pd.DataFrame, family: str
) -> dict[str, est.Estimate]:
    """log T = β₀ + Σ βᵢ xᵢ + σε by maximum likelihood with interval censoring; Wald intervals.

    lower, upper: (n,) steps between which T lies, upper ∞ for a right-censored run; covariates: (n, d), the
    coefficients on which are estimated and returned by column name. family: weibull or log_normal. A coefficient
    is missing where the runs cannot tell it: a column constant or a combination of others, no uncensored run left.
    """
    names = list(covariates)
    n, censored = len(lower), int(np.isinf(upper).sum())
    estimator = f"interval-censored {family.replace('_', '-')} AFT, Wald interval"
    x = covariates.to_numpy(float)
    design = np.column_stack([x, np.ones(n)])
    observed = ~np.isinf(upper)
    if n == 0 or np.linalg.matrix_rank(design[observed]) < design.shape[1]:
        reason = f"{n} runs, {censored} of them censored, do not separate {', '.join(names)}"
        return {name: est.missing(reason, n, estimator) for name in names}
    scale = float(np.median(np.where(observed, upper, lower)))
    low = np.maximum(lower / scale, SHORTEST)
    high = np.where(observed, np.maximum(upper / scale, low + SHORTEST), NEVER)
    middle = np.log(np.where(observed, (low + np.minimum(high, NEVER)) / 2, 1.5 * low))
    # Standardised covariates and a least-squares start: lifelines' own start does not always converge.
    centre, spread = x.mean(0), x.std(0)
    standard = pd.DataFrame((x - centre) / spread, columns=names)
    start, *_ = np.linalg.lstsq(np.column_stack([standard, np.ones(n)]), middle, rcond=None)
    sigma = max(float(np.std(middle - standard.to_numpy() @ start[:-1] - start[-1])), 0.02)
    log_shape = -math.log(sigma) if family == "weibull" else math.log(sigma)
    model = FAMILIES[family](alpha=1 - est.LEVEL)
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            model.fit_interval_censoring(
                standard.assign(_low=low, _high=high),
                "_low",
                "_high",
                initial_point=np.append(start, log_shape),
            )
            summary = model.summary
    except (ConvergenceError, ValueError, np.linalg.LinAlgError) as error:
        reason = f"the likelihood has no maximum that lifelines finds ({str(error).strip().splitlines()[0]})"
        return {name: est.missing(reason, n, estimator) for name in names}
    found = {}
    location = "lambda_" if family == "weibull" else "mu_"
    for name, s in zip(names, spread, strict=True):
        row = summary.loc[(location, name)]
        value, half = row["coef"] / s, NORMAL * row["se(coef)"] / s
        found[name] = est.estimate(
            value, value - half, value + half, n, estimator, note=f"{censored} of {n} runs censored"
        )
    return found


def _log_likelihood(
    parameters: np.ndarray,
    ends: np.ndarray,
    design: np.ndarray,
    weights: np.ndarray,
    survival: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]],
) -> tuple[float, np.ndarray]:
    """Minus the interval-censored log-likelihood and its gradient; parameters: coefficients, then log σ."""
    sigma = math.exp(parameters[-1])
    z = (ends - (design @ parameters[:-1])[:, None]) / sigma
    S, f = survival(np.clip(z, -700, 700))
    # z·f tends to 0 at ±∞, where the product itself is not a number.
    zf = np.where(np.isfinite(z), np.where(np.isfinite(z), z, 0.0) * f, 0.0)
    gap = np.maximum(S[:, 0] - S[:, 1], 1e-300)
    slope = weights * (f[:, 0] - f[:, 1]) / gap
    gradient = np.append(design.T @ slope / sigma, (weights * (zf[:, 0] - zf[:, 1]) / gap).sum())
    return -float(weights @ np.log(gap)), -gradient


def _weibull(z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    power = np.exp(np.minimum(z, 700))
    S = np.exp(-power)
    return S, np.where(S > 0, power * S, 0.0)


def _log_normal(z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return special.ndtr(-z), np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)


SURVIVAL = {"weibull": _weibull, "log_normal": _log_normal}
"""Family → (survival function, density) of the residual of log T."""


def coefficients(
    lower: np.ndarray,
    upper: np.ndarray,
    covariates: np.ndarray,
    weights: np.ndarray,
    family: str,
    start: np.ndarray | None = None,
) -> np.ndarray:
    """The coefficients of `accelerated_failure_time` for weighted runs, then β₀ and log σ; NaN without a maximum.

    For bootstraps: lifelines needs a second a fit, this some milliseconds. covariates: (n, d); weights: (n,) how
    often a run counts; start: an earlier answer.
    """
    n = len(lower)
    # Standardised: the search then takes a few dozen steps.
    centre, spread = covariates.mean(0), covariates.std(0)
    design = np.column_stack([(covariates - centre) / spread, np.ones(n)])
    with np.errstate(all="ignore"):
        low = np.log(np.maximum(lower, SHORTEST))
        ends = np.column_stack([low, np.maximum(np.log(upper), low + SHORTEST)])
    if start is None:
        middle = np.where(np.isfinite(ends[:, 1]), ends.mean(1), low + 0.4)
        line, *_ = np.linalg.lstsq(design, middle, rcond=None)
        start = np.append(line, math.log(max(float(np.std(middle - design @ line)), 0.02)))
    else:
        start = np.concatenate([start[:-2] * spread, [start[-2] + start[:-2] @ centre], start[-1:]])
    with np.errstate(all="ignore"):
        found = optimize.minimize(
            _log_likelihood,
            start,
            (ends, design, weights, SURVIVAL[family]),
            method="L-BFGS-B",
            jac=True,
            bounds=[(None, None)] * design.shape[1] + [(-7.0, 5.0)],
            options={"maxiter": 500},
        )
    if not np.isfinite(found.fun):
        return np.full(start.size, np.nan)
    slopes = found.x[:-2] / spread
    return np.concatenate([slopes, [found.x[-2] - slopes @ centre], found.x[-1:]])


def kaplan_meier(durations: pd.Series, observed: pd.Series, name: str = "T") -> KaplanMeierFitter:
    """Kaplan–Meier with log-log 95 % bands. durations: (n,) steps, to the event or to the end of the run."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return KaplanMeierFitter(alpha=1 - est.LEVEL).fit(durations, observed, label=name)


def median(durations: pd.Series, observed: pd.Series) -> est.Estimate:
    """Kaplan–Meier median with its interval; an end that the runs do not reach is null."""
    estimator = "Kaplan–Meier median, log-log interval"
    n, events = len(durations), int(observed.sum())
    if n == 0:
        return est.missing("no runs", 0, estimator, "steps")
    fitted = kaplan_meier(durations, observed)
    value = fitted.median_survival_time_
    if not math.isfinite(value):
        reason = f"{events} of {n} runs reached it: the median is beyond the budget"
        return est.missing(reason, n, estimator, "steps")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        band = median_survival_times(fitted.confidence_interval_)
    low, high = (float(v) for v in band.iloc[0])
    return est.estimate(
        value, low, high, n, estimator, "steps", f"{n - events} of {n} runs censored"
    )


def restricted_mean(durations: pd.Series, observed: pd.Series, horizon: float) -> est.Estimate:
    """Mean of min(T, horizon): the area under the Kaplan–Meier curve, with a normal interval.

    Variance after Klein and Moeschberger (2003), "Survival Analysis", equation 4.5.2, with their correction
    events/(events − 1). The area is summed here because lifelines integrates it by quadrature, seconds a cell.
    """
    estimator = "Kaplan–Meier restricted mean, normal interval"
    n = len(durations)
    if n == 0:
        return est.missing("no runs", 0, estimator, "steps")
    fitted = kaplan_meier(durations, observed)
    table = fitted.event_table
    table = table[table.index < horizon]
    times = np.append(table.index.to_numpy(float), horizon)
    survival = fitted.survival_function_.iloc[: len(table), 0].to_numpy()
    areas = survival * np.diff(times)
    remaining = np.cumsum(areas[::-1])[::-1]
    died, at_risk = table["observed"].to_numpy(float), table["at_risk"].to_numpy(float)
    some = (died > 0) & (at_risk > died)
    variance = float(
        np.sum(remaining[some] ** 2 * died[some] / (at_risk[some] * (at_risk[some] - died[some])))
    )
    events = float(died.sum())
    if events > 1:
        variance *= events / (events - 1)
    value, half = float(areas.sum()), NORMAL * math.sqrt(variance)
    note = f"over the first {horizon:,.0f} steps"
    return est.estimate(
        value, max(value - half, 0.0), min(value + half, horizon), n, estimator, "steps", note
    )


def area(durations: np.ndarray, observed: np.ndarray, horizon: float) -> np.ndarray:
    """Area under the Kaplan–Meier curve up to the horizon, for many resamples at once: (..., n) → (...).

    The same number as `restricted_mean`'s value; the curve stays level after its last time.
    """
    # Censored runs leave after the events of their step.
    order = np.lexsort((~observed, durations), axis=-1)
    time = np.minimum(np.take_along_axis(durations, order, -1), horizon)
    seen = np.take_along_axis(observed, order, -1)
    at_risk = np.arange(time.shape[-1], 0, -1)
    survival = np.cumprod(np.where(seen, (at_risk - 1) / at_risk, 1.0), axis=-1)
    before = np.concatenate([np.ones((*survival.shape[:-1], 1)), survival[..., :-1]], axis=-1)
    widths = np.diff(time, axis=-1, prepend=0.0)
    return (before * widths).sum(-1) + survival[..., -1] * (horizon - time[..., -1])


def horizon_of(groups: Iterable[tuple[pd.Series, pd.Series]], budget: float = math.inf) -> float:
    """The latest step up to which every group's Kaplan–Meier curve is known, at most `budget`.

    groups: (durations, observed) each. A curve that ends in an event has fallen to zero and is known for ever; one
    that ends censored is known to its last time. Where all groups are known for ever and no budget is given, the
    last event.
    """
    ends, latest = [budget], 0.0
    for durations, observed in groups:
        if len(durations):
            latest = max(latest, float(durations.max()))
            if not observed[durations == durations.max()].all():
                ends.append(float(durations.max()))
    return min(ends) if math.isfinite(min(ends)) else latest


def restricted_mean_over_seeds(
    durations: pd.Series,
    observed: pd.Series,
    cells: Any,
    horizon: float,
    replicates: int,
    seed: int,
) -> est.Estimate:
    """Mean of min(T, horizon) with a bootstrap interval over seeds within cells; no interval where no run finished.

    With no event before the horizon the mean is the horizon itself and bounds T from below: its upper end is null.
    """
    estimator = "Kaplan–Meier restricted mean, bootstrap over seeds within cells"
    t, seen = durations.to_numpy(float), observed.to_numpy(bool)
    note = f"over the first {horizon:,.0f} steps; {int((~seen).sum())} of {t.size} runs censored"
    if t.size and not (seen & (t < horizon)).any():
        return est.estimate(horizon, horizon, None, t.size, estimator, "steps", note)
    return est.bootstrap(
        lambda i: area(t[i], seen[i], horizon),
        cells,
        replicates,
        seed,
        estimator,
        "steps",
        note,
        (0.0, horizon),
    )


def curve_records(fitted: KaplanMeierFitter) -> list[dict[str, Any]]:
    """The Kaplan–Meier curve as records: step, survival, low, high."""
    band = fitted.confidence_interval_.to_numpy()
    survival = fitted.survival_function_.iloc[:, 0]
    return [
        {"step": float(step), "survival": float(s), "low": float(low), "high": float(high)}
        for step, s, (low, high) in zip(survival.index, survival, band, strict=True)
    ]

"""Times that are known only to lie in an interval: lifelines' accelerated-failure-time models and Kaplan–Meier.

A run that did not grok within its budget is right-censored; one that did crossed the threshold between two logged
points. Dropping the first kind or pretending that the second is exact biases the exponents.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
from lifelines import KaplanMeierFitter, LogNormalAFTFitter, WeibullAFTFitter
from lifelines.exceptions import ConvergenceError
from scipy import optimize

from regrok.laws.parts import estimate as est
from regrok.laws.parts import information, resolution
from regrok.laws.parts.heard import heard
from regrok.laws.parts.likelihood import SURVIVAL, minus_log_likelihood
from regrok.laws.parts.selection import duration


class Weibull(WeibullAFTFitter):
    """lifelines fits the family without covariates for a start, though one is given; it does so by the class's name."""


class LogNormal(LogNormalAFTFitter):
    """As `Weibull`: under a name that lifelines does not know, the start that is given is the only one."""


FAMILIES: dict[str, Any] = {"weibull": Weibull, "log_normal": LogNormal}
NORMAL = 1.959963984540054
"""Quantile of the normal distribution for 95 % intervals."""
NEVER = 1e9
"""Stands for ∞ as an interval's upper end, in units of the median time: lifelines' log-normal gradient is NaN at ∞."""
ONE_RUN = "one run gives no interval"
MEDIAN = "Kaplan–Meier median, exact interval between order statistics"
LEAST = 0.93
"""Level below which a median has no interval: that of five runs, 0.9375, is the least that is given."""
SHORTEST = 1e-6
"""Stands for 0 as a lower end, in the same units; and the least width of an interval."""


def accelerated_failure_time(
    lower: np.ndarray, upper: np.ndarray, covariates: pd.DataFrame, family: str
) -> dict[str, est.Estimate]:
    """log T = β₀ + Σ βᵢ xᵢ + σε by maximum likelihood with interval censoring; Wald intervals.

    lower, upper: (n,) steps between which T lies, upper ∞ for a right-censored run; covariates: (n, d), the
    coefficients on which are estimated and returned by column name. family: weibull or log_normal. A run whose times
    or covariates are not known, or whose time is 0 and so has no logarithm, is left out and counted.

    A coefficient is missing where the runs cannot tell it: a column constant or a combination of others, no
    uncensored run left, every run known from above alone. It has a value without an interval where the likelihood
    tells nothing of its error: σ is 0 at the maximum, the Hessian is flat, or lifelines warns of its fit.
    """
    names = list(covariates)
    estimator = f"interval-censored {family.replace('_', '-')} AFT, Wald interval"
    whole = len(lower)
    usable = timed(lower, upper, covariates.to_numpy(float))
    lower, upper, x = np.asarray(lower, float), np.asarray(upper, float), covariates.to_numpy(float)
    # A selection has another order in memory and other last digits: made only where it leaves something out.
    if not usable.all():
        lower, upper, x = lower[usable], upper[usable], x[usable]
    n, censored = len(lower), int(np.isinf(upper).sum())
    left_out = f"{whole - n} of {whole} runs without a time above 0 left out" if whole > n else ""

    def none(reason: str) -> dict[str, est.Estimate]:
        missing = est.missing("; ".join(filter(None, [reason, left_out])), n, estimator)
        return dict.fromkeys(names, missing)

    design = np.column_stack([x, np.ones(n)])
    observed = ~np.isinf(upper)
    if n == 0 or np.linalg.matrix_rank(design[observed]) < design.shape[1]:
        return none(f"{n} runs, {censored} of them censored, do not separate {', '.join(names)}")
    # Standardised covariates and a least-squares start: lifelines' own start does not always converge.
    centre, spread = x.mean(0), x.std(0)
    standard = pd.DataFrame((x - centre) / spread, columns=names)
    known = np.column_stack([standard, np.ones(n)])
    scale = float(np.median(np.where(observed, upper, lower)))
    with np.errstate(divide="ignore"):
        ends = np.log(np.maximum(lower, 0.0)), np.log(np.maximum(upper, lower + SHORTEST * scale))
    if information.runs_off(*ends, known):
        early = int((lower <= 0).sum())
        return none(
            f"the likelihood has no maximum: {early} of {n} runs are known from above alone and {censored} from below"
        )
    note = "; ".join(filter(None, [f"{censored} of {n} runs censored", left_out]))
    if (between := information.lines_through(*ends, known)) is not None:
        found = {}
        for name, s, low, high in zip(names, spread, *between, strict=False):
            middle = est.estimate((low + high) / 2 / s, None, None, n, estimator, note=note)
            reason = (
                "no interval: one line passes through every run's logging interval, so the residual's scale is 0; "
                f"such lines have {low / s:.3g} to {high / s:.3g}"
            )
            found[name] = est.without_interval(middle, reason)
        return found
    low = np.maximum(lower / scale, SHORTEST)
    high = np.where(observed, np.maximum(upper / scale, low + SHORTEST), NEVER)
    centres = np.log(np.where(observed, (low + np.minimum(high, NEVER)) / 2, 1.5 * low))
    start, *_ = np.linalg.lstsq(known, centres, rcond=None)
    sigma = max(float(np.std(centres - standard.to_numpy() @ start[:-1] - start[-1])), 0.02)
    log_shape = -math.log(sigma) if family == "weibull" else math.log(sigma)
    model = FAMILIES[family](alpha=1 - est.LEVEL)
    try:
        with heard() as said:
            model.fit_interval_censoring(
                standard.assign(_low=low, _high=high),
                "_low",
                "_high",
                initial_point=np.append(start, log_shape),
            )
            summary = model.summary
    except (ConvergenceError, ValueError, TypeError, np.linalg.LinAlgError) as error:
        words = (str(error).strip() or type(error).__name__).splitlines()[0]
        return none(f"the likelihood has no maximum that lifelines finds ({words})")
    log_scale = float(model.params_.iloc[-1])
    sigma = math.exp(min(max(-log_scale if family == "weibull" else log_scale, -700.0), 700.0))
    doubt = information.flat(np.asarray(model._hessian_), sigma, n) or "; ".join(said)
    found = {}
    location = "lambda_" if family == "weibull" else "mu_"
    for name, s in zip(names, spread, strict=True):
        row = summary.loc[(location, name)]
        value, half = row["coef"] / s, NORMAL * row["se(coef)"] / s
        made = est.estimate(value, value - half, value + half, n, estimator, note=note)
        if doubt:
            made = est.without_interval(made, f"no interval: the likelihood is flat ({doubt})")
        found[name] = made
    return found


def timed(lower: np.ndarray, upper: np.ndarray, covariates: np.ndarray) -> np.ndarray:
    """(n,) whether a run has a time above 0 and covariates, which a regression of log T needs."""
    low, high = np.asarray(lower, float), np.asarray(upper, float)
    there = np.isfinite(low) & (high > 0) & (high >= low)
    return there & np.isfinite(covariates).all(1)


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
    usable = timed(lower, upper, covariates)
    if not usable.all():
        lower, upper, covariates, weights = (
            each[usable] for each in (lower, upper, covariates, weights)
        )
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
            minus_log_likelihood,
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
    return KaplanMeierFitter(alpha=1 - est.LEVEL).fit(durations, observed, label=name)


def median_time(durations: np.ndarray, observed: np.ndarray) -> float:
    """The first time at which the Kaplan–Meier curve is at one half or below; infinite where it never is.

    durations, observed: (n,). As `kaplan_meier` computes its own, in the same operations and so to the bit, without the
    tables and bands around it, which take fifty times as long.
    """
    times, first = np.unique(durations, return_inverse=True)
    leaving = np.bincount(first, minlength=times.size)
    at_risk = len(durations) - np.r_[0, np.cumsum(leaving)[:-1]]
    events = np.bincount(first[observed], minlength=times.size)
    with np.errstate(divide="ignore"):
        curve = np.exp(np.cumsum(np.log(at_risk - events) - np.log(at_risk)))
    return float(times[np.searchsorted(-curve, -0.5)]) if curve[-1] <= 0.5 else math.inf


def median(
    durations: pd.Series, observed: pd.Series, between: resolution.Ends | None = None
) -> est.Estimate:
    """Kaplan–Meier median between two order statistics; an end that the runs do not reach is null.

    The number of runs below the median is binomial whatever the times are like: exact, where a log-log band of three
    runs holds it in 75 of 100 studies. Below, a censored run counts as if it had the event where its watch ended;
    above, as if it never had. Five runs give 93.75 % and say so; fewer than that give no interval.

    between: the ends that the times lie between (see `resolution.ends`); an interval narrower than the median's own
    shift between them is widened to it. One run has no interval.
    """
    n, events = len(durations), int(observed.sum())
    if n == 0:
        return est.missing("no runs", 0, MEDIAN, "steps")
    value = median_time(durations.to_numpy(float), observed.to_numpy(bool))
    if not math.isfinite(value):
        reason = f"{events} of {n} runs reached it: the median is beyond the budget"
        return est.missing(reason, n, MEDIAN, "steps")
    note = f"{n - events} of {n} runs censored"
    alone = est.estimate(value, None, None, n, MEDIAN, "steps", note)
    if n == 1:
        return est.without_interval(alone, ONE_RUN)
    rank, level = order_statistic(n)
    if level < LEAST:
        reason = (
            f"no interval: all {n} runs lie on one side of the median in {1 - level:.1%} of studies"
        )
        return est.without_interval(alone, reason)
    time, seen = durations.to_numpy(float), observed.to_numpy(bool)
    low = float(np.sort(time)[rank - 1])
    high = float(np.sort(np.where(seen, time, np.inf))[n - rank])
    floor = None
    if between is not None and not high - low >= np.ptp(np.stack(between), axis=0).max():
        low_end, high_end = (median_time(_times(end), seen) for end in between)
        floor = (low_end, high_end)
    return est.estimate(
        value, low, high, n, MEDIAN, "steps", note, level=min(level, est.LEVEL), floor=floor
    )


def order_statistic(n: int) -> tuple[int, float]:
    """(k, level): the k-th least and k-th largest of n times hold the median at this level between them.

    The largest k whose level is 95 %; 1 where none is, with what that gives.

    >>> [order_statistic(n) for n in (3, 5, 10)]
    [(1, 0.75), (1, 0.9375), (2, 0.978515625)]
    """
    half = [math.comb(n, k) / 2**n for k in range(n // 2 + 1)]
    levels = [1 - 2 * sum(half[:k]) for k in range(1, n // 2 + 1)] or [0.0]
    enough = [k for k, level in enumerate(levels, 1) if level >= est.LEVEL]
    k = max(enough, default=1)
    return k, levels[k - 1]


def median_of(rows: pd.DataFrame, column: str) -> est.Estimate:
    """`median` of T_mem, T_grok or delay over these runs, no surer than their logging."""
    time, seen = duration(rows, column)
    return median(time, seen, resolution.ends(rows.loc[time.index], column, time))


def _times(end: np.ndarray) -> np.ndarray:
    """Ends as durations, which are not below zero."""
    return np.maximum(end, 0.0)


def area_floor(observed: pd.Series, horizon: float, between: resolution.Ends) -> est.Floor:
    """The areas under the Kaplan–Meier curve at both ends of the times; observed: (n,) booleans."""
    seen = observed.to_numpy(bool)
    low, high = (float(area(_times(end), seen, horizon)) for end in between)
    return low, high


def area(durations: np.ndarray, observed: np.ndarray, horizon: float) -> np.ndarray:
    """Area under the Kaplan–Meier curve up to the horizon, for many resamples at once: (..., n) → (...).

    The curve stays level after its last time.
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


def curve_records(fitted: KaplanMeierFitter) -> list[dict[str, Any]]:
    """The Kaplan–Meier curve as records: step, survival, low, high."""
    band = fitted.confidence_interval_.to_numpy()
    survival = fitted.survival_function_.iloc[:, 0]
    return [
        {"step": float(step), "survival": float(s), "low": float(low), "high": float(high)}
        for step, s, (low, high) in zip(survival.index, survival, band, strict=True)
    ]

"""Groups of runs side by side: shares that grok, delays, and the ratio of two groups' delays (arXiv 2603.25009).

The paper's means leave out the runs that did not finish, which flatters the group that fails most. So restricted means
(the area under the Kaplan–Meier curve up to the smallest budget) stand beside them: every run counts in those of
T_grok, every run that memorised in those of the delay.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from regrok.errors import RegrokError
from regrok.laws.parts import estimate as est
from regrok.laws.parts import lifetimes, resolution, restricted, two_samples
from regrok.laws.parts.absence import where_it_memorised
from regrok.laws.parts.rank_test import log_rank
from regrok.laws.parts.selection import conditions, duration, grouped, plain, watched
from regrok.laws.regimes import endings, shares
from regrok.runs.frames import Frames
from regrok.study.defaults import option

DEFAULTS: dict[str, Any] = {"groups": {}, "ratios": {}, "replicates": 2000}
REFERS: dict[str, Any] = {"groups": "groups", "ratios": "ratios"}
ESTIMATES: dict[str, list[str]] = {
    "groups": [
        "memorised_share",
        "grokked_share",
        "grokked_given_memorised_share",
        "delay_mean",
        "delay_median",
        "delay_restricted_mean",
        "T_grok_restricted_mean",
        "rms_grok_mean",
        "diverged_share",
        "collapsed_share",
        "grokked_given_finite_share",
    ],
    "ratios": [
        "delay_ratio",
        "spread_ratio",
        "delay_restricted_ratio",
        "T_grok_restricted_ratio",
        "delay_budget_ratio",
        "T_grok_budget_ratio",
        "T_mem_ratio",
        "log_delay_ratio",
        "log_spread_ratio",
        "log_delay_restricted_ratio",
        "log_T_grok_restricted_ratio",
        "log_delay_budget_ratio",
        "log_T_grok_budget_ratio",
        "log_T_mem_ratio",
        "log_rank_p",
    ],
}
TIMES = ("delay", "T_grok")
LARGEST = 700.0
"""The largest logarithm that has a number."""
POINT_COLUMNS = (
    *("run_id", "cell", "seed", "T_mem", "T_grok", "delay"),
    *("outcome", "steps", "max_steps", "rms_grok"),
)


def ratio(
    a: np.ndarray,
    b: np.ndarray,
    between: tuple[resolution.Ends, resolution.Ends] | None = None,
) -> tuple[est.Estimate, est.Estimate]:
    """mean(a) / mean(b) and its logarithm, with the delta method's interval on the log and Welch's degrees of freedom.

    a, b: positive delays of the runs that grokked, or norms; between: the ends that the delays of each lie between, if
    they are delays.
    """
    estimator = "ratio of means, delta method with Welch's degrees of freedom"
    n = a.size + b.size
    if not a.size or not b.size or a.mean() <= 0 or b.mean() <= 0:
        nothing = est.missing("a group has no run that grokked late", n, estimator)
        return nothing, nothing
    log_ratio = math.log(a.mean() / b.mean())
    if min(a.size, b.size) < 2:
        one = estimator + "; one run gives no interval"
        return (
            est.estimate(math.exp(log_ratio), None, None, n, one),
            est.estimate(log_ratio, None, None, n, one),
        )
    half, floor = two_samples.log_ratio(two_samples.sample(a), two_samples.sample(b)).half, None
    if between is not None:
        top, bottom = ([float(end.mean()) for end in ends] for ends in between)
        floor = log_ratio_floor(top, bottom)
    log = est.estimate(log_ratio, log_ratio - half, log_ratio + half, n, estimator, floor=floor)
    return exponential(log), log


def exponential(log: est.Estimate) -> est.Estimate:
    """A ratio from its logarithm; an end that is too large for a number is open."""
    ends = (log.value, log.low, log.high)
    value, low, high = (None if end is None or end > LARGEST else math.exp(end) for end in ends)
    return replace(log, value=value, low=low, high=high)


def log_ratio_floor(a: Sequence[float], b: Sequence[float]) -> est.Floor | None:
    """What the logging leaves open of log(a/b). a, b: least and largest value of each; None where one may be 0."""
    if min(*a, *b) <= 0:
        return None
    return math.log(a[0] / b[1]), math.log(a[1] / b[0])


def spread_ratio(a: np.ndarray, b: np.ndarray) -> tuple[est.Estimate, est.Estimate]:
    """Standard deviation of a over that of b and its logarithm, with the F distribution's interval."""
    estimator = "ratio of standard deviations, F interval"
    n = a.size + b.size
    if min(a.size, b.size) < 2 or not a.std() or not b.std():
        nothing = est.missing("a group has no spread", n, estimator)
        return nothing, nothing
    square = a.var(ddof=1) / b.var(ddof=1)
    tails = stats.f.ppf([0.5 + est.LEVEL / 2, 0.5 - est.LEVEL / 2], a.size - 1, b.size - 1)
    value, low, high = (math.sqrt(square / q) for q in (1.0, *tails))
    return (
        est.estimate(value, low, high, n, estimator),
        est.estimate(math.log(value), math.log(low), math.log(high), n, estimator),
    )


def times(rows: pd.DataFrame, column: str) -> tuple[pd.DataFrame, pd.Series, pd.Series]:
    """The runs that have a T_grok or delay at all, their times in steps, and whether they ended in grokking.

    Every run has a T_grok, censored if need be; one that never memorised has no delay.
    """
    if column == "T_grok":
        return rows, watched(rows), rows["T_grok"].notna()
    memorised = rows[rows["T_mem"].notna()]
    return memorised, *duration(memorised, "delay")


def horizons(parts: Mapping[str, pd.DataFrame]) -> dict[str, float]:
    """For delay and T_grok the horizon that these groups share: their smallest budget, or less where one ends."""
    budget = min((rows["max_steps"].min() for rows in parts.values() if len(rows)), default=0)
    return {
        column: lifetimes.horizon_of(
            [times(rows, column)[1:] for rows in parts.values()], float(budget)
        )
        for column in TIMES
    }


def describe(rows: pd.DataFrame, horizon: Mapping[str, float]) -> dict[str, est.Estimate]:
    """What one group of runs did; see `fit` for the keys."""
    found = shares(rows)
    found["delay_mean"] = resolution.mean(rows, "delay")
    found["delay_median"] = lifetimes.median_of(rows, "delay")
    for column in TIMES:
        known, time, seen = times(rows, column)
        between = resolution.ends(known, column, time)
        made = restricted.mean(time, seen, horizon[column], conditions(known), between)
        if len(known) < len(rows):
            missing = f"{len(rows) - len(known)} of {len(rows)} runs never memorised: no delay"
            made = made.noting(missing)
        found[f"{column}_restricted_mean"] = made
    found["rms_grok_mean"] = est.mean(rows["rms_grok"])
    return found | endings(rows)


def restricted_ratio(
    a: pd.DataFrame, b: pd.DataFrame, column: str, horizon: float, replicates: int, seed: int
) -> tuple[est.Estimate, est.Estimate]:
    """Ratio of the restricted means of a over b and its logarithm, bootstrap over seeds within cells.

    A group without an event before the horizon is known only to be slower than it: the ratio is then a bound, and
    the end of its interval on that side is null.
    """
    estimator = "ratio of Kaplan–Meier restricted means, bootstrap over seeds within cells"
    parts = [times(rows, column) for rows in (a, b)]
    time = np.concatenate([part[1].to_numpy(float) for part in parts])
    seen = np.concatenate([part[2].to_numpy(bool) for part in parts])
    first = len(parts[0][1])
    n = time.size
    events = [bool((part[2] & (part[1] < horizon)).any()) for part in parts]
    if not any(events) or first in (0, n):
        nothing = est.missing("no run of either group grokked before the horizon", n, estimator)
        return nothing, nothing
    labels = np.concatenate(
        [[f"{k}-{label}" for label in conditions(part[0])] for k, part in enumerate(parts)]
    )

    def log_ratio(i: np.ndarray) -> np.ndarray:
        # Resampling within cells keeps the first group's rows in front.
        top, bottom = (
            lifetimes.area(time[j], seen[j], horizon) for j in (i[..., :first], i[..., first:])
        )
        return np.log(top / bottom)

    note = f"over the first {horizon:,.0f} steps; {int((~seen).sum())} of {n} runs censored"
    floor = log_ratio_floor(
        *(
            lifetimes.area_floor(seen, horizon, resolution.ends(rows, column, time))
            for rows, time, seen in parts
        )
    )
    log = est.bootstrap(log_ratio, labels, replicates, seed, estimator, note=note, floor=floor)
    if not all(events):
        slow = "first" if events[1] else "second"
        note = f"{log.note}; a bound, since no run of the {slow} group grokked by then"
        log = replace(log, note=note)
        log = replace(log, high=None) if events[1] else replace(log, low=None)
    return exponential(log), log


def budget_ratio(
    a: pd.DataFrame, b: pd.DataFrame, column: str, horizon: float
) -> tuple[est.Estimate, est.Estimate]:
    """`restricted_ratio` with the intervals of `parts.restricted`, which hold the truth of three runs a group too."""
    parts = [times(rows, column) for rows in (a, b)]
    n = sum(len(part[1]) for part in parts)
    nothing = est.missing("no run of either group grokked before the horizon", n, restricted.RATIO)
    if any(part[1].empty for part in parts):
        return nothing, nothing
    areas = [
        restricted.measure(time.to_numpy(float), seen.to_numpy(bool), conditions(known), horizon)
        for known, time, seen in parts
    ]
    if not any(area.events for area in areas) or min(area.value for area in areas) <= 0:
        return nothing, nothing
    censored = sum(int((~seen).sum()) for _, _, seen in parts)
    note = f"over the first {horizon:,.0f} steps; {censored} of {n} runs censored"
    if not all(area.events for area in areas):
        slow = "first" if areas[1].events else "second"
        note += f"; a bound, since no run of the {slow} group grokked by then"
    if any(area.n == 1 for area in areas):
        value = math.log(areas[0].value / areas[1].value)
        log = est.estimate(value, None, None, n, restricted.RATIO, note=note)
        log = est.without_interval(log, lifetimes.ONE_RUN)
        return exponential(log), log
    value, low, high = restricted.log_ratio(*areas)
    floor = log_ratio_floor(
        *(
            lifetimes.area_floor(seen, horizon, resolution.ends(rows, column, time))
            for rows, time, seen in parts
        )
    )
    log = est.estimate(value, low, high, n, restricted.RATIO, note=note, floor=floor)
    return exponential(log), log


def contrast(
    a: pd.DataFrame, b: pd.DataFrame, horizon: Mapping[str, float], replicates: int, seed: int
) -> dict[str, est.Estimate]:
    """Group a over group b; see `fit` for the keys."""
    known = [rows[rows["delay"].notna()] for rows in (a, b)]
    delays = [rows["delay"].to_numpy(float) for rows in known]
    between = [resolution.ends(rows, "delay", rows["delay"]) for rows in known]
    found = [
        *ratio(delays[0], delays[1], (between[0], between[1])),
        *spread_ratio(delays[0], delays[1]),
    ]
    for column in TIMES:
        found += restricted_ratio(a, b, column, horizon[column], replicates, seed)
    for column in TIMES:
        found += budget_ratio(a, b, column, horizon[column])
    found += memorising_ratio(a, b)
    names = (
        *("delay_ratio", "spread_ratio", "delay_restricted_ratio", "T_grok_restricted_ratio"),
        *("delay_budget_ratio", "T_grok_budget_ratio", "T_mem_ratio"),
    )
    keys = [key for name in names for key in (name, f"log_{name}")]
    return dict(zip(keys, found, strict=True)) | {
        "log_rank_p": rank_test(a, b, horizon["T_grok"], seed)
    }


def memorising_ratio(a: pd.DataFrame, b: pd.DataFrame) -> tuple[est.Estimate, est.Estimate]:
    """`ratio` of T_mem, of the runs that memorised."""
    known = [rows[rows["T_mem"].notna()] for rows in (a, b)]
    T_mem = [rows["T_mem"].to_numpy(float) for rows in known]
    between = [resolution.ends(rows, "T_mem", rows["T_mem"]) for rows in known]
    return ratio(T_mem[0], T_mem[1], (between[0], between[1]))


def rank_test(a: pd.DataFrame, b: pd.DataFrame, horizon: float, seed: int) -> est.Estimate:
    """p of the log-rank test of the two groups' T_grok, watched up to the horizon; see `parts.rank_test`."""
    watched_for = [times(rows, "T_grok") for rows in (a, b)]
    time = np.concatenate([part[1].to_numpy(float) for part in watched_for])
    seen = np.concatenate([part[2].to_numpy(bool) for part in watched_for]) & (time <= horizon)
    return log_rank(np.minimum(time, horizon), seen, np.arange(time.size) < len(a), seed)


MEMORISED = (
    *("delay_mean", "delay_median", "delay_restricted_mean", "rms_grok_mean"),
    *("grokked_given_memorised_share", "grokked_given_finite_share"),
    *("delay_ratio", "spread_ratio", "delay_restricted_ratio"),
    *("log_delay_ratio", "log_spread_ratio", "log_delay_restricted_ratio"),
    *("delay_budget_ratio", "log_delay_budget_ratio", "T_mem_ratio", "log_T_mem_ratio"),
)
"""Estimates of runs that memorised: absent where a group has none."""


def side_by_side(
    parts: Mapping[str, pd.DataFrame],
    ratios: Mapping[str, list[str]],
    replicates: int,
    seed: int,
) -> dict[str, est.Estimate]:
    """Estimates of every group and ratio. Raises RegrokError for a ratio of groups that there are not."""
    shared = horizons(parts)
    found = {}

    def of_memorised(key: str, value: est.Estimate, names: Sequence[str]) -> est.Estimate:
        for name in names if key in MEMORISED else ():
            value = where_it_memorised(value, name, parts[name])
        return value

    for name, rows in parts.items():
        for key, value in describe(rows, shared).items():
            found[f"{name}.{key}"] = of_memorised(key, value, [name])
    for name, (a, b) in ratios.items():
        if unknown := {a, b} - set(parts):
            known = ", ".join(parts)
            raise RegrokError(f"options.ratios.{name}: no group '{min(unknown)}'; groups: {known}")
        for key, value in contrast(parts[a], parts[b], shared, replicates, seed).items():
            found[f"{name}.{key}"] = of_memorised(key, value, [a, b])
    return found


def group_points(parts: Mapping[str, pd.DataFrame]) -> list[dict[str, Any]]:
    """One record per run and group."""
    return [
        {"group": name} | {c: plain(row[c]) for c in POINT_COLUMNS}
        for name, rows in parts.items()
        for row in rows.to_dict("records")
    ]


def fit(frames: Frames, options: dict[str, Any], seed: int) -> est.Result:
    """Estimates per group of options.groups (see selection.group) and per ratio (name → [group, group]).

    Per group: memorised_share, grokked_share, grokked_given_memorised_share, delay_mean (of the runs that grokked,
    as papers print it), delay_median (Kaplan–Meier, censored runs included), delay_restricted_mean and
    T_grok_restricted_mean (at the smallest budget of all groups), rms_grok_mean, and the shares that diverged,
    collapsed, and grokked of those that memorised and stayed finite. Per ratio: delay_ratio, spread_ratio,
    delay_restricted_ratio and T_grok_restricted_ratio (by the bootstrap), delay_budget_ratio and T_grok_budget_ratio
    (the same ratios with intervals that hold the truth of few runs), T_mem_ratio, each also with log_ before it, and
    log_rank_p. Points: one record per run and group. What needs runs that memorised is absent where a group has none.
    """
    runs, experiments = frames.runs, frames.experiments
    settings = option(options, DEFAULTS)
    parts = grouped(runs, experiments, settings["groups"])
    estimates = side_by_side(parts, settings["ratios"], settings["replicates"], seed)
    return {"estimates": estimates, "points": group_points(parts), "cells": []}

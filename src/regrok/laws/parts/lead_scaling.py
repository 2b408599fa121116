"""How leads scale with the time to grokking, and how alarms scatter, beside what is there without a signal.

- lead ∝ T_grok^α follows with α near 1 from an early onset alone. Null: that constant onset, the same for every run,
  from which the leads are nearest in least squares of logs.
- an alarm may be no more than memorising and some patience. Null: T_mem and as long as onsets come after it on average.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from scipy import stats

from regrok.laws.parts import estimate as est
from regrok.laws.parts import regression, two_samples

BEFORE = "onsets come so long before T_mem that some alarm as long before it would precede the first step"
FEWEST = 3
"""Runs with a lead that a slope or a spread is taken of."""


def exponents(
    warned: pd.DataFrame, replicates: int, seed: int, note: str = ""
) -> dict[str, est.Estimate]:
    """The lead's exponent in T_grok beside that of a constant onset, and the alarm's spread beside waiting's.

    warned: runs that grok and have an onset. Those without a lead are left out, since it has no logarithm.
    """
    led = warned[(warned["lead"] > 0) & (warned["onset"] > 0)].reset_index(drop=True)
    keys = ["exponent", "r_squared", "null_exponent", "null_onset", "exponent_excess"]
    keys += ["waiting_spread", "multiple_spread"]
    if len(led) < FEWEST or led["T_grok"].nunique() < FEWEST:
        few = f"{len(led)} runs with a lead"
        return {key: est.missing(few, len(led)) for key in keys}
    without = len(warned) - len(led)
    note = "; ".join(filter(None, [note, f"{without} runs without a lead" if without else ""]))
    columns = ("T_grok", "onset", "T_mem")
    grok, warning, memorised = (led[column].to_numpy(float) for column in columns)

    def exponent(rows: np.ndarray) -> np.ndarray:
        return regression.slope(np.log(grok[rows]), np.log(grok[rows] - warning[rows]))

    def fitted(rows: np.ndarray) -> np.ndarray:
        return regression.r_squared(np.log(grok[rows]), np.log(grok[rows] - warning[rows]))

    def null(rows: np.ndarray) -> np.ndarray:
        return regression.slope(np.log(grok[rows]), constant(grok[rows], warning[rows]))

    def one_onset(rows: np.ndarray) -> np.ndarray:
        return grok[rows][..., 0] - np.exp(constant(grok[rows], warning[rows])[..., 0])

    def excess(rows: np.ndarray) -> np.ndarray:
        return exponent(rows) - null(rows)

    def spread(rows: np.ndarray) -> np.ndarray:
        patience = (warning[rows] - memorised[rows]).mean(-1, keepdims=True)
        return scatter(grok[rows], warning[rows], memorised[rows] + patience)

    def multiple(rows: np.ndarray) -> np.ndarray:
        return scatter(grok[rows], warning[rows], memorised[rows])

    made = {
        "exponent": (exponent, "least squares of log lead on log T_grok"),
        "r_squared": (fitted, "R² of log lead on log T_grok"),
        "null_exponent": (null, "the same where all have one onset, that nearest to theirs"),
        "null_onset": (one_onset, "that onset"),
        "exponent_excess": (excess, "difference of both exponents"),
        "waiting_spread": (spread, "log ratio of standard deviations of log(T_grok/alarm)"),
        "multiple_spread": (multiple, "the same against a fixed multiple of T_mem"),
    }
    words = ", bootstrap over seeds within cells"
    found = {
        key: est.bootstrap(
            statistic,
            led["cell"].to_numpy(),
            replicates,
            seed,
            how + words,
            unit="steps" if key == "null_onset" else "",
            note=note,
            bounds=est.SHARE if key == "r_squared" else est.UNBOUNDED,
        )
        for key, (statistic, how) in made.items()
    }
    if ((memorised + (warning - memorised).mean()) <= 0).any():
        found["waiting_spread"] = est.missing(BEFORE, len(led), made["waiting_spread"][1])
    return found


def scatter(grok: np.ndarray, alarm: np.ndarray, other: np.ndarray) -> np.ndarray:
    """(…,) logarithm of the ratio of standard deviations of log(T_grok/alarm), an alarm's over another's.

    grok, alarm, other: (…, n) steps; NaN or infinite where an alarm has no logarithm, or the other no scatter.
    """
    with np.errstate(all="ignore"):
        ours, theirs = (np.log(grok / each).std(-1, ddof=1) for each in (alarm, other))
        ratio: np.ndarray = np.log(ours / theirs)
    return ratio


TRIED = 400
"""Constant onsets that are tried, from 0 to the first T_grok."""


def constant(grok: np.ndarray, warning: np.ndarray) -> np.ndarray:
    """Log leads of a constant onset: of all those before every T_grok the one nearest to the runs' own, in logs.

    grok, warning: (…, n) steps, with a lead each. Returns (…, n).
    """
    leads, first = np.log(grok - warning), grok.min(-1, keepdims=True)
    best, nearest = np.full(leads.shape[:-1], np.inf), np.zeros_like(leads)
    for share in np.linspace(0, 1, TRIED, endpoint=False):
        tried = np.log(grok - share * first)
        away = ((tried - leads) ** 2).sum(-1)
        nearest = np.where((away < best)[..., None], tried, nearest)
        best = np.minimum(away, best)
    return nearest


def patient(warned: pd.DataFrame, replicates: int, seed: int, note: str = "") -> est.Estimate:
    """The scatter of log(T_grok/alarm), the onset's over that of a detector that waits from T_mem on, as a log ratio.

    The detector's alarm is T_mem and a patience, of all runs the same: as long as onsets come after T_mem on average,
    and never less than 0, since it cannot speak before what it waits for. Where onsets come before T_mem on average
    it is T_mem itself. warned: as in `exponents`; a run that never memorises gives no such alarm and is left out.
    """
    led = warned[(warned["lead"] > 0) & (warned["T_mem"] > 0)].reset_index(drop=True)
    estimator = "log ratio of standard deviations of log(T_grok/alarm), no alarm before T_mem"
    if len(led) < FEWEST or led["T_grok"].nunique() < FEWEST:
        return est.missing(f"{len(led)} runs with a lead and T_mem", len(led), estimator)
    without = len(warned) - len(led)
    left_out = f"{without} runs without a lead or without T_mem" if without else ""
    columns = ("T_grok", "onset", "T_mem")
    grok, warning, memorised = (led[column].to_numpy(float) for column in columns)

    def spread(rows: np.ndarray) -> np.ndarray:
        patience = (warning[rows] - memorised[rows]).mean(-1, keepdims=True)
        waiting = memorised[rows] + np.maximum(patience, 0.0)
        return scatter(grok[rows], warning[rows], waiting)

    return est.bootstrap(
        spread,
        led["cell"].to_numpy(),
        replicates,
        seed,
        estimator + ", bootstrap over seeds within cells",
        note="; ".join(filter(None, [note, left_out])),
    )


def expected_range(n: int) -> float:
    """The mean of the range of n independent standard normal values, n of 2 or more.

    >>> round(expected_range(2), 3), round(expected_range(12), 3)
    (1.128, 3.258)
    """
    x = np.linspace(-10, 10, 20_001)
    below = stats.norm.cdf(x)
    return float(np.trapezoid(1 - (1 - below) ** n - below**n, x))


def beyond(leads: pd.Series, mean: float, ends: Sequence[float], runs: int) -> est.Estimate:
    """Mean lead less a printed one, of so many runs between two ends, steps, by Welch's interval.

    Of the printed sample mean and ends are known. Its standard deviation is taken to be that of normal values whose
    range is on average as large, so that the interval has the error of both samples.
    """
    estimator = "difference of means, Welch interval, the printed spread from its range"
    known = leads.dropna().to_numpy(float)
    if len(known) < 2:
        return est.missing("fewer than two runs with an onset", len(known), estimator, "steps")
    theirs = two_samples.Sample(runs, mean, (max(ends) - min(ends)) / expected_range(runs))
    found = two_samples.difference(two_samples.sample(known), theirs)
    low, high = found.value - found.half, found.value + found.half
    return est.estimate(found.value, low, high, len(known), estimator, "steps")


def over_printed(runs: pd.DataFrame, printed: Mapping[str, float]) -> est.Estimate:
    """The geometric mean of T_grok over the printed mean of its operation.

    runs: operation, T_grok (NaN of a run that does not grok); printed: operation → steps. Runs of other operations
    take no part. One that does not grok takes longer than any that is printed, so that no upper end is left.
    """
    mine = runs[runs["operation"].isin(list(printed))]
    known = mine[mine["T_grok"].notna()]
    found = est.mean(known["T_grok"] / known["operation"].map(printed), "", log=True)
    without = len(mine) - len(known)
    if not without or found.value is None:
        return found
    return replace(found, high=None).noting(f"{without} runs do not grok: a lower bound")

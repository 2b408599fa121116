"""The onset of a signal along a run, and when the run generalised, by the rules of 2602.16967 and 2602.16746."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from regrok.laws.parts import estimate as est
from regrok.measures.events import crossing


class Onset(NamedTuple):
    """Where a signal rises along one run."""

    step: float
    """First state at which it is above both thresholds; NaN where it never is."""
    baseline: float
    """Median of its first values; NaN of a run with fewer."""
    growth: float
    """Its largest value over the baseline."""
    largest: float
    """The state at which it is largest."""
    previous: float
    """The state before the onset: the signal rose after it; NaN where it never does."""


NONE = Onset(math.nan, math.nan, math.nan, math.nan, math.nan)


def onset(
    steps: np.ndarray, signal: np.ndarray, *, factor: float, floor: float, first: int
) -> Onset:
    """The first step with signal > factor × baseline and > floor, the baseline the median of the first so many values.

    steps: (n,) increasing; signal: (n,) above 0, at these steps. No onset comes before the last state of the baseline,
    at which it is known, nor at the very first state.

    >>> values = np.array([2.0, 4.0, 3.0, 25.0, 31.0, 60.0])
    >>> onset(np.arange(6) * 50, values, factor=10, floor=20, first=3)
    Onset(step=200.0, baseline=3.0, growth=20.0, largest=250.0, previous=150.0)
    """
    if len(signal) < first:
        return NONE
    baseline = float(np.median(signal[:first]))
    above = (signal > factor * baseline) & (signal > floor)
    above[: max(first - 1, 1)] = False
    at = int(np.argmax(above))
    where, before = (steps[at], steps[at - 1]) if above.any() else (math.nan, math.nan)
    largest = int(np.argmax(signal))
    growth = float(signal[largest]) / baseline
    return Onset(float(where), baseline, growth, float(steps[largest]), float(before))


def generalised(curve: pd.DataFrame, level: float, lasting: float) -> float:
    """The first logged step with validation accuracy of `level`, of a run that has `lasting` three times in a row.

    NaN of a run that has not: it did not grok.
    """
    steps = curve["step"].to_numpy()
    accuracy = curve["validation_accuracy"].to_numpy(float)
    if math.isnan(crossing(steps, accuracy, lasting).sustained):
        return math.nan
    return float(crossing(steps, accuracy, level).first)


def later(runs: pd.DataFrame, note: str = "") -> est.Estimate:
    """Onset over T_mem, where each is known to lie between two steps and no nearer.

    runs: onset and T_mem, steps, with onset_previous and T_mem_previous, the state and the logged step before them.
    The value is the geometric mean of the ratios of the middles. The interval reaches from the lower end of Student's
    interval were every onset at its earliest and every T_mem at its latest, to the upper end were it the other way
    round: it holds the ratio wherever between their steps the events lie. An end that is zero or unbounded is null.
    """
    estimator = (
        "geometric mean of ratios of middles, t intervals of the least and the largest ratios"
    )
    if not len(runs):
        return est.missing("no run has this quantity", 0, estimator)
    names = ("onset_previous", "onset", "T_mem_previous", "T_mem")
    early, late, before, after = (runs[name].to_numpy(float) for name in names)
    with np.errstate(divide="ignore"):
        least, largest = np.log(early / after), np.log(late / before)
    value = float(np.exp(np.log((early + late) / (before + after)).mean()))
    if len(runs) < 2:
        alone = estimator + "; one run gives no interval"
        return est.estimate(value, None, None, 1, alone, note=note)
    t = stats.t.ppf(0.5 + est.LEVEL / 2, len(runs) - 1)
    # A zero or an unbounded ratio leaves nothing finite of its mean, and the end is null.
    with np.errstate(all="ignore"):
        low = float(np.exp(least.mean() - t * stats.sem(least)))
        high = float(np.exp(largest.mean() + t * stats.sem(largest)))
    return est.estimate(value, low, high, len(runs), estimator, note=note)

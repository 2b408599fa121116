"""The onset of a signal along a run, and when the run generalised, by the rules of 2602.16967 and 2602.16746."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import pandas as pd

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


NONE = Onset(math.nan, math.nan, math.nan, math.nan)


def onset(
    steps: np.ndarray, signal: np.ndarray, *, factor: float, floor: float, first: int
) -> Onset:
    """The first step with signal > factor × baseline and > floor, the baseline the median of the first so many values.

    steps: (n,) increasing; signal: (n,) above 0, at these steps. No onset comes before the last state of the baseline,
    at which it is known, nor at the very first state.

    >>> values = np.array([2.0, 4.0, 3.0, 25.0, 31.0, 60.0])
    >>> onset(np.arange(6) * 50, values, factor=10, floor=20, first=3)
    Onset(step=200.0, baseline=3.0, growth=20.0, largest=250.0)
    """
    if len(signal) < first:
        return NONE
    baseline = float(np.median(signal[:first]))
    above = (signal > factor * baseline) & (signal > floor)
    above[: max(first - 1, 1)] = False
    where = float(steps[np.argmax(above)]) if above.any() else math.nan
    largest = int(np.argmax(signal))
    return Onset(where, baseline, float(signal[largest]) / baseline, float(steps[largest]))


def generalised(curve: pd.DataFrame, level: float, lasting: float) -> float:
    """The first logged step with validation accuracy of `level`, of a run that has `lasting` three times in a row.

    NaN of a run that has not: it did not grok.
    """
    steps = curve["step"].to_numpy()
    accuracy = curve["validation_accuracy"].to_numpy(float)
    if math.isnan(crossing(steps, accuracy, lasting).sustained):
        return math.nan
    return float(crossing(steps, accuracy, level).first)

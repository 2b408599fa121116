"""The least-squares slope with the spread of every cell taken for itself: a t interval instead of a bootstrap.

Where a cell's runs share the factor, the slope is a weighted sum of runs, so its variance is the sum of the cells',
each from that cell's own spread, and its degrees of freedom are Satterthwaite's. Resamples of three runs a cell have
too little variance, and how much too little differs with the cell that carries the line.
"""

from __future__ import annotations

import math

import numpy as np

from regrok.laws.parts import estimate as est
from regrok.laws.parts import regression, resolution, two_samples

ESTIMATOR = "least squares, t interval from each cell's spread"


def slope(
    x: np.ndarray,
    y: np.ndarray,
    groups: np.ndarray,
    unit: str = "",
    note: str = "",
    unresolved: bool = False,
    between: resolution.Ends | None = None,
) -> est.Estimate:
    """Slope of y on x, (n,) each, with its interval. groups: (n,) the cell of each run.

    between: the ends that each y lies between, where it was logged. A time is rounded up to the next logged step, by
    the same amount on average in every cell, which is more of a short time than of a long one: no spread over seeds
    tells that, so the interval is as much wider as the slope moves when all are taken at one end. No interval where a
    cell has one run, or where seeds differ by no more than their logging (`unresolved`): neither tells a spread.
    """
    n = y.size
    value = float(regression.slope(x, y)) if n else math.nan
    if not math.isfinite(value):
        return est.missing("too few distinct points", n, ESTIMATOR, unit)
    centred = x - x.mean()
    arms = centred / (centred @ centred)
    _, cell, runs = np.unique(groups, return_inverse=True, return_counts=True)
    found = est.estimate(value, None, None, n, ESTIMATOR, unit, note)
    if (alone := int((runs == 1).sum())) > 0:
        return est.without_interval(found, f"{alone} of {runs.size} cells have one run")
    if unresolved:
        return est.without_interval(found, "seeds differ by no more than their logging")
    # A factor that varies within its cell moves the run's weight, and its line is part of the spread.
    rest = (
        y - (np.bincount(cell, y) / runs)[cell] - value * (x - (np.bincount(cell, x) / runs)[cell])
    )
    parts = np.bincount(cell, arms**2) * np.bincount(cell, rest**2) / (runs - 1)
    total = float(parts.sum())
    freedom = total**2 / float((parts**2 / (runs - 1)).sum()) if total else math.inf
    half = two_samples.Contrast(value, total, freedom).half
    moved = [float(arms @ end) - value for end in between] if between is not None else []
    down, up = min([0.0, *moved]), max([0.0, *moved])
    return est.estimate(value, value - half + down, value + half + up, n, ESTIMATOR, unit, note)

"""The share of all examples that a learner needs, and how it goes with the modulus."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from regrok.laws.parts import estimate as est

LEVEL = 0.5
"""Of the null predictor's loss, or of errors: the theorems of arXiv 2407.12332 speak of one half."""


def crossing(shares: Sequence[float], values: Sequence[float], level: float = LEVEL) -> float:
    """The first share at which values, taken linearly between shares, are at most `level`; NaN for none.

    Without any example the value is 1. shares ascend.
    """
    before, above = 0.0, 1.0
    for share, value in zip(shares, values, strict=True):
        if value <= level:
            return before + (share - before) * (above - level) / (above - value)
        before, above = share, value
    return math.nan


def not_before(levels: Sequence[float], times: Sequence[float], budget: float) -> list[float]:
    """Times over ascending levels, with the budget for those that it did not see, where that tells a least slope.

    If only runs at the highest levels are unfinished, the budget, at which each ends at the earliest, leaves the slope
    of time on level too small at most. Otherwise it tells nothing, and unfinished times stay NaN.
    """
    known = np.isfinite(np.asarray(times, dtype=float)[np.argsort(levels)])
    above = bool(known[0]) and bool((np.diff(known.astype(int)) <= 0).all())
    return [float(budget) if above and not math.isfinite(t) else float(t) for t in times]


def mean(
    values: Sequence[float],
    reason: str,
    note: str = "",
    grain: float = 0.0,
    bounds: tuple[float, float] = (-math.inf, math.inf),
) -> est.Estimate:
    """Mean over draws that have a value; says of how many there is none, and `reason` where none has.

    grain: what a single pair more would change in one draw. Draws that agree, as where all have every pair right, are
    known no better than that, and the interval is at least so wide to either side. bounds: what the quantity cannot
    exceed, nor its interval then.
    """
    known = np.asarray(values, dtype=float)
    finite = known[np.isfinite(known)]
    if not finite.size:
        return est.missing(reason, known.size, "mean, t interval")
    lost = known.size - finite.size
    words = [note] if note else []
    words += [f"{lost} of {known.size} draws have none"] if lost else []
    found = est.mean(finite, note="; ".join(words))
    if not grain or finite.size < 2:
        return found
    centre = float(finite.mean())
    low, high = (centre if end is None else end for end in (found.low, found.high))
    if high - low < 2 * grain:
        low, high = min(low, centre - grain), max(high, centre + grain)
        words += ["interval as wide as one pair more or less"]
    low, high = max(low, bounds[0]), min(high, bounds[1])
    return est.estimate(centre, low, high, finite.size, found.estimator, "", "; ".join(words))


def smallest(needed: np.ndarray, moduli: Sequence[int], reason: str) -> est.Estimate:
    """The needed share at the modulus where it is smallest in the mean over draws. needed: (draws, moduli)."""
    if not np.isfinite(needed).any():
        return est.missing(reason, len(needed), "mean, t interval")
    # A draw that never gets there needs more than any share tried, which no mean tells: such a modulus comes last.
    means = np.where(np.isfinite(needed).all(0), needed.mean(0), np.inf)
    at = int(np.argmin(means))
    return mean(list(needed[:, at]), reason, f"at p = {moduli[at]}")

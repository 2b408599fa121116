"""How many times later one cell's runs get there than another's, by ranks: exact for few runs, finished or not.

The interval of Hodges and Lehmann (1963, "Estimates of location based on rank tests") for a shift of the logarithms:
the k-th smallest and the k-th largest of all differences between a run of one cell and a run of the other, k from the
null distribution of Mann and Whitney's U. It assumes that the log times of both cells have one shape, whichever it is.
A time that is known to lie between two steps enters each end as early, or as late, as it may be.
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np

from regrok.laws.parts import estimate as est

ESTIMATOR = "Hodges–Lehmann shift of the log times, exact rank interval"


@cache
def rank_of(m: int, n: int) -> tuple[int, float]:
    """(k, level): between the k-th smallest and the k-th largest of the m·n differences lies the shift, at this level.

    The largest k whose level is at least that of every interval; 0 where none is.

    >>> [rank_of(m, m)[0] for m in (3, 4, 5)]
    [0, 1, 3]
    """
    total = math.comb(m + n, m)
    ways = counts_of_u(m, n)
    below = 0
    k, level = 0, 0.0
    for u in range(m * n // 2):
        below += ways[u]
        if 1 - 2 * below / total < est.LEVEL:
            break
        k, level = u + 1, 1 - 2 * below / total
    return k, level


def counts_of_u(m: int, n: int) -> list[int]:
    """How many of the orders of m and n runs have each value of Mann and Whitney's U, from 0 to m·n.

    >>> counts_of_u(2, 2)
    [1, 1, 2, 1, 1]
    """
    # Coefficients of the Gaussian binomial: multiplied by 1 − q^(n + i), divided by 1 − q^i.
    size = m * n + 1
    ways = [1] + [0] * (size - 1)
    for i in range(1, m + 1):
        for u in range(size - 1, n + i - 1, -1):
            ways[u] -= ways[u - n - i]
        for u in range(i, size):
            ways[u] += ways[u - i]
    return ways


def log_shift(a: np.ndarray, b: np.ndarray) -> est.Estimate:
    """Shift of the log times of cell a over cell b. a, b: (m, 2), (n, 2) steps between which each run's time lies.

    The upper end is ∞ for a run that did not get there. A shift that hangs on where unfinished runs would have ended is
    missing; where they leave one end, the value is that end, a bound, and the other end is null.
    """
    m, n = len(a), len(b)
    late = int(np.isinf(a[:, 1]).sum()), int(np.isinf(b[:, 1]).sum())
    note = f"{late[0]} of {m} and {late[1]} of {n} runs censored" if any(late) else ""
    if not m or not n:
        return est.missing("one of the two cells has no run", m + n, ESTIMATOR)
    with np.errstate(divide="ignore"):
        (a_low, a_high), (b_low, b_high) = (np.log(np.maximum(each, 0.0)).T for each in (a, b))
    with np.errstate(invalid="ignore"):
        least = np.sort(unknown_as(a_low[:, None] - b_high[None, :], -np.inf), axis=None)
        most = np.sort(unknown_as(a_high[:, None] - b_low[None, :], np.inf), axis=None)
        # The runs' own logged steps, as every median has them; ∞ where there is none.
        between = a_high[:, None] - b_high[None, :]
    middle = {float(np.median(unknown_as(between, end))) for end in (-np.inf, np.inf)}
    value = middle.pop() if len(middle) == 1 else math.nan
    k, level = rank_of(m, n)
    low, high = (least[k - 1], most[-k]) if k else (-math.inf, math.inf)
    if not math.isfinite(value):
        bounds = [
            (end, side) for end, side in ((low, "least"), (high, "most")) if math.isfinite(end)
        ]
        if len(bounds) != 1:
            reason = f"where the unfinished runs would have ended decides it: {note}"
            return est.missing(reason, m + n, ESTIMATOR)
        value, side = bounds[0]
        note += f"; a bound: at {side} this"
    made = est.estimate(
        value, low, high, m + n, ESTIMATOR, note=note, level=min(level or 1, est.LEVEL)
    )
    if not k:
        few = f"no interval: {m} and {n} runs are too few for ranks to give one"
        return est.without_interval(made, few)
    return made


def unknown_as(differences: np.ndarray, end: float) -> np.ndarray:
    """The differences, ∞ − ∞ being `end`."""
    return np.where(np.isnan(differences), end, differences)

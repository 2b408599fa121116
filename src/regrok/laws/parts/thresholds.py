"""Where a threshold lies that every unit has once, and that is seen only between two values tried.

A seed trained at several sizes fails at the small ones and succeeds at the large ones; its threshold lies between two
of them, and another seed's between two others. The thresholds x = log D of the units are taken to be logistic,

    P(x ≤ t) = F((t − μ)/s),   F(u) = 1/(1 + exp(−u)),

so that over many units the share that succeeds is a logistic function of log D with its half at μ. The likelihood of a
unit is F((b − μ)/s) − F((a − μ)/s) for its bracket (a, b]. Units, not runs, are counted: runs of one unit at several
sizes share its threshold, and would be taken for more evidence than they are.

Where all units have one bracket in common, every μ inside fits perfectly with s → 0: no slope, and an interval that is
never narrower than the grid. Profile likelihood gives the intervals of μ and s. Its bound is that which is exact for
the mean of n normal values of unknown spread, n·log(1 + t²/(n − 1)) in place of χ²: with three or four units the latter
would hold the truth far too seldom.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from scipy import stats

from regrok.laws.parts import estimate as est

CENTRES, SPREADS = 1001, 90
"""How finely the likelihood is searched: μ in equal steps, s in equal ratios."""

FINEST = 100.0
"""The smallest s that is tried is the narrowest bracket over this: a step, for all that the sizes tell."""

Bracket = tuple[float, float]
"""(a, b): the threshold lies above a and at or below b; −∞ or ∞ where the sizes tried do not bound it."""


@dataclass(frozen=True)
class Found:
    """Thresholds of n units; all lengths in log D. NaN: not bounded by the values tried."""

    n: int
    centre: float
    """μ, the middle of those that fit equally well; NaN where the likelihood has no maximum among the values tried."""
    low: float
    """Lower end of the interval of μ; −∞ where the values tried give none."""
    high: float
    """Upper end; ∞ where they give none."""
    grid: Bracket
    """What the values tried leave open of μ by themselves: the means of the lower and of the upper ends."""
    spread: float
    """s; 0 where a step fits best."""
    spread_low: float
    spread_high: float
    """Ends of the interval of s; ∞ for one that the values tried do not bound."""


def bracket(values: np.ndarray, succeeded: np.ndarray) -> Bracket:
    """The bracket of one unit: between the largest value that failed and the smallest that succeeded.

    values: (n,) log sizes tried. succeeded: (n,) booleans. Where a larger one failed than one that succeeded, the
    threshold lies somewhere between those two, and the bracket is as wide. Raises ValueError without any value.

    >>> x = np.log([1.0, 2.0, 4.0, 8.0])
    >>> [round(math.exp(e), 6) for e in bracket(x, np.array([False, False, True, True]))]
    [2.0, 4.0]
    >>> [round(math.exp(e), 6) for e in bracket(x, np.array([False, True, False, True]))]
    [2.0, 4.0]
    """
    if not len(values):
        raise ValueError("a threshold of no values")
    failed, good = values[~succeeded], values[succeeded]
    last = float(failed.max()) if failed.size else -math.inf
    first = float(good.min()) if good.size else math.inf
    return min(last, first), max(last, first)


def bound(n: int) -> float:
    """How far below its maximum twice the log-likelihood may lie; ∞ for one unit, which tells no spread."""
    if n < 2:
        return math.inf
    t = float(stats.t.ppf(0.5 + est.LEVEL / 2, n - 1))
    return n * math.log1p(t**2 / (n - 1))


def locate(brackets: Iterable[Bracket]) -> Found:
    """μ and s by maximum likelihood with profile intervals. Raises ValueError where nothing is bounded at all."""
    ends = np.array(list(brackets), dtype=float).reshape(-1, 2)
    finite = ends[np.isfinite(ends)]
    if not finite.size:
        raise ValueError("no threshold is bounded on either side")
    n = len(ends)
    widths = ends[:, 1] - ends[:, 0]
    narrow = widths[np.isfinite(widths) & (widths > 0)]
    step = float(narrow.min()) if narrow.size else max(float(np.ptp(finite)), 0.1)
    reach = 2 * max(float(np.ptp(finite)), step)
    centres = np.linspace(finite.min() - reach, finite.max() + reach, CENTRES)
    spreads = np.geomspace(step / FINEST, 4 * reach, SPREADS)
    like = likelihood(ends, centres, spreads)
    best = float(like.max())
    near, within = 2 * (best - like) < 1e-2, 2 * (best - like) <= bound(n)
    alike = centres[near.any(1)]
    beyond = alike[0] == centres[0] or alike[-1] == centres[-1]
    kept = centres[within.any(1)]
    # One step of the search further: of many units the interval may be finer than it.
    near_wide = np.flatnonzero(within.any(0))
    wide = spreads[max(near_wide[0] - 1, 0) : near_wide[-1] + 2]
    fits = spreads[near.any(0)]
    return Found(
        n,
        math.nan if beyond else float(alike[0] + alike[-1]) / 2,
        -math.inf if kept[0] == centres[0] else float(kept[0]),
        math.inf if kept[-1] == centres[-1] else float(kept[-1]),
        (float(ends[:, 0].mean()), float(ends[:, 1].mean())),
        0.0 if fits[0] == spreads[0] else float(math.sqrt(fits[0] * fits[-1])),
        0.0 if wide[0] == spreads[0] else float(wide[0]),
        math.inf if wide[-1] == spreads[-1] else float(wide[-1]),
    )


def likelihood(ends: np.ndarray, centres: np.ndarray, spreads: np.ndarray) -> np.ndarray:
    """Log-likelihood of every μ and s: (len(centres), len(spreads)). ends: (n, 2) brackets."""
    total = np.zeros((centres.size, spreads.size))
    for (a, b), count in zip(*np.unique(ends, axis=0, return_counts=True), strict=True):
        upper, lower = (_cumulative(end, centres, spreads) for end in (b, a))
        total += count * np.log(np.maximum(upper - lower, 1e-300))
    return total


def _cumulative(end: float, centres: np.ndarray, spreads: np.ndarray) -> np.ndarray:
    """F((end − μ)/s) for every μ and s."""
    if math.isinf(end):
        return np.full((centres.size, spreads.size), float(end > 0))
    u = np.clip((end - centres[:, None]) / spreads, -500, 500)
    return np.asarray(1 / (1 + np.exp(-u)))

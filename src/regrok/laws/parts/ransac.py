"""A line by random sample consensus (Fischler and Bolles 1981), as scikit-learn's RANSACRegressor with its defaults.

Lines through two random points, the one with most points near it kept, then least squares on those. What comes out
depends on the draws; over many seeds it is a distribution. Few points have few pairs, so every pair's line is judged
once and a seed only says in which order they are tried.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from regrok.laws.parts import regression

TRIALS = 100
"""Most lines tried."""
SURE = 0.99
"""Trials end when a pair of inliers has been drawn with this probability."""


@dataclass(frozen=True)
class Pairs:
    """Every pair's line and what it has near it."""

    inliers: np.ndarray
    """(m, n) booleans: points within the median absolute deviation of y from the line."""
    count: np.ndarray
    """(m,) how many."""
    score: np.ndarray
    """(m,) R² of the pair's line over its inliers."""
    refitted: np.ndarray
    """(m,) R² of the least-squares line over them, NaN where that has none."""


def pairs(x: np.ndarray, y: np.ndarray) -> Pairs:
    """All lines through two of the points (n,); a pair of equal x is level at its mean y."""
    i, j = np.triu_indices(x.size, 1)
    with np.errstate(all="ignore"):
        slope = np.where(x[i] != x[j], (y[j] - y[i]) / (x[j] - x[i]), 0.0)
    intercept = (y[i] + y[j] - slope * (x[i] + x[j])) / 2
    residual = y - slope[:, None] * x - intercept[:, None]
    near = np.abs(residual) <= np.median(np.abs(y - np.median(y)))
    count = near.sum(1)
    with np.errstate(all="ignore"):
        mean = (np.where(near, y, 0.0)).sum(1) / count
        around = np.where(near, (y - mean[:, None]) ** 2, 0.0).sum(1)
        score = 1 - np.where(near, residual**2, 0.0).sum(1) / around
    refitted = [float(regression.r_squared(x[n], y[n])) if n.sum() > 2 else np.nan for n in near]
    return Pairs(near, count, score, np.array(refitted))


def trials_needed(inliers: int, n: int) -> float:
    """Trials after which a pair of inliers has been drawn with probability SURE.

    >>> trials_needed(5, 10), trials_needed(10, 10)
    (17.0, 0.0)
    """
    missed = 1 - (inliers / n) ** 2
    if missed <= 0:
        return 0.0
    return math.inf if missed >= 1 else float(math.ceil(math.log(1 - SURE) / math.log(missed)))


def consensus(found: Pairs, rng: np.random.Generator) -> int:
    """Index of the pair that a random order of trials ends with: most inliers, then the higher R²."""
    n = found.inliers.shape[1]
    best, limit = -1, float(TRIALS)
    for trial, k in enumerate(rng.integers(found.count.size, size=TRIALS)):
        if trial >= limit:
            break
        more = best < 0 or found.count[k] > found.count[best]
        if more or (found.count[k] == found.count[best] and found.score[k] > found.score[best]):
            best = int(k)
            limit = min(limit, trials_needed(int(found.count[best]), n))
    return best


def r_squared(x: np.ndarray, y: np.ndarray, seeds: int, seed: int) -> np.ndarray:
    """R² over the inliers of the refitted line, one per seed: (seeds,). x, y: (n,); empty below three points."""
    if x.size < 3 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return np.empty(0)
    found = pairs(x, y)
    ends = [consensus(found, np.random.default_rng([seed, k])) for k in range(seeds)]
    return found.refitted[ends]

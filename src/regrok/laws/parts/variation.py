"""Standard deviation over mean of times that come in cells, with seeds without end, and an interval that holds it.

A bootstrap draws a cell's times from the few that there are, whose spread is too small, and its interval misses the
truth in one study of five to eight. Here each cell's log-normal distribution is drawn from what its runs leave possible
(a generalised confidence interval, as for R² in `parts.r_squared`; Krishnamoorthy and Mathew 2003, "Inferences on the
means of lognormal distributions using generalized p-values and generalized confidence intervals"), and the variation
over all cells follows from their means and variances.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from regrok.laws.parts import estimate as est

ESTIMATOR = "standard deviation over mean, infinitely many seeds a cell; generalised interval from log-normal cells"
TWICE = 2.0
"""Noises in a drawn mean: the runs' own and the draw's. Their expected squares are no distance between cells."""
LARGEST = 50.0
"""Log variance beyond which a drawn cell's moments are not told apart from ∞."""


@dataclass(frozen=True)
class Cells:
    """Cells of runs, (k,) each: how many, mean and variance (n − 1), and those of the logarithm."""

    runs: np.ndarray
    mean: np.ndarray
    variance: np.ndarray
    log_mean: np.ndarray
    log_variance: np.ndarray

    @classmethod
    def of(cls, x: np.ndarray, groups: np.ndarray) -> Cells:
        """Of runs: x, positive, and their cells; (n,) each."""
        _, cell, runs = np.unique(groups, return_inverse=True, return_counts=True)

        def moments(y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            centre = np.bincount(cell, y) / runs
            return centre, np.bincount(cell, (y - centre[cell]) ** 2) / (runs - 1)

        # A cell of one run has no variance, and a norm of 0 (collapsed weights) no logarithm: both are NaN.
        with np.errstate(all="ignore"):
            return cls(runs, *moments(x), *moments(np.log(x)))

    @classmethod
    def published(cls, runs: np.ndarray, mean: np.ndarray, sd: np.ndarray) -> Cells:
        """Of what is published of cells: counts, positive means and standard deviations (n − 1), (k,) each."""
        log_variance = np.log1p((sd / mean) ** 2)
        return cls(runs, mean, sd**2, np.log(mean) - log_variance / 2, log_variance)


def _variation(
    runs: np.ndarray, mean: np.ndarray, variance: np.ndarray, noises: float, inner: bool
) -> np.ndarray:
    """Standard deviation over mean in cells of these means and variances, (..., k) → (...).

    noises: how many times the squared error of a mean of `runs` runs is in the squares of the means; inner: whether
    the spread within the cells counts, or that of their means alone.
    """
    w = runs / runs.sum() if inner else np.full(runs.size, 1 / runs.size)
    centre = (w * mean).sum(-1, keepdims=True)
    noise = (w * (1 - w) * noises * variance / runs).sum(-1)
    between = np.maximum((w * (mean - centre) ** 2).sum(-1) - noise, 0.0)
    return np.sqrt(between + (w * variance).sum(-1) * inner) / centre[..., 0]


def ends(
    cells: Cells, replicates: int, rng: np.random.Generator, inner: bool = True
) -> tuple[float, float]:
    """Ends of the interval, where every cell has two runs. A variance is drawn as in `parts.r_squared`."""
    size = (replicates, cells.runs.size)
    squares = rng.chisquare(np.broadcast_to(cells.runs, size))
    log_variance = np.minimum((cells.runs - 1) * cells.log_variance / squares, LARGEST)
    shift = rng.standard_normal(size) * np.sqrt(log_variance / cells.runs)
    mean = np.exp(cells.log_mean + shift + log_variance / 2)
    variance = mean**2 * np.expm1(log_variance)
    draws = _variation(cells.runs, mean, variance, TWICE, inner)
    low, high = np.quantile(draws, [0.5 - est.LEVEL / 2, 0.5 + est.LEVEL / 2])
    return float(low), float(high)


def population(
    cells: Cells, replicates: int, seed: int, note: str = "", inner: bool = True
) -> est.Estimate:
    """The standard deviation over the mean over all cells, each weighed by its runs, with its interval.

    inner: false for the spread of the cells' means alone, each weighed the same, without what their seeds add. The
    value has the noise of the means taken out. Without an interval where a cell has one run, or none a spread.
    """
    n = int(cells.runs.sum())
    if cells.runs.size == 0 or (cells.runs.size == 1 and not inner):
        return est.missing("too few cells", n, ESTIMATOR)
    if (alone := int((cells.runs == 1).sum())) > 0:
        reason = f"{alone} of {cells.runs.size} cells have one run, which tells no spread"
        return est.missing(reason, n, ESTIMATOR)
    if not (cells.mean > 0).all():
        return est.missing("a cell's mean is 0, over which nothing varies", n, ESTIMATOR)
    value = float(_variation(cells.runs, cells.mean, cells.variance, 1.0, inner))
    found = est.estimate(value, None, None, n, ESTIMATOR, note=note)
    if not (cells.variance > 0).any():
        return est.without_interval(found, est.NO_SPREAD.format(n=n))
    low, high = ends(cells, replicates, np.random.default_rng(seed), inner)
    return est.estimate(value, low, high, n, ESTIMATOR, note=note)

"""R² with infinitely many seeds: how much of the spread of runs a straight line would explain at the same cells.

The R² of few seeds is too high, and a bootstrap within cells cannot know it: it draws a cell's seeds from three to ten
values, whose variance is smaller still. Here the sum of squares is split as an analysis of variance splits it, into
what the line explains, how far cell means lie from the line, and the spread within cells (the pure error), each cell
with a variance of its own. The interval is a generalised confidence interval (Weerahandi 1993, "Generalized Confidence
Intervals"): cells' means and variances that the runs leave possible are drawn, and the ends are quantiles of the R²
that they give.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from regrok.laws.parts import estimate as est

ESTIMATOR = "least squares, infinitely many seeds a cell; generalised interval from cell means and variances"
TWICE = 2.0
"""Noises in a drawn mean: the runs' own and the draw's. Their expected squares are no distance from the line."""


@dataclass(frozen=True)
class Cells:
    """Cells of a design, (k,) each but for `covariance`, (k, 2, 2): that of factor and time within the cell."""

    runs: np.ndarray
    x: np.ndarray
    y: np.ndarray
    covariance: np.ndarray

    @classmethod
    def of(cls, x: np.ndarray, y: np.ndarray, groups: np.ndarray) -> Cells:
        """Means and covariances (n − 1) of the runs of each group; x, y, groups: (n,)."""
        labels, cell, runs = np.unique(groups, return_inverse=True, return_counts=True)
        k = labels.size
        mean_x = np.bincount(cell, x, k) / runs
        mean_y = np.bincount(cell, y, k) / runs
        dx, dy = x - mean_x[cell], y - mean_y[cell]
        # A factor that is one number in a cell must not seem to vary by its rounding.
        dx[np.abs(dx) <= 1e-12 * np.abs(x).max(initial=0.0)] = 0.0
        products = [[dx * dx, dx * dy], [dx * dy, dy * dy]]
        with np.errstate(all="ignore"):
            covariance = [[np.bincount(cell, p, k) / (runs - 1) for p in row] for row in products]
        return cls(runs, mean_x, mean_y, np.moveaxis(np.array(covariance), 2, 0))


def _correlation(
    cells: Cells, x: np.ndarray, y: np.ndarray, covariance: np.ndarray, noises: float
) -> np.ndarray:
    """Correlation in cells with these means (..., k) and covariances (..., k, 2, 2), seeds without end: (...).

    Its square is the R² of the line.

    noises: how many times the squared error of a mean of `cells.runs` runs is in the squares of the means.
    """
    w = cells.runs / cells.runs.sum()
    share = noises / cells.runs

    def squares(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return (
            w * (a - (w * a).sum(-1, keepdims=True)) * (b - (w * b).sum(-1, keepdims=True))
        ).sum(-1)

    def within(i: int, j: int) -> np.ndarray:
        return (w * covariance[..., i, j]).sum(-1)

    def noise(i: int, j: int) -> np.ndarray:
        return (w * (1 - w) * share * covariance[..., i, j]).sum(-1)

    with np.errstate(all="ignore"):
        if covariance[..., 0, 0].any():
            xx = np.maximum(squares(x, x) - noise(0, 0), 0.0) + within(0, 0)
            yy = np.maximum(squares(y, y) - noise(1, 1), 0.0) + within(1, 1)
            xy = squares(x, y) - noise(0, 1) + within(0, 1)
            return np.clip(xy / np.sqrt(xx * yy), -1.0, 1.0)
        centred = x - (w * x).sum(-1, keepdims=True)
        leverage = (w * centred) ** 2 / squares(x, x)[..., None]
        xy = squares(x, y)
        line = xy**2 / squares(x, x)
        off = np.maximum(squares(y, y) - line, 0.0) - noise(1, 1)
        own = (leverage * share * covariance[..., 1, 1]).sum(-1)
        line, off = np.maximum(line - own, 0.0), np.maximum(off + own, 0.0)
        return np.sign(xy) * np.sqrt(line / (line + off + within(1, 1)))


def _drawn(cells: Cells, replicates: int, rng: np.random.Generator) -> np.ndarray:
    """Correlation in cells that the runs leave possible: (replicates,).

    A variance is s²(n − 1)/χ² with n degrees of freedom, one more than an interval of one variance has: with n − 1
    the sum over cells is too wide upwards, with n + 1 too narrow (`python -m benchmarks.coverage r_squared`). A
    covariance is drawn from the inverse Wishart distribution that gives each variance the same.
    """
    size = (replicates, cells.runs.size)
    freedom = np.broadcast_to(cells.runs, size)
    # Bartlett: Σ = (n − 1)·S^½ A⁻ᵀA⁻¹ S^½ᵀ with A lower triangular, the time in its first row.
    first = np.sqrt(rng.chisquare(freedom + 1))
    second = np.sqrt(rng.chisquare(freedom))
    below = rng.standard_normal(size)
    s_xx, s_xy, s_yy = (cells.covariance[:, i, j] for i, j in ((0, 0), (0, 1), (1, 1)))
    with np.errstate(all="ignore"):
        tilt = np.where(s_xx > 0, s_xy / np.sqrt(s_xx), 0.0)
    spread_x, rest = np.sqrt(s_xx), np.sqrt(np.maximum(s_yy - tilt**2, 0.0))
    scale = np.sqrt(cells.runs - 1.0)
    # Columns of S^½ A⁻ᵀ: a drawn deviation of (x, y) is their sum with two standard normal factors.
    x_1, x_2 = scale * spread_x / first, -scale * spread_x * below / (first * second)
    y_1, y_2 = scale * tilt / first, scale * (rest / second - tilt * below / (first * second))
    covariance = np.stack(
        [
            np.stack([x_1**2 + x_2**2, x_1 * y_1 + x_2 * y_2], -1),
            np.stack([x_1 * y_1 + x_2 * y_2, y_1**2 + y_2**2], -1),
        ],
        -2,
    )
    one, two = (rng.standard_normal(size) / np.sqrt(cells.runs) for _ in range(2))
    x, y = cells.x + one * x_1 + two * x_2, cells.y + one * y_1 + two * y_2
    return _correlation(cells, x, y, covariance, TWICE)


def population(
    x: np.ndarray,
    y: np.ndarray,
    groups: np.ndarray,
    replicates: int,
    seed: int,
    note: str = "",
    unresolved: bool = False,
) -> tuple[est.Estimate, est.Estimate]:
    """R² and correlation of y with x, (n,) each, were there infinitely many seeds in each cell; with their intervals.

    groups: (n,) cell of each run; every cell counts as often as it has runs. x may vary within cells. The value has the
    noise of the means taken out, so it is below the R² of the runs. Missing where fewer than three cells, or a cell of
    one run, leave a spread unknown. unresolved: whether seeds differ by no more than their logging, which tells no
    spread either: a value without an interval.
    """
    cells, n = Cells.of(np.asarray(x, float), np.asarray(y, float), groups), len(y)

    def none(reason: str) -> tuple[est.Estimate, est.Estimate]:
        nothing = est.missing(reason, n, ESTIMATOR)
        return nothing, nothing

    if cells.runs.size < 3:
        return none(f"{cells.runs.size} cells: a line needs three")
    if (alone := int((cells.runs == 1).sum())) > 0:
        return none(f"{alone} of {cells.runs.size} cells have one run, which tells no spread")
    value = float(_correlation(cells, cells.x, cells.y, cells.covariance, 1.0))
    if not math.isfinite(value):
        return none("too few distinct points")
    both = [est.estimate(v, None, None, n, ESTIMATOR, "", note) for v in (value**2, value)]
    if unresolved:
        alike = "no interval: seeds differ by no more than their logging"
        return est.without_interval(both[0], alike), est.without_interval(both[1], alike)
    draws = _drawn(cells, replicates, np.random.default_rng(seed))
    tails = [0.5 - est.LEVEL / 2, 0.5 + est.LEVEL / 2]
    ends = (np.quantile(each, tails) for each in (draws**2, draws))
    square, itself = (
        est.estimate(found.value, float(low), float(high), n, ESTIMATOR, "", note)
        for found, (low, high) in zip(both, ends, strict=True)
    )
    return square, itself

"""Studies drawn at the designs of paper A's sweeps: lognormal times in cells of the means and spreads that were found.

Means and standard deviations of T_grok (steps) are those of the released bundle, so that an interval is tested where it
decides.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Design:
    """Cells of one sweep: what the time is regressed on, and its mean and standard deviation there; (k,) each."""

    factor: np.ndarray
    mean: np.ndarray
    sd: np.ndarray

    @property
    def inverse(self) -> np.ndarray:
        return 1 / self.factor

    @property
    def log_variance(self) -> np.ndarray:
        """(k,) variance of the logarithm of the time."""
        return np.log1p((self.sd / self.mean) ** 2)

    @property
    def log_mean(self) -> np.ndarray:
        """(k,) mean of the logarithm of the time."""
        return np.log(self.mean) - self.log_variance / 2

    def draw(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """Times of n runs a cell, cell by cell: (k·n,)."""
        normal = rng.standard_normal((self.mean.size, n))
        return np.exp(self.log_mean[:, None] + np.sqrt(self.log_variance)[:, None] * normal).ravel()

    def groups(self, n: int) -> np.ndarray:
        """The cell of each drawn run."""
        return np.repeat(np.arange(self.mean.size), n)

    @property
    def r_squared(self) -> float:
        """R² of the line against 1/factor with infinitely many seeds."""
        x, m = self.inverse - self.inverse.mean(), self.mean - self.mean.mean()
        return float((x @ m) ** 2 / (x @ x) / (m @ m + (self.sd**2).sum()))

    @property
    def slope(self) -> float:
        """Slope of the line against 1/factor with infinitely many seeds."""
        x = self.inverse - self.inverse.mean()
        return float(x @ self.mean / (x @ x))

    @property
    def exponent(self) -> float:
        """Slope of the mean log time on the log factor."""
        x = np.log(self.factor) - np.log(self.factor).mean()
        return float(x @ self.log_mean / (x @ x))


def _of(*cells: tuple[float, float, float]) -> Design:
    return Design(*(np.array(column) for column in zip(*cells, strict=True)))


DESIGNS = {
    "S2": _of((0.1, 12932, 1022), (0.3, 4697, 495), (0.5, 2995, 295), (1.0, 1880, 161)),
    "S5A": _of(
        (1e-4, 93065, 30419),
        (2e-4, 36560, 11306),
        (5e-4, 4675, 853),
        (1e-3, 1825, 102),
        (2e-3, 820, 60),
    ),
    "S5A, laptop": _of((5e-4, 4342, 825), (7e-4, 2733, 579), (1e-3, 1667, 189), (2e-3, 825, 75)),
}
"""Sweep of λ at both scales, of η at the paper scale and of η at the laptop scale."""

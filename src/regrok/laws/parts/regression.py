"""Least squares on many resamples at once: x and y are (..., n), the statistics (...)."""

from __future__ import annotations

import numpy as np


def _moments(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    x = x - x.mean(-1, keepdims=True)
    y = y - y.mean(-1, keepdims=True)
    return (x * x).sum(-1), (x * y).sum(-1), (y * y).sum(-1)


def slope(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Slope of the least-squares line; NaN where all x are equal."""
    xx, xy, _ = _moments(x, y)
    with np.errstate(all="ignore"):
        return np.where(xx > 0, xy / xx, np.nan)


def intercept(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Intercept of the least-squares line."""
    return y.mean(-1) - slope(x, y) * x.mean(-1)


def pearson(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Pearson's correlation; NaN where x or y is constant."""
    xx, xy, yy = _moments(x, y)
    with np.errstate(all="ignore"):
        return np.where((xx > 0) & (yy > 0), xy / np.sqrt(xx * yy), np.nan)


def r_squared(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """R² of the least-squares line with intercept."""
    return pearson(x, y) ** 2


def coefficient_of_variation(x: np.ndarray) -> np.ndarray:
    """Standard deviation (n − 1) over mean."""
    with np.errstate(all="ignore"):
        return x.std(-1, ddof=1) / x.mean(-1) if x.shape[-1] > 1 else np.full(x.shape[:-1], np.nan)

"""Huber's M-estimator for many resamples at once, each resample a count of how often every row was drawn."""

from __future__ import annotations

import numpy as np

THRESHOLD = 1.345
"""Huber's: in units of the residuals' scale, beyond which a residual pulls no harder."""
NORMAL_MEDIAN = 0.6744897501960817
"""Median of |z| of a standard normal z."""
LEAST = 1e-10
"""Least eigenvalue of the normal equations, columns at length one, at which the coefficients are told apart."""
ITERATIONS = 50


def median(values: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Median of rows that count several times: values and counts are (..., n); NaN where all counts are 0."""
    order = np.argsort(values, axis=-1)
    ordered = np.take_along_axis(values, order, -1)
    below = np.cumsum(np.take_along_axis(counts, order, -1), axis=-1)
    total = below[..., -1:]
    # Of an even number the two in the middle.
    ends = [
        np.take_along_axis(ordered, np.argmax(below >= middle, axis=-1)[..., None], -1)
        for middle in (np.floor((total + 1) / 2), np.floor(total / 2) + 1)
    ]
    return np.where(total > 0, (ends[0] + ends[1]) / 2, np.nan)[..., 0]


def identified(design: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Whether the rows drawn tell the coefficients apart. design: (n, d), counts: (replicates, n); (replicates,)."""
    there = (counts > 0).astype(float)
    length = np.sqrt(there @ design**2)
    square = np.einsum("rn,nd,ne->rde", there, design, design, optimize=True)
    with np.errstate(all="ignore"):
        scaled = square / (length[:, :, None] * length[:, None, :])
    known = np.isfinite(scaled).all((1, 2))
    least = np.zeros(len(counts))
    least[known] = np.linalg.eigvalsh(scaled[known])[:, 0]
    return least > LEAST


def coefficients(design: np.ndarray, y: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Huber's coefficients of y on the design by reweighting, its scale the median absolute residual: (replicates, d).

    design: (n, d); y: (n,); counts: (replicates, n). NaN for a resample that does not tell the coefficients apart. The
    residuals of an exact fit have no scale: least squares.
    """
    products = (design[:, :, None] * design[:, None, :]).reshape(len(y), -1)
    moments = design * y[:, None]
    found = np.full((len(counts), design.shape[1]), np.nan)
    rows = np.flatnonzero(identified(design, counts))
    counts = counts[rows].astype(float)

    def solve(weights: np.ndarray) -> np.ndarray:
        left = (weights @ products).reshape(-1, design.shape[1], design.shape[1])
        return np.linalg.solve(left, (weights @ moments)[..., None])[..., 0]

    if not rows.size:
        return found
    beta = solve(counts)
    for _ in range(ITERATIONS):
        residual = np.abs(y - beta @ design.T)
        scale = median(residual, counts)[:, None] / NORMAL_MEDIAN
        with np.errstate(all="ignore"):
            pull = np.minimum(1.0, THRESHOLD * scale / residual)
        pull = np.where((scale > 1e-9) & (residual > 0), pull, 1.0)
        last, beta = beta, solve(counts * pull)
        if np.abs(beta - last).max() < 1e-8 * (1 + np.abs(beta).max()):
            break
    found[rows] = beta
    return found

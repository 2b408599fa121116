"""Random ReLU features and their covariance in closed form.

φ_j(x) = √(2/m)·max(0, w_jᵀx) for inputs x ~ N(0, I_d) and weights w_j ~ N(0, I_d/d), so that ‖φ(x)‖² is 1 in
expectation. The covariance is the arc-cosine kernel of order one (Cho and Saul 2009):

    E φ_j φ_k = (1/(πm))·‖w_j‖‖w_k‖·(sin φ + (π − φ)·cos φ),   φ the angle between w_j and w_k.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from scipy import linalg
from scipy.sparse.linalg import LinearOperator, eigsh

ROWS = 512
"""Rows of the covariance that are made at a time."""


def relu_features(weights: np.ndarray, inputs: np.ndarray) -> np.ndarray:
    """(n, m) features. weights: (m, d); inputs: (n, d)."""
    return np.sqrt(2 / len(weights)) * np.maximum(inputs @ weights.T, 0.0)


def covariance_rows(weights: np.ndarray, rows: slice) -> np.ndarray:
    """(rows, m) of the covariance. weights: (m, d)."""
    norms = np.linalg.norm(weights, axis=1)
    unit = weights / norms[:, None]
    cosine = np.clip(unit[rows] @ unit.T, -1.0, 1.0)
    angle = np.arccos(cosine)
    shape = np.sqrt(1 - cosine**2) + (math.pi - angle) * cosine
    return np.asarray(norms[rows, None] * norms * shape / (math.pi * len(weights)))


def covariance(weights: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """The covariance as a map of (m, k) vectors; its m² numbers are never held together."""

    def times(vectors: np.ndarray) -> np.ndarray:
        m = len(weights)
        made = [covariance_rows(weights, slice(i, i + ROWS)) @ vectors for i in range(0, m, ROWS)]
        return np.concatenate(made)

    return times


def least_eigenvalue(weights: np.ndarray) -> float:
    """λ_min of the covariance, by inverse iteration on its Cholesky factor (Lanczos). weights: (m, d).

    m² numbers are held twice: 1.6 GB for m = 10,000. 0 where the covariance is singular to rounding.
    """
    m = len(weights)
    whole = np.concatenate(
        [covariance_rows(weights, slice(i, i + ROWS)) for i in range(0, m, ROWS)]
    )
    try:
        factor = linalg.cho_factor(whole, lower=True, overwrite_a=True, check_finite=False)
    except linalg.LinAlgError:
        return 0.0
    inverse = LinearOperator(
        (m, m), matvec=lambda v: linalg.cho_solve(factor, v, check_finite=False), dtype=float
    )
    start = np.random.default_rng(0).standard_normal(m)
    largest = eigsh(inverse, k=1, which="LA", v0=start, return_eigenvectors=False)
    return float(1 / largest[0])

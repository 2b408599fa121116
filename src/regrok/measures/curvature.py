"""What a loss's curvature and a map's derivative tell of a state: a trace by Hutchinson's estimator, and ranks."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor


def hutchinson(
    product: Callable[[Tensor], Tensor], size: int, probes: int, generator: torch.Generator
) -> tuple[float, float]:
    """Trace of a symmetric matrix that is only known by its products, and the standard error of that.

    product: matrix times each row of (probes, size). With independent signs v, E[vᵀHv] = tr H, and the variance
    2·(‖H‖² − Σ H_ii²) vanishes for a diagonal matrix (Hutchinson 1990). Two or more probes have a standard error.
    """
    signs = torch.randint(0, 2, (probes, size), generator=generator).double() * 2 - 1
    found = (signs * product(signs)).sum(1)
    error = float(found.std() / probes**0.5) if probes > 1 else float("nan")
    return float(found.mean()), error


class Rank(NamedTuple):
    """A rank by singular values, and how sure it is."""

    value: int
    gap: float
    """The last singular value that counts over the first that does not; infinite for full rank."""


def rank(matrix: np.ndarray) -> Rank:
    """How many singular values are above rounding: above the larger dimension times machine precision, of the largest.

    The rank at one generic point is that at almost every point, where the gap leaves no doubt.
    """
    values = np.linalg.svd(matrix, compute_uv=False)
    least = max(matrix.shape) * np.finfo(matrix.dtype).eps * values.max(initial=0.0)
    count = int((values > least).sum())
    if count in (0, len(values)) or not values[count]:
        return Rank(count, float("inf"))
    return Rank(count, float(values[count - 1] / values[count]))

"""The interval-censored log-likelihood of log T = β₀ + Σ βᵢ xᵢ + σε and its gradient, for many fits a second."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from scipy import special


def minus_log_likelihood(
    parameters: np.ndarray,
    ends: np.ndarray,
    design: np.ndarray,
    weights: np.ndarray,
    survival: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]],
) -> tuple[float, np.ndarray]:
    """Minus the interval-censored log-likelihood and its gradient; parameters: coefficients, then log σ."""
    sigma = math.exp(parameters[-1])
    z = (ends - (design @ parameters[:-1])[:, None]) / sigma
    S, f = survival(np.clip(z, -700, 700))
    # z·f tends to 0 at ±∞, where the product itself is not a number.
    zf = np.where(np.isfinite(z), np.where(np.isfinite(z), z, 0.0) * f, 0.0)
    gap = np.maximum(S[:, 0] - S[:, 1], 1e-300)
    slope = weights * (f[:, 0] - f[:, 1]) / gap
    gradient = np.append(design.T @ slope / sigma, (weights * (zf[:, 0] - zf[:, 1]) / gap).sum())
    return -float(weights @ np.log(gap)), -gradient


def _weibull(z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    power = np.exp(np.minimum(z, 700))
    S = np.exp(-power)
    return S, np.where(S > 0, power * S, 0.0)


def _log_normal(z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return special.ndtr(-z), np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)


SURVIVAL = {"weibull": _weibull, "log_normal": _log_normal}
"""Family → (survival function, density) of the residual of log T."""

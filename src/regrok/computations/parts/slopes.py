"""Least squares over the levels of one quantity, for one draw at a time."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np


def exponent(levels: Sequence[float], values: Sequence[float] | np.ndarray) -> float:
    """Slope of log value on log level: b of value ∝ level^b.

    NaN where there is one level, or a value is not known or not above 0.

    >>> round(exponent([1.0, 10.0], [3.0, 300.0]), 12)
    2.0
    """
    y = np.array(values, dtype=float)
    if len(levels) < 2 or not np.isfinite(y).all() or (y <= 0).any():
        return math.nan
    return float(np.polyfit(np.log(levels), np.log(y), 1)[0])


def per_log(levels: Sequence[float], values: Sequence[float] | np.ndarray) -> float:
    """Slope of value on log level; NaN where there is one level or a value is not known.

    >>> round(per_log([1.0, 10.0], [0.0, math.log(10)]), 12)
    1.0
    """
    y = np.array(values, dtype=float)
    if len(levels) < 2 or not np.isfinite(y).all():
        return math.nan
    return float(np.polyfit(np.log(levels), y, 1)[0])

"""The largest logit, rising: training and validation examples together (arXiv 2603.25009)."""

from __future__ import annotations

from typing import Any

import numpy as np

from regrok.signals.parts.history import History

READS: dict[str, Any] = {"curve": ["logit_max"]}
COST: dict[str, float] = {"training": 1.0, "evaluation": 1.0}


def score(history: History, steps: np.ndarray, learned: Any) -> np.ndarray:
    """(n,) ln of the largest logit at the last evaluation; NaN where it is not above 0."""
    largest = history.at(steps, "logit_max")
    return np.where(largest > 0, np.log(np.maximum(largest, 1e-300)), np.nan)

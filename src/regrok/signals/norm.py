"""The squared norm of the parameters, falling from its peak: V contracts until a run groks (arXiv 2603.13331)."""

from __future__ import annotations

from typing import Any

import numpy as np

from regrok.signals.parts.history import History

READS: dict[str, Any] = {"curve": ["V"]}
COST: dict[str, float] = {}


def score(history: History, steps: np.ndarray, learned: Any) -> np.ndarray:
    """(n,) ln of the largest V so far over the last."""
    return np.log(history.so_far(steps, "V") / history.at(steps, "V"))

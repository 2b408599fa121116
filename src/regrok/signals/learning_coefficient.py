"""The local learning coefficient, falling from its peak, which is said to precede validation (arXiv 2603.01192)."""

from __future__ import annotations

from typing import Any

import numpy as np

from regrok.signals.parts.history import History

READS: dict[str, Any] = {"probes": ["learning_coefficient"]}
COST: dict[str, float] = {}


def score(history: History, steps: np.ndarray, learned: Any) -> np.ndarray:
    """(n,) how far below its largest value so far, as a share of that."""
    now = history.at(steps, "coefficient", "learning_coefficient")
    peak = history.so_far(steps, "coefficient", "learning_coefficient")
    return np.where(peak > 0, 1 - now / peak, np.nan)

"""The Gini coefficient of |θ|, rising over its first value: it is said to peak with grokking (arXiv 2604.04655)."""

from __future__ import annotations

from typing import Any

import numpy as np

from regrok.signals.parts.history import History

READS: dict[str, Any] = {"probes": ["parameter_gini"]}
COST: dict[str, float] = {}


def score(history: History, steps: np.ndarray, learned: Any) -> np.ndarray:
    """(n,) the last Gini coefficient over that at initialisation."""
    rows = history.rows("parameter_gini")
    if not len(rows["step"]):
        return np.full(len(steps), np.nan)
    return history.at(steps, "gini", "parameter_gini") / rows["gini"][0]

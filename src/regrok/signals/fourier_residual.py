"""The Fourier residual of the logits, falling: the share of power outside the dominant (arXiv 2603.13331, S4)."""

from __future__ import annotations

from typing import Any

import numpy as np

from regrok.signals.parts.history import History

READS: dict[str, Any] = {"curve": ["fourier_residual_high"]}
COST: dict[str, float] = {"table": 1.0}


def score(history: History, steps: np.ndarray, learned: Any) -> np.ndarray:
    """(n,) −R at the last measurement."""
    return -history.at(steps, "fourier_residual_high")

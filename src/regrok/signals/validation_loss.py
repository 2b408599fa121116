"""The validation loss itself, falling from its peak: what all others have to beat, since it looks at the answer."""

from __future__ import annotations

from typing import Any

import numpy as np

from regrok.signals.parts.history import History

READS: dict[str, Any] = {"curve": ["validation_loss"]}
COST: dict[str, float] = {"evaluation": 1.0}


def score(history: History, steps: np.ndarray, learned: Any) -> np.ndarray:
    """(n,) ln of the largest loss so far over the last."""
    loss = history.at(steps, "validation_loss")
    return np.log(history.so_far(steps, "validation_loss") / loss)

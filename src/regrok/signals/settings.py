"""What a run is told before its first step, and no curve: a signal that foresees grokking has to beat it.

ηλ, by which decay shrinks weights in a step, times the share of the examples that are trained on: more of either groks
sooner (the delay is about 1/(ηλ) in arXiv 2603.13331), and both enter as they are, so that nothing is fitted.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from regrok.signals.parts.history import History

READS: dict[str, Any] = {}
COST: dict[str, float] = {}


def score(history: History, steps: np.ndarray, learned: Any) -> np.ndarray:
    """(n,) ln of the product, at every step from the first; NaN without decay, where it never warns."""
    told = history.settings
    share = told["train_size"] / (told["train_size"] + told["validation_size"])
    product = float(told["learning_rate"] * told["weight_decay"] * share)
    return np.full(len(steps), np.log(product) if product > 0 else np.nan)

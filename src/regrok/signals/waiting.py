"""A clock that starts when the training set is known: what a signal is worth beyond patience."""

from __future__ import annotations

from typing import Any

import numpy as np

from regrok.signals.parts.history import History

READS: dict[str, Any] = {"curve": ["train_accuracy"]}
COST: dict[str, float] = {}
KNOWN = 0.99
"""Train accuracy at which the training set is memorised, as everywhere."""


def score(history: History, steps: np.ndarray, learned: Any) -> np.ndarray:
    """(n,) steps since T_mem; NaN before."""
    since = steps - history.first("train_accuracy", KNOWN)
    return np.where(since >= 0, since, np.nan)

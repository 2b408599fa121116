"""The share of the forecast delay that is over: study A's forecast, made shortly after memorising (arXiv 2603.13331).

ln(2ηλ·delay) is a line in ln V_mem and in the contraction of V over a window of 0.1/(ηλ) steps after T_mem
(`regrok.laws.parts.window`), learned by Huber's estimator from runs that grokked; η and λ enter as the law of
the delay has them, since fewer cells than the forecast's own four coefficients could be told from are at hand. Without
decay there is no forecast.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from regrok.laws.parts import huber
from regrok.laws.parts.window import contraction
from regrok.signals.parts.history import History

READS: dict[str, Any] = {"curve": ["train_accuracy", "V"]}
COST: dict[str, float] = {}
KNOWN = 0.99
"""Train accuracy at which the training set is memorised."""
WINDOW = 0.1
"""Of 1/(ηλ) steps: study A's."""


def score(history: History, steps: np.ndarray, learned: Any) -> np.ndarray:
    """(n,) steps since T_mem over the forecast delay; NaN before the forecast is made, and where there is none."""
    features = known(history)
    if features is None or learned is None:
        return np.full(len(steps), np.nan)
    begun, made, scale, row = features
    delay = scale * np.exp(row @ learned)
    return np.where(steps >= made, (steps - begun) / delay, np.nan)


def learn(histories: list[History], grokked: np.ndarray) -> np.ndarray | None:
    """(3,) coefficients of ln V_mem, contraction and 1; None of fewer than four runs that grokked after memorising."""
    rows, targets = [], []
    for history, end in zip(histories, grokked, strict=True):
        features = known(history)
        if features is not None and end > features[0]:
            begun, _, scale, row = features
            rows.append(row)
            targets.append(np.log((end - begun) / scale))
    if len(rows) < 4:
        return None
    found = huber.coefficients(np.array(rows), np.array(targets), np.ones((1, len(rows))))[0]
    return found if np.isfinite(found).all() else None


def known(history: History) -> tuple[float, float, float, np.ndarray] | None:
    """T_mem, the step at which the window ends, 1/(2ηλ), and the line's (3,) inputs; None before that step."""
    rate = 2 * float(history.settings["learning_rate"]) * float(history.settings["weight_decay"])
    begun = history.first("train_accuracy", KNOWN)
    if not rate > 0 or not np.isfinite(begun):
        return None
    curve = pd.DataFrame({"step": history.curve["step"], "V": history.curve["V"]})
    contracted, made = contraction(curve, begun, 1 / rate, WINDOW)
    at_start = float(curve.loc[curve["step"] == begun, "V"].iloc[0])
    if not np.isfinite(contracted) or not at_start > 0:
        return None
    return begun, made, 1 / rate, np.array([np.log(at_start), contracted, 1.0])

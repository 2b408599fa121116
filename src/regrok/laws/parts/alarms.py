"""Detectors on a bench: when an alarm rises for every threshold, what it is worth, which threshold is chosen.

A detector raises its alarm at the first step at which its score is the threshold or more. Of a run that groks it is
worth the share of the delay that is then still to come: 1 at T_mem or before, 0 at T_grok or later, or where there is
none. Of a run that does not grok any alarm is false.
"""

from __future__ import annotations

import numpy as np

CANDIDATES = 200
"""Thresholds that are tried, at most: quantiles of the scores that the training runs have reached."""


def alarms(score: np.ndarray, steps: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """(k,) the first of the steps at which the score is each threshold or more; inf where it never is.

    score: (n,), NaN where nothing is said; thresholds: (k,) increasing.

    >>> alarms(np.array([np.nan, 1.0, 0.5, 3.0]), np.array([0, 10, 20, 30]), np.array([0.0, 1.0, 2.0, 4.0]))
    array([10., 10., 30., inf])
    """
    reached = np.maximum.accumulate(np.where(np.isnan(score), -np.inf, score))
    where = np.searchsorted(reached, thresholds, side="left")
    return np.append(steps.astype(float), np.inf)[where]


def worth(alarm: np.ndarray, T_mem: float, T_grok: float) -> np.ndarray:
    """Share of the delay that is still to come at an alarm, from 0 to 1.

    >>> worth(np.array([50.0, 100.0, 200.0, 300.0, np.inf]), 100.0, 300.0).tolist()
    [1.0, 1.0, 0.5, 0.0, 0.0]
    """
    return np.clip((T_grok - alarm) / (T_grok - T_mem), 0.0, 1.0)


def candidates(scores: list[np.ndarray]) -> np.ndarray:
    """(k,) increasing thresholds between which these scores differ, and one above them all, which never is reached."""
    said = np.concatenate([s[np.isfinite(s)] for s in scores] or [np.empty(0)])
    if not said.size:
        return np.array([np.inf])
    cut = np.unique(np.quantile(said, np.linspace(0, 1, CANDIDATES), method="inverted_cdf"))
    return np.append(cut, np.inf)


def chosen(leads: np.ndarray, false: np.ndarray, allowed: float) -> np.ndarray:
    """(...,) index of the threshold with the largest lead among those with at most the allowed share of false alarms.

    leads, false: (..., k) means over training runs, thresholds increasing. Of equal leads the highest threshold.

    >>> chosen(np.array([0.9, 0.5, 0.5, 0.0]), np.array([1.0, 0.1, 0.0, 0.0]), 0.1)
    2
    """
    tolerated = np.where(false <= allowed + 1e-12, leads, -1.0)
    last = tolerated.shape[-1] - 1
    return last - np.argmax(tolerated[..., ::-1], axis=-1)

"""Detectors: when an alarm rises, by which rule one of several is chosen, what it says of runs that are held out.

A detector is a score and a threshold, and raises its alarm at the first step at which the score is the threshold or
more. In each fold (`regrok.laws.parts.folds`) several are tried on all runs; a rule chooses one by what they do on the
training runs, and that one is asked about the others. There are two rules, each fixed before its runs:

- `chosen`, of the bench of signals: the largest mean lead among thresholds with few enough false alarms. A lead is the
  share of the delay that is still to come at the alarm: 1 at T_mem or before, 0 at T_grok or later, or where there is
  none. Of a run that does not grok any alarm is false;
- `regrok.laws.parts.past_alone.beyond`, of avalanches: the threshold as near as it may be without a false alarm.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from regrok.laws.parts.folds import Fold

CANDIDATES = 200
"""Thresholds that are tried, at most: quantiles of the scores that the training runs have reached."""


@dataclass(frozen=True)
class Tried:
    """What k detectors do on every run, (runs, k) each."""

    lead: np.ndarray
    """In whatever unit the rule has, NaN of runs that do not grok."""
    alarm: np.ndarray
    """Step of the alarm, inf of none."""


@dataclass(frozen=True)
class HeldOut:
    """What is said of runs on which nothing was chosen; NaN of a run of which no detector was asked."""

    lead: np.ndarray
    """(…, runs)"""
    alarm: np.ndarray
    """(…, runs) steps, inf of none."""
    chosen: list[np.ndarray]
    """The detector of each fold that has one, (…,) places among those tried."""


Choose = Callable[[Tried, np.ndarray], np.ndarray]
"""(what was tried, (runs,) which are for training) → (…,) the place of the detector that is taken."""


def held_out(
    tried: Iterable[Tried | None],
    folds: Sequence[Fold],
    choose: Choose,
    shape: tuple[int, ...] = (),
) -> HeldOut:
    """Every run as the detector of the fold has it that holds it out.

    tried: in each fold; None where nothing could be. shape: of what `choose` gives, one for each choice.
    """
    runs = len(folds[0].judged) if folds else 0
    lead, alarm = (np.full((*shape, runs), np.nan) for _ in range(2))
    taken = []
    for each, fold in zip(tried, folds, strict=True):
        if each is None:
            continue
        at = choose(each, fold.train)
        rows = np.flatnonzero(fold.judged)
        lead[..., rows] = np.moveaxis(each.lead[rows][:, at], 0, -1)
        alarm[..., rows] = np.moveaxis(each.alarm[rows][:, at], 0, -1)
        taken.append(at)
    return HeldOut(lead, alarm, taken)


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

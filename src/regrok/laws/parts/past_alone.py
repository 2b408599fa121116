"""An alarm that sees the past alone, its threshold chosen on other seeds than those that it is judged on.

A signal is (f, s): one value for each family and step, of what was known at that step. The threshold is as near as it
may be without an alarm in a training family that does not grok, or at a stated rate of these; the direction is the one
that warns more of those that do. A seed is held out with all of its families, since they share data and first weights.
How detectors are tried and judged: `regrok.laws.parts.alarms`.

The rate of false alarms on new families that do not grok is no finding. Of n + 1 exchangeable families each is as
likely as another to be one of the k with the largest maxima, so a threshold at the k-th largest of n is passed by a new
one with probability k/(n + 1), whatever the signal is (Vovk, Gammerman and Shafer 2005, Algorithmic Learning in a
Random World); with each seed held out in turn one of n passes the largest of the others, always.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from regrok.laws.parts import alarms
from regrok.laws.parts.alarms import Tried
from regrok.laws.parts.folds import each_out

DIRECTIONS = (-1, 1)
"""Below a threshold and above it. The first is taken where both warn as many, as early."""


def running(values: np.ndarray, memory: int) -> np.ndarray:
    """(f, s) mean of the last `memory` values up to each step; NaN before there are so many, and where one is NaN.

    >>> running(np.array([[1.0, 3.0, 5.0]]), 2)
    array([[nan,  2.,  4.]])
    """
    found = np.full(values.shape, np.nan)
    for step in range(memory - 1, values.shape[-1]):
        found[..., step] = values[..., step + 1 - memory : step + 1].mean(axis=-1)
    return found


def past(signal: np.ndarray, steps: np.ndarray, direction: int, threshold: float) -> np.ndarray:
    """(f,) first step at which direction·signal is above the threshold; inf where it never is. signal: (f, s)."""
    above = np.nextafter([threshold], np.inf)
    found = [alarms.alarms(direction * each, steps, above)[0] for each in signal]
    return np.array(found, dtype=float)


def place(quiet: int, rate: float | None) -> int:
    """Which of the maxima of so many quiet families, the largest first, is the threshold; 0: they are too few.

    A new one passes it with this rate at most; null: that of all.

    >>> place(29, 0.1), place(15, 0.1), place(8, 0.1), place(8, None)
    (3, 1, 0, 1)
    """
    return 1 if rate is None else math.floor(rate * (quiet + 1) + 1e-9)


def tried(
    signal: np.ndarray,
    event: np.ndarray,
    steps: np.ndarray,
    train: np.ndarray,
    rate: float | None = None,
) -> Tried | None:
    """In each direction, the threshold that training families without an event pass at this rate; null: none does.

    signal: (f, s). event: (f,) steps, NaN of families that do not grok. train: (f,) booleans. None where too few
    training families are without an event, or known.
    """
    quiet = [each[np.isfinite(each)] for each in signal[train & np.isnan(event)]]
    quiet = [each for each in quiet if len(each)]
    at = place(len(quiet), rate)
    if not quiet or not at:
        return None
    alarm = np.stack(
        [
            past(signal, steps, sign, sorted(float((sign * each).max()) for each in quiet)[-at])
            for sign in DIRECTIONS
        ],
        axis=1,
    )
    return Tried(np.where(np.isnan(event)[:, None], np.nan, event[:, None] - alarm), alarm)


def beyond(made: Tried, train: np.ndarray) -> np.ndarray:
    """The place of the direction that warns most training families before their event, of as many the earlier."""
    leads = [each[each > 0] for each in made.lead[train].T]
    scores = [(len(each), float(np.median(each)) if len(each) else 0.0) for each in leads]
    return np.array(max(range(len(scores)), key=lambda place: scores[place]))


@dataclass(frozen=True)
class Warned:
    """What the detectors say of families that none of them was chosen on."""

    alarm: np.ndarray
    """(f,) step of each family's alarm; inf of none, NaN where there was no detector."""
    directions: np.ndarray
    """Of the detectors, one a seed that has one."""


def warned(
    seeds: np.ndarray,
    signal: np.ndarray,
    event: np.ndarray,
    steps: np.ndarray,
    rate: float | None = None,
) -> Warned:
    """Each seed in turn is judged by the detector of all the others.

    seeds: (f,). signal: (f, s). event: (f,) steps, NaN of families that do not grok. rate: see `tried`.
    """
    folds = each_out(seeds)
    made = [tried(signal, event, steps, fold.train, rate) for fold in folds]
    found = alarms.held_out(made, folds, beyond)
    return Warned(found.alarm, np.array([DIRECTIONS[int(at)] for at in found.chosen], dtype=int))

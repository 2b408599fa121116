"""An alarm that sees the past alone, its threshold chosen on other seeds than those that it is judged on.

A signal is (f, s): one value for each family and step, of what was known at that step. The threshold is as near as it
may be without an alarm in a training family that does not grok; the direction is the one that warns more of those that
do. A seed is held out with all of its families, since they share data and first weights.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np


def running(values: np.ndarray, memory: int) -> np.ndarray:
    """(f, s) mean of the last `memory` values up to each step; NaN before there are so many, and where one is NaN.

    >>> running(np.array([[1.0, 3.0, 5.0]]), 2)
    array([[nan,  2.,  4.]])
    """
    found = np.full(values.shape, np.nan)
    for step in range(memory - 1, values.shape[-1]):
        found[..., step] = values[..., step + 1 - memory : step + 1].mean(axis=-1)
    return found


@dataclass(frozen=True)
class Detector:
    """An alarm at the first step at which sign·(signal − threshold) > 0."""

    sign: int
    """1: above the threshold, −1: below."""
    threshold: float

    def alarms(self, signal: np.ndarray, steps: np.ndarray) -> np.ndarray:
        """(f,) step of each family's alarm, NaN of one that has none."""
        with np.errstate(invalid="ignore"):
            raised = self.sign * (signal - self.threshold) > 0
        where = steps[raised.argmax(axis=1)] if raised.size else np.zeros(len(signal))
        return np.where(raised.any(axis=1), where, math.nan)


def trained(
    quiet: np.ndarray, loud: np.ndarray, event: np.ndarray, steps: np.ndarray, first: int
) -> Detector | None:
    """The detector of training families; None where none of them is quiet, or nothing of these is known.

    quiet: (f, s) signals of families that do not grok; loud: (g, s) of those that do, at `event` (g,). first: the
    direction that is taken where both warn as many, as early.
    """
    known = quiet[np.isfinite(quiet)]
    if not len(known):
        return None
    found: list[tuple[int, float, Detector]] = []
    for sign in (first, -first):
        made = Detector(sign, float((sign * known).max() * sign))
        leads = event - made.alarms(loud, steps)
        leads = leads[leads > 0]
        found.append((len(leads), float(np.median(leads)) if len(leads) else 0.0, made))
    return max(found, key=lambda each: each[:2])[2]


@dataclass(frozen=True)
class HeldOut:
    """What the detectors say of families that none of them was chosen on."""

    alarm: np.ndarray
    """(g,) step of the alarm in families that grok, NaN of none."""
    false: np.ndarray
    """(f,) likewise in those that do not."""
    signs: np.ndarray
    """Directions of the detectors, one a seed."""


def held_out(
    quiet: tuple[np.ndarray, np.ndarray],
    loud: tuple[np.ndarray, np.ndarray],
    event: np.ndarray,
    steps: np.ndarray,
    first: int = -1,
) -> HeldOut:
    """Each seed in turn is judged by the detector of all the others. quiet, loud: seeds (f,) and signals (f, s)."""
    (quiet_seeds, still), (loud_seeds, moving) = quiet, loud
    alarm, false = np.full(len(loud_seeds), math.nan), np.full(len(quiet_seeds), math.nan)
    signs = []
    for seed in np.union1d(quiet_seeds, loud_seeds):
        theirs, ours = loud_seeds == seed, quiet_seeds == seed
        made = trained(still[~ours], moving[~theirs], event[~theirs], steps, first)
        if made is None:
            continue
        signs.append(made.sign)
        alarm[theirs] = made.alarms(moving[theirs], steps)
        false[ours] = made.alarms(still[ours], steps)
    return HeldOut(alarm, false, np.array(signs, dtype=int))

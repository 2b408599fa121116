"""When a run memorised, when it generalised, and how it ended.

Every function here reads a logged curve and nothing else, so the same code serves the trainer, the released
data and a reader who wants another threshold.

T_mem and T_grok are the first *logged* steps with train and validation accuracy at or above a threshold
(arXiv 2603.13331, section A.1 of its released scripts: no patience, no hysteresis). A crossing seen at step T
happened somewhere in (previous logged step, T], so both ends are kept and the survival models use the interval.
Papers disagree on the threshold (.90, .95, .99) and on whether a crossing must last; all are stored.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

THRESHOLDS = {"90": 0.90, "95": 0.95, "99": 0.99}
"""Accuracy thresholds stored for every run, keyed by the suffix of their columns."""

LOWEST_THRESHOLD = min(THRESHOLDS.values())

OUTCOMES = ("grokked", "memorised only", "never memorised", "collapsed", "diverged")


@dataclass(frozen=True)
class Crossing:
    """One threshold crossing on a logged curve; every field is a step, NaN where there is none."""

    first: float
    """First logged step at or above the threshold."""
    previous: float
    """Logged step before it; the crossing lies in (previous, first]. Equal to `first` when that is the first log."""
    sustained: float
    """First logged step of `LASTING` evaluations in a row at or above the threshold."""
    sustained_previous: float
    """The evaluation before it; equal to `sustained` when that is the first."""


NO_CROSSING = Crossing(np.nan, np.nan, np.nan, np.nan)

LASTING = 3
"""Evaluations in a row that make a crossing last. Not all later ones: a single loss spike in the tail, thousands of
steps after a network has generalised, would move the step at which it memorised behind that."""


def crossing(steps: np.ndarray, accuracy: np.ndarray, threshold: float) -> Crossing:
    """First, bracketing and sustained crossing of `threshold`.

    steps: (n,) logged steps, increasing. accuracy: (n,) shares in [0, 1]; NaN where the set was not evaluated
    at that step, and such steps take no part. Raises ValueError when the shapes differ or steps do not increase.

    >>> found = crossing(np.arange(0, 175, 25), np.array([0.5, 1.0, 0.9, 1.0, 1.0, 1.0, 0.9]), 0.99)
    >>> int(found.previous), int(found.first), int(found.sustained_previous), int(found.sustained)
    (0, 25, 50, 75)
    """
    steps = np.asarray(steps, dtype=float)
    accuracy = np.asarray(accuracy, dtype=float)
    if steps.shape != accuracy.shape:
        raise ValueError(f"{steps.size} steps but {accuracy.size} accuracies")
    known = ~np.isnan(accuracy)
    steps, above = steps[known], accuracy[known] >= threshold
    if np.any(np.diff(steps) <= 0):
        raise ValueError("logged steps must increase")
    if not above.any():
        return NO_CROSSING
    i = int(np.argmax(above))
    first, previous = steps[i], steps[max(i - 1, 0)]
    if above.size < LASTING:
        return Crossing(first, previous, np.nan, np.nan)
    lasts = np.lib.stride_tricks.sliding_window_view(above, LASTING).all(-1)
    if not lasts.any():
        return Crossing(first, previous, np.nan, np.nan)
    j = int(np.argmax(lasts))
    return Crossing(first, previous, steps[j], steps[max(j - 1, 0)])


def outcome(memorised: bool, grokked: bool, collapsed: bool = False, diverged: bool = False) -> str:
    """The one word that says how a run ended; what was reached before a collapse or divergence counts first.

    A run that generalised and then diverged in its tail did grok. A run may reach the validation threshold
    without the train threshold ever being logged (sparse parity with abundant data): that is grokked too,
    because nothing was left to generalise to.
    """
    if grokked:
        return "grokked"
    if diverged:
        return "diverged"
    if collapsed:
        return "collapsed"
    return "memorised only" if memorised else "never memorised"


EXPLODED = 1e6
"""Growth of V beyond which a run has diverged, although single precision can still hold its numbers."""


def unless_exploded(outcome: str, first: float, final: float) -> str:
    """The outcome, but diverged where a run that never grokked ends with V grown from `first` past `EXPLODED`.

    The trainer ends a run at its first NaN or infinity. SGD with momentum can throw a network to losses of 1e34 and
    keep it there: such a run did memorise once, yet what ended its chances is the divergence.
    """
    return "diverged" if outcome != "grokked" and final > EXPLODED * first else outcome


def event_columns(
    steps: np.ndarray, train_accuracy: np.ndarray, validation_accuracy: np.ndarray
) -> dict[str, float]:
    """T_mem_q and T_grok_q for q in 90, 95, 99, each with the columns of its `Crossing`; then the .99 delay."""
    columns: dict[str, float] = {}
    for event, accuracy in (("T_mem", train_accuracy), ("T_grok", validation_accuracy)):
        for suffix, threshold in THRESHOLDS.items():
            found = crossing(steps, accuracy, threshold)
            columns[f"{event}_{suffix}"] = found.first
            columns[f"{event}_{suffix}_previous"] = found.previous
            columns[f"{event}_{suffix}_sustained"] = found.sustained
            columns[f"{event}_{suffix}_sustained_previous"] = found.sustained_previous
    columns["T_mem"] = columns["T_mem_99"]
    columns["T_grok"] = columns["T_grok_99"]
    columns["delay"] = columns["T_grok"] - columns["T_mem"]
    return columns

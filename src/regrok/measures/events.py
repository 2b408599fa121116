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

NOT_STARTED = "not started"
"""In place of an outcome: a run that was to start from another one at a moment at which that never was. It is in the
plan and in runs.parquet, and in nothing that is made of the runs (`regrok.runs.frames.Frames.of`)."""

NOT_VALIDATED = "not validated"
"""In place of an outcome: a run without validation examples, such as one that is trained on the whole table so that
others start from it (2309.02390). It may memorise; whether it generalises cannot be asked, so it is not censored, and
is left out of what is made of the runs like one that was not started."""


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
    steps, accuracy = _evaluated(steps, accuracy)
    above = accuracy >= threshold
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


def outcome(
    memorised: bool,
    grokked: bool,
    collapsed: bool = False,
    diverged: bool = False,
    validated: bool = True,
) -> str:
    """The one word that says how a run ended; what was reached before a collapse or divergence counts first.

    A run that generalised and then diverged in its tail did grok. A run may reach the validation threshold
    without the train threshold ever being logged (sparse parity with abundant data): that is grokked too,
    because nothing was left to generalise to. validated: whether it has validation examples; a run without any that
    neither collapsed nor diverged is not validated, whether or not it memorised.
    """
    if grokked:
        return "grokked"
    if diverged:
        return "diverged"
    if collapsed:
        return "collapsed"
    if not validated:
        return NOT_VALIDATED
    return "memorised only" if memorised else "never memorised"


# Lost and regained -----------------------------------------------------------------------------------------------

LOST_BELOW = 0.90
"""Validation accuracy below which a network that has generalised has lost it, in the columns of runs.parquet."""

DWELL = 1000
"""Steps that a loss of generalisation, or a recovery, must last there."""

LATE_SHARE = 0.1
"""The last part of the budget over which the final level is taken."""


@dataclass(frozen=True)
class Loss:
    """Generalisation lost and regained on a logged curve; every field is a step, NaN where there is none."""

    lost: float
    """First evaluation of the first stretch below the level that lasts."""
    lost_previous: float
    """The evaluation before it; the loss lies in (lost_previous, lost]."""
    regained: float
    """First evaluation, after that, of the first stretch at or above the level that lasts."""
    regained_previous: float
    """The evaluation before it."""


NO_LOSS = Loss(np.nan, np.nan, np.nan, np.nan)


def loss_of_generalisation(
    steps: np.ndarray,
    accuracy: np.ndarray,
    level: float = LOST_BELOW,
    dwell: float = DWELL,
    threshold: float = THRESHOLDS["99"],
) -> Loss:
    """When a network that had generalised stopped to, and when it did again (2309.02390's ungrokking, and its undoing).

    steps: (n,) logged steps, increasing. accuracy: (n,) validation accuracy in [0, 1]; NaN where it was not evaluated,
    and such steps take no part. level: share. dwell: steps, above 0. threshold: generalised is the first evaluation at
    or above it; only what follows can be lost.

    A stretch of evaluations in a row on one side of the level lasts if its first and its last are at least `dwell`
    steps apart. So a dip of one evaluation is none, however sparse the evaluations are, and what began less than
    `dwell` before the last evaluation is not known to last. Raises ValueError for a dwell that is not above 0, shapes
    that differ and steps that do not increase.

    >>> dip = [1.0, 0.2, 1.0, 0.3, 0.3, 0.3, 1.0, 0.4, 1.0, 1.0, 1.0]
    >>> found = loss_of_generalisation(np.arange(11) * 10, np.array(dip), dwell=20)
    >>> int(found.lost_previous), int(found.lost), int(found.regained_previous), int(found.regained)
    (20, 30, 70, 80)
    """
    steps, accuracy = _evaluated(steps, accuracy)
    if not dwell > 0:
        raise ValueError(f"a dwell of {dwell} steps: one evaluation alone would last")
    generalised = np.flatnonzero(accuracy >= threshold)
    if not generalised.size:
        return NO_LOSS
    below = accuracy < level
    lost = _lasting(steps, below, dwell, after=int(generalised[0]))
    if lost is None:
        return NO_LOSS
    regained = _lasting(steps, ~below, dwell, after=lost)
    again = (np.nan, np.nan) if regained is None else (steps[regained], steps[regained - 1])
    return Loss(steps[lost], steps[lost - 1], *again)


def _lasting(steps: np.ndarray, inside: np.ndarray, dwell: float, after: int) -> int | None:
    """The place, behind `after`, where the first stretch of `inside` begins that spans `dwell` steps."""
    began: int | None = None
    for i in range(after + 1, len(steps)):
        if not inside[i]:
            began = None
            continue
        began = i if began is None else began
        if steps[i] - steps[began] >= dwell:
            return began
    return None


def late_level(
    steps: np.ndarray, accuracy: np.ndarray, budget: float, share: float = LATE_SHARE
) -> float:
    """Median accuracy over the last part of a budget, which one dip does not move; NaN for a run that ended before.

    steps, accuracy: as in `loss_of_generalisation`. budget: steps. share: of the budget, in (0, 1].

    >>> late_level(np.array([0, 50, 95, 100]), np.array([1.0, 1.0, 0.4, 0.6]), budget=100)
    0.5
    """
    if not len(steps) or steps[-1] < budget:
        return float("nan")
    steps, accuracy = _evaluated(steps, accuracy)
    late = accuracy[steps >= (1 - share) * budget]
    return float(np.median(late)) if late.size else float("nan")


def _evaluated(steps: np.ndarray, accuracy: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Steps and accuracies where there was an evaluation. Raises ValueError as `crossing` does."""
    steps, accuracy = np.asarray(steps, dtype=float), np.asarray(accuracy, dtype=float)
    if steps.shape != accuracy.shape:
        raise ValueError(f"{steps.size} steps but {accuracy.size} accuracies")
    known = ~np.isnan(accuracy)
    steps, accuracy = steps[known], accuracy[known]
    if np.any(np.diff(steps) <= 0):
        raise ValueError("logged steps must increase")
    return steps, accuracy


def loss_columns(
    steps: np.ndarray, validation_accuracy: np.ndarray, budget: float
) -> dict[str, float]:
    """T_lost and T_regained with the evaluations before, at `LOST_BELOW` and `DWELL`; the late validation accuracy."""
    found = loss_of_generalisation(steps, validation_accuracy)
    return {
        "T_lost": found.lost,
        "T_lost_previous": found.lost_previous,
        "T_regained": found.regained,
        "T_regained_previous": found.regained_previous,
        "validation_accuracy_late": late_level(steps, validation_accuracy, budget),
    }


# How it ended ----------------------------------------------------------------------------------------------------

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

"""How far a signal grows along a run, which may end while it rises, and which depends on how often it is measured.

A run that ends soon after it groks may end before its signal does: where the largest value is among the last states,
the growth is a lower bound, and so is a geometric mean that it is part of. A baseline of the first few states is
another one at another cadence: coarser ones are had by leaving states out, and the first state alone is what a
baseline of few states comes to at an ever finer one.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from regrok.laws.parts import estimate as est
from regrok.laws.parts import two_samples

LAST = 3
"""States at the end of a run: a signal that is largest among them may rise further."""

Choice = tuple[int, int]
"""Every how many-th state is read, and of how many of those the baseline is the median."""


def grown(signal: np.ndarray, every: int, first: int) -> float:
    """The largest value over the median of the first so many, of every so many-th state; NaN of a run with fewer.

    >>> signal = np.array([1.0, 2.0, 4.0, 8.0, 16.0, 32.0])
    >>> grown(signal, 1, 3), grown(signal, 2, 3), grown(signal, 2, 1)
    (16.0, 4.0, 16.0)
    """
    read = signal[::every]
    return float(read.max() / np.median(read[:first])) if len(read) >= first else math.nan


def rises(signal: np.ndarray) -> bool:
    """Whether a signal (n,) is largest among its last states, so that it may rise beyond them."""
    return len(signal) - int(np.argmax(signal)) <= LAST


def choices(cadences: Sequence[int], first: int) -> list[Choice]:
    """The choice made here, every state and a baseline of the first so many, and then the others."""
    return list(dict.fromkeys([(1, first), *itertools.product(cadences, (first, 1))]))


def column(choice: Choice) -> str:
    """What the growth under a choice is called in the record of a run."""
    return "growth_every_{}_first_{}".format(*choice)


def least(runs: pd.DataFrame, cadences: Sequence[int], first: int) -> est.Estimate:
    """The geometric mean of the growths, with no upper end where some of them are lower bounds.

    runs: a row each, `column` of every choice and `rising` (`rises`). Carries the same under each choice in which all
    of its runs have a growth: one in which a run has too few states for a baseline would be of other runs.
    """
    every = choices(cadences, first)
    read = runs[runs[column(every[0])].notna()]
    known = [choice for choice in every if read[column(choice)].notna().all()]
    bounds, lost = int(read["rising"].sum()), len(every) - len(known)
    found = [est.mean(read[column(choice)], log=True) for choice in known]
    if found[0].value is None:
        return found[0]
    if bounds:
        found = [each if each.low is None else replace(each, high=None) for each in found]
    note = f"largest in the last {LAST} states of {bounds} of {len(read)} runs: a lower bound"
    few = f"too few states for {lost} of {len(every)} cadences and baselines"
    told = tuple((each.value, each.low, each.high) for each in found)
    return replace(found[0], choices=told).noting(note if bounds else "", few if lost else "")


def known(runs: pd.DataFrame, column: str) -> np.ndarray:
    """(n,) the growths of a group's runs, in the precision that a column is of, of those that have one."""
    return runs[column].dropna().to_numpy() if len(runs) else np.array([])


def ratio(one: np.ndarray, other: np.ndarray) -> est.Estimate:
    """Ratio of two geometric means, with Welch's interval of the difference of logs."""
    estimator, n = "ratio of geometric means, Welch interval of the logs", len(one) + len(other)
    if min(len(one), len(other)) < 2:
        return est.missing("fewer than two runs on one side", n, estimator)
    x, y = np.log(one), np.log(other)
    found = two_samples.difference(two_samples.sample(x), two_samples.sample(y))
    if not found.variance > 0:
        return est.estimate(math.exp(found.value), None, None, n, estimator)
    ends = (math.exp(found.value - found.half), math.exp(found.value + found.half))
    return est.estimate(math.exp(found.value), *ends, n, estimator)


Signal = tuple[np.ndarray, np.ndarray]
"""(n,) steps and (n,) values of one run."""


def matched(one: Sequence[Signal], other: Sequence[Signal], first: int) -> est.Estimate:
    """`ratio` of growths where runs of the other side are read as long as the first side's are watched.

    That is to the median of the first side's last states. Runs of the first side that end while they rise make it a
    lower bound, without an upper end; so do those of the other that end before that an upper bound.
    """
    longest = float(np.median([steps[-1] for steps, _ in one])) if one else math.nan
    read = [(steps[steps <= longest], signal[steps <= longest]) for steps, signal in other]
    sides = [np.array([grown(signal, 1, first) for _, signal in side]) for side in (one, read)]
    found = ratio(*(side[np.isfinite(side)] for side in sides))
    if found.value is None:
        return found
    rising = sum(rises(signal) for _, signal in one)
    short = sum(bool(steps[-1] < longest) and rises(signal) for steps, signal in other)
    notes = [f"the other side's runs are read to step {longest:g}"]
    if rising:
        notes.append(
            f"largest in the last {LAST} states of {rising} of {len(one)} runs: a lower bound"
        )
    if short:
        notes.append(f"{short} of {len(other)} of the other side end before that, and rise")
    low, high = None if short else found.low, None if rising else found.high
    return replace(found, low=low, high=high).noting(*notes)

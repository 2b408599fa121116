"""Medians as figures draw them: those of the tables (regrok.laws.parts.lifetimes), with ∞ for what lies beyond."""

from __future__ import annotations

import numpy as np
import pandas as pd

from regrok.laws.parts import lifetimes, resolution
from regrok.laws.parts.selection import duration

MEDIANS = r"Kaplan--Meier medians with their exact intervals over seeds, which too few have none of"
"""What `median` gives, for captions."""


def median(runs: pd.DataFrame, column: str) -> tuple[float, float, float]:
    """Median of a column over runs and the ends of its interval.

    A run that did not get there within its budget takes part as censored (see `selection.duration`): to drop it would
    pull the median down. A median or an end beyond the budgets is ∞; without runs all three are
    NaN, and both ends where too few runs give no interval.
    """
    times, seen = duration(runs, column)
    finite = np.isfinite(times)  # the norm of a run that diverged has no end
    times, seen = times[finite], seen[finite]
    found = lifetimes.median(times, seen, resolution.ends(runs.loc[times.index], column, times))
    if not found.n:
        return np.nan, np.nan, np.nan
    if found.value is None:
        return np.inf, np.inf, np.inf
    low, high = found.low, found.high
    beyond = np.nan if found.reason else np.inf
    return found.value, np.nan if low is None else low, beyond if high is None else high


def medians(runs: pd.DataFrame, by: str, column: str) -> pd.DataFrame:
    """One row per value of `by`: median, low, high (see `median`), and n that take part; sorted by `by`."""
    rows = []
    for value, group in runs.groupby(by, sort=True):
        middle, low, high = median(group, column)
        n = len(duration(group, column)[0])
        rows.append({by: value, "median": middle, "low": low, "high": high, "n": n})
    table = pd.DataFrame(rows, columns=[by, "median", "low", "high", "n"])
    return table.astype({"median": float, "low": float, "high": float, "n": int})

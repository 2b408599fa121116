"""What choices say that were listed and not drawn: shares of them without an interval, and the least of them with one.

A list of choices is no sample of choices, so that a share of it has no sampling error. What each choice gives has one,
from the networks that it was tried on.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
from scipy import stats

from regrok.laws.parts import estimate as est

LEAST = "least of the means over groups; t intervals, the upper ends at a level at which all hold together"


def share(which: Collection[bool], of: str) -> est.Estimate:
    """Share of listed choices, exact; missing where there is none. of: what they are."""
    if not which:
        return est.missing(f"none of the {of} has a D", 0, f"share of the listed {of}")
    count = sum(map(bool, which))
    words = f"{count} of {len(which)}"
    return est.exact(count / len(which), len(which), f"share of the listed {of}", note=words)


def least(found: Mapping[Any, np.ndarray], unit: str = "") -> est.Estimate:
    """The smallest of several expectations, of each of which there are values over groups (groups,), NaN for none.

    The interval is of that smallest one, whichever it is. It lies above the least of the 95 % intervals' lower ends as
    surely as one interval does, and below the least of the upper ends as surely where these are taken at 1 − 0.05/k for
    k quantities: one that lies wholly below zero shows that the smallest does. Where a quantity has fewer than two
    values it may be lower than any, and there is no lower end.
    """
    means, lows, highs, n = [], [], [], []
    for values in found.values():
        known = values[np.isfinite(values)]
        if known.size < 2:
            continue
        error = known.std(ddof=1) / np.sqrt(known.size)
        tail = (1 - est.LEVEL) / 2
        low, high = stats.t.ppf([1 - tail, 1 - tail / len(found)], known.size - 1) * error
        means.append(known.mean())
        lows.append(means[-1] - low)
        highs.append(means[-1] + high)
        n.append(known.size)
    if not means:
        return est.missing("no choice has two groups with a D", 0, LEAST, unit)
    lost = len(found) - len(means)
    note = f"{lost} of {len(found)} have none, and may be lower" if lost else ""
    low = None if lost else min(lows)
    return est.estimate(min(means), low, min(highs), min(n), LEAST, unit, note)

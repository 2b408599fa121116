"""When D(t) of families that grok parts from that of families that do not, counted back from the transition.

Families of both are counted back from their own event, which is known afterwards alone. Where they part is told by two
rules. `parting` asks Welch's test at each lag: the more families, the smaller the gap that it tells, so that its lag
grows with their number. `half_gap` asks for the lag at which the gap of the means is a share of that at the transition,
which is a property of the two groups and not of how many of each there are.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy import stats

from regrok.computations.parts.choices import among
from regrok.laws.parts import estimate as est
from regrok.laws.parts import two_samples
from regrok.laws.parts.families import Families, before_event

Pair = tuple[Families, Families]
Events = tuple[np.ndarray, np.ndarray]
"""(f,) the event of each family, of both groups."""

SHARES = (0.5, 0.25, 0.75)
"""Of the gap at the transition; the first is the default."""
NO_EVENT = "no transition to count back from"
TOO_FEW = "fewer than two families on one side"


def difference(one: np.ndarray, other: np.ndarray) -> est.Estimate:
    """Mean of one less that of the other, with Welch's interval."""
    one, other = one[np.isfinite(one)], other[np.isfinite(other)]
    n, how = len(one) + len(other), "difference of means, Welch interval"
    if min(len(one), len(other)) < 2:
        return est.missing(TOO_FEW, n, how)
    made = two_samples.difference(two_samples.sample(one), two_samples.sample(other))
    if not made.variance > 0:
        return est.estimate(made.value, None, None, n, how)
    return est.estimate(made.value, made.value - made.half, made.value + made.half, n, how)


def counted_back(pair: Pair, events: Events) -> tuple[np.ndarray, np.ndarray, np.ndarray] | str:
    """(k,) lags in steps, from 0 up to the latest event, and D of both groups there, (n, k) and (m, k), of families
    that are known at their event; NaN before a family's first state. Or why there is nothing to compare.
    """
    steps, known = pair[0].steps, np.concatenate(events)
    if len(steps) < 2 or not np.isfinite(known).any():
        return NO_EVENT
    lags = np.arange(0, np.nanmax(known) + 1, float(np.diff(steps).min()))
    before = [before_event(made, event, lags) for made, event in zip(pair, events, strict=True)]
    one, other = (each[np.isfinite(each[:, 0])] for each in before)
    return (lags, one, other) if min(len(one), len(other)) >= 2 else TOO_FEW


def parting(pair: Pair, events: Events, replicates: int, seed: int) -> est.Estimate:
    """Steps before the transition from which on D(t) of the groups differ by Welch's test at 95 %, up to it.

    0 where they do not differ at the transition itself.
    """
    how = "first lag from which on Welch's test parts the groups, bootstrap over families"
    made, n = counted_back(pair, events), sum(map(len, events))
    if isinstance(made, str):
        return est.missing(made, n, how, "steps")
    lags, one, other = made
    both = np.concatenate([one, other])
    labels = np.repeat([0, 1], [len(one), len(other)])

    def of(rows: np.ndarray) -> np.ndarray:
        values = both[rows]
        split = values[..., : len(one), :], values[..., len(one) :, :]
        lasting = np.logical_and.accumulate(apart(*split), axis=-1).sum(axis=-1)
        found: np.ndarray = lags[np.maximum(lasting - 1, 0)]
        return found

    whole = (0.0, float(lags[-1]))
    return est.bootstrap(of, labels, replicates, seed, how, unit="steps", bounds=whole)


def apart(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """(…, k) whether means over families differ by Welch's test at 95 %; no where a family is not known.

    one: (…, n, k), other: (…, m, k).
    """
    gap = one.mean(axis=-2) - other.mean(axis=-2)
    a, b = (each.var(axis=-2, ddof=1) / each.shape[-2] for each in (one, other))
    with np.errstate(divide="ignore", invalid="ignore"):
        squares = a**2 / (one.shape[-2] - 1) + b**2 / (other.shape[-2] - 1)
        margin = stats.t.ppf(0.5 + est.LEVEL / 2, (a + b) ** 2 / squares) * np.sqrt(a + b)
        differ: np.ndarray = np.abs(gap) > np.where(a + b == 0, 0.0, margin)
    return differ


def half_gap(pair: Pair, events: Events, replicates: int, seed: int) -> est.Estimate:
    """Steps before the transition at which the gap of mean D is half of what it is there; a quarter and three quarters
    are its choices.

    It is the first such lag, counted back, linear between states. None where the groups do not differ at the
    transition by Welch's test. No lag is seen at which a family was not measured, so that none is larger than the
    earliest event: where the gap is still more than half there, the upper end is open, and the note says so.
    """
    how = "lag at which the gap of means is half of that at the transition, bootstrap over families"
    made, n = counted_back(pair, events), sum(map(len, events))
    if isinstance(made, str):
        return est.missing(made, n, how, "steps")
    lags, one, other = made
    both = np.concatenate([one, other])
    seen = int(np.logical_and.accumulate(np.isfinite(both).all(axis=0)).sum())
    if seen < 2:
        return est.missing("no lag at which all families were measured", n, how, "steps")
    if not apart(one[:, :1], other[:, :1])[0]:
        return est.missing("the groups do not differ at the transition", n, how, "steps")
    labels = np.repeat([0, 1], [len(one), len(other)])

    def of(share: float) -> est.Estimate:
        def lag(rows: np.ndarray) -> np.ndarray:
            values = both[rows][..., :seen]
            gap = values[..., : len(one), :].mean(axis=-2) - values[..., len(one) :, :].mean(
                axis=-2
            )
            return fallen(gap / gap[..., :1], lags[:seen], share)

        whole = (0.0, float(lags[seen - 1]))
        found = est.bootstrap(lag, labels, replicates, seed, how, unit="steps", bounds=whole)
        return open_above(found, whole[1])

    return among({share: of(share) for share in SHARES}, SHARES[0])


def fallen(relative: np.ndarray, lags: np.ndarray, share: float) -> np.ndarray:
    """(…,) the first lag at which a curve (…, k) that begins at 1 is down at this share; the last where it never is.

    >>> fallen(np.array([[1.0, 0.8, 0.2], [1.0, 0.9, 0.6]]), np.array([0.0, 10.0, 20.0]), 0.5)
    array([15., 20.])
    """
    held = np.logical_and.accumulate(relative > share, axis=-1).sum(axis=-1)
    after = np.minimum(held, len(lags) - 1)
    ends = [np.take_along_axis(relative, at[..., None], -1)[..., 0] for at in (after - 1, after)]
    with np.errstate(invalid="ignore", divide="ignore"):
        part = np.clip((ends[0] - share) / (ends[0] - ends[1]), 0.0, 1.0)
    between = lags[after - 1] + part * (lags[after] - lags[after - 1])
    found = np.where(held == len(lags), lags[-1], between)
    return np.where(held == 0, np.nan, found)


def open_above(found: est.Estimate, end: float) -> est.Estimate:
    """The same without an upper end, where that lies at the end of what was seen."""
    if found.value is None or not (found.value >= end or (found.high or 0.0) >= end):
        return found
    low = found.value if found.low is None else found.low
    note = f"no upper end: families were all measured up to {end:g} steps before the transition"
    return replace(found, low=low, high=None, reason=None).noting(note)

"""The log-rank test by permutation: with three runs a group its normal approximation is far too sure.

Three runs against three have 20 labellings, so that no outcome has a p below a tenth; the approximation calls the most
extreme one .02.
"""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np

from regrok.laws.parts import estimate as est

ALL = 20_000
"""So many labellings are enumerated; of more, so many are drawn."""


def scores(time: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Log-rank score of each run: event less cumulative hazard at its time, whose sum over a group is O − E: (n,).

    time: (n,) steps to the event or to the end of the watch; seen: (n,) whether the event came. A run censored at the
    step of an event was at risk of it.
    """
    at_risk = (time[None, :] >= time[:, None]).sum(1)
    deaths = ((time[None, :] == time[:, None]) & seen[None, :]).sum(1)
    step, first = np.unique(time, return_index=True)
    hazard = np.cumsum(deaths[first] / at_risk[first])
    return seen - hazard[np.searchsorted(step, time)]


def log_rank(time: np.ndarray, seen: np.ndarray, first: np.ndarray, seed: int) -> est.Estimate:
    """Two-sided p of equal distributions of two groups' times, by permutation of the group labels.

    first: (n,) which runs are of the first group. Missing where a group is empty or no event came.
    """
    estimator = "log-rank test, permutation of the labels"
    n, k = time.size, int(first.sum())
    if k in (0, n):
        return est.missing("a group has no runs", n, estimator)
    if not seen.any():
        return est.missing("no run of either group grokked before the horizon", n, estimator)
    score = scores(time, seen)
    ways = math.comb(n, k)
    if ways <= ALL:
        drawn = np.array([score[list(chosen)].sum() for chosen in combinations(range(n), k)])
        note = f"all {ways} labellings"
    else:
        rng = np.random.default_rng(seed)
        own = rng.permuted(np.broadcast_to(score, (ALL, n)), axis=1)[:, :k].sum(1)
        drawn = np.append(own, score[first].sum())
        note = f"{ALL} labellings drawn"
    # Equal sums may differ in their last digit.
    beyond = np.abs(drawn) >= abs(float(score[first].sum())) - 1e-9
    made = est.estimate(float(beyond.mean()), None, None, n, estimator, note=note)
    return est.without_interval(made, "a p has no interval")

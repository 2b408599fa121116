"""Which of the values tried is the fastest: an argmin over a grid is a set of winners with shares.

Between two values tried there is none, so an interval from the one to the other says nothing of what lies there. What
the seeds do tell is how often each value would win if they were drawn again.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from regrok.laws.parts import estimate as est

ESTIMATOR = "least mean delay: share of resamples of the seeds; ends without any one run"


def waits(runs: pd.DataFrame) -> np.ndarray:
    """Steps from T_mem to T_grok within the smallest budget of all: (n,); a run that did not grok waits all of it.

    So a value at which a run never memorised, collapsed or diverged is charged for that.
    """
    horizon = float(runs["max_steps"].min())
    late = (runs["T_grok"] - runs["T_mem"]).clip(lower=0)
    return late.where(runs["outcome"] == "grokked").fillna(horizon).clip(upper=horizon).to_numpy()


def win_shares(wait: np.ndarray, label: np.ndarray, able: np.ndarray, i: np.ndarray) -> np.ndarray:
    """Share of resamples in which each value has the least mean wait: (values,).

    wait, label: (n,) steps and value of each run; able: (values,) whether it may win; i: (replicates, n) row indices
    drawn within values. Values that tie share the win.
    """
    means = np.full((len(i), able.size), np.inf)
    for k in np.flatnonzero(able):
        own = label[i] == k
        means[:, k] = np.where(own, wait[i], 0.0).sum(1) / own.sum(1)
    least = means == means.min(1, keepdims=True)
    least &= able
    return (least / least.sum(1, keepdims=True)).mean(0)


def fastest_shares(
    runs: pd.DataFrame, factor: str, asked: list[float], replicates: int, seed: int
) -> dict[float, est.Estimate]:
    """For every value tried, and every one asked, the share of resamples of the seeds in which its mean wait is least.

    The ends of the interval are the least and the largest share when any one run is left out: a choice that hangs on
    one run is not sure. A value at which no run grokked cannot win: its share is 0, and the note says so; one that was
    not tried is absent. Missing where no run of any value grokked.
    """
    values, label = np.unique(runs[factor].to_numpy(float), return_inverse=True)
    untried = [v for v in asked if not np.isclose(values, v, rtol=1e-9, atol=0).any()]
    found = {v: est.absent(f"{factor} = {v:g} was not tried", 0, ESTIMATOR) for v in untried}
    grokked = (runs["outcome"] == "grokked").to_numpy()
    memorised = runs["T_mem"].notna().to_numpy()
    n = len(runs)
    if not grokked.any():
        nothing = est.missing(f"no run of any {factor} grokked", n, ESTIMATOR)
        if n and not memorised.any():
            nothing = est.absent(f"no run of any {factor} memorised", n, ESTIMATOR)
        return {**dict.fromkeys(map(float, values), nothing), **found}
    wait = waits(runs)
    able = np.bincount(label, grokked, values.size) > 0
    rows = np.arange(n)

    def shares(kept: np.ndarray) -> np.ndarray:
        drawn = est.resample(label[kept], replicates, np.random.default_rng(seed))
        return win_shares(wait, label, able, kept[drawn])

    whole = shares(rows)
    parts, alone = [], ""
    if values.size == 1:
        alone = "no interval: one value tried"
    elif (np.bincount(label)[able] == 1).any():
        alone = "no interval: a value has one run, and without it is not tried"
    else:
        parts = [shares(rows[rows != j]) for j in rows if able[label[j]]]
    ends = np.stack([whole, *parts])
    for k, value in enumerate(map(float, values)):
        own = label == k
        count = int(own.sum())
        did = int(grokked[own].sum())
        note = f"{did} of {count} runs grokked"
        if not did:
            note += f", {int(memorised[own].sum())} memorised: it cannot win"
        made = est.estimate(float(whole[k]), None, None, n, ESTIMATOR, note=note)
        low, high = float(ends[:, k].min()), float(ends[:, k].max())
        sure = est.without_interval(made, alone) if alone else replace(made, low=low, high=high)
        found[value] = sure
    return found


def key_of(value: float) -> str:
    """The value as part of an estimate's key, without an exponent.

    >>> key_of(1e-5), key_of(5.0)
    ('0.00001', '5')
    """
    return np.format_float_positional(value, trim="-")

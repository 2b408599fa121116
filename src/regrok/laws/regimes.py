"""The regimes of weight decay: the share of runs that grok per λ, with Wilson intervals (arXiv 2603.13331, A12)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from regrok.laws.parts import estimate as est
from regrok.laws.parts import resolution
from regrok.laws.parts.selection import cell_settings, distinct, within
from regrok.runs.frames import Frames
from regrok.study.defaults import option

DEFAULTS: dict[str, Any] = {
    "factor": "weight_decay",
    "regimes": {},
    "within": {},
    "replicates": 2000,
}
REFERS: dict[str, Any] = {"factor": "quantities", "regimes": "ranges", "within": "limits"}
ESTIMATES: dict[str, list[str]] = {
    "": ["fastest_*", "window_low", "window_high"],
    "regimes": ["memorised_share", "grokked_share", "grokked_given_memorised_share"],
}


def shares(runs: pd.DataFrame) -> dict[str, est.Estimate]:
    """Shares of the runs that memorised, that grokked, and that grokked among those that memorised."""
    memorised, grokked = runs["T_mem"].notna(), runs["T_grok"].notna()
    both = int((memorised & grokked).sum())
    return {
        "memorised_share": est.share(int(memorised.sum()), len(runs)),
        "grokked_share": est.share(int(grokked.sum()), len(runs)),
        "grokked_given_memorised_share": est.share(both, int(memorised.sum())),
    }


def fastest(runs: pd.DataFrame, factor: str, replicates: int, seed: int) -> est.Estimate:
    """The factor's value whose runs have the least mean delay, among values where all runs grokked.

    Its interval spans the values that win in 95 % of resamples of the seeds, and those whose mean delay the logging
    cannot tell from the winner's.
    """
    estimator = "value of least mean delay, bootstrap over seeds"
    whole = runs.groupby(factor)["T_grok"].transform(lambda t: t.notna().all())
    runs = runs[whole & runs["T_mem"].notna()]
    if runs.empty:
        return est.missing("no value at which all runs grok", 0, estimator)
    values, label = np.unique(runs[factor].to_numpy(float), return_inverse=True)
    delay = runs["delay"].to_numpy(float)

    def winner(i: np.ndarray) -> np.ndarray:
        means = np.stack([np.where(label[i] == k, delay[i], np.nan) for k in range(values.size)])
        return values[np.argmin(np.nanmean(means, -1), axis=0)]

    found = est.bootstrap(
        winner, label, replicates, seed, estimator, bounds=(float(values[0]), float(values[-1]))
    )
    low, high = (
        np.bincount(label, end) / np.bincount(label)
        for end in resolution.ends(runs, "delay", runs["delay"])
    )
    if values.size == 1:
        return est.without_interval(found, "no interval: one value tried")
    alike = values[low <= high[values == found.value]]
    return est.choice(found, float(alike.min()), float(alike.max()))


def window(
    runs: pd.DataFrame, factor: str, replicates: int, seed: int
) -> tuple[est.Estimate, est.Estimate]:
    """The smallest and the largest value of the factor at which more than half of the runs grok.

    The window is walked outwards from the value of the largest share (the middle one of several) until a share is
    one half or less. Its intervals come from drawing every share from its posterior under Jeffreys' prior,
    Beta(k + ½, n − k + ½), and walking again: a bootstrap would say of 3 out of 3 that it is certain. Where the
    window reaches the end of the values tried, that end of the interval is null: it may go on beyond.
    """
    estimator = "edge of the values where over half of the runs grok, Jeffreys draws of the shares"
    counts = runs.groupby(factor)["T_grok"].agg(["count", "size"])
    values = counts.index.to_numpy(float)
    k, n = counts["count"].to_numpy(), counts["size"].to_numpy()
    total = int(n.sum())
    share = k / np.maximum(n, 1)
    if not (share > 0.5).any():
        nothing = est.missing(
            "at no value tried did more than half of the runs grok", total, estimator
        )
        return nothing, nothing
    best = np.flatnonzero(share == share.max())
    centre = int(best[(best.size - 1) // 2])
    rng = np.random.default_rng(seed)
    drawn = rng.beta(k + 0.5, n - k + 0.5, size=(replicates, values.size)) > 0.5
    drawn[:, centre] = True

    def edges(inside: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        # Products along each side: 1 as long as no share has failed yet.
        down = np.cumprod(inside[:, centre::-1], axis=1).sum(1)
        up = np.cumprod(inside[:, centre:], axis=1).sum(1)
        return centre - down + 1, centre + up - 1

    low, high = (int(edge[0]) for edge in edges((share > 0.5)[None, :]))
    apart = int((share[:low] > 0.5).sum() + (share[high + 1 :] > 0.5).sum())
    made = []
    lows, highs = edges(drawn)
    for edge, draws, end in ((low, lows, 0), (high, highs, values.size - 1)):
        lower, upper = np.quantile(values[draws], [0.025, 0.975], method="inverted_cdf")
        outside = (
            ""
            if edge == end
            else f"next value outside: {values[edge - 1 if end == 0 else edge + 1]:g}"
        )
        words = [outside or "the last value tried: the window may go on beyond it"]
        if apart:
            words.append(f"{apart} values beyond the edges have a share above one half too")
        found = est.choice(
            est.estimate(values[edge], lower, upper, total, estimator, note="; ".join(words)),
            float(lower),
            float(upper),
        )
        if edge == end:
            found = replace(found, low=None) if end == 0 else replace(found, high=None)
        made.append(found)
    return made[0], made[1]


def fit(frames: Frames, options: dict[str, Any], seed: int) -> est.Result:
    """Shares per regime and per value of the factor.

    options: factor (a column), regimes (name → [lowest, highest] value of the factor), within, replicates.
    Estimates per regime: memorised_share, grokked_share, grokked_given_memorised_share; fastest_<factor>; and
    window_low and window_high, the edges of the values where more than half of the runs grok. Cells: the same shares
    per cell.
    """
    runs = frames.runs
    settings = option(options, DEFAULTS)
    factor = settings["factor"]
    runs = distinct(within(runs, settings["within"]))
    estimates = {}
    for name, limits in settings["regimes"].items():
        for key, value in shares(within(runs, {factor: limits})).items():
            estimates[f"{name}.{key}"] = value
    estimates[f"fastest_{factor}"] = fastest(runs, factor, settings["replicates"], seed)
    edges = window(runs, factor, settings["replicates"], seed)
    estimates |= dict(zip(("window_low", "window_high"), edges, strict=True))
    cells = [
        cell_settings(rows) | {"runs": len(rows)} | shares(rows)
        for _, rows in runs.groupby("cell", sort=True)
    ]
    return {
        "estimates": estimates,
        "points": [],
        "cells": sorted(cells, key=lambda c: c.get(factor, 0)),
    }

"""The regimes of weight decay: the share of runs that grok per λ, with Wilson intervals (arXiv 2603.13331, A12)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from regrok.laws.parts import edges, resolution
from regrok.laws.parts import estimate as est
from regrok.laws.parts.absence import where_it_memorised
from regrok.laws.parts.selection import cell_settings, distinct, within
from regrok.laws.parts.winners import fastest_shares, key_of
from regrok.runs.frames import Frames
from regrok.study.defaults import option

DEFAULTS: dict[str, Any] = {
    "factor": "weight_decay",
    "regimes": {},
    "within": {},
    "winners": [],
    "replicates": 2000,
}
REFERS: dict[str, Any] = {
    "factor": "quantities",
    "regimes": "ranges",
    "within": "limits",
    "winners": "numbers",
}
ESTIMATES: dict[str, list[str]] = {
    "": ["fastest_*", "window_low", "window_high"],
    "regimes": [
        "memorised_share",
        "grokked_share",
        "grokked_given_memorised_share",
        "diverged_share",
        "collapsed_share",
        "grokked_given_finite_share",
    ],
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


def endings(runs: pd.DataFrame) -> dict[str, est.Estimate]:
    """What hides among the runs that did not grok: shares that diverged and that collapsed.

    And the share that grokked of those that memorised and stayed finite: a run whose parameters have run off says
    nothing of generalisation, and no longer budget would have made it grok. A run that grokked first did grok.
    """
    finite = runs[runs["T_mem"].notna() & (runs["outcome"] != "diverged")]
    ended = runs.loc[runs["T_mem"].notna(), "outcome"]
    grokked = int(finite["T_grok"].notna().sum())
    counts = [f"{int((ended == end).sum())} {end}" for end in ("diverged", "collapsed")]
    note = f"{grokked} of {len(finite)}; of {len(ended)} that memorised, {' and '.join(counts)}"
    return {
        "diverged_share": est.share(int((runs["outcome"] == "diverged").sum()), len(runs)),
        "collapsed_share": est.share(int((runs["outcome"] == "collapsed").sum()), len(runs)),
        "grokked_given_finite_share": est.share(grokked, len(finite), note),
    }


def described(runs: pd.DataFrame, name: str) -> dict[str, est.Estimate]:
    """`shares` and `endings` of a named group; a share of runs that memorised is absent where none did."""
    made = shares(runs) | endings(runs)
    return {key: where_it_memorised(value, name, runs) for key, value in made.items()}


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

    See `parts.edges` for the walk and how sure it is. Where the window reaches the end of the values tried, that end
    of the interval is null: it may go on beyond.
    """
    estimator = "edge of the values where over half of the runs grok, Jeffreys draws of the shares"
    counts = runs.groupby(factor)["T_grok"].agg(["count", "size"])
    values = counts.index.to_numpy(float)
    did, of = counts["count"].to_numpy(), counts["size"].to_numpy()
    total = int(of.sum())
    found = edges.window(did, of, replicates, np.random.default_rng(seed))
    if not found.inside:
        nothing = est.missing(
            "at no value tried did more than half of the runs grok", total, estimator
        )
        return nothing, nothing
    made = []
    last = values.size - 1
    for edge, draws, end in ((found.low, found.lows, 0), (found.high, found.highs, last)):
        lower, upper = np.quantile(values[draws], [0.025, 0.975], method="inverted_cdf")
        outside = (
            ""
            if edge == end
            else f"next value outside: {values[edge - 1 if end == 0 else edge + 1]:g}"
        )
        words = [outside or "the last value tried: the window may go on beyond it"]
        if found.apart:
            words.append(f"{found.apart} values beyond the edges have a share above one half too")
        chosen = est.choice(
            est.estimate(values[edge], lower, upper, total, estimator, note="; ".join(words)),
            float(lower),
            float(upper),
        )
        if edge == end:
            chosen = replace(chosen, low=None) if end == 0 else replace(chosen, high=None)
        made.append(chosen)
    return made[0], made[1]


def fit(frames: Frames, options: dict[str, Any], seed: int) -> est.Result:
    """Shares per regime and per value of the factor.

    options: factor (a column), regimes (name → [lowest, highest] value of the factor), within, winners (values whose
    share of wins is asked, beside those of all values tried; none: no share is estimated), replicates. Estimates per
    regime: those of `shares` and `endings`; fastest_<factor>; fastest_share.<value>, how often each value wins (see
    `parts.winners`); and window_low and window_high, the edges of the values where more than half of the runs grok.
    Cells: the shares per cell.
    """
    runs = frames.runs
    settings = option(options, DEFAULTS)
    factor = settings["factor"]
    runs = distinct(within(runs, settings["within"]))
    estimates = {}
    for name, limits in settings["regimes"].items():
        for key, value in described(within(runs, {factor: limits}), name).items():
            estimates[f"{name}.{key}"] = value
    if settings["winners"]:
        asked = [float(value) for value in settings["winners"]]
        won = fastest_shares(runs, factor, asked, settings["replicates"], seed)
        estimates |= {f"fastest_share.{key_of(value)}": share for value, share in won.items()}
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

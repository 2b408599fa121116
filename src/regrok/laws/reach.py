"""How far a setting may go before runs no longer generalise: least data, most outliers, the span of learning rates.

A study tries some values, so an edge lies between the last value at which most runs generalise within their budget and
the next one that was tried: every edge here is such an interval, widened by what few seeds leave open, and never surer
than the values (arXiv 2201.02177, Figure 2, section 3.3 and appendix A.4).
"""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from regrok.errors import RegrokError
from regrok.laws.parts import edges
from regrok.laws.parts import estimate as est
from regrok.laws.parts.selection import grouped, plain
from regrok.runs.frames import Frames
from regrok.study.defaults import option

DEFAULTS: dict[str, Any] = {
    "factor": "train_fraction",
    "groups": {},
    "ratios": {},
    "lesser": [],
    "greater": [],
    "replicates": 4000,
}
REFERS: dict[str, Any] = {
    "factor": "quantities",
    "groups": "groups",
    "ratios": "ratios",
    "lesser": "of groups",
    "greater": "of groups",
}
ESTIMATES: dict[str, list[str]] = {
    "": ["less_share"],
    "groups": ["least", "most", "decades", "generalised_share"],
    "ratios": ["least_ratio", "most_ratio"],
}
EDGE = "edge of the values at which over half of the runs generalise: between two values tried, Jeffreys draws"
TAILS = (0.5 - est.LEVEL / 2, 0.5 + est.LEVEL / 2)


@dataclass(frozen=True)
class Ends:
    """Between which two values an edge lies; 0 and ∞ where none was tried on that side."""

    below: np.ndarray
    """The first of these values is that of the shares as they are, the others those of draws: (1 + replicates,)."""
    above: np.ndarray


@dataclass(frozen=True)
class Reach:
    """Both edges of one group."""

    least: Ends
    most: Ends
    inside: bool
    """Whether at any value most runs generalise."""
    tried: tuple[float, float]
    """Least and largest value tried."""
    n: int
    note: str


def reach(rows: pd.DataFrame, factor: str, replicates: int, rng: np.random.Generator) -> Reach:
    """The edges of one group of at least one run. A setting that is null, as no outliers are, counts as 0.

    A run that diverged, collapsed or never memorised did not generalise.
    """
    counts = rows["T_grok"].groupby(rows[factor].astype(float).fillna(0.0)).agg(["count", "size"])
    values = counts.index.to_numpy(float)
    did, of = counts["count"].to_numpy(), counts["size"].to_numpy()
    found = edges.window(did, of, replicates, rng)
    steps = np.concatenate([[0.0], values, [math.inf]])
    low, high = np.append(found.low, found.lows), np.append(found.high, found.highs)
    note = ", ".join(f"{value:g}: {k}/{n}" for value, k, n in zip(values, did, of, strict=True))
    if found.apart:
        note += f"; {found.apart} values beyond the edges have a share above one half too"
    return Reach(
        # Places in `steps` are one further on; the lower edge has the failing value below, the upper one above it.
        Ends(steps[low], steps[low + 1]),
        Ends(steps[high + 1], steps[high + 2]),
        found.inside,
        (float(values[0]), float(values[-1])),
        int(of.sum()),
        note,
    )


def interval(ends: Ends) -> tuple[float | None, float | None]:
    """What the draws leave open of an edge: an end is null where no value was tried beyond it."""
    low = float(np.quantile(ends.below, TAILS[0], method="inverted_cdf"))
    high = float(np.quantile(ends.above, TAILS[1], method="inverted_cdf"))
    return (low if low > 0 else None), (high if math.isfinite(high) else None)


def edge(found: Reach, which: str, inner: str) -> est.Estimate:
    """The `least` or the `most`, whose value is the outermost at which most runs generalise (`inner`: above or below).

    Where there is none, the value is the last one tried on the way there, and only bounds the edge.
    """
    ends = getattr(found, which)
    low, high = interval(ends)
    if found.inside:
        value = float(getattr(ends, inner)[0])
        return est.estimate(value, low, high, found.n, EDGE, note=found.note)
    bound = found.tried[1] if which == "least" else found.tried[0]
    note = f"{found.note}; a bound, since most runs generalise at no value tried"
    if which == "least":
        return est.estimate(bound, low, None, found.n, EDGE, note=note)
    return est.estimate(bound, None, high, found.n, EDGE, note=note)


def decades(found: Reach) -> est.Estimate:
    """How many decades of the setting most runs generalise over, from the least to the largest such value."""
    estimator = "decades between both edges, between values tried, Jeffreys draws"
    if not found.inside:
        reason = "at no value tried did more than half of the runs generalise"
        return est.missing(reason, found.n, estimator)
    if found.tried[0] <= 0:
        return est.missing("a value of 0 lies in no decade", found.n, estimator)
    with np.errstate(divide="ignore"):
        inner = np.log10(found.most.below) - np.log10(found.least.above)
        outer = np.log10(found.most.above) - np.log10(found.least.below)
    low = float(np.quantile(inner, TAILS[0], method="inverted_cdf"))
    high = float(np.quantile(outer, TAILS[1], method="inverted_cdf"))
    return est.estimate(float(inner[0]), max(low, 0.0), high, found.n, estimator, note=found.note)


def quotient(a: Reach, b: Reach, which: str) -> est.Estimate:
    """An edge of group a over that of group b; an end that no value tried bounds is null."""
    estimator = f"ratio of two edges ({which}), between values tried, Jeffreys draws"
    n, note = a.n + b.n, f"{a.note} over {b.note}"
    tops, bottoms = getattr(a, which), getattr(b, which)
    with np.errstate(divide="ignore", invalid="ignore"):
        below, above = tops.below / bottoms.above, tops.above / bottoms.below
    # 0/0 and ∞/∞ tell nothing.
    below, above = np.where(np.isnan(below), 0.0, below), np.where(np.isnan(above), np.inf, above)
    low = float(np.quantile(below, TAILS[0], method="inverted_cdf"))
    high = float(np.quantile(above, TAILS[1], method="inverted_cdf"))
    inner = "above" if which == "least" else "below"
    point = [float(getattr(each, inner)[0]) for each in (tops, bottoms)]
    ends = (low if low > 0 else None), (high if math.isfinite(high) else None)
    if not (a.inside and b.inside):
        bounds = [end for end in ends if end is not None]
        if len(bounds) != 1:
            return est.missing("neither side bounds the ratio", n, estimator)
        note += "; a bound, since most runs of one group generalise at no value tried"
        return est.estimate(bounds[0], *ends, n, estimator, note=note)
    if point[1] <= 0:
        return est.missing("the denominator's edge is 0", n, estimator)
    return est.estimate(point[0] / point[1], *ends, n, estimator, note=note)


def less_share(lesser: list[Reach], greater: list[Reach]) -> est.Estimate:
    """Of all pairs of one group of each list, the share in which the first has the smaller `least`.

    The ends are the share of the pairs in which it surely has and of those in which it may have; the value lies in the
    middle, as of pairs whose edges lie between the same two values.
    """
    estimator = "share of pairs of groups, between values tried, Jeffreys draws"
    n = sum(each.n for each in (*lesser, *greater))
    if not lesser or not greater:
        return est.missing("no pair of groups", n, estimator)
    pairs = [(a.least, b.least) for a in lesser for b in greater]
    surely = np.mean([a.above <= b.below for a, b in pairs], axis=0)
    maybe = np.mean([a.below < b.above for a, b in pairs], axis=0)
    low = float(np.quantile(surely, TAILS[0], method="inverted_cdf"))
    high = float(np.quantile(maybe, TAILS[1], method="inverted_cdf"))
    note = f"{len(pairs)} pairs; {surely[0]:.2f} surely, {maybe[0]:.2f} possibly"
    return est.estimate((surely[0] + maybe[0]) / 2, low, high, n, estimator, note=note)


def fit(frames: Frames, options: dict[str, Any], seed: int) -> est.Result:
    """Edges of the factor's values at which most runs generalise, per group of options.groups (see selection.group).

    options: factor (a numeric setting), groups, ratios (name → [group, group]), lesser and greater (two lists of
    groups), replicates. Estimates per group: least and most (the outermost values at which more than half of the runs
    reach 99 % of the validation set within their budget, as intervals between values tried), decades (how far apart
    they are), and generalised_share over all values; per ratio least_ratio and most_ratio; less_share, of the pairs of
    a group of `lesser` and one of `greater` those in which the first has the smaller least. Cells: counts per group
    and value. A group without runs is left out of lesser and greater, and has no edge.
    """
    settings = option(options, DEFAULTS)
    factor = settings["factor"]
    groups = grouped(frames.runs, frames.experiments, settings["groups"])
    estimates: dict[str, est.Estimate] = {}
    cells: list[dict[str, Any]] = []
    found: dict[str, Reach] = {}
    for name, rows in groups.items():
        estimates[f"{name}.generalised_share"] = est.share(
            int(rows["T_grok"].notna().sum()), len(rows)
        )
        if rows.empty:
            nothing = est.missing(f"no runs of {name}", 0, EDGE)
            estimates |= {f"{name}.{key}": nothing for key in ("least", "most", "decades")}
            continue
        # Draws of a group's own: those of two groups are independent, and another group moves none.
        rng = np.random.default_rng([seed, zlib.crc32(name.encode())])
        found[name] = made = reach(rows, factor, settings["replicates"], rng)
        estimates[f"{name}.least"] = edge(made, "least", "above")
        estimates[f"{name}.most"] = edge(made, "most", "below")
        estimates[f"{name}.decades"] = decades(made)
        for value, cell in rows.groupby(rows[factor].astype(float).fillna(0.0), sort=True):
            share = est.share(int(cell["T_grok"].notna().sum()), len(cell))
            record = {"group": name, factor: plain(value), "runs": len(cell)}
            cells.append(record | {"grokked": int(cell["T_grok"].notna().sum()), "share": share})
    for name, pair in settings["ratios"].items():
        if unknown := set(pair) - set(groups):
            known = ", ".join(groups)
            raise RegrokError(f"options.ratios.{name}: no group '{min(unknown)}'; groups: {known}")
        for which in ("least", "most"):
            there = all(group in found for group in pair)
            made_of = est.missing("one of the two groups has no runs", 0, EDGE)
            if there:
                made_of = quotient(found[pair[0]], found[pair[1]], which)
            estimates[f"{name}.{which}_ratio"] = made_of
    sides = [[found[g] for g in settings[side] if g in found] for side in ("lesser", "greater")]
    estimates["less_share"] = less_share(*sides)
    return {"estimates": estimates, "points": [], "cells": cells}

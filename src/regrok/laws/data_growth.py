"""How T_grok grows with less data, in a factor per percentage point of the pairs (arXiv 2201.02177, section 3.1.1).

"One per cent less data raises the median time by 40 to 50 %" is a slope of log T_grok on the fraction in one zone of
fractions. Whether it belongs to the data or to the zone shows where it is taken elsewhere too: over all fractions,
in other zones, between neighbours, and as the curvature of the whole line.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import pandas as pd

from regrok.laws.parts import estimate as est
from regrok.laws.parts import grok_times, lifetimes, shift
from regrok.laws.parts.selection import grouped, plain
from regrok.runs.frames import Frames
from regrok.study.defaults import option

DEFAULTS: dict[str, Any] = {"groups": {}, "zones": {}, "family": "log_normal"}
REFERS: dict[str, Any] = {
    "groups": "groups",
    "zones": "ranges",
    "family": ["weibull", "log_normal"],
}
ESTIMATES: dict[str, list[str]] = {
    "groups": ["growth", "curvature", "nearest.growth", "farthest.growth", "*.growth"]
}


def percent(runs: pd.DataFrame) -> pd.Series:
    """The training pairs as a percentage of all pairs: (n,)."""
    size = runs["train_size"].astype(float)
    return 100 * size / (size + runs["validation_size"].astype(float))


def factor_of(slope: est.Estimate, per: float = -1.0) -> est.Estimate:
    """exp(per · slope) with its ends in order: a growth per percentage point less from a slope per percentage point."""
    ends = [None if end is None else math.exp(per * end) for end in (slope.low, slope.high)]
    low, high = reversed(ends) if per < 0 else ends
    value = None if slope.value is None else math.exp(per * slope.value)
    return est.Estimate(**{**vars(slope), "value": value, "low": low, "high": high})


def growth(runs: pd.DataFrame, family: str) -> est.Estimate:
    """Factor on the median T_grok per percentage point less of the pairs, over all these runs, unfinished ones too."""
    x = pd.DataFrame({"percent": percent(runs).to_numpy()})
    found = grok_times.coefficient(runs, x, "percent", family)
    return factor_of(found)


def curvature(runs: pd.DataFrame, family: str) -> est.Estimate:
    """Coefficient of log T_grok on the squared percentage, from the runs' mean, the percentage held: per point².

    Above 0: a point less costs more where there is less data.
    """
    x = percent(runs).to_numpy()
    x = x - x.mean() if x.size else x
    line = pd.DataFrame({"percent": x, "square": x**2})
    return grok_times.coefficient(runs, line, "square", family)


def by_share(runs: pd.DataFrame) -> list[pd.DataFrame]:
    """The runs of each share of the data, the least first."""
    return [cell for _, cell in runs.groupby(percent(runs).round(6), sort=True)]


def between(less: pd.DataFrame, more: pd.DataFrame) -> est.Estimate:
    """Growth per percentage point between two cells, the one of less data first, by ranks (see `parts.shift`)."""
    shifted = shift.log_shift(grok_times.bounds(less), grok_times.bounds(more))
    return factor_of(shifted, 1.0 / float(percent(more).mean() - percent(less).mean()))


def neighbours(cells: list[pd.DataFrame]) -> dict[str, est.Estimate]:
    """nearest.growth and farthest.growth of cells in order of their data.

    Nearest to the threshold are the two neighbours of least data at both of which more than half of the runs grokked;
    farthest from it the two of most data.
    """
    over = [rows for rows in cells if rows["T_grok"].notna().mean() > 0.5]
    pairs = [(less, more) for less, more in pairwise(cells) if _both(less, more, over)]
    if not pairs:
        n = sum(map(len, cells))
        nothing = est.missing(
            "no two neighbouring fractions at which most runs grok", n, shift.ESTIMATOR
        )
        return {"nearest.growth": nothing, "farthest.growth": nothing}
    return {"nearest.growth": between(*pairs[0]), "farthest.growth": between(*pairs[-1])}


def _both(less: pd.DataFrame, more: pd.DataFrame, over: list[pd.DataFrame]) -> bool:
    return all(any(rows is each for each in over) for rows in (less, more))


def described(name: str, cells: list[pd.DataFrame]) -> list[dict[str, Any]]:
    """One record per fraction, with the growth from it to the next smaller one where there is one."""
    found = []
    for i, rows in enumerate(cells):
        found.append(
            {
                "group": name,
                "percent": plain(float(percent(rows).mean())),
                "runs": len(rows),
                "memorised": int(rows["T_mem"].notna().sum()),
                "grokked": int(rows["T_grok"].notna().sum()),
                "max_steps": plain(rows["max_steps"].min()),
                "T_mem": lifetimes.median_of(rows, "T_mem"),
                "T_grok": lifetimes.median_of(rows, "T_grok"),
                "growth": between(cells[i - 1], rows) if i else None,
            }
        )
    return found


def fit(frames: Frames, options: dict[str, Any], seed: int) -> est.Result:
    """Growth of T_grok per percentage point less of the pairs, per group of options.groups (see selection.group).

    options: groups, zones (name → [lowest, highest] percentage of the pairs), family of the residuals.
    Estimates per group: growth over all fractions and in each zone (<zone>.growth), a factor, by regression with the
    unfinished runs; curvature, above 0 where a point less costs more the less data there is; nearest.growth and
    farthest.growth, between the two neighbouring fractions next to the threshold and farthest from it, by ranks.
    Cells: per group and fraction counts, medians, and the growth to the next smaller fraction.
    """
    settings = option(options, DEFAULTS)
    estimates: dict[str, est.Estimate] = {}
    records: list[dict[str, Any]] = []
    groups = grouped(frames.runs, frames.experiments, settings["groups"])
    for name, rows in groups.items():
        rows = rows.reset_index(drop=True)
        points = percent(rows)
        estimates[f"{name}.growth"] = growth(rows, settings["family"])
        estimates[f"{name}.curvature"] = curvature(rows, settings["family"])
        for zone, (low, high) in settings["zones"].items():
            # A rounded number of pairs is not the fraction to the last digit.
            inside = rows[points.between(low - 0.05, high + 0.05)].reset_index(drop=True)
            estimates[f"{name}.{zone}.growth"] = growth(inside, settings["family"])
        cells = by_share(rows)
        estimates |= {f"{name}.{key}": value for key, value in neighbours(cells).items()}
        records += described(name, cells)
    return {"estimates": estimates, "points": [], "cells": records}

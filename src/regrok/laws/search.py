"""Two architectures at the same search budget: the best η × λ point of each, compared on seeds that chose nothing.

arXiv 2603.25009 compares each architecture at "its own optimum", found by searches of different sizes and reported on
the seeds that found it. Here each gets as many points; the best is that of least Kaplan–Meier median T_grok, and what
is reported comes from other seeds.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd

from regrok.errors import RegrokError
from regrok.laws import comparison
from regrok.laws.parts import estimate as est
from regrok.laws.parts import lifetimes, resolution
from regrok.laws.parts.selection import grouped, plain, watched
from regrok.runs.frames import Frames
from regrok.study.defaults import option

DEFAULTS: dict[str, Any] = {
    "architectures": {},
    "factors": ["learning_rate", "weight_decay"],
    "ratios": {},
    "replicates": 2000,
}
REFERS: dict[str, Any] = {"architectures": "searches", "factors": "columns", "ratios": "ratios"}
ESTIMATES: dict[str, list[str]] = {
    "architectures": [
        "comparison:groups",
        "points",
        "searched_runs",
        "searched_steps",
        "reported_runs",
        "best_*",
        "chosen_again",
        "search_T_grok",
    ],
    "ratios": ["comparison:ratios", "points_ratio"],
}


def grid_median(cell: pd.DataFrame) -> est.Estimate:
    """Kaplan–Meier median of T_grok at one point."""
    time = watched(cell)
    return lifetimes.median(time, cell["T_grok"].notna(), resolution.ends(cell, "T_grok", time))


def grid(runs: pd.DataFrame, factors: list[str]) -> pd.DataFrame:
    """One row per point of the search, best first: factors, runs, grokked, T_grok, low, high, restricted_mean.

    T_grok is the Kaplan–Meier median, ∞ beyond the budget, between low and high. Points
    whose medians tie, as those beyond the budget do, are ordered by their restricted means, then by the factors.
    """
    horizon = lifetimes.horizon_of(
        [(watched(rows), rows["T_grok"].notna()) for _, rows in runs.groupby(factors)],
        float(runs["max_steps"].min()),
    )
    rows = []
    for values, cell in runs.groupby(factors, sort=True):
        time, seen = watched(cell), cell["T_grok"].notna()
        middle = grid_median(cell)
        area = lifetimes.area(time.to_numpy(float), seen.to_numpy(bool), horizon)
        rows.append(
            dict(zip(factors, values, strict=True))
            | {"runs": len(cell), "grokked": int(seen.sum())}
            | {"T_grok": math.inf if middle.value is None else middle.value}
            | {"low": middle.low, "high": middle.high}
            | {"restricted_mean": float(area)}
        )
    table = pd.DataFrame(rows)
    return table.sort_values(["T_grok", "restricted_mean", *factors], ignore_index=True)


def alike(table: pd.DataFrame, factors: list[str]) -> dict[str, tuple[float, float]]:
    """Least and largest value of each factor among the points that nothing but their order sets behind the best."""
    measures = table[["T_grok", "restricted_mean"]]
    tied = table[(measures == measures.iloc[0]).all(axis=1)]
    return {f: (float(tied[f].min()), float(tied[f].max())) for f in factors}


def chosen_again(
    runs: pd.DataFrame, factors: list[str], best: dict[str, float], replicates: int, seed: int
) -> est.Estimate:
    """Share of resamples of the search's seeds in which the same point wins: how sure the choice is."""
    estimator = "share of resamples of the search's seeds that choose the same point"
    labels = runs.groupby(factors, sort=True).ngroup().to_numpy()
    time = np.where(runs["T_grok"].notna(), runs["T_grok"], np.inf)
    medians = []
    rng = np.random.default_rng(seed)
    for k in range(labels.max() + 1):
        own = np.sort(time[labels == k])
        # Kaplan–Meier's median with one common budget: the middle order statistic, the lower of two.
        drawn = np.sort(own[rng.integers(own.size, size=(replicates, own.size))], axis=1)
        medians.append(drawn[:, (own.size - 1) // 2])
    table = np.stack(medians, 1)
    first = np.flatnonzero((runs[factors] == pd.Series(best)).all(axis=1).to_numpy())[0]
    # Ties share the win.
    wins = table == table.min(1, keepdims=True)
    wins = wins / wins.sum(1, keepdims=True)
    return est.estimate(
        float(wins[:, labels[first]].mean()), None, None, len(runs), estimator, note="no interval"
    )


def at(runs: pd.DataFrame, point: dict[str, float]) -> pd.DataFrame:
    """The runs at a point of the grid, to rounding."""
    near = np.ones(len(runs), bool)
    for factor, value in point.items():
        near &= np.isclose(runs[factor].astype(float), value, rtol=1e-9, atol=0)
    return runs[near]


def fit(frames: Frames, options: dict[str, Any], seed: int) -> est.Result:
    """The chosen points, what they cost, and the architectures at them.

    options: architectures (name → {search: group, report: group}, see selection.group; in the report only runs at the
    chosen point count, and of those only seeds that the search has not seen); factors, the columns that make a
    point; ratios (name → [architecture, architecture]); replicates. Estimates per architecture: points, searched_runs,
    searched_steps, best_<factor>, chosen_again, search_T_grok (the winner's median, flattered by the choice); and those
    of `comparison` on the report's runs. Per ratio: points_ratio, which a matched budget makes 1, and those of
    `comparison`. Cells: every point of every search with its architecture, best first. Points: the report's
    runs. Raises RegrokError for an architecture without search or report.
    """
    runs, experiments = frames.runs, frames.experiments
    settings = option(options, DEFAULTS)
    factors, replicates = list(settings["factors"]), settings["replicates"]
    estimates: dict[str, est.Estimate] = {}
    cells: list[dict[str, Any]] = []
    parts: dict[str, pd.DataFrame] = {}
    for name, given in settings["architectures"].items():
        if set(given) != {"search", "report"}:
            raise RegrokError(
                f"options.architectures.{name}: needs the keys search and report; has {sorted(given)}"
            )
        both = grouped(runs, experiments, given)
        searched, reported = both["search"], both["report"]
        if searched.empty:
            parts[name] = reported.iloc[:0]
            estimates[f"{name}.points"] = est.missing("no run of the search is here")
            continue
        table = grid(searched, factors)
        best = {f: float(table.loc[0, f]) for f in factors}
        tied = alike(table, factors)
        there = at(reported, best)
        unseen = there[~there["seed"].isin(set(searched["seed"]))]
        parts[name] = unseen
        words = ", ".join(f"{f} = {v:g}" for f, v in best.items())
        n = len(searched)
        estimates |= {
            f"{name}.points": est.exact(len(table), n, "count", "points"),
            f"{name}.searched_runs": est.exact(n, n, "count", "runs"),
            f"{name}.searched_steps": est.exact(
                float(searched["steps"].sum()), n, "count", "steps"
            ),
            f"{name}.chosen_again": chosen_again(searched, factors, best, replicates, seed),
            f"{name}.search_T_grok": grid_median(at(searched, best)),
        }
        estimates |= {
            f"{name}.best_{f}": est.choice(
                est.exact(v, n, "least Kaplan–Meier median T_grok of the search"), *tied[f]
            )
            for f, v in best.items()
        }
        cells += [
            {"architecture": name, "chosen": i == 0} | {k: plain(v) for k, v in row.items()}
            for i, row in enumerate(table.to_dict("records"))
        ]
        estimates[f"{name}.reported_runs"] = est.exact(
            len(unseen),
            len(unseen),
            "count",
            "runs",
            f"at {words}; {len(there) - len(unseen)} left out whose seed the search has seen",
        )
    estimates |= comparison.side_by_side(parts, settings["ratios"], replicates, seed)
    for name, (a, b) in settings["ratios"].items():
        one, other = (estimates[f"{part}.points"].value for part in (a, b))
        if one is not None and other is not None:
            estimates[f"{name}.points_ratio"] = est.exact(one / other, 2, "count")
    return {"estimates": estimates, "points": comparison.group_points(parts), "cells": cells}

"""Do all configurations grok at one norm? RMS of the parameters, sqrt(V/parameters), at T_grok.

Content of Table 7 of arXiv 2603.25009. The paper has one seed of each configuration, so what it calls the spread over
configurations holds the spread over seeds too. Here both are told apart.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from regrok.laws import comparison
from regrok.laws.parts import estimate as est
from regrok.laws.parts import regression, variation
from regrok.laws.parts.absence import where_it_memorised
from regrok.laws.parts.selection import grouped, plain
from regrok.runs.frames import Frames
from regrok.study.defaults import option

DEFAULTS: dict[str, Any] = {"groups": {}, "ratios": {}, "configurations": None, "replicates": 2000}
REFERS: dict[str, Any] = {"groups": "groups", "ratios": "ratios", "configurations": "of groups"}
ESTIMATES: dict[str, list[str]] = {
    "": [
        "rms_grok_mean",
        "rms_grok_cv",
        "rms_grok_cv_population",
        "rms_grok_cv_runs",
        "rms_grok_cv_seeds",
    ],
    "groups": ["comparison:groups", "rms_0_mean", "rms_ratio"],
    "ratios": ["comparison:ratios", "rms_ratio", "log_rms_ratio"],
}
POINT_COLUMNS = (
    *("run_id", "cell", "seed", "outcome", "T_mem", "T_grok", "delay", "max_steps"),
    *("rms_0", "rms_grok"),
)


def over_configurations(
    label: np.ndarray, norm: np.ndarray, replicates: int, seed: int
) -> dict[str, est.Estimate]:
    """Mean and coefficients of variation of the norm. label: (n,) configuration of each run; norm: (n,) RMS at T_grok.

    rms_grok_cv is the population standard deviation of the configurations' means over their mean, as Table 7 has it;
    rms_grok_cv_population is that with seeds without end, of the configurations that grokked twice; rms_grok_cv_runs
    is over all runs (n − 1); rms_grok_cv_seeds is what remains within configurations.
    """
    names, k = np.unique(label, return_inverse=True)

    def means(i: np.ndarray) -> np.ndarray:
        own = (np.where(k[i] == j, norm[i], np.nan) for j in range(names.size))
        return np.stack([np.nanmean(x, -1) for x in own], -1)

    def mean(i: np.ndarray) -> np.ndarray:
        return means(i).mean(-1)

    def between(i: np.ndarray) -> np.ndarray:
        # One configuration has no spread, which is not a spread of zero.
        if names.size == 1:
            return np.full(i.shape[:-1], np.nan)
        return means(i).std(-1) / means(i).mean(-1)

    def within(i: np.ndarray) -> np.ndarray:
        centre = np.take_along_axis(means(i), np.broadcast_to(k[i], i.shape), -1)
        freedom = norm.size - names.size
        return np.sqrt(((norm[i] - centre) ** 2).sum(-1) / freedom) / means(i).mean(-1)

    note = f"{names.size} configurations"

    def of(statistic: Any, name: str) -> est.Estimate:
        estimator = f"{name}, bootstrap over seeds within configurations"
        return est.bootstrap(
            statistic, label, replicates, seed, estimator, note=note, bounds=est.POSITIVE
        )

    if not norm.size:
        nothing = est.missing("no run grokked")
        keys = ("mean", "cv", "cv_population", "cv_runs", "cv_seeds")
        return {f"rms_grok_{key}": nothing for key in keys}
    return {
        "rms_grok_mean": of(mean, "mean of the configurations' means"),
        "rms_grok_cv": of(between, "population sd over mean of the configurations' means"),
        "rms_grok_cv_population": between_configurations(k, norm, replicates, seed, note),
        "rms_grok_cv_runs": of(
            lambda i: regression.coefficient_of_variation(norm[i]), "sd over mean of all runs"
        ),
        "rms_grok_cv_seeds": of(within, "pooled sd within configurations over mean"),
    }


def between_configurations(
    k: np.ndarray, norm: np.ndarray, replicates: int, seed: int, note: str
) -> est.Estimate:
    """Coefficient of variation of the configurations' means, without what their seeds add; k, norm: (n,)."""
    twice = np.bincount(k)[k] > 1
    alone = np.unique(k[~twice]).size
    left_out = f"{alone} with one run that grokked left out" if alone else ""
    cells = variation.Cells.of(norm[twice], k[twice])
    words = "; ".join(filter(None, [note, left_out]))
    return variation.population(cells, replicates, seed, words, inner=False)


def fit(frames: Frames, options: dict[str, Any], seed: int) -> est.Result:
    """Norms at T_grok per group of options.groups (see selection.group), and delays at equal norm.

    options: groups; configurations, the groups that the mean and the CV are over (all when null; Table 7 has the
    five of width 512); ratios (name → [group, group]); replicates. Estimates: rms_grok_mean, rms_grok_cv,
    rms_grok_cv_population, rms_grok_cv_runs, rms_grok_cv_seeds. Per group: rms_grok_mean, rms_0_mean, rms_ratio (at
    grokking over init), and those of `comparison`. Per ratio: rms_ratio (of geometric means at T_grok), log_rms_ratio,
    and those of `comparison`, so that a ratio of delays stands beside the ratio of norms. A run that did not grok has
    no such norm; the group's grokked_share says how many there are. Points: one record per run and group.
    """
    runs, experiments = frames.runs, frames.experiments
    settings = option(options, DEFAULTS)
    parts = grouped(runs, experiments, settings["groups"])
    replicates = settings["replicates"]
    chosen = settings["configurations"] or list(parts)
    norms = {name: rows["rms_grok"].dropna().to_numpy(float) for name, rows in parts.items()}
    label = (
        np.concatenate([[name] * norms[name].size for name in chosen]) if chosen else np.array([])
    )
    norm = np.concatenate([norms[name] for name in chosen]) if chosen else np.array([])
    estimates = over_configurations(label, norm, replicates, seed)
    estimates |= comparison.side_by_side(parts, settings["ratios"], replicates, seed)
    for name, rows in parts.items():
        estimates[f"{name}.rms_0_mean"] = est.mean(rows["rms_0"])
        known = rows["rms_grok"].notna()
        growth = est.mean((rows["rms_grok"] / rows["rms_0"])[known], log=True)
        estimates[f"{name}.rms_ratio"] = where_it_memorised(growth, name, rows)
    for name, (a, b) in settings["ratios"].items():
        found, log = comparison.ratio(norms[a], norms[b])
        for part in (a, b):
            found, log = (where_it_memorised(each, part, parts[part]) for each in (found, log))
        estimates |= {f"{name}.rms_ratio": found, f"{name}.log_rms_ratio": log}
    points = [
        {"group": name, "configuration": name in chosen} | {c: plain(row[c]) for c in POINT_COLUMNS}
        for name, rows in parts.items()
        for row in rows.to_dict("records")
    ]
    return {"estimates": estimates, "points": points, "cells": []}

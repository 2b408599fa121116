"""Slingshots: does the training set come undone between memorising and grokking, and do the laws rest on such runs?

Thilak et al. 2022, "The Slingshot Mechanism", tie grokking to spikes of the training loss. A fall here is a logged
evaluation of the training set with an accuracy below a bound, after T_mem and before T_grok (or until the run's end).
The training set is evaluated less often than the curve is logged, so a spike may pass unseen: a share is the least that
it may be.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd

from regrok.laws.parts import estimate as est
from regrok.laws.parts import regression, two_samples
from regrok.laws.parts.selection import (
    cell_settings,
    conditions,
    curve_of,
    distinct,
    of_experiments,
    plain,
    within,
)
from regrok.runs.frames import Frames
from regrok.study.defaults import option

DEFAULTS: dict[str, Any] = {
    "accuracy": 0.95,
    "by": ["learning_rate", "weight_decay"],
    "factor": "learning_rate",
    "reference": None,
    "within": {},
    "replicates": 2000,
}
REFERS: dict[str, Any] = {
    "by": ["learning_rate", "weight_decay"],
    "factor": ["learning_rate", "weight_decay"],
    "reference": "experiments",
    "within": "limits",
}
RESPONSES = ("T_grok", "delay")
ESTIMATES: dict[str, list[str]] = {
    "": [
        "share",
        "grokked_share",
        "steps_to_grok",
        "T_grok.exponent",
        "T_grok.exponent_calm",
        "T_grok.exponent_difference",
        "T_grok.exponent_shift",
        "delay.exponent",
        "delay.exponent_calm",
        "delay.exponent_difference",
        "delay.exponent_shift",
    ]
}
POINT_COLUMNS = ("run_id", "cell", "seed", "learning_rate", "weight_decay", "T_mem", "T_grok")


def falls(curve: pd.DataFrame, start: float, end: float, accuracy: float) -> np.ndarray | None:
    """Steps strictly between start and end at which the logged training accuracy is below `accuracy`.

    curve: step, train_accuracy (NaN where the training set was not evaluated). None where it never was in between.
    """
    known = curve[(curve["step"] > start) & (curve["step"] < end) & curve["train_accuracy"].notna()]
    if known.empty:
        return None
    return known.loc[known["train_accuracy"] < accuracy, "step"].to_numpy(float)


def looked_at(runs: pd.DataFrame, curves: pd.DataFrame, accuracy: float) -> pd.DataFrame:
    """The runs that memorised and were evaluated since, with columns falls, first_fall, last_fall (steps)."""
    by_run = curve_of(curves)
    rows = []
    for run in runs[runs["T_mem"].notna()].to_dict("records"):
        end = run["T_grok"] if pd.notna(run["T_grok"]) else run["steps"] + 1
        if run["run_id"] not in by_run:
            continue
        found = falls(by_run[run["run_id"]], run["T_mem"], end, accuracy)
        if found is not None:
            first, last = (found[0], found[-1]) if found.size else (np.nan, np.nan)
            rows.append({**run, "falls": found.size, "first_fall": first, "last_fall": last})
    return pd.DataFrame(rows, columns=[*runs, "falls", "first_fall", "last_fall"])


def shift(
    log_x: np.ndarray, log_t: np.ndarray, cells: np.ndarray, calm: np.ndarray
) -> est.Estimate:
    """How far the runs that fell move the exponent: slope on log x of what they add to the mean log time of a cell.

    (n,) each. Every cell with a calm run counts once, with its runs that fell and without, so that a law that is no
    power law, met by other cells more often, is no difference. Within a cell both kinds of run have one variance, with
    two degrees of freedom less than runs: one calm run is enough. A t interval with Satterthwaite's degrees.
    """
    estimator = "slope over cells of mean log time with less without runs that fell, t interval"
    n = log_t.size
    used = np.unique(cells[calm])
    if used.size < 2:
        return est.missing(f"{used.size} cells have a run that did not fall", n, estimator)
    x = np.array([log_x[cells == c].mean() for c in used])
    x = x - x.mean()
    if not np.ptp(x) > 0:
        return est.missing("the factor is the same in every cell", n, estimator)
    parts, value = [], 0.0
    for arm, c in zip(x / (x @ x), used, strict=True):
        kept, fell = log_t[(cells == c) & calm], log_t[(cells == c) & ~calm]
        if not fell.size:
            continue
        weight = arm * fell.size / (fell.size + kept.size)
        value += weight * (fell.mean() - kept.mean())
        freedom = fell.size + kept.size - 2
        squares = sum(((each - each.mean()) ** 2).sum() for each in (kept, fell))
        spread = squares / freedom * (1 / fell.size + 1 / kept.size) if freedom else math.nan
        parts.append((weight**2 * spread, freedom))
    rested = int(np.isin(cells, used).sum())
    found = est.estimate(value, None, None, rested, estimator)
    if not parts:
        return est.without_interval(found, "no run fell: the two are one number")
    if any(freedom == 0 for _, freedom in parts):
        return est.without_interval(found, "a cell of two runs, of which one fell, tells no spread")
    total = sum(v for v, _ in parts)
    freedom = total**2 / sum(v**2 / f for v, f in parts) if total else math.inf
    half = two_samples.Contrast(value, total, freedom).half
    return est.estimate(value, value - half, value + half, rested, estimator)


def exponents(
    runs: pd.DataFrame, response: str, factor: str, replicates: int, seed: int
) -> dict[str, est.Estimate]:
    """Exponent of the factor with every run, without those that fell, and the difference in the cells of the latter.

    runs: that grokked, with `falls`. A cell in which every run fell has no part in the last two: otherwise the
    difference would be that of two ranges of the factor. Resamples keep how many runs of a cell fell.
    """
    runs = runs[(runs[response] > 0) & (runs[factor] > 0)].reset_index(drop=True)
    calm = (runs["falls"] == 0).to_numpy()
    cells = conditions(runs)
    shared = np.isin(cells, np.unique(cells[calm]))
    note = (
        f"{int((~calm).sum())} of {len(runs)} runs fell; "
        f"{np.unique(cells[~shared]).size} of {np.unique(cells).size} cells without a calm run"
    )
    log_x = np.log(runs[factor].to_numpy(float))
    log_t = np.log(runs[response].to_numpy(float))
    strata = 2 * cells + calm

    def of(statistic: est.Statistic, chosen: np.ndarray, how: str) -> est.Estimate:
        rows = np.flatnonzero(chosen)
        name = f"log-log least squares{how}, bootstrap over seeds within cells"
        return est.bootstrap(
            lambda i: statistic(rows[i]), strata[chosen], replicates, seed, name, note=note
        )

    def slope(i: np.ndarray) -> np.ndarray:
        return regression.slope(log_x[i], log_t[i])

    # Resamples keep each stratum's rows in place, so the calm ones are where they were.
    of_calm = calm[shared]
    difference = of(
        lambda i: slope(i) - slope(i[..., of_calm]), shared, ", with less without runs that fell"
    )
    if calm.all():
        difference = est.without_interval(difference, "no run fell: the two are one number")
    return {
        "exponent": of(slope, np.ones(len(runs), bool), ""),
        "exponent_calm": of(slope, calm, " of runs that did not fall"),
        "exponent_difference": difference,
        "exponent_shift": shift(log_x, log_t, cells, calm).noting(note),
    }


def fit(frames: Frames, options: dict[str, Any], seed: int) -> est.Result:
    """How often the training accuracy falls between T_mem and T_grok, and the exponent without the runs where it does.

    options: accuracy (the bound), by (columns whose values each get a share), factor and reference (of the exponents:
    the column, and the experiments whose runs they rest on), within, replicates. Estimates: share (of the runs that
    memorised), grokked_share (of those that also grokked), steps_to_grok (geometric mean, from the last fall), and for
    T_grok and delay .exponent, .exponent_calm, .exponent_difference (all runs less calm ones; a bootstrap that takes a
    cell's only calm run for one without spread, so that it is not judged), .exponent_shift (see `shift`). Cells: a
    record per cell, and per value of each column of `by`, with `by` null or its name. Points: one record per run.
    """
    settings = option(options, DEFAULTS)
    runs = within(frames.runs, settings["within"])
    # Of two runs that repeat one training, the reference's own may be the other.
    every = looked_at(runs, frames.curves, settings["accuracy"])
    chosen = distinct(of_experiments(every, frames.experiments, settings["reference"]))
    chosen = chosen[chosen["T_grok"].notna()]
    runs, seen = distinct(runs), distinct(every)
    memorised = int(runs["T_mem"].notna().sum())
    unseen = (
        f"{memorised - len(seen)} of {memorised} runs not evaluated between"
        if memorised > len(seen)
        else ""
    )
    grokked = seen[seen["T_grok"].notna()]
    fell = grokked[grokked["falls"] > 0]

    def share(rows: pd.DataFrame) -> est.Estimate:
        count = int((rows["falls"] > 0).sum())
        return est.share(count, len(rows)).noting(unseen) if len(rows) else est.missing("no runs")

    estimates = {
        "share": share(seen),
        "grokked_share": share(grokked),
        "steps_to_grok": est.mean(fell["T_grok"] - fell["last_fall"], "steps", log=True),
    }
    for response in RESPONSES:
        made = exponents(chosen, response, settings["factor"], settings["replicates"], seed)
        estimates |= {f"{response}.{key}": value for key, value in made.items()}

    def record(rows: pd.DataFrame) -> dict[str, Any]:
        both = rows[rows["T_grok"].notna()]
        return {"runs": len(rows), "share": share(rows), "grokked_share": share(both)}

    cells = [
        {"by": None} | cell_settings(rows) | record(rows)
        for _, rows in seen.groupby("cell", sort=True)
    ]
    cells += [
        {"by": column, column: plain(value)} | record(rows)
        for column in settings["by"]
        for value, rows in seen.groupby(column, sort=True)
    ]
    points = [
        {c: plain(run[c]) for c in (*POINT_COLUMNS, "falls", "first_fall", "last_fall")}
        for run in seen.to_dict("records")
    ]
    return {"estimates": estimates, "points": points, "cells": cells}

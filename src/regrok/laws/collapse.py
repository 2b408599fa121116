"""Validation gap against Fourier residual before grokking, by the published protocol (arXiv 2603.13331, S4, S7; A8).

As `spectral`, but as the released scripts do it: one set K* of frequencies for all runs, a snapshot every 500 steps,
and with each the loss of the next log, every 200 steps, on which T_grok is read too. That leaves two or three snapshots
a run, ten in all, of the sixty or so that a finer grid has. Snapshots of one run are not independent, so intervals
leave out whole runs. The robust line is the paper's random sample consensus; it had no seed, so many are tried.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from regrok.laws.parts import estimate as est
from regrok.laws.parts import jackknife, ransac, regression
from regrok.laws.parts.selection import curve_of, plain
from regrok.laws.spectral import (
    AFTER_GROK,
    BEFORE_GROK,
    LAST_LOSSES,
    LEAST_RESIDUAL,
    RESOLUTIONS,
    SETTLED,
    support,
    tables,
)
from regrok.runs.frames import Frames
from regrok.study.defaults import option

DEFAULTS: dict[str, Any] = {
    "snapshot_every": 500,
    "log_every": 200,
    "seeds": 300,
    "printed": 0.99,
    "tolerance": 0.03,
    "released": {},
}
ESTIMATES: dict[str, list[str]] = {
    "": [
        "low.slope",
        "low.intercept",
        "low.r_squared",
        "low.support_size",
        "low.ransac_median",
        "low.ransac_largest",
        "low.ransac_share",
        "high.slope",
        "high.intercept",
        "high.r_squared",
        "high.support_size",
        "high.ransac_median",
        "high.ransac_largest",
        "high.ransac_share",
    ],
    "released": ["slope_difference"],
}
UPPER = 0.5 + est.LEVEL / 2
ACCURACY = 0.99
"""Validation accuracy at T_grok."""


def on_log(curve: pd.DataFrame, every: int) -> pd.DataFrame:
    """Rows of one run's curve at multiples of `every` that have a validation loss, indexed by step."""
    logged = curve[curve["validation_loss"].notna() & (curve["step"] % every == 0)]
    return logged.sort_values("step").set_index("step")


def grokked_at(log: pd.DataFrame) -> float:
    """First logged step with validation accuracy of at least .99; NaN where there is none. log: see `on_log`."""
    reached = log.index[log["validation_accuracy"] >= ACCURACY]
    return float(reached[0]) if len(reached) else math.nan


def snapshots(
    curves: pd.DataFrame, spectra: pd.DataFrame, kind: str, settings: Mapping[str, Any]
) -> tuple[list[dict[str, Any]], int]:
    """Records (run_id, step, residual, gap, used) of the runs that grokked, and the size of the pooled K*.

    Runs without spectra or losses late enough after T_grok have none.
    """
    every = settings["snapshot_every"]
    by_run = {
        run_id: table[(table.index % every == 0) & (table.index > 0)]
        for run_id, table in tables(spectra, kind).items()
    }
    logs = {r: on_log(c, settings["log_every"]) for r, c in curve_of(curves).items() if r in by_run}
    T_grok = {run_id: grokked_at(log) for run_id, log in logs.items()}
    late = {
        run_id: by_run[run_id][by_run[run_id].index > T + AFTER_GROK]
        for run_id, T in T_grok.items()
    }
    late = {run_id: table for run_id, table in late.items() if len(table)}
    if not late:
        return [], 0
    kept = support(pd.concat(list(late.values())).mean(axis=0).to_numpy())
    points = []
    for run_id in late:
        log, T = logs[run_id], T_grok[run_id]
        settled = log.loc[log.index > T + SETTLED, "validation_loss"]
        if settled.empty:
            continue
        level = settled.iloc[-LAST_LOSSES:].mean()
        for step, R in (1 - by_run[run_id].iloc[:, kept].sum(axis=1)).items():
            after = log.loc[log.index >= step, "validation_loss"]
            if after.empty:
                continue
            used = step < T - BEFORE_GROK and R >= LEAST_RESIDUAL
            gap = float(after.iloc[0] - level)
            points.append(
                {"run_id": run_id, "step": int(step), "residual": float(R), "gap": gap}
                | {"used": bool(used)}
            )
    return points, len(kept)


def line(used: pd.DataFrame, seeds: int, seed: int) -> dict[str, est.Estimate]:
    """Slope, intercept, R² and the consensus line's R² over seeds. used: (n, 3) run_id, residual, gap."""
    x, y = used["residual"].to_numpy(float), used["gap"].to_numpy(float)
    runs = used["run_id"].to_numpy()
    note = f"{len(used)} snapshots of {len(set(runs))} runs"
    rest = jackknife.clusters(runs)

    def of(statistic: Any, name: str, scale: jackknife.Scale = jackknife.IDENTITY) -> est.Estimate:
        value = float(statistic(x, y)) if x.size > 2 else math.nan
        if not math.isfinite(value):
            return est.missing("too few snapshots", len(used), name)
        found = est.estimate(value, None, None, len(used), name, note=note)
        left_out = np.array([float(statistic(x[rows], y[rows])) for rows in rest])
        return jackknife.with_interval(found, value, left_out, "run", scale)

    def consensus(statistic: Any, name: str) -> est.Estimate:
        def over_seeds(x: np.ndarray, y: np.ndarray) -> float:
            values = ransac.r_squared(x, y, seeds, seed)
            return float(statistic(values)) if values.size else math.nan

        words = f"random sample consensus, R² over inliers, {name} of {seeds} seeds"
        return of(over_seeds, words, jackknife.FISHER)

    return {
        "slope": of(regression.slope, "least squares"),
        "intercept": of(regression.intercept, "least squares"),
        "r_squared": of(regression.r_squared, "least squares", jackknife.FISHER),
        "ransac_median": consensus(np.median, "median"),
        "ransac_largest": consensus(np.max, "largest"),
    }


def share_of_seeds(used: pd.DataFrame, settings: Mapping[str, Any], seed: int) -> est.Estimate:
    """Share of seeds whose consensus line has the printed R², of the snapshots as they are. used: see `line`.

    Its interval is over seeds: how the runs vary it does not say.
    """
    x, y = used["residual"].to_numpy(float), used["gap"].to_numpy(float)
    values = ransac.r_squared(x, y, settings["seeds"], seed)
    hits = int((np.abs(values - settings["printed"]) <= settings["tolerance"]).sum())
    range_ = f", which have {values.min():.2f} to {values.max():.2f}" if values.size else ""
    words = f"{hits} of {values.size} seeds within {settings['tolerance']:g} of {settings['printed']:g}{range_}"
    found = est.share(hits, values.size, f"{words}; {len(used)} snapshots")
    return replace(found, estimator="share of seeds, Wilson interval")


def difference(found: est.Estimate, released: Mapping[str, float], runs: int) -> est.Estimate:
    """Slope less the released one, with both errors (Welch's degrees of freedom).

    released: slope, low, high of its 95 % interval, and snapshots under it. runs: clusters that ours leaves out.
    """
    name = f"{found.estimator}, less the released slope, Welch's interval"
    if found.value is None or found.low is None or found.high is None:
        return est.missing(found.reason or "no interval of ours", found.n, name)
    ours = (found.high - found.low) / 2 / float(stats.t.ppf(UPPER, runs - 1))
    theirs = (released["high"] - released["low"]) / 2 / float(stats.norm.ppf(UPPER))
    parts = [(ours**2, runs - 1), (theirs**2, released["snapshots"] - 2)]
    variance = sum(v for v, _ in parts)
    freedom = variance**2 / sum(v**2 / f for v, f in parts)
    half = float(stats.t.ppf(UPPER, freedom)) * math.sqrt(variance)
    value = found.value - released["slope"]
    return est.estimate(value, value - half, value + half, found.n, name, found.unit, found.note)


def fit(frames: Frames, options: dict[str, Any], seed: int) -> est.Result:
    """Least squares and random sample consensus of the gap on R, at both resolutions.

    options: snapshot_every, log_every (steps); seeds of the consensus line, and printed and tolerance, the R² that they
    are asked for; released: resolution → {slope, low, high, snapshots} of the authors' runs. Estimates per resolution:
    slope, intercept, r_squared, support_size; ransac_median and ransac_largest (R² over inliers, over the seeds) and
    ransac_share (of seeds that have the printed one); slope_difference where a released slope is given. Points: every
    snapshot, `used` where it enters the fit.
    """
    settings = option(options, DEFAULTS)
    estimates: dict[str, est.Estimate] = {}
    shown = []
    for resolution in RESOLUTIONS:
        points, size = (
            snapshots(frames.curves, frames.spectra, f"fourier_{resolution}", settings)
            if {"kind", "step"} <= set(frames.spectra)
            else ([], 0)
        )
        used = pd.DataFrame([p for p in points if p["used"]], columns=["run_id", "residual", "gap"])
        found = line(used, settings["seeds"], seed)
        runs = used["run_id"].nunique()
        found["support_size"] = (
            est.exact(size, runs, "pooled K*", "frequencies")
            if size
            else est.missing("no spectra late enough after T_grok", 0, "pooled K*", "frequencies")
        )
        found["ransac_share"] = share_of_seeds(used, settings, seed)
        if resolution in settings["released"]:
            released = settings["released"][resolution]
            found["slope_difference"] = difference(found["slope"], released, runs)
        estimates |= {f"{resolution}.{key}": value for key, value in found.items()}
        shown += [{"resolution": resolution} | {k: plain(v) for k, v in p.items()} for p in points]
    return {"estimates": estimates, "points": shown, "cells": []}

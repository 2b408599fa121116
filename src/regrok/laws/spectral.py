"""Validation gap against Fourier residual before grokking (arXiv 2603.13331, S4 and S7; papers' A8).

R is the share of the logits' power outside a fixed set K* of frequencies: the smallest set that holds 99 % of the
power after grokking. The gap is the validation loss less its level long after grokking. Constants are the
paper's. Points of one run are not independent, so intervals resample whole runs.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import statsmodels.api as sm

from regrok.laws.parts import estimate as est
from regrok.laws.parts import regression
from regrok.laws.parts.heard import heard
from regrok.laws.parts.selection import plain
from regrok.runs.frames import Frames
from regrok.study.defaults import option

DEFAULTS: dict[str, Any] = {"support": "run", "replicates": 1000, "robust_replicates": 100}
REFERS: dict[str, Any] = {"support": ["run", "pooled"]}
ESTIMATES: dict[str, list[str]] = {
    "": [
        "low.slope",
        "low.intercept",
        "low.r_squared",
        "low.pearson",
        "low.robust_slope",
        "low.robust_r_squared",
        "low.support_size",
        "high.slope",
        "high.intercept",
        "high.r_squared",
        "high.pearson",
        "high.robust_slope",
        "high.robust_r_squared",
        "high.support_size",
    ]
}
RESOLUTIONS = ("high", "low")

AFTER_GROK = 1000
"""Spectra later than T_grok by more than this define K*."""
ENERGY = 0.99
"""Share of the power that K* holds."""
SETTLED = 2000
"""The loss's level is that of the last five points later than T_grok by more than this."""
LAST_LOSSES = 5
BEFORE_GROK = 500
"""Points count up to this long before T_grok."""
LEAST_RESIDUAL = 0.03
"""Points with a smaller R are left out."""


def support(power: np.ndarray) -> np.ndarray:
    """Indices of the smallest set of frequencies that holds 99 % of the power. power: (F,) one-sided."""
    order = np.argsort(-power, kind="stable")
    held = np.cumsum(power[order]) / power.sum()
    return np.sort(order[: int(np.searchsorted(held, ENERGY - 1e-12)) + 1])


def tables(spectra: pd.DataFrame, kind: str) -> dict[str, pd.DataFrame]:
    """Per run the power as (steps × frequencies), each row divided by its sum."""
    rows = spectra[spectra["kind"] == kind]
    tables = {}
    for run_id, part in rows.groupby("run_id", sort=True):
        table = part.pivot(index="step", columns="index", values="power")
        total = table.sum(axis=1)
        tables[str(run_id)] = table[total > 0].div(total[total > 0], axis=0)
    return tables


def gap_points(
    runs: pd.DataFrame, curves: pd.DataFrame, spectra: pd.DataFrame, kind: str, scope: str
) -> tuple[list[dict[str, Any]], list[int]]:
    """Records (run_id, seed, step, residual, gap, used) of runs that grokked, and the sizes of their K*.

    scope: "run" takes each run's own K*, "pooled" one K* from the mean spectrum of all runs. A run without
    spectra or losses late enough after T_grok has none.
    """
    by_run = tables(spectra, kind)
    grokked = runs[runs["T_grok"].notna()].set_index("run_id")
    late = {
        r: t[t.index > grokked.loc[r, "T_grok"] + AFTER_GROK].mean(axis=0)
        for r, t in by_run.items()
        if r in grokked.index and (t.index > grokked.loc[r, "T_grok"] + AFTER_GROK).any()
    }
    if not late:
        return [], []
    # Runs of another modulus have other frequencies: they are pooled with their like only.
    pooled = {
        size: support(np.mean([v for v in late.values() if v.size == size], axis=0))
        for size in {v.size for v in late.values()}
    }
    points, sizes = [], []
    for run_id, after in late.items():
        kept = support(after.to_numpy()) if scope == "run" else pooled[after.size]
        T_grok = grokked.loc[run_id, "T_grok"]
        curve = curves[(curves["run_id"] == run_id) & curves["validation_loss"].notna()].set_index(
            "step"
        )
        settled = curve.loc[curve.index > T_grok + SETTLED, "validation_loss"]
        if settled.empty:
            continue
        sizes.append(len(kept))
        level = settled.iloc[-LAST_LOSSES:].mean()
        residual = 1 - by_run[run_id].iloc[:, kept].sum(axis=1)
        for step, R in residual.items():
            if step not in curve.index:
                continue
            points.append(
                {
                    "run_id": run_id,
                    "seed": plain(grokked.loc[run_id, "seed"]),
                    "step": int(step),
                    "residual": float(R),
                    "gap": float(curve.loc[step, "validation_loss"] - level),
                    "used": bool(step < T_grok - BEFORE_GROK and R >= LEAST_RESIDUAL),
                }
            )
    return points, sizes


def robust_line(x: np.ndarray, y: np.ndarray) -> tuple[float, float, float]:
    """Slope, intercept and weighted R² of Huber's M-estimator; NaN where it has none or statsmodels warns."""
    if x.size < 3 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return (np.nan,) * 3
    slope, intercept = regression.slope(x, y), regression.intercept(x, y)
    # An exact line leaves no scale of residuals for the M-estimator to weigh by.
    if np.abs(y - slope * x - intercept).max() < 1e-9 * np.ptp(y):
        return float(slope), float(intercept), 1.0
    try:
        with heard() as said:
            fitted = sm.RLM(y, sm.add_constant(x), M=sm.robust.norms.HuberT()).fit()
    except (np.linalg.LinAlgError, ValueError, ZeroDivisionError):
        return (np.nan,) * 3
    if said:
        return (np.nan,) * 3
    w = fitted.weights
    centred = y - np.average(y, weights=w)
    r_squared = 1 - (w @ (y - fitted.fittedvalues) ** 2) / (w @ centred**2)
    return float(fitted.params[1]), float(fitted.params[0]), float(r_squared)


def lines(used: pd.DataFrame, settings: dict[str, Any], seed: int) -> dict[str, est.Estimate]:
    """Both lines of gap on residual. used: (n, 3) run_id, residual, gap."""
    x, y = used["residual"].to_numpy(float), used["gap"].to_numpy(float)
    note = f"{len(used)} snapshots of {used['run_id'].nunique()} runs"

    bounds = {
        "r_squared": est.SHARE,
        "robust_r_squared": (-np.inf, 1.0),
        "pearson": est.CORRELATION,
    }

    def over(key: str, statistic: Any, name: str, replicates: int) -> est.Estimate:
        return est.cluster_bootstrap(
            lambda i: statistic(x[i], y[i]),
            used["run_id"],
            replicates,
            seed,
            f"{name}, bootstrap over runs",
            note=note,
            bounds=bounds.get(key, est.UNBOUNDED),
        )

    found = {
        key: over(key, getattr(regression, key), "least squares", settings["replicates"])
        for key in ("slope", "intercept", "r_squared", "pearson")
    }
    for key, part in (("robust_slope", 0), ("robust_r_squared", 2)):
        found[key] = over(
            key,
            lambda x, y, part=part: robust_line(x, y)[part],
            "Huber's M-estimator",
            settings["robust_replicates"],
        )
    return found


def fit(frames: Frames, options: dict[str, Any], seed: int) -> est.Result:
    """Least squares and Huber's line of the gap on R, at both resolutions.

    options: support (run or pooled: whose K*; which one the paper took is NOT FOUND), replicates,
    robust_replicates. Estimates per resolution: slope, intercept, r_squared, pearson, robust_slope,
    robust_r_squared, support_size. Points: every measured snapshot, `used` where it enters the fit.
    """
    runs, curves, spectra = frames.runs, frames.curves, frames.spectra
    settings = option(options, DEFAULTS)
    estimates: dict[str, est.Estimate] = {}
    all_points = []
    for resolution in RESOLUTIONS:
        kind = f"fourier_{resolution}"
        points, sizes = (
            gap_points(runs, curves, spectra, kind, settings["support"])
            if {"kind", "step"} <= set(spectra)
            else ([], [])
        )
        used = pd.DataFrame([p for p in points if p["used"]], columns=["run_id", "residual", "gap"])
        for key, value in lines(used, settings, seed).items():
            estimates[f"{resolution}.{key}"] = value
        estimates[f"{resolution}.support_size"] = est.mean(sizes, "frequencies")
        all_points += [{"resolution": resolution} | p for p in points]
    return {"estimates": estimates, "points": all_points, "cells": []}

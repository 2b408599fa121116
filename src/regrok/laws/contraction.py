"""V_t = A·r^t + C after memorisation, run by run (arXiv 2603.13331, A.1 "contraction fit").

The law says that after memorisation weight decay alone moves the norm, so that V contracts by r = 1 − 2ηλ per
step. The fit is the paper's: non-linear least squares on the logged points from T_mem to the end of the run, at
least five of them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from scipy.optimize import curve_fit

from regrok.laws.parts import estimate as est
from regrok.laws.parts.heard import heard
from regrok.laws.parts.selection import cell_settings, curve_of, of_experiments, plain
from regrok.runs.frames import Frames
from regrok.study.defaults import option

DEFAULTS: dict[str, Any] = {"reference": None}
REFERS: dict[str, Any] = {"reference": "experiments"}
ESTIMATES: dict[str, list[str]] = {"": ["rate", "rate_loss", "rate_loss_over_theory", "r_squared"]}
MINIMUM_POINTS = 5


def fit_curve(steps: np.ndarray, V: np.ndarray) -> dict[str, float] | None:
    """Least-squares A, r, C and R² of V = A·r^(t − t₀) + C; None if it cannot be fitted.

    steps: (m,) increasing, t₀ the first of them; V: (m,). r is per step and may exceed 1 (a growing norm).
    None for fewer than five points, a constant curve, no convergence, or a curve that does not tell A, r and C apart.
    """
    if steps.size < MINIMUM_POINTS:
        return None
    span, height = float(steps[-1] - steps[0]), float(np.ptp(V))
    if span <= 0 or height <= 1e-12 * float(np.abs(V).max()):
        return None
    # In units of the window and the fall, all three parameters are of order one.
    t, v = (steps - steps[0]) / span, (V - V[-1]) / height

    def model(t: np.ndarray, a: float, k: float, c: float) -> np.ndarray:
        # The search may step far out and come back.
        with np.errstate(over="ignore", invalid="ignore"):
            return a * np.exp(-k * t) + c

    try:
        with heard() as said:
            (a, k, c), _ = curve_fit(model, t, v, p0=(v[0], 3.0, 0.0), maxfev=2000)
            residual = v - model(t, a, k, c)
            r_squared = 1 - residual @ residual / ((v - v.mean()) @ (v - v.mean()))
    except RuntimeError:
        return None
    # SciPy warns where the curve does not tell A, r and C apart.
    if said or not np.isfinite([a, k, c, r_squared]).all():
        return None
    return {
        "A": float(a * height),
        "rate": float(np.exp(-k / span)),
        # −expm1 keeps the digits that 1 − r would lose.
        "rate_loss": float(-np.expm1(-k / span)),
        "C": float(c * height + V[-1]),
        "r_squared": float(r_squared),
    }


def fit(frames: Frames, options: dict[str, Any], seed: int) -> est.Result:
    """Rates per run, averaged over the runs of the `reference` experiments (all runs if none is named).

    Estimates: rate (per step), rate_loss = 1 − r (per step), rate_loss_over_theory = (1 − r) / (2ηλ), r_squared.
    Points: one record per run (A, rate, C, R², theory). Cells: means per cell with intervals.
    """
    runs, curves, experiments = frames.runs, frames.curves, frames.experiments
    reference = option(options, DEFAULTS)["reference"]
    by_run = curve_of(curves)
    points = []
    for run in runs[runs["T_mem"].notna()].to_dict("records"):
        curve = by_run.get(run["run_id"])
        if curve is None:
            continue
        curve = curve[(curve["step"] >= run["T_mem"]) & curve["V"].notna()]
        found = fit_curve(curve["step"].to_numpy(float), curve["V"].to_numpy(float))
        if found is None:
            continue
        theory = 2 * run["learning_rate"] * run["weight_decay"]
        points.append(
            {
                **{
                    c: plain(run[c])
                    for c in ("run_id", "cell", "seed", "learning_rate", "weight_decay")
                },
                "T_mem": plain(run["T_mem"]),
                "T_grok": plain(run["T_grok"]),
                **found,
                "rate_theory": 1 - theory,
                "rate_loss_over_theory": found["rate_loss"] / theory if theory > 0 else None,
                "points": len(curve),
            }
        )
    fitted = pd.DataFrame(points, columns=list(points[0]) if points else ["run_id", "cell"])
    chosen = of_experiments(fitted, experiments, reference)
    keys = {"rate": "1/step", "rate_loss": "1/step", "rate_loss_over_theory": "", "r_squared": ""}
    memorised = int(runs["T_mem"].notna().sum())
    note = f"{len(fitted)} of {memorised} memorised runs could be fitted"

    def of(rows: pd.DataFrame) -> dict[str, Any]:
        return {
            k: est.mean(rows[k], unit, note)
            if len(rows)
            else est.missing("no fitted run", unit=unit)
            for k, unit in keys.items()
        }

    cells = [
        cell_settings(runs[runs["cell"] == cell]) | {"runs": len(rows)} | of(rows)
        for cell, rows in fitted.groupby("cell", sort=True)
    ]
    return {"estimates": of(chosen), "points": points, "cells": cells}

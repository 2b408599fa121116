"""How long until grokking, told at memorisation time (arXiv 2603.13331, A11).

The paper's three-input algorithm is not published, so this predictor is ours. Its inputs are known a short while
after T_mem: η, λ, V_mem, and the contraction of V measured over the window that follows T_mem, in units of
what weight decay alone would do. Their logarithms enter a line for log delay, fitted by Huber's M-estimator to
some cells; the cells it is judged on are held out, one at a time. Runs of one cell are never split, and runs that
share all settings but the logging count as one cell.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import statsmodels.api as sm

from regrok.laws.parts import estimate as est
from regrok.laws.parts.selection import (
    conditions,
    curve_of,
    distinct,
    escape_theory,
    plain,
    within,
)
from regrok.laws.parts.warned import heard
from regrok.runs.frames import Frames
from regrok.study.defaults import option

DEFAULTS: dict[str, Any] = {
    "window": 0.1,
    "features": ["log_learning_rate", "log_weight_decay", "log_V_mem", "contraction"],
    "within": {},
    "replicates": 2000,
}
REFERS: dict[str, Any] = {
    "features": [
        "log_learning_rate",
        "log_weight_decay",
        "log_time_scale",
        "log_V_mem",
        "log_T_mem",
        "contraction",
    ],
    "within": "limits",
}
ESTIMATES: dict[str, list[str]] = {
    "": [
        "mape",
        "mape_time_scale",
        "mape_norm_law",
        "mape_escape_theory",
        "median_error",
        "bias",
        "lead",
        "cells",
    ]
}
BASELINES = {
    "time_scale": "a calibrated multiple of 1/(2ηλ)",
    "norm_law": "κ·log(V_mem/V*)/(2ηλ) with calibrated κ and V*",
    "escape_theory": "log(V_mem/V_final)/(2ηλ), which needs the end of the run",
}
"""Other predictors, judged in the same way; the last is not a prediction, since it uses V_final."""


def contraction(
    curve: pd.DataFrame, T_mem: float, time_scale: float, window: float
) -> tuple[float, float]:
    """log(V_mem/V) over the window after T_mem per elapsed 1/(2ηλ): 1 if weight decay acts alone; and its end.

    The window is `window`/(ηλ) steps, to the first logged step at or after its end. NaN if the run ends before, or V
    vanishes, which has no logarithm.
    """
    curve = curve[curve["V"].notna()]
    after = curve[curve["step"] >= T_mem + 2 * window * time_scale]
    start = curve[curve["step"] == T_mem]
    if after.empty or start.empty:
        return np.nan, np.nan
    end, V_end = float(after["step"].iloc[0]), float(after["V"].iloc[0])
    V_mem, elapsed = float(start["V"].iloc[0]), (end - T_mem) / time_scale
    if min(V_mem, V_end, elapsed) <= 0:
        return np.nan, np.nan
    return float(np.log(V_mem / V_end) / elapsed), end


def inputs(runs: pd.DataFrame, curves: pd.DataFrame, window: float) -> pd.DataFrame:
    """Features of the runs that memorised, and the step at which they are known."""
    runs = runs[runs["T_mem"].notna() & (runs["weight_decay"] > 0)]
    by_run = curve_of(curves)
    scale = 1 / (2 * runs["learning_rate"].astype(float) * runs["weight_decay"].astype(float))
    measured = [
        contraction(by_run[r], T, s, window) if r in by_run else (np.nan, np.nan)
        for r, T, s in zip(runs["run_id"], runs["T_mem"], scale, strict=True)
    ]
    with np.errstate(all="ignore"):
        return runs.assign(
            time_scale=scale,
            log_learning_rate=np.log(runs["learning_rate"].astype(float)),
            log_weight_decay=np.log(runs["weight_decay"].astype(float)),
            log_time_scale=np.log(scale),
            log_V_mem=np.log(runs["V_mem"].astype(float)),
            log_T_mem=np.log(runs["T_mem"].astype(float)),
            contraction=[m[0] for m in measured],
            known_at=[m[1] for m in measured],
            escape_theory=escape_theory(runs),
        )


def _robust(design: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Huber's coefficients; least squares where the residuals have no scale (an exact fit), NaN without a solution."""
    start = np.linalg.lstsq(design, y, rcond=None)[0]
    if np.median(np.abs(y - design @ start)) < 1e-9:
        return start
    try:
        with heard() as said:
            params = sm.RLM(y, design, M=sm.robust.norms.HuberT()).fit().params
    except (np.linalg.LinAlgError, ValueError, ZeroDivisionError):
        return np.full(start.size, np.nan)
    return np.full(start.size, np.nan) if said else params


def _predict(train: pd.DataFrame, test: pd.DataFrame, features: list[str]) -> dict[str, np.ndarray]:
    """Predicted delays (steps) of the test runs by every predictor calibrated on the training runs."""

    def design(rows: pd.DataFrame) -> np.ndarray:
        return np.column_stack([rows[features].to_numpy(float), np.ones(len(rows))])

    delay = train["delay"].to_numpy(float)
    scale, test_scale = train["time_scale"].to_numpy(), test["time_scale"].to_numpy()
    beta = _robust(design(train), np.log(delay))
    kappa = np.median(delay / scale)
    law = np.column_stack([train["log_V_mem"], np.ones(len(train))])
    law_beta = _robust(law, delay / scale)
    test_law = np.column_stack([test["log_V_mem"], np.ones(len(test))])
    return {
        "forecast": np.exp(design(test) @ beta),
        "time_scale": kappa * test_scale,
        "norm_law": np.maximum(test_law @ law_beta, 0.0) * test_scale,
        "escape_theory": test["escape_theory"].to_numpy(),
    }


def fit(frames: Frames, options: dict[str, Any], seed: int) -> est.Result:
    """Mean absolute percentage error over held-out cells, as a share; interval by bootstrap over cells.

    options: window (in units of 1/(ηλ) steps), features (columns of `inputs`), within, replicates. Only runs with
    a positive delay can be scored; those censored are counted in the note. Estimates: mape, mape_<baseline>,
    median_error, bias (geometric mean of predicted over actual), lead (mean share of the delay still to come
    when the forecast is made), cells. Points: one record per scored run. Cells: error per held-out cell.
    """
    runs, curves = frames.runs, frames.curves
    settings = option(options, DEFAULTS)
    features = settings["features"]
    rows = inputs(distinct(within(runs, settings["within"])), curves, settings["window"])
    usable = rows[features].notna().all(axis=1) & (rows["delay"] > 0)
    censored = int(rows["T_grok"].isna().sum())
    note = f"{int(usable.sum())} runs scored; {censored} censored, {len(rows) - int(usable.sum()) - censored} unusable"
    rows = rows[usable].reset_index(drop=True)
    held = conditions(rows)
    predicted = {name: np.full(len(rows), np.nan) for name in ("forecast", *BASELINES)}
    for cell in np.unique(held):
        train, test = rows[held != cell], rows[held == cell]
        # Fewer training cells than coefficients and the fold's answer would be an accident.
        if len(np.unique(held[held != cell])) <= len(features):
            continue
        for name, values in _predict(train, test, features).items():
            predicted[name][held == cell] = values
    actual = rows["delay"].to_numpy(float)
    errors = {name: np.abs(values - actual) / actual for name, values in predicted.items()}
    estimator = "leave one cell out, bootstrap over cells"

    def over_cells(values: np.ndarray, statistic: Any = np.mean, extra: str = "") -> est.Estimate:
        known = np.isfinite(values)
        if not known.any():
            return est.missing(
                f"too few cells to hold one out ({len(np.unique(held))})", len(rows), estimator
            )
        y = values[known]
        return est.cluster_bootstrap(
            lambda i: statistic(y[i]),
            held[known],
            settings["replicates"],
            seed,
            estimator,
            note="; ".join(filter(None, [note, extra])),
            bounds=est.POSITIVE,
        )

    with np.errstate(all="ignore"):
        log_bias = np.log(predicted["forecast"] / actual)
    lead = 1 - (rows["known_at"] - rows["T_mem"]).to_numpy(float) / actual
    estimates = {
        "mape": over_cells(errors["forecast"]),
        "median_error": over_cells(errors["forecast"], np.median),
        "bias": over_cells(log_bias, lambda y: np.exp(np.mean(y)), "predicted over actual"),
        "lead": over_cells(lead),
        "cells": est.exact(len(np.unique(held)), len(rows), "count", "cells"),
    }
    for name, what in BASELINES.items():
        estimates[f"mape_{name}"] = over_cells(errors[name], extra=what)
    columns = (
        "run_id",
        "cell",
        "seed",
        "p",
        "init_scale",
        "learning_rate",
        "weight_decay",
        "V_mem",
    )
    points = [
        {c: plain(row[c]) for c in (*columns, "contraction", "known_at", "delay")}
        | {name: plain(values[i]) for name, values in predicted.items()}
        for i, row in rows.iterrows()
    ]
    cells = [
        {c: plain(part.iloc[0][c]) for c in columns if c not in ("run_id", "seed", "V_mem")}
        | {"runs": len(part), "mape": plain(float(np.mean(errors["forecast"][part.index])))}
        for _, part in rows.groupby(held, sort=True)
    ]
    return {"estimates": estimates, "points": points, "cells": cells}

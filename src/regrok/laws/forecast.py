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
from regrok.laws.parts import huber
from regrok.laws.parts.heard import heard
from regrok.laws.parts.selection import (
    conditions,
    curve_of,
    distinct,
    escape_theory,
    plain,
    within,
)
from regrok.laws.parts.window import contraction
from regrok.runs.frames import Frames
from regrok.study.defaults import option

DEFAULTS: dict[str, Any] = {
    "window": 0.1,
    "features": ["log_learning_rate", "log_weight_decay", "log_V_mem", "contraction"],
    "within": {},
    "replicates": 2000,
    "refits": 1000,
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
        "mape_refitted",
        "mape_identified",
        "mape_time_scale",
        "mape_norm_law",
        "mape_escape_theory",
        "median_error",
        "bias",
        "lead",
        "cells",
    ]
}
LEVERS = (("learning_rate",), ("weight_decay",), ("p", "init_scale"))
"""Settings that tell the predictor's coefficients: η, λ, and what moves the norm at given η and λ."""
BASELINES = {
    "time_scale": "a calibrated multiple of 1/(2ηλ)",
    "norm_law": "κ·log(V_mem/V*)/(2ηλ) with calibrated κ and V*",
    "escape_theory": "log(V_mem/V_final)/(2ηλ), which needs the end of the run",
}
"""Other predictors, judged in the same way; the last is not a prediction, since it uses V_final."""


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


def refitted(
    rows: pd.DataFrame, held: np.ndarray, features: list[str], drawn: np.ndarray
) -> np.ndarray:
    """Mean absolute error, as a share, of each resample of cells with the predictor fitted again: (replicates,).

    held: (n,) the cell of each run, from 0 up; drawn: (replicates, cells) how often each cell was drawn. A cell that
    was drawn twice counts twice, and is held out whole. NaN where a fold has no more cells than coefficients, or its
    cells have lost a lever, so that its coefficients are not told apart.
    """
    design = np.column_stack([rows[features].to_numpy(float), np.ones(len(rows))])
    # Moved and scaled, the line is the same and its coefficients are numbers of one size.
    spread = design.std(0)
    design = (design - np.where(spread > 0, design.mean(0), 0.0)) / np.where(
        spread > 0, spread, 1.0
    )
    actual = rows["delay"].to_numpy(float)
    total = np.zeros(len(drawn))
    for cell in range(drawn.shape[1]):
        out = held == cell
        judged = np.flatnonzero(drawn[:, cell] > 0)
        rest = np.delete(drawn[judged], cell, axis=1)
        counts = np.where(out, 0, drawn[judged][:, held])
        beta = huber.coefficients(design, np.log(actual), counts)
        beta[(rest > 0).sum(1) <= len(features)] = np.nan
        with np.errstate(over="ignore"):
            errors = np.abs(np.exp(beta @ design[out].T) / actual[out] - 1)
        total[judged] += drawn[judged, cell] * errors.sum(1)
    return total / (drawn * np.bincount(held, minlength=drawn.shape[1])).sum(1)


def lever_values(rows: pd.DataFrame, cell: np.ndarray) -> np.ndarray:
    """Which value of each lever every cell has, (cells, levers) integers, of the levers that every fold tells.

    cell: (n,) the cell of each run, from 0 up. A lever that the whole study moves in one cell alone, or not at all, is
    no lever of any fold without it.
    """
    first = rows.groupby(cell).first()
    values = [
        first.groupby([c for c in lever if c in first]).ngroup().to_numpy()
        for lever in LEVERS
        if any(c in first for c in lever)
    ]
    whole = np.ones((1, len(first)), dtype=int)
    kept = [v for v in values if levers_told(v[:, None], whole)[0]]
    return np.column_stack(kept) if kept else np.empty((len(first), 0), dtype=int)


def levers_told(values: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """Whether every fold of a resample has at least two values of each lever: (replicates,).

    values: (cells, levers) integers from 0 up; drawn: (replicates, cells). With three values any cell may be held out;
    with two, neither may hang on one cell alone. Without this a coefficient is told by how runs of one cell differ.

    >>> levers_told(np.array([[0], [0], [1], [1], [2]]), np.array([[1, 1, 1, 0, 0], [1, 1, 1, 2, 0], [1, 0, 1, 0, 1]]))
    array([False,  True,  True])
    """
    told = np.ones(len(drawn), dtype=bool)
    for lever in values.T:
        held = (drawn > 0).astype(int) @ np.eye(lever.max() + 1, dtype=int)[lever]
        distinct = (held > 0).sum(1)
        least = np.where(held > 0, held, drawn.shape[1]).min(1)
        told &= (distinct > 2) | ((distinct == 2) & (least > 1))
    return told


def mapes_refitted(
    rows: pd.DataFrame, held: np.ndarray, features: list[str], refits: int, seed: int, note: str
) -> dict[str, est.Estimate]:
    """The same error as `mape`, with the percentile interval of resamples of cells that fit the predictor again.

    What the resamples of the errors alone leave out is that other cells would have made another predictor. A resample
    has fewer distinct cells than the study, so these intervals lie high rather than low. Of mape_identified, made of
    the same refits, a resample counts only where every fold has at least two values of each setting that the study
    moves.
    """
    labels, cell = np.unique(held, return_inverse=True)
    estimator = "leave one cell out, bootstrap over cells that refits"
    estimators = {
        "mape_refitted": estimator,
        "mape_identified": f"{estimator}, with every lever in every fold",
    }
    if labels.size <= len(features) + 1:
        reason = f"too few cells to hold one out ({labels.size})"
        return {key: est.missing(reason, len(rows), words) for key, words in estimators.items()}
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(labels.size, np.full(labels.size, 1 / labels.size), size=refits)
    value = float(refitted(rows, cell, features, np.ones((1, labels.size), dtype=int))[0])
    if not np.isfinite(value):
        reason = f"a fold of {labels.size} cells does not tell its coefficients apart"
        return {key: est.missing(reason, len(rows), words) for key, words in estimators.items()}
    errors = refitted(rows, cell, features, drawn)
    told = np.isfinite(errors)
    counted = {
        "mape_refitted": told,
        "mape_identified": told & levers_told(lever_values(rows, cell), drawn),
    }
    return {
        key: _from_refits(value, errors, counted[key], len(rows), words, note)
        for key, words in estimators.items()
    }


def _from_refits(
    value: float, errors: np.ndarray, told: np.ndarray, n: int, estimator: str, note: str
) -> est.Estimate:
    """An error with the interval of its resamples. errors: (refits,); told: (refits,) those that count."""
    lost = f"{int((~told).sum())} of {told.size} resamples lose a lever and are left out"
    noted = "; ".join([note, lost])
    if told.sum() < told.size / 2:
        found = est.estimate(value, None, None, n, estimator, note=noted)
        return est.without_interval(found, f"no interval: {lost}")
    low, high = np.quantile(errors[told], [0.5 - est.LEVEL / 2, 0.5 + est.LEVEL / 2])
    return est.estimate(value, float(low), float(high), n, estimator, note=noted)


def fit(frames: Frames, options: dict[str, Any], seed: int) -> est.Result:
    """Mean absolute percentage error over held-out cells, as a share; interval by bootstrap over cells.

    options: window (in units of 1/(ηλ) steps), features (columns of `inputs`), within, replicates, refits (resamples
    that fit the predictor again). Only runs with a positive delay can be scored; those censored are counted in the
    note. Estimates: mape, mape_refitted (the same, its interval with the predictor's own error), mape_identified (that
    without resamples that lose a lever), mape_<baseline>, median_error, bias (geometric mean of predicted over actual),
    lead (mean share of the delay still to come when the forecast is made), cells. Points: one record per scored run.
    Cells: error per held-out cell.
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
        **mapes_refitted(rows, held, features, settings["refits"], seed, note),
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

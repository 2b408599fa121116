"""The escape time: T_esc_th = log(V_mem/V_final) / (2ηλ), the measured escape, and the delay (arXiv 2603.13331, A.1).

V_final is known only after the run, so none of this is a prediction; see `forecast` for one.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from regrok.laws.parts import estimate as est
from regrok.laws.parts import regression, resolution
from regrok.laws.parts.selection import (
    conditions,
    curve_of,
    distinct,
    escape_theory,
    of_experiments,
    plain,
)
from regrok.runs.frames import Frames
from regrok.study.defaults import option

DEFAULTS: dict[str, Any] = {"reference": None, "replicates": 2000}
REFERS: dict[str, Any] = {"reference": "experiments"}
ESTIMATES: dict[str, list[str]] = {
    "": ["delay_over_theory", "escape_over_theory", "delta_min", "pearson", "slope"]
}
ESCAPED = 1.5
"""The run has escaped when V is at most this many times V_final (A's scripts)."""


def measured_escape(curve: pd.DataFrame, T_mem: float, V_final: float) -> float:
    """First logged step ≥ T_mem with V ≤ 1.5·V_final; NaN if there is none."""
    after = curve[(curve["step"] >= T_mem) & (curve["V"] <= ESCAPED * V_final)]
    return float(after["step"].min()) if len(after) else np.nan


def delta_min(curve: pd.DataFrame, T_mem: float, T_grok: float) -> float:
    """Mean validation loss from T_mem to T_grok less the mean after T_grok; NaN if either has no logged point."""
    loss = curve["validation_loss"]
    before = loss[(curve["step"] >= T_mem) & (curve["step"] < T_grok)]
    after = loss[curve["step"] > T_grok]
    return float(before.mean() - after.mean())


def fit(frames: Frames, options: dict[str, Any], seed: int) -> est.Result:
    """Delay and measured escape over T_esc_th for runs that grokked.

    Estimates over the `reference` experiments: delay_over_theory and escape_over_theory (geometric means),
    delta_min (mean). Over all runs: pearson and slope of the delay against T_esc_th. Points: one record per run.
    """
    runs, curves, experiments = frames.runs, frames.curves, frames.experiments
    settings = option(options, DEFAULTS)
    runs = runs[runs["T_mem"].notna() & runs["T_grok"].notna()]
    runs = runs.assign(escape_theory=escape_theory(runs), escape_step=np.nan, delta_min=np.nan)
    by_run = curve_of(curves)
    for i, run in runs.iterrows():
        curve = by_run.get(run["run_id"])
        if curve is not None:
            runs.loc[i, "escape_step"] = measured_escape(curve, run["T_mem"], run["V_final"])
            runs.loc[i, "delta_min"] = delta_min(curve, run["T_mem"], run["T_grok"])
    runs["escape"] = runs["escape_step"] - runs["T_mem"]
    reference = of_experiments(runs, experiments, settings["reference"])

    def ratio(column: str) -> est.Estimate:
        values = (reference[column] / reference["escape_theory"]).dropna()
        values = values[values > 0]
        note = f"{len(reference) - len(values)} of {len(reference)} runs without a positive ratio left out"
        floor = None
        if column == "delay" and len(values):
            rows = reference.loc[values.index]
            low, high = resolution.ends(rows, column, rows[column])
            if (low > 0).all():
                least, most = (
                    float(np.exp(np.log(end / rows["escape_theory"]).mean())) for end in (low, high)
                )
                floor = (least, most)
        return est.mean(values, note=note, log=True, floor=floor)

    runs = distinct(runs)
    both = runs[runs["escape_theory"].notna()]
    x, t = both["escape_theory"].to_numpy(float), both["delay"].to_numpy(float)

    strata, ends = conditions(both), resolution.ends(both, "delay", both["delay"])
    unresolved = bool(t.size) and resolution.unresolved(t, ends, strata)

    def over_runs(statistic: Any, name: str, bounds: Any = est.UNBOUNDED) -> est.Estimate:
        return est.bootstrap(
            lambda i: statistic(x[i], t[i]),
            strata,
            settings["replicates"],
            seed,
            f"{name}, bootstrap over seeds within cells",
            bounds=bounds,
            floor=resolution.floor(lambda t: statistic(np.broadcast_to(x, t.shape), t), t, ends)
            if unresolved
            else None,
        )

    estimates = {
        "delay_over_theory": ratio("delay"),
        "escape_over_theory": ratio("escape"),
        "delta_min": est.mean(reference["delta_min"]),
        "pearson": over_runs(regression.pearson, "Pearson correlation", est.CORRELATION),
        "slope": over_runs(regression.slope, "least squares"),
    }
    columns = (
        *("run_id", "cell", "seed", "p", "init_scale", "learning_rate", "weight_decay"),
        *("T_mem", "T_grok", "delay", "V_mem", "V_grok", "V_final"),
        *("escape_theory", "escape_step", "escape", "delta_min"),
    )
    points = [{c: plain(run[c]) for c in columns} for run in runs.to_dict("records")]
    return {"estimates": estimates, "points": points, "cells": []}

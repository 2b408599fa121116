"""Small frames of runs with planted times, for the tests of the laws."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd

from regrok.measures.events import THRESHOLDS
from regrok.runs.frames import Frames

NOTHING = pd.DataFrame({"run_id": []})
"""A frame without a row, where a law reads none of it."""

SETTINGS: dict[str, Any] = {
    "task": "modular",
    "operation": "add",
    "p": 97.0,
    "n": math.nan,
    "k": math.nan,
    "labels": "true",
    "train_size": 4704,
    "model": "transformer",
    "norm": "post",
    "readout": "last",
    "d_model": 128.0,
    "input": None,
    "depth": math.nan,
    "width": math.nan,
    "activation": "gelu",
    "init_scale": 1.0,
    "optimiser": "adamw",
    "learning_rate": 1e-3,
    "weight_decay": 1.0,
    "decay": "decoupled",
    "momentum": 0.0,
    "batch": 512,
    "replacement": True,
    "products": "float32",
    "log_every": 25,
    "tail_steps": 2000,
    "max_steps": 50_000,
    "V_mem": 3000.0,
    "V_final": 300.0,
    "V_grok": 1000.0,
    "rms_grok": 0.07,
    "train_accuracy_max": 1.0,
    "validation_accuracy_max": 1.0,
    "wall_seconds": 60.0,
}


def make_run(
    T_mem: float = 800, delay: float = 1000, seed: int = 42, run_id: str = "", **settings: Any
) -> dict[str, Any]:
    """One row of runs.parquet; delay NaN is a run stopped at `steps` (50,000 unless given)."""
    row = {**SETTINGS, **settings, "seed": seed}
    every = row["log_every"]
    T_grok = T_mem + delay
    row["steps"] = settings.get("steps", T_grok + 2000 if math.isfinite(T_grok) else 50_000)
    for event, T in (("T_mem", T_mem), ("T_grok", T_grok)):
        row[event] = T
        for q in THRESHOLDS:
            row[f"{event}_{q}"] = row[f"{event}_{q}_sustained"] = T
            row[f"{event}_{q}_previous"] = row[f"{event}_{q}_sustained_previous"] = T - every
    row["delay"] = delay
    reached = "memorised only" if math.isfinite(T_mem) else "never memorised"
    row["outcome"] = settings.get("outcome", "grokked" if math.isfinite(T_grok) else reached)
    names = (
        "task",
        "p",
        "init_scale",
        "optimiser",
        "learning_rate",
        "weight_decay",
        "momentum",
        "n",
    )
    names += ("train_size", "log_every", "tail_steps", "max_steps")
    row["cell"] = settings.get("cell", "-".join(str(row[c]) for c in names))
    row["run_id"] = run_id or f"{row['cell']}-{seed}"
    return row


def members(runs: pd.DataFrame, experiment: str = "S", arm: str = "all") -> pd.DataFrame:
    """experiments.parquet with all runs in one experiment."""
    return runs[["run_id", "cell"]].assign(experiment=experiment, arm=arm)


def fit(law: Any, rows: list[dict[str, Any]], curves: Any = None, **options: Any) -> dict[str, Any]:
    """The law's result on these runs, all in experiment S."""
    from regrok.laws import with_previous

    runs = with_previous(pd.DataFrame(rows))
    empty = pd.DataFrame({"run_id": [], "step": [], "V": []})
    curves = empty if curves is None else curves
    return law.fit(Frames(runs, curves, members(runs), NOTHING), options, seed=1)


def exponential_curve(
    run_id: str, A: float, r: float, C: float, start: int, stop: int, every: int = 25
):
    """V = A·r^(t − start) + C from `start` on, constant before."""
    step = np.arange(0, stop + 1, every)
    V = A * r ** np.maximum(step - start, 0) + C
    return pd.DataFrame({"run_id": run_id, "step": step, "V": V, "validation_loss": 1.0})

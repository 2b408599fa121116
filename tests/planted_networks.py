"""Planted runs of paper B's networks: MLPs of any depth, width and activation, and the transformer."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd

from planted import NOTHING, make_run
from regrok.runs.frames import Frames

BUDGET = 100_000
MLP = {
    "model": "mlp",
    "input": "sum",
    "norm": None,
    "readout": None,
    "d_model": math.nan,
    "optimiser": "sgd",
    "decay": "coupled",
    "momentum": 0.9,
    "batch": 1882,
    "replacement": False,
    "learning_rate": 1e-2,
    "weight_decay": 2e-3,
    "max_steps": BUDGET,
    "steps": BUDGET,
    "log_every": 100,
    "rms_0": 0.2,
}
"""Settings of paper B's baseline MLP (2603.25009), with a common budget."""


def make_mlp(
    delay: float,
    seed: int = 0,
    depth: int = 2,
    width: int = 256,
    residual: bool = False,
    **other: Any,
) -> dict[str, Any]:
    """One MLP; a delay that ends beyond the budget is censored there."""
    T_mem = other.pop("T_mem", 1000.0)
    settings: dict[str, Any] = MLP | {"activation": "gelu"} | other
    settings |= {"depth": float(depth), "width": float(width), "residual": residual}
    if T_mem + delay > settings["max_steps"]:
        delay = math.nan
    keys = ("depth", "width", "residual", "activation", "learning_rate", "weight_decay")
    settings["cell"] = "mlp-" + "-".join(str(settings[k]) for k in keys)
    if math.isnan(delay):
        settings["rms_grok"] = math.nan
    else:
        settings["steps"] = T_mem + delay + 2000
    return make_run(T_mem=T_mem, delay=delay, seed=seed, **settings)


def make_encoder(delay: float, seed: int = 0, **other: Any) -> dict[str, Any]:
    """One transformer under AdamW; a delay that ends beyond the budget is censored there."""
    settings: dict[str, Any] = {"learning_rate": 1e-3, "weight_decay": 1.0, "max_steps": BUDGET}
    settings |= {"norm": "pre", "readout": "mean", "d_model": 512.0, "rms_0": 0.12} | other
    settings |= {"steps": BUDGET, "residual": None}
    if 1000 + delay > BUDGET:
        delay = math.nan
    else:
        settings["steps"] = 1000 + delay + 2000
    settings["cell"] = f"encoder-{settings['learning_rate']}-{settings['weight_decay']}"
    return make_run(T_mem=1000.0, delay=delay, seed=seed, **settings)


def frames_of(
    rows: list[dict[str, Any]], experiments: list[str]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """runs.parquet and experiments.parquet, the k-th run in the k-th experiment."""
    from regrok.laws import with_previous

    runs = with_previous(pd.DataFrame(rows))
    members = runs[["run_id", "cell"]].assign(experiment=experiments, arm="")
    return runs, members


def law_of(
    law: Any, rows: list[dict[str, Any]], experiments: list[str], **options: Any
) -> dict[str, Any]:
    """The law's result on these runs, without curves."""
    runs, members = frames_of(rows, experiments)
    return law.fit(Frames(runs, NOTHING, members, NOTHING), options, seed=1)


def noise(seed: int, size: float = 0.1) -> float:
    """A log-normal factor that depends on the seed alone."""
    return float(np.exp(size * np.random.default_rng(seed).normal()))

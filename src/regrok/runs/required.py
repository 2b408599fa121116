"""Columns that figures and tables cannot do without; every run has them, whatever was measured of it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from regrok.errors import RegrokError

REQUIRED: dict[str, tuple[str, ...]] = {
    "runs": (
        *("run_id", "cell", "seed", "outcome", "steps", "parameters", "wall_seconds", "device"),
        *("T_mem", "T_grok", "delay", "V_mem", "V_final"),
        *("task", "operation", "p", "n", "k", "train_size", "validation_size"),
        *("model", "norm", "d_model", "heads", "depth", "width", "residual", "activation"),
        *("init_scale", "optimiser", "learning_rate", "weight_decay", "momentum"),
        *("batch", "full_batch", "max_steps", "log_every"),
    ),
    "curves": ("run_id", "step", "train_accuracy", "validation_accuracy", "V"),
    "experiments": ("experiment", "arm", "run_id", "cell"),
}
"""Frame → its columns. Observables are measured of some runs only: a figure of one says where it was not."""


def refuse_absent(frames: Any, names: Iterable[str] = tuple(REQUIRED)) -> None:
    """Raise RegrokError naming the first column that a frame lacks.

    frames: anything with the frames as attributes. names: which of them are looked at.
    """
    for name in names:
        frame = getattr(frames, name)
        for column in REQUIRED[name]:
            if column not in frame:
                raise RegrokError(
                    f"{name}.parquet has no column '{column}'; it was written by another version of regrok: "
                    "delete it and build again"
                )

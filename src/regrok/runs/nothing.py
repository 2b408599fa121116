"""The frames of a build without a run: a study that only computes something has them too, with their columns."""

from __future__ import annotations

import pandas as pd

from regrok.runs.columns import RUNS
from regrok.study.columns import wordy

COUNTS = ("seed", "steps", "max_steps", "train_size", "validation_size", "parameters")
"""Columns of runs.parquet that every run has a whole number in."""

CURVES = {
    "run_id": "object",
    "step": "int64",
    **dict.fromkeys(
        ("train_loss", "train_accuracy", "validation_loss", "validation_accuracy", "V"), "float64"
    ),
    **dict.fromkeys(("train_examples", "validation_examples"), "int64"),
}
"""Columns of curves.parquet that every run has, with their types."""

WORDS = ("processor", "arithmetic", "outcome")
EXPERIMENTS = ("experiment", "arm", "cell", "run_id")


def no_runs() -> pd.DataFrame:
    """runs.parquet without a row."""
    types = {
        name: "object"
        if name in wordy() or name in WORDS
        else "int64"
        if name in COUNTS
        else "float64"
        for name in RUNS
    }
    return empty(types)


def no_curves() -> pd.DataFrame:
    """curves.parquet without a row."""
    return empty(CURVES)


def empty(types: dict[str, str]) -> pd.DataFrame:
    """A frame of these columns and types without a row."""
    return pd.DataFrame({name: pd.Series([], dtype=kind) for name, kind in types.items()})

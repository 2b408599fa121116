"""One row of `runs.parquet` from a run and its curve: settings, events, outcome, norms."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd

from regrok.measures import events
from regrok.study.columns import SETTINGS
from regrok.study.run import Run


def settings_columns(run: Run) -> dict[str, Any]:
    """The run's names and settings as columns; None where a setting does not apply to this task, model or optimiser."""
    return {
        "run_id": run.run_id,
        "cell": run.cell,
        "condition": run.condition,
        "seed": run.seed,
        **start_columns(run),
        **{column.name: column.of(run) for column in SETTINGS if column.field},
    }


def start_columns(run: Run) -> dict[str, Any]:
    """What the run starts from, all words; None each for a run with an initialisation of its own."""
    start = run.start
    return {
        "start_run": None if start is None else start.run.run_id,
        "start_at": None if start is None else str(start.at),
        "start_optimiser": None if start is None else start.optimiser,
        "start_examples": None if start is None else start.examples,
        "start_validation": None if start is None else start.validation,
    }


def value_at(curve: pd.DataFrame, column: str, step: float) -> float:
    """The curve's value at a logged step, NaN for a NaN step."""
    if math.isnan(step):
        return math.nan
    return float(curve.loc[curve["step"] == step, column].iloc[0])


def _last(values: pd.Series) -> float:
    known = values.dropna()
    return float(known.iloc[-1]) if len(known) else math.nan


def result_columns(
    curve: pd.DataFrame,
    parameters: int,
    collapsed: bool = False,
    diverged: bool = False,
    budget: float = math.inf,
    validated: bool = True,
) -> dict[str, Any]:
    """Events, outcome and norms from the curve alone. budget: steps, for what is taken over the last part of them.

    validated: whether the run has validation examples; without them all that is read off its validation curve is NaN.

    RMS is sqrt(V / number of parameters), paper B's norm; V is paper A's.
    """
    steps = curve["step"].to_numpy()
    train, validation = curve["train_accuracy"], curve["validation_accuracy"]
    columns: dict[str, Any] = dict(
        events.event_columns(steps, train.to_numpy(), validation.to_numpy())
    )
    columns |= events.loss_columns(steps, validation.to_numpy(), budget)
    columns["outcome"] = events.outcome(
        memorised=not math.isnan(columns["T_mem"]),
        grokked=not math.isnan(columns["T_grok"]),
        collapsed=collapsed,
        diverged=diverged,
        validated=validated,
    )
    columns["steps"] = int(steps[-1])
    squared = {
        "0": float(curve["V"].iloc[0]),
        "mem": value_at(curve, "V", columns["T_mem"]),
        "grok": value_at(curve, "V", columns["T_grok"]),
        "final": float(curve["V"].iloc[-1]),
    }
    columns |= {f"V_{name}": value for name, value in squared.items()}
    columns |= {
        f"rms_{name}": float(np.sqrt(squared[name] / parameters)) for name in ("0", "grok", "final")
    }
    columns |= {
        "train_accuracy_final": _last(train),
        "validation_accuracy_final": _last(validation),
        "train_accuracy_max": float(train.max()),
        "validation_accuracy_max": float(validation.max()),
        "train_loss_final": _last(curve["train_loss"]),
        "validation_loss_final": _last(curve["validation_loss"]),
    }
    return columns


def run_row(
    run: Run, curve: pd.DataFrame, info: Any, parameters: int, collapsed: bool, diverged: bool
) -> dict[str, Any]:
    """All columns that follow from the run and its curve."""
    return {
        **settings_columns(run),
        "train_size": info.train_size,
        "validation_size": info.validation_size,
        "parameters": parameters,
        **result_columns(
            curve,
            parameters,
            collapsed,
            diverged,
            run.protocol.max_steps,
            validated=info.validation_size > 0,
        ),
    }

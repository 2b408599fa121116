"""Thinned curves: what of a run's logged points ships."""

from __future__ import annotations

import numpy as np
import pandas as pd

from regrok.measures.events import THRESHOLDS
from regrok.runs.columns import LOSSES

POINTS = 1000
"""A run with at most this many logged points keeps all of them."""

EVENTS = [
    *LOSSES,
    *(
        f"{event}_{suffix}{kind}"
        for event in ("T_mem", "T_grok")
        for suffix in THRESHOLDS
        for kind in ("", "_previous", "_sustained", "_sustained_previous")
    ),
]
"""Columns of runs.parquet that name a logged step."""

ALWAYS = {
    *("run_id", "step", "V"),
    *(f"{s}_{w}" for s in ("train", "validation") for w in ("loss", "accuracy", "examples")),
}
"""Columns that every logged point has; any other was measured at some points only."""


def rule(points: int = POINTS) -> str:
    """The rule in words, for the bundle's README and provenance."""
    return (
        f"A run with at most {points:,} logged points keeps all of them. A longer one keeps every k-th, k the smallest "
        f"number that leaves at most {points:,}; and besides those its first and last point, every point that "
        "runs.parquet names (T_mem and T_grok at each threshold, the evaluation before, the lasting crossing; where "
        "generalisation was lost and regained), and "
        "every point at which more than loss, accuracy and V was measured."
    )


def thin(runs: pd.DataFrame, curves: pd.DataFrame, points: int = POINTS) -> pd.DataFrame:
    """The curves by `rule`, sorted by run and step; no value is changed.

    runs: with run_id and the event columns. curves: one row per run and logged step.

    >>> runs = pd.DataFrame([{"run_id": "a", **dict.fromkeys(EVENTS), "T_mem_99": 3.0}])
    >>> curves = pd.DataFrame({"run_id": "a", "step": range(9), "V": 1.0})
    >>> thin(runs, curves, points=3)["step"].tolist()
    [0, 3, 6, 8]
    """
    curves = curves.sort_values(["run_id", "step"], ignore_index=True)
    by_run = curves.groupby("run_id", sort=False)
    order = by_run.cumcount().to_numpy()
    size = by_run["step"].transform("size").to_numpy()
    # Ceiling division: every k-th of n points leaves ⌈n/k⌉ ≤ points.
    every = -(-size // points)
    kept = (order % every == 0) | (order == size - 1)
    measured = [column for column in curves if column not in ALWAYS]
    kept |= curves[measured].notna().any(axis=1).to_numpy()
    named = (
        runs[["run_id", *(c for c in EVENTS if c in runs)]]
        .melt("run_id", value_name="step")
        .dropna(subset=["step"])
    )
    wanted = pd.MultiIndex.from_frame(named[["run_id", "step"]].astype({"step": np.int64}))
    kept |= pd.MultiIndex.from_frame(curves[["run_id", "step"]]).isin(wanted)
    return curves[kept].reset_index(drop=True)

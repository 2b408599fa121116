"""The same runs read in another way: another threshold, a lasting crossing, V_final at T_grok, the published logs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from regrok.laws.parts.grid import on_grid
from regrok.measures.events import NO_CROSSING, NOT_VALIDATED, THRESHOLDS, crossing
from regrok.runs.frames import Frames


@dataclass(frozen=True)
class Variant:
    """A way to read T_mem, T_grok and V_final. The defaults are the published one."""

    threshold: str = "99"
    """Accuracy in per cent: 90, 95 or 99."""
    crossing: str = "first"
    """first logged crossing, or sustained: the first of three evaluations in a row (see `events.LASTING`)."""
    V_final: str = "end"
    """end of the run (about 2,000 steps after T_grok), or grok: at T_grok."""
    grid: str = "own"
    """own: as the runs were logged, or published: as the paper's runs were, where that is known."""


VARIANTS = {
    "threshold .90": Variant(threshold="90"),
    "threshold .95": Variant(threshold="95"),
    "sustained crossing": Variant(crossing="sustained"),
    "V_final at T_grok": Variant(V_final="grok"),
    "published logging grid": Variant(grid="published"),
}
"""One change at a time from the published reading."""


def squared_norm_at(curves: pd.DataFrame, run_ids: pd.Series, steps: pd.Series) -> np.ndarray:
    """V of each run at a step, NaN where it was not logged (or the step is NaN)."""
    if not {"step", "V"} <= set(curves):
        return np.full(len(run_ids), np.nan)
    wanted = pd.DataFrame({"run_id": run_ids.to_numpy(), "step": steps.to_numpy(float)})
    known = (
        curves[["run_id", "step", "V"]]
        .astype({"step": float})
        .dropna()
        .drop_duplicates(["run_id", "step"])
    )
    return wanted.merge(known, on=["run_id", "step"], how="left")["V"].to_numpy(float)


def lasting(frames: Frames, event: str, threshold: str) -> tuple[pd.Series, pd.Series]:
    """The sustained crossing of each run and the evaluation before it, in steps; NaN where there is none.

    Frames that were released before these columns meant this have no `_sustained_previous`: then from the curves.
    """
    runs, name = frames.runs, f"{event}_{threshold}_sustained"
    if f"{name}_previous" in runs:
        return runs[name], runs[f"{name}_previous"]
    column = {"T_mem": "train_accuracy", "T_grok": "validation_accuracy"}[event]
    found = {
        str(run_id): crossing(
            curve["step"].to_numpy(), curve[column].to_numpy(float), THRESHOLDS[threshold]
        )
        for run_id, curve in frames.curves.groupby("run_id", sort=False)
    }
    each = [found.get(run_id, NO_CROSSING) for run_id in runs["run_id"]]
    return (
        pd.Series([c.sustained for c in each], runs.index, float),
        pd.Series([c.sustained_previous for c in each], runs.index, float),
    )


def read_as(frames: Frames, variant: Variant, grids: Mapping[str, int] | None = None) -> Frames:
    """The frames with T_mem, T_grok, their lower ends, delay, V_mem, V_grok, V_final and outcome read anew.

    A sustained crossing lies between its logged step and the evaluation before. Where a run reached what it had not
    reached under the published reading, or the reverse, its outcome follows; collapsed and diverged stay.
    grids: experiment → published steps between two logs, for the variant that reads the runs on it.
    """
    if variant.threshold not in THRESHOLDS:
        raise ValueError(f"threshold {variant.threshold!r}; stored: {', '.join(THRESHOLDS)}")
    runs = frames.runs.copy()
    q = variant.threshold
    for event in ("T_mem", "T_grok"):
        if variant.crossing == "sustained":
            runs[event], runs[f"{event}_previous"] = lasting(frames, event, q)
        else:
            runs[event] = runs[f"{event}_{q}"]
            runs[f"{event}_previous"] = runs[f"{event}_{q}_previous"]
    runs["delay"] = runs["T_grok"] - runs["T_mem"]
    if (variant.threshold, variant.crossing) != (Variant.threshold, Variant.crossing):
        runs["V_mem"] = squared_norm_at(frames.curves, runs["run_id"], runs["T_mem"])
        runs["V_grok"] = squared_norm_at(frames.curves, runs["run_id"], runs["T_grok"])
    if variant.V_final == "grok":
        runs["V_final"] = runs["V_grok"].fillna(runs["V_final"])
    calm = ~runs["outcome"].isin(["collapsed", "diverged", NOT_VALIDATED]) | runs["T_grok"].notna()
    reached = np.select(
        [runs["T_grok"].notna(), runs["T_mem"].notna()],
        ["grokked", "memorised only"],
        "never memorised",
    )
    runs["outcome"] = runs["outcome"].where(~calm, reached)
    read = Frames(runs, frames.curves, frames.experiments, frames.spectra, frames.probes)
    return on_grid(read, grids or {}) if variant.grid == "published" else read

"""Released frames with the columns that have come since, read off the plan and off their own curves.

A column that is no longer lacking means in every row what it means today: settings follow from the run as it is
planned, a lasting crossing from the run's curve, which ships whole unless it was thinned. What was not kept of a run
(its processor) stays empty.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pandas as pd

from regrok.measures.events import event_columns
from regrok.runs.columns import RUNS
from regrok.runs.rows import settings_columns

if TYPE_CHECKING:
    from regrok.runs.frames import Frames
    from regrok.study.run import Run

PREVIOUS = "_previous"


def completed(frames: Frames, planned: Mapping[str, Run]) -> Frames:
    """The frames with every column of runs.parquet; no other value is changed.

    planned: each run of the frames by its run_id. A lasting crossing without the column of the evaluation before was
    read by an earlier rule (at every later evaluation too), so it is read again with it. KeyError for a run that is
    not planned.
    """
    lacking = [name for name in RUNS if name not in frames.runs]
    if not lacking:
        return frames
    if frames.runs.empty:  # no row, of which the columns would be read
        return replace(frames, runs=frames.runs.reindex(columns=[*frames.runs, *lacking]))
    wanted = {*lacking, *(name.removesuffix(PREVIOUS) for name in lacking if "_sustained_" in name)}
    curves = dict(iter(frames.curves.groupby("run_id", sort=False)))
    rows = []
    for row in frames.runs.to_dict("records"):
        found = found_in(curves[row["run_id"]], planned[row["run_id"]])
        rows.append({**row, **{name: found.get(name) for name in sorted(wanted)}})
    runs = pd.DataFrame(rows)
    return replace(frames, runs=runs)


def found_in(curve: pd.DataFrame, run: Run) -> dict[str, Any]:
    """Settings and crossings of one run: what of its row follows from its plan and its curve."""
    events = event_columns(
        curve["step"].to_numpy(),
        curve["train_accuracy"].to_numpy(float),
        curve["validation_accuracy"].to_numpy(float),
    )
    return {**settings_columns(run), **events}

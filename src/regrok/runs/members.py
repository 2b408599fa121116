"""The frames of the runs that some experiments use: what a fit reads of a scale's files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from regrok.errors import RegrokError
from regrok.files import read_parquet, read_table
from regrok.runs.frames import Frames, load

LONG = ("curves", "spectra")
"""Frames with many rows a run: to make objects of them all takes longer than most fits."""


def load_of(folder: Path | str, experiments: Sequence[str]) -> Frames:
    """The frames of one scale, with the curves and spectra of the runs of these experiments alone; all for none named.

    Runs and experiments are whole. Raises as `frames.load` does.
    """
    if not experiments:
        return load(folder)
    folder = Path(folder)
    try:
        members = read_parquet(folder / "experiments.parquet")
        ids = members.loc[members["experiment"].isin(experiments), "run_id"].unique()
        parts = {name: _rows_of(folder / f"{name}.parquet", ids) for name in LONG}
        runs = read_parquet(folder / "runs.parquet")
    except (OSError, ValueError, KeyError, RegrokError):
        return load(folder)  # which says what is wrong with which file
    return Frames(runs=runs, experiments=members, **parts)


def _rows_of(path: Path, ids: Sequence[str]) -> pd.DataFrame:
    """The rows of these runs, in the file's order."""
    table = read_table(path)
    if not table.num_rows:  # its columns may have no type
        return table.to_pandas(use_threads=False)
    kept = table.filter(pc.is_in(table["run_id"], value_set=pa.array(ids, pa.string())))
    return kept.to_pandas(use_threads=False)

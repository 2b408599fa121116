"""From the run store to the four frames of a scale."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import pandas as pd

from regrok.errors import RegrokError
from regrok.files import write_parquet
from regrok.runs.store import RunStore

SPECTRA_COLUMNS = ["run_id", "step", "kind", "index", "power"]

FIRST_COLUMNS = ["run_id", "cell", "cohort", "seed", "outcome", "T_mem", "T_grok", "delay", "steps"]
"""What a reader of runs.parquet wants to see first."""


EXPLODED = 1e6
"""Growth of V beyond which a run has diverged, although single precision can still hold its numbers."""


def outcome(row: dict) -> str:
    """The stored outcome, but diverged where a run that never grokked ends with V grown past `EXPLODED`.

    The trainer ends a run at its first NaN or infinity. SGD with momentum can throw a network to losses of 1e34 and
    keep it there: such a run did memorise once, yet what ended its chances is the divergence.
    """
    if row["outcome"] != "grokked" and row["V_final"] > EXPLODED * row["V_0"]:
        return "diverged"
    return str(row["outcome"])


def gather(cohorts: Mapping[str, Iterable[str]], store: RunStore) -> tuple[pd.DataFrame, ...]:
    """runs, curves and spectra of cohorts, given as name → run_ids, from their store.

    Raises RegrokError when a run is not there.
    """
    rows, curves, spectra = [], [], []
    for cohort, run_id in ((name, run_id) for name, ids in cohorts.items() for run_id in ids):
        stored = store.read(run_id)
        if stored is None:
            raise RegrokError(
                f"run {run_id} of cohort {cohort} is not in {store.folder}; build again: snakemake --cores all"
            )
        # The row was written when the run was trained; its cohort's name may have changed since.
        rows.append({**stored.row, "cohort": cohort, "outcome": outcome(stored.row)})
        curves.append(stored.curve.assign(run_id=run_id))
        for step, kind, power in stored.spectra.itertuples(index=False):
            part = pd.DataFrame({"index": range(len(power)), "power": list(power)})
            spectra.append(part.assign(run_id=run_id, step=step, kind=kind))
    return tidy(rows, curves, spectra)


def tidy(
    rows: list[dict], curves: list[pd.DataFrame], spectra: list[pd.DataFrame]
) -> tuple[pd.DataFrame, ...]:
    """The three frames in a fixed order of rows and columns."""
    runs = pd.DataFrame(rows)
    runs = runs[[*FIRST_COLUMNS, *(c for c in runs.columns if c not in FIRST_COLUMNS)]]
    curve = pd.concat(curves, ignore_index=True)
    curve = curve[["run_id", *(c for c in curve.columns if c != "run_id")]]
    spectrum = (
        pd.concat(spectra, ignore_index=True) if spectra else pd.DataFrame(columns=SPECTRA_COLUMNS)
    )
    spectrum = spectrum[SPECTRA_COLUMNS].astype(
        {"run_id": str, "step": "int64", "kind": str, "index": "int64", "power": "float64"}
    )
    return runs, curve, spectrum


def merge(
    parts: Iterable[tuple[Path, Path, Path]], folder: Path, experiments: pd.DataFrame
) -> None:
    """Concatenate the jobs' frames, sorted by run, and write the four frames of the scale to `folder`."""
    frames: list[list[pd.DataFrame]] = [[], [], []]
    for paths in parts:
        for kind, path in zip(frames, paths, strict=True):
            kind.append(pd.read_parquet(path))
    runs, curves, spectra = (_concat(kind) for kind in frames)
    write_parquet(runs.sort_values("run_id", ignore_index=True), folder / "runs.parquet")
    write_parquet(
        curves.sort_values(["run_id", "step"], ignore_index=True), folder / "curves.parquet"
    )
    by = ["run_id", "kind", "step", "index"]
    write_parquet(spectra.sort_values(by, ignore_index=True), folder / "spectra.parquet")
    order = ["experiment", "arm", "cell", "run_id"]
    write_parquet(experiments.sort_values(order, ignore_index=True), folder / "experiments.parquet")


def _concat(frames: list[pd.DataFrame]) -> pd.DataFrame:
    """Concatenate without letting a job's all-missing columns decide another's type."""
    columns = list(dict.fromkeys(column for frame in frames for column in frame.columns))
    filled = [frame.dropna(axis=1, how="all") for frame in frames if len(frame)]
    if not filled:
        return frames[0]
    return pd.concat(filled, ignore_index=True).reindex(columns=columns)

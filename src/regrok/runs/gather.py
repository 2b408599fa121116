"""From the run store to the four frames of a scale.

Rows of runs.parquet are computed here, from a run's settings, its curve and a few facts, so that another column needs
no training. What the frames hold follows from the runs that were asked for: where the store has more of a run than
they ask (an observable of another scale, a finer cadence), the rest stays in the store.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from regrok.errors import RegrokError
from regrok.files import write_parquet
from regrok.measures.events import NOT_STARTED, unless_exploded
from regrok.runs.frames import Frames
from regrok.runs.nothing import EXPERIMENTS, empty, no_curves, no_runs
from regrok.runs.rows import run_row
from regrok.runs.store import RunStore, StoredRun, columns_of
from regrok.study.run import Run
from regrok.study.sizes import run_info

SPECTRA_COLUMNS = ["run_id", "step", "kind", "index", "power"]

FIRST_COLUMNS = ["run_id", "cell", "cohort", "seed", "outcome", "T_mem", "T_grok", "delay", "steps"]
"""What a reader of runs.parquet wants to see first."""

Parts = tuple[list[dict[str, Any]], list[pd.DataFrame], list[pd.DataFrame]]
"""Rows, curves and spectra of runs."""


def row(stored: StoredRun, run: Run | None = None, cohort: str | None = None) -> dict[str, Any]:
    """The run's row in runs.parquet.

    run: the same run as it is asked for now, by default as it was stored. cohort: its name now, likewise.
    """
    run = run or Run.model_validate(stored.settings, strict=False)
    facts = stored.facts
    made = run_row(
        run,
        stored.curve,
        run_info(run),
        facts["parameters"],
        facts["collapsed"],
        facts["diverged"],
    )
    made["outcome"] = unless_exploded(made["outcome"], made["V_0"], made["V_final"])
    if facts.get("not_started"):
        made["outcome"] = NOT_STARTED
    made["cohort"] = cohort or facts["cohort"]
    made |= {name: facts[name] for name in ("wall_seconds", "device", "trainer")}
    return made | {name: facts.get(name) for name in ("processor", "arithmetic")}


def asked(stored: StoredRun, run: Run) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Curve and spectra with the observables that the run asks for, at the steps at which it does, and no others."""
    curve, spectra = stored.curve, stored.spectra
    wanted, every = run.protocol.measure, run.protocol.measure_every
    for name, measured in stored.measured.items():
        columns = columns_of(measured, curve.columns)
        if name not in wanted:
            curve = curve.drop(columns=columns)
            spectra = spectra[spectra["kind"] != name]
        elif measured["every"] and measured["every"] != every:
            curve = curve.copy()
            curve.loc[curve["step"] % every != 0, columns] = np.nan
            spectra = spectra[(spectra["kind"] != name) | (spectra["step"] % every == 0)]
    return curve, spectra


def gather(
    cohorts: Mapping[str, Iterable[Run]], store: RunStore
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """runs, curves and spectra of the runs of cohorts, from their store.

    Raises RegrokError when a run is not there.
    """
    return tidy(*_parts(cohorts, store))


def _parts(cohorts: Mapping[str, Iterable[Run]], store: RunStore) -> Parts:
    rows, curves, spectra = [], [], []
    for cohort, run in ((name, run) for name, runs in cohorts.items() for run in runs):
        stored = store.read(run)
        if stored is None:
            raise RegrokError(
                f"run {run.run_id} of cohort {cohort} is not in {store.folder}; build again: snakemake --cores all"
            )
        rows.append(row(stored, run, cohort))
        curve, found = asked(stored, run)
        curves.append(curve.assign(run_id=run.run_id))
        if len(found):
            spectra.append(_long(run.run_id, found))
    return rows, curves, spectra


def parts_of(frames: Frames) -> Parts:
    """Frames taken apart; `tidy` makes them of it again."""
    curves, spectra = [frames.curves], [frames.spectra]
    return frames.runs.to_dict("records"), curves, [each for each in spectra if len(each)]


def _long(run_id: str, spectra: pd.DataFrame) -> pd.DataFrame:
    """Spectra with a row for each frequency instead of a list in each row."""
    lengths = [len(power) for power in spectra["power"]]
    return pd.DataFrame(
        {
            "run_id": run_id,
            "step": np.repeat(spectra["step"].to_numpy(), lengths),
            "kind": np.repeat(spectra["kind"].to_numpy(), lengths),
            "index": np.concatenate([np.arange(length) for length in lengths]),
            "power": np.concatenate([np.asarray(power, dtype=float) for power in spectra["power"]]),
        }
    )


def tidy(
    rows: list[dict[str, Any]], curves: list[pd.DataFrame], spectra: list[pd.DataFrame]
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """The three frames in a fixed order of rows and columns."""
    runs = pd.DataFrame(rows) if rows else no_runs()
    runs = runs[[*FIRST_COLUMNS, *sorted(set(runs.columns) - set(FIRST_COLUMNS))]]
    # A setting that no run has is a number that is missing, as it is where some run has it.
    if rows:
        runs = runs.astype({c: "float64" for c in runs.columns if runs[c].isna().all()})
    curve = pd.concat(curves, ignore_index=True) if curves else no_curves()
    curve = curve[["run_id", *(c for c in curve.columns if c != "run_id")]]
    spectrum = (
        pd.concat(spectra, ignore_index=True) if spectra else pd.DataFrame(columns=SPECTRA_COLUMNS)
    )
    spectrum = spectrum[SPECTRA_COLUMNS].astype(
        {"run_id": str, "step": "int64", "kind": str, "index": "int64", "power": "float64"}
    )
    return (
        runs.sort_values("run_id", ignore_index=True),
        curve.sort_values(["run_id", "step"], ignore_index=True),
        spectrum.sort_values(["run_id", "kind", "step", "index"], ignore_index=True),
    )


def write_frames(
    jobs: Iterable[tuple[Mapping[str, Iterable[Run]], RunStore]],
    folder: Path,
    experiments: pd.DataFrame,
    kept: Frames | None = None,
) -> None:
    """Write the four frames of a scale to `folder`.

    jobs: the cohorts of each training job, by their names, and the store that holds their runs. experiments: rows of
    the plan's membership. kept: runs that come from elsewhere, with their own curves and spectra. Raises RegrokError
    when a run is not there.
    """
    every: Parts = parts_of(kept) if kept is not None else ([], [], [])
    for cohorts, store in jobs:
        for found, new in zip(every, _parts(cohorts, store), strict=True):
            found += new
    for name, frame in zip(("runs", "curves", "spectra"), tidy(*every), strict=True):
        write_parquet(frame, folder / f"{name}.parquet")
    write_parquet(ordered(experiments), folder / "experiments.parquet")


def ordered(experiments: pd.DataFrame) -> pd.DataFrame:
    """Rows of the plan's membership in a fixed order; with its columns also where there is none."""
    order = list(EXPERIMENTS)
    if experiments.empty:
        experiments = empty(dict.fromkeys(order, "object"))
    return experiments.sort_values(order, ignore_index=True)

"""The frames that every analysis reads: runs, curves, experiments, spectra; and what probes measured on the runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import pandas as pd

from regrok.errors import RegrokError
from regrok.files import read_parquet
from regrok.measures.events import NOT_STARTED
from regrok.study.words import FRAMES

NAMES = FRAMES


@dataclass(frozen=True)
class Frames:
    """Everything measured at one scale."""

    runs: pd.DataFrame
    """One row per run."""
    curves: pd.DataFrame
    """One row per run and logged step."""
    experiments: pd.DataFrame
    """Which runs serve which experiment and arm: experiment, arm, run_id, cell."""
    spectra: pd.DataFrame
    """One row per run, step, kind and frequency index: power."""
    probes: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    """Name of a probe → its table (`regrok.probes.parts.table`); of those alone that somebody asked for."""

    def of(self, *experiments: str) -> Frames:
        """The part that the named experiments use; their runs gain the columns `experiment` and `arm`.

        A run that serves two of them has a row for each. One of which nothing can be asked (`unasked`) is left out.
        """
        members = self.experiments[self.experiments["experiment"].isin(experiments)]
        runs = members.drop(columns="cell").merge(self.runs, on="run_id", how="inner")
        if (absent := unasked(runs)).any():
            members = members[~members["run_id"].isin(runs.loc[absent, "run_id"])]
            runs = runs[~absent]
        ids = set(runs["run_id"])
        return Frames(
            runs=runs.reset_index(drop=True),
            curves=self.curves[self.curves["run_id"].isin(ids)].reset_index(drop=True),
            experiments=members.reset_index(drop=True),
            spectra=self.spectra[self.spectra["run_id"].isin(ids)].reset_index(drop=True),
            probes={
                name: table[table["run_id"].isin(ids)].reset_index(drop=True)
                for name, table in self.probes.items()
            },
        )


def unasked(runs: pd.DataFrame) -> pd.Series:
    """Of which runs nothing can be asked about generalising: they were not started, or have no validation examples.

    Neither is censored, as a run is that was watched and did not grok.
    """
    absent = runs["outcome"] == NOT_STARTED
    return absent | (runs["validation_size"] == 0) if "validation_size" in runs else absent


def asked(frames: Frames) -> Frames:
    """The frames without those runs (`unasked`): a cell of such runs alone is none, for whatever reads it."""
    runs = frames.runs
    absent = set(runs.loc[unasked(runs), "run_id"]) if "outcome" in runs else set()
    if not absent:
        return frames
    # What has no spectra, as a figure's own view of the frames, may hold None in their place.
    parts = {name: getattr(frames, name) for name in NAMES}
    return Frames(
        **{
            name: part if part is None else part[~part["run_id"].isin(absent)]
            for name, part in parts.items()
        },
        probes={
            name: table[~table["run_id"].isin(absent)]
            for name, table in getattr(frames, "probes", {}).items()
        },
    )


def load(folder: Path | str) -> Frames:
    """Read the four frames of one scale. Raises RegrokError naming a file that is missing or unreadable."""
    frames = {}
    for name in NAMES:
        path = Path(folder) / f"{name}.parquet"
        try:
            frames[name] = read_parquet(path)
        except FileNotFoundError:
            raise RegrokError(
                f"{path} does not exist; build it with: snakemake --cores all"
            ) from None
        except (OSError, ValueError) as error:
            raise RegrokError(
                f"{path} cannot be read ({error}); delete it and build again: snakemake --cores all"
            ) from error
    return Frames(**frames)


def with_probes(frames: Frames, paths: Iterable[Path | str]) -> Frames:
    """The frames with the tables of these files, each under its file's name. Raises RegrokError naming one that is not
    readable; one that does not exist is a probe that nobody made or released, and is left out."""
    tables = {}
    for path in map(Path, paths):
        try:
            tables[path.stem] = read_parquet(path)
        except FileNotFoundError:
            continue
        except (OSError, ValueError) as error:
            raise RegrokError(
                f"{path} cannot be read ({error}); delete it and build again: snakemake --cores all"
            ) from error
    return replace(frames, probes=tables)

"""The run store: every finished run once, and a checkpoint of every unfinished one.

    results/store/<trainer fingerprint>/<run_id>.parquet          a finished run: curve, and its row as metadata
    results/store/<trainer fingerprint>/<run_id>.checkpoint       where an unfinished run stood
    results/store/<trainer fingerprint>/<name>.damaged-1          a file that could not be read, set aside

A file appears under its name only when it is whole (written beside, synced, renamed), so a kill or a full disk
leaves either the old file or the new one. A file that is truncated or is not what its name says is named on
stderr, renamed and never deleted; its run is trained again.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from regrok.files import METADATA_KEY, parquet_bytes, set_aside, whole, write_atomically


@dataclass(frozen=True)
class StoredRun:
    """A finished run: `row` (one value per column of runs.parquet), `settings`, `curve` and `spectra` frames."""

    run_id: str
    row: dict[str, Any]
    settings: dict[str, Any]
    curve: pd.DataFrame
    spectra: pd.DataFrame


class RunStore:
    """The runs trained by one fingerprint of the training code, under `root`/`trainer`."""

    def __init__(self, root: Path | str, trainer: str):
        self.trainer = trainer
        self.folder = Path(root) / trainer

    def path(self, run_id: str) -> Path:
        return self.folder / f"{run_id}.parquet"

    def checkpoint_path(self, run_id: str) -> Path:
        return self.folder / f"{run_id}.checkpoint"

    # Finished runs -----------------------------------------------------------------------------------

    def write(self, run: StoredRun) -> None:
        """Store a finished run, then drop its checkpoint."""
        spectra = {
            "step": run.spectra["step"].tolist(),
            "kind": run.spectra["kind"].tolist(),
            "power": [list(map(float, power)) for power in run.spectra["power"]],
        }
        metadata = {
            "run_id": run.run_id,
            "row": run.row,
            "settings": run.settings,
            "spectra": spectra,
        }
        write_atomically(self.path(run.run_id), parquet_bytes(run.curve, metadata))
        with suppress(FileNotFoundError):
            self.checkpoint_path(run.run_id).unlink()

    def read(self, run_id: str) -> StoredRun | None:
        """The finished run, or None when there is none; an unreadable or foreign file is set aside first."""
        path = self.path(run_id)
        if not path.exists():
            return None
        try:
            table = pq.read_table(path)
            packed = json.loads((table.schema.metadata or {})[METADATA_KEY])
            if packed["run_id"] != run_id:
                raise ValueError(f"it holds run {packed['run_id']}")
            spectra = pd.DataFrame(packed["spectra"], columns=["step", "kind", "power"])
            return StoredRun(run_id, packed["row"], packed["settings"], table.to_pandas(), spectra)
        except (OSError, KeyError, ValueError, TypeError, pa.ArrowException) as error:
            set_aside(path, error, RETRAINED)
            return None

    def finished(self, run_id: str, measure: Iterable[str] = ()) -> bool:
        """Whether the run is there, whole, and holds at least the observables asked for."""
        stored = self.read(run_id)
        return stored is not None and set(measure) <= set(stored.settings["protocol"]["measure"])

    # Checkpoints -------------------------------------------------------------------------------------

    def write_checkpoint(self, run_id: str, state: dict[str, Any]) -> None:
        """Replace the run's checkpoint."""
        import torch

        sink = io.BytesIO()
        torch.save({"run_id": run_id, "trainer": self.trainer, **state}, sink)
        write_atomically(self.checkpoint_path(run_id), sink.getvalue())

    def read_checkpoint(self, run_id: str) -> dict[str, Any] | None:
        """The run's checkpoint, or None; an unreadable or foreign one is set aside and the run starts anew."""
        import torch

        path = self.checkpoint_path(run_id)
        if not path.exists():
            return None
        try:
            state = torch.load(path, map_location="cpu", weights_only=True)
            if state["run_id"] != run_id or state["trainer"] != self.trainer:
                raise ValueError(
                    f"it belongs to run {state['run_id']} of trainer {state['trainer']}"
                )
            return state
        except Exception as error:  # torch.load raises many types on a damaged file
            set_aside(path, error, RETRAINED)
            return None


RETRAINED = "its run is trained again"


def present(root: Path | str, trainer: str, run_id: str) -> bool:
    """Whether a finished run's file exists and is not cut off (the Snakefile asks this for every run)."""
    return whole(Path(root) / trainer / f"{run_id}.parquet")

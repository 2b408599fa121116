"""The run store: every finished run once, and a checkpoint of every unfinished one.

    results/store/<trainer fingerprint>/<run_id>.parquet          a finished run: curve, and its row as metadata
    results/store/<trainer fingerprint>/<run_id>.checkpoint       where an unfinished run stood
    results/store/<trainer fingerprint>/<name>.damaged-1          a file that could not be read, set aside

A file appears under its name only when it is whole (written beside, synced, renamed), so a kill or a full disk
leaves either the old file or the new one. A file that is truncated or is not what its name says is named on
stderr, renamed and never deleted; its run is trained again.
"""

from __future__ import annotations

import errno
import io
import json
import math
import os
import sys
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from regrok.errors import RegrokError

METADATA_KEY = b"regrok"

FULL = (errno.ENOSPC, errno.EDQUOT)
"""Error numbers that mean: no space is left."""


@dataclass(frozen=True)
class StoredRun:
    """A finished run: `row` (one value per column of runs.parquet), `settings`, `curve` and `spectra` frames."""

    run_id: str
    row: dict[str, Any]
    settings: dict[str, Any]
    curve: pd.DataFrame
    spectra: pd.DataFrame


def disk_full(path: Path | str, size: int | None = None) -> str:
    """What to say when `path` could not be written for want of space."""
    wanted = f" ({size:,} bytes were to be written)" if size else ""
    return (
        f"{path}: the disk is full{wanted}. Finished runs are safe; "
        "free some space and start the same command again."
    )


def write_atomically(path: Path, content: bytes) -> None:
    """Write beside, sync, rename. Raises RegrokError naming the file when the disk is full or not writable."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as handle:
            handle.write(content)
            handle.flush()
            os.fsync(handle.fileno())
        os.replace(temporary, path)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink()
        if error.errno in FULL:
            raise RegrokError(disk_full(path, len(content))) from error
        raise RegrokError(f"{path}: cannot be written ({error.strerror}).") from error


def parquet_bytes(frame: pd.DataFrame, metadata: dict[str, Any] | None = None) -> bytes:
    """A parquet file of the frame, in memory; the same frame and libraries give the same bytes."""
    table = pa.Table.from_pandas(frame, preserve_index=False)
    if metadata is not None:
        packed = json.dumps(metadata, sort_keys=True, allow_nan=True).encode()
        table = table.replace_schema_metadata(
            {**(table.schema.metadata or {}), METADATA_KEY: packed}
        )
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd")
    return sink.getvalue()


def write_parquet(frame: pd.DataFrame, path: Path | str) -> None:
    """Write a frame atomically."""
    write_atomically(Path(path), parquet_bytes(frame))


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


def set_aside(path: Path, reason: object, remedy: str) -> Path:
    """Rename a file that cannot be used, and say so; never delete it."""
    number = 1
    while (target := path.with_name(f"{path.name}.damaged-{number}")).exists():
        number += 1
    # Gone: another process was faster, or there is nothing to keep.
    with suppress(FileNotFoundError):
        os.replace(path, target)
    why = str(reason).partition("\n")[0] or type(reason).__name__
    print(
        f"regrok: {path} cannot be used ({why}); set aside as {target.name}, {remedy}",
        file=sys.stderr,
        flush=True,
    )
    return target


RETRAINED = "its run is trained again"


def present(root: Path | str, trainer: str, run_id: str) -> bool:
    """Whether a finished run's file exists and is not cut off (the Snakefile asks this for every run)."""
    return whole(Path(root) / trainer / f"{run_id}.parquet")


PARQUET = b"PAR1"


def whole(path: Path) -> bool:
    """Whether a parquet file begins and ends as one, which a truncated file does not; nothing between is read."""
    try:
        with path.open("rb") as handle:
            begins = handle.read(len(PARQUET)) == PARQUET
            return (
                begins and handle.seek(-len(PARQUET), os.SEEK_END) > 0 and handle.read() == PARQUET
            )
    except OSError:
        return False


def write_json(value: Any, path: Path | str) -> None:
    """Write JSON atomically, keys as given, NaN as null (a number that does not exist has no digits)."""
    write_atomically(
        Path(path), (json.dumps(_plain(value), indent=1, ensure_ascii=False) + "\n").encode()
    )


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if hasattr(value, "item"):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def read_fits(paths: Iterable[Path | str]) -> dict[str, dict[str, Any]]:
    """Fit name → content of its JSON file. Raises RegrokError naming a file that cannot be read."""
    fits = {}
    for path in map(Path, paths):
        try:
            fits[path.stem] = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise RegrokError(
                f"{path} cannot be read ({error}); delete it and build again"
            ) from error
    return fits

"""The run store: every finished run once, and a checkpoint of every unfinished one.

    results/store/<fingerprint>/<run_id>.parquet          a finished run: its curve; settings and facts as metadata
    results/store/<fingerprint>/<run_id>.checkpoint       where an unfinished run stood
    results/store/<fingerprint>/<run_id>.<when>.state.npz  what another run starts from (`regrok.runs.states`)
    results/store/<fingerprint>/<name>.damaged-1          a file that could not be read, set aside

The fingerprint is that of the code that trained the run (`regrok.training.fingerprint`). Runs are written under the
present one and found under every one that is proven to train the same bits (`regrok.training.generations`).

A file appears under its name only when it is whole (written beside, synced, renamed), so a kill or a full disk
leaves either the old file or the new one. A file that is truncated, is not what its name says or has another number
of logged points than were written is named on stderr, renamed and never deleted; its run is trained again.
"""

from __future__ import annotations

import io
import json
import math
import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from regrok.files import METADATA_KEY, parquet_bytes, read_table, set_aside, write_atomically
from regrok.runs.trained_by import TrainedBy

if TYPE_CHECKING:
    from regrok.study.run import Run

SPECTRA_KEY = b"regrok.spectra"

FACTS = ("parameters", "collapsed", "diverged", "cohort", "wall_seconds", "device", "trainer")
"""What a row of runs.parquet needs beside settings and curve."""

LATER_FACTS = ("processor", "arithmetic", "points", "not_started")
"""What is kept besides, where the run was stored after these were: what computed it, logged points of its curve. And,
of a run alone that starts from another: that it could not, since that one never was at the moment asked for."""


@dataclass(frozen=True)
class StoredRun:
    """A finished run as it was trained; its row in runs.parquet is computed by `regrok.runs.gather`."""

    run_id: str
    facts: dict[str, Any]
    """One value for each of `FACTS`, and for those of `LATER_FACTS` that were kept."""
    settings: dict[str, Any]
    """The run it was, as plain values."""
    measured: dict[str, dict[str, Any]]
    """Observable → `every` (steps between values; None where the evaluations decide), `code` (its fingerprint) and
    `columns` (those of the curve)."""
    curve: pd.DataFrame
    spectra: pd.DataFrame
    """One row per step and kind, which is an observable's name: step, kind, power."""


class RunStore:
    """The runs trained by one state of the training code, and by those that are proven equal to it."""

    def __init__(self, root: Path | str, code: TrainedBy | str):
        """code: a word names a store of its own, as for a trial, in which nothing is equal to anything."""
        self.code = TrainedBy.named(code) if isinstance(code, str) else code
        self.trainer = self.code.trainer.code
        self.root = Path(root)
        self.folder = self.root / self.trainer

    def path(self, run_id: str) -> Path:
        """Where the run is written."""
        return self.folder / f"{run_id}.parquet"

    def checkpoint_path(self, run_id: str) -> Path:
        return self.folder / f"{run_id}.checkpoint"

    def observable(self, name: str) -> str | None:
        """The fingerprint of the present code for an observable; None in a store that knows of none."""
        known = self.code.observables.get(name)
        return known.code if known else None

    # Finished runs -----------------------------------------------------------------------------------

    def write(self, run: StoredRun) -> None:
        """Store a finished run, then drop its checkpoint."""
        spectra = {
            "step": run.spectra["step"].tolist(),
            "kind": run.spectra["kind"].tolist(),
            "power": [list(map(float, power)) for power in run.spectra["power"]],
        }
        about = {
            "run_id": run.run_id,
            "facts": run.facts,
            "settings": run.settings,
            "measured": run.measured,
        }
        content = parquet_bytes(run.curve, {METADATA_KEY: about, SPECTRA_KEY: spectra})
        write_atomically(self.path(run.run_id), content)
        with suppress(FileNotFoundError):
            self.checkpoint_path(run.run_id).unlink()

    def read(self, run: Run | str) -> StoredRun | None:
        """The finished run, or None when there is none; an unreadable or foreign file is set aside first.

        A run, as against a run_id, is there only if it was measured as it asks.
        """
        run_id = run if isinstance(run, str) else run.run_id
        for path in self._paths(run_id):
            try:
                about = _about(pq.read_metadata(path), run_id)
                table = read_table(path)
                if not isinstance(run, str) and not self._serves(about, run):
                    continue
                spectra = about.get("spectra") or json.loads(table.schema.metadata[SPECTRA_KEY])
                return StoredRun(
                    run_id,
                    about["facts"],
                    about["settings"],
                    about["measured"],
                    table.to_pandas(use_threads=False),
                    pd.DataFrame(spectra, columns=["step", "kind", "power"]),
                )
            except UNREADABLE as error:
                set_aside(path, error, RETRAINED)
        return None

    def finished(self, run: Run) -> bool:
        """Whether the run is there and was measured as it asks: the same observables by equal code, as often or more.

        Reads metadata alone.
        """
        return self.trainer_of(run) is not None

    def trainer_of(self, run: Run) -> str | None:
        """The fingerprint of the code that trained the stored run, or None where it is not finished."""
        facts = self._facts(run)
        return None if facts is None else str(facts["trainer"])

    def arithmetic_of(self, run: Run) -> str | None:
        """What computed the stored run, in words; empty where that was not kept, None where it is not finished.

        Only looks: a damaged file is left to whoever needs the run.
        """
        facts = self._facts(run, aside=False)
        if facts is None:
            return None
        return f"{facts['processor']}: {facts['arithmetic']}" if facts.get("arithmetic") else ""

    def _facts(self, run: Run, aside: bool = True) -> dict[str, Any] | None:
        found = (a for a in self._abouts(run.run_id, aside) if self._serves(a, run))
        return next((dict(about["facts"]) for about in found), None)

    def to_train(self, run: Run) -> Run:
        """The run, measuring also what the store has of it, so that two builds that ask for different things end."""
        for about in self._abouts(run.run_id):
            protocol = run.protocol
            both = tuple(sorted({*protocol.measure, *about["measured"]}))
            every = [each["every"] for each in about["measured"].values() if each["every"]]
            if protocol.measure or not every:
                every.append(protocol.measure_every)
            merged = {"measure": both, "measure_every": math.gcd(*every)}
            run = run.model_copy(update={"protocol": protocol.model_copy(update=merged)})
        return run

    def _paths(self, run_id: str) -> list[Path]:
        """Files of the run, the present code's first."""
        trainers = dict.fromkeys((self.trainer, *self.code.trainer.equal))
        paths = [self.root / trainer / f"{run_id}.parquet" for trainer in trainers]
        return [path for path in paths if path.exists()]

    def _abouts(self, run_id: str, aside: bool = True) -> Iterable[dict[str, Any]]:
        for path in self._paths(run_id):
            try:
                yield _about(pq.read_metadata(path), run_id)
            except UNREADABLE as error:
                if aside:
                    set_aside(path, error, RETRAINED)

    def _serves(self, about: Mapping[str, Any], run: Run) -> bool:
        """Whether what a stored run was measured by is what the run asks for."""
        for name in run.protocol.measure:
            held = about["measured"].get(name)
            if held is None or (held["every"] and run.protocol.measure_every % held["every"]):
                return False
            known = self.code.observables.get(name)
            if known is not None and held["code"] not in known.equal:
                return False
        return True

    # Checkpoints -------------------------------------------------------------------------------------

    def write_checkpoint(self, run: Run, state: dict[str, Any], arithmetic: str = "") -> None:
        """Replace the run's checkpoint. arithmetic: what computes the run (`regrok.kernels.arithmetic`), in words."""
        import torch

        sink = io.BytesIO()
        about = {
            "run_id": run.run_id,
            "trainer": self.trainer,
            "measured": self._measuring(run),
            "arithmetic": arithmetic,
        }
        torch.save({**about, **state}, sink)
        write_atomically(self.checkpoint_path(run.run_id), sink.getvalue())

    def read_checkpoint(self, run: Run, arithmetic: str = "") -> dict[str, Any] | None:
        """The run's checkpoint, or None; an unreadable or foreign one is set aside and the run starts anew.

        So does a run that was measured differently until then: its first part would lack what is asked for now. And,
        with a line on stderr, one that was computed by other arithmetic: its two parts would not be of one run.
        """
        import torch

        path = self.checkpoint_path(run.run_id)
        if not path.exists():
            return None
        try:
            state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
            if state["run_id"] != run.run_id or state["trainer"] != self.trainer:
                raise ValueError(
                    f"it belongs to run {state['run_id']} of trainer {state['trainer']}"
                )
            measured, computed = state["measured"], state["arithmetic"]
        except Exception as error:  # torch.load raises many types on a damaged file
            set_aside(path, error, RETRAINED)
            return None
        if measured != self._measuring(run):
            return None
        if computed != arithmetic:
            print(
                f"regrok: run {run.run_id} stood at step {state['step']:,}, computed by {computed}; here computes "
                f"{arithmetic}, whose last digits may differ, so the run starts anew",
                file=sys.stderr,
            )
            return None
        return state

    def _measuring(self, run: Run) -> dict[str, Any]:
        codes = {name: self.observable(name) for name in sorted(run.protocol.measure)}
        return {"codes": codes, "every": run.protocol.measure_every if codes else None}


RETRAINED = "its run is trained again"

UNREADABLE = (OSError, KeyError, ValueError, TypeError, pa.ArrowException)


def _about(footer: pq.FileMetaData, run_id: str) -> dict[str, Any]:
    """Facts, settings and what was measured, from a file's footer.

    Raises one of `UNREADABLE` where that is not this run's, or not all of it.
    """
    about: dict[str, Any] = json.loads((footer.metadata or {})[METADATA_KEY])
    if about["run_id"] != run_id:
        raise ValueError(f"it holds run {about['run_id']}")
    written = about.get("facts", {}).get("points", footer.num_rows)
    if footer.num_rows != written:
        raise ValueError(f"it holds {footer.num_rows} of {written} logged points")
    if "row" in about:
        if _last_step(footer) != about["row"]["steps"]:
            raise ValueError(f"it does not end at step {about['row']['steps']}")
        about |= _from_row(about["row"], about["settings"])
    return about


def _last_step(footer: pq.FileMetaData) -> Any:
    """The largest step of the curve, by the footer."""
    place = footer.schema.names.index("step")
    groups = [footer.row_group(i).column(place).statistics for i in range(footer.num_row_groups)]
    return max((group.max for group in groups if group is not None), default=None)


# Runs stored with their row ---------------------------------------------------------------------------------------

ROW_COLUMNS = {
    "logit_max": ["logit_max"],
    "norm_groups": ["V_*"],
    "fourier_low": ["fourier_residual_low"],
    "fourier_high": ["fourier_residual_high"],
    "embedding_spectrum": ["top5_share"],
}
"""The columns of each observable in the curves of runs that were stored with their row."""


def _from_row(row: Mapping[str, Any], settings: Mapping[str, Any]) -> dict[str, Any]:
    """Facts and measurements of a run that was stored with its row, by code that had one fingerprint for all it did.

    What a run that grokked did in its tail is not in its row, and does not count for its outcome.
    """
    ends = {end: row["outcome"] == end for end in ("collapsed", "diverged")}
    facts = {**ends, **{name: row[name] for name in FACTS if name not in ends}}
    protocol = settings["protocol"]
    measured = {
        name: {
            "every": None if name == "logit_max" else protocol["measure_every"],
            "code": row["trainer"],
            "columns": ROW_COLUMNS[name],
        }
        for name in protocol["measure"]
    }
    return {"facts": facts, "measured": measured}


def columns_of(measured: Mapping[str, Any], columns: Iterable[str]) -> list[str]:
    """Those of a curve's columns that belong to an observable, as `StoredRun.measured` describes it."""
    return [c for c in columns if any(fnmatchcase(c, each) for each in measured["columns"])]

"""Stored states of runs: the weights and the optimiser at a moment from which another run starts.

    results/store/<fingerprint>/<run_id>.end.state.npz          at the run's last step
    results/store/<fingerprint>/<run_id>.T_grok.state.npz       at its T_grok
    results/store/<fingerprint>/<run_id>.step-500.state.npz     at step 500

They lie beside their runs, only where a run of the plan or a setting (`protocol.keep`) asks for them, and never in the
released bundle. Each is one npz file of float arrays and a JSON text about them, with a SHA-256 over all of both. It
appears under its name only when it is whole; one that is not what its name says is named on stderr, renamed and never
deleted, and its run is trained again.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from regrok.files import set_aside, write_atomically
from regrok.measures import events

if TYPE_CHECKING:
    from regrok.runs.store import RunStore, StoredRun
    from regrok.study.run import Point, Run

ABOUT = "about"
WEIGHTS = "weights"
"""Names of arrays in the file; those of the optimiser's averages follow."""

RETRAINED = "its run is trained again"


@dataclass(frozen=True)
class State:
    """A run at one moment."""

    step: int
    """The run's own."""
    clock: int
    """Steps that its optimiser has taken, those of the runs that it starts from among them where it kept theirs."""
    weights: np.ndarray
    """(P,) all parameters."""
    averages: Mapping[str, np.ndarray]
    """Name → (P,): the optimiser's."""


def state_path(store: RunStore, run_id: str, point: Point) -> Path:
    """Where a state is written."""
    return store.folder / _name(run_id, point)


def _name(run_id: str, point: Point) -> str:
    return f"{run_id}.{f'step-{point}' if isinstance(point, int) else point}.state.npz"


def _paths(store: RunStore, run_id: str, point: Point) -> Iterator[Path]:
    """Files of the state that there are, the present code's first."""
    for trainer in dict.fromkeys((store.trainer, *store.code.trainer.equal)):
        path = store.root / trainer / _name(run_id, point)
        if path.exists():
            yield path


def write_state(store: RunStore, run_id: str, point: Point, state: State) -> None:
    """Store a state. Raises RegrokError naming the file when it cannot be written."""
    arrays: dict[str, Any] = {WEIGHTS: state.weights, **state.averages}
    about: dict[str, Any] = {
        "run_id": run_id,
        "point": point,
        "step": state.step,
        "clock": state.clock,
        "trainer": store.trainer,
    }
    about["sha256"] = _checksum(about, arrays)
    sink = io.BytesIO()
    np.savez(sink, **{ABOUT: np.array(json.dumps(about, sort_keys=True)), **arrays})
    write_atomically(state_path(store, run_id, point), sink.getvalue())


def read_state(store: RunStore, run_id: str, point: Point) -> State | None:
    """The state, or None where there is none; one that is damaged, or another's, is set aside first."""
    for path in _paths(store, run_id, point):
        try:
            with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as content:
                arrays = {name: content[name] for name in content.files}
            about = json.loads(str(arrays.pop(ABOUT)))
            if (about["run_id"], about["point"]) != (run_id, point):
                raise ValueError(f"it holds run {about['run_id']} at {about['point']}")
            if about.pop("sha256") != _checksum(about, arrays):
                raise ValueError("its checksum is that of other content")
            weights = arrays.pop(WEIGHTS)
            return State(int(about["step"]), int(about["clock"]), weights, arrays)
        except Exception as error:  # np.load raises many types on a damaged file
            set_aside(path, error, RETRAINED)
    return None


def _checksum(about: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> str:
    """SHA-256 of what is told and of every array: name, type, shape and bytes."""
    total = hashlib.sha256(json.dumps(about, sort_keys=True).encode())
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        total.update(f"{name} {array.dtype.str} {array.shape}".encode())
        total.update(array.tobytes())
    return total.hexdigest()


# Which states there should be ------------------------------------------------------------------------------------


def reached(stored: StoredRun, point: Point) -> bool:
    """Whether the run was ever at `point`: it has an end, has grokked, or has a logged step of that number."""
    if stored.facts.get("not_started"):
        return False
    curve = stored.curve
    if point == "T_grok":
        final = max(events.THRESHOLDS.values())
        return bool((curve["validation_accuracy"] >= final).any())
    return point == "end" or bool((curve["step"] == point).any())


def lacks(store: RunStore, run: Run) -> bool:
    """Whether a finished run was at a moment that `protocol.keep` names, and its state is not in the store.

    Only looks at the names of files: a damaged one is left to who reads it.
    """
    absent = [p for p in run.protocol.keep or () if not any(_paths(store, run.run_id, p))]
    stored = store.read(run.run_id) if absent else None
    return stored is not None and any(reached(stored, point) for point in absent)

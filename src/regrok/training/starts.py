"""Runs that start from another run's state: what they take over, and what to do where there is none.

A parent whose state the store has lost is trained again from scratch, by the same code and so to the same bits. Where
the parent is there and never reached the moment that is asked for (it did not grok, or ended before that step), the
run cannot be: it is stored as one that was not started, with one logged point that holds nothing, so that the plan is
complete and nothing is taken for a result.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pandas as pd

from regrok.errors import RegrokError
from regrok.runs.states import State, lacks, reached, read_state, state_path, write_state
from regrok.runs.store import RunStore, StoredRun
from regrok.study.run import Point, Run


def first_state(run: Run, store: RunStore) -> State | None:
    """What the run begins with; None for its own initialisation. Raises RegrokError where it is not in the store."""
    if run.start is None:
        return None
    parent, at = run.start.run.run_id, run.start.at
    found = read_state(store, parent, at)
    if found is None:
        raise RegrokError(
            f"run {run.run_id} starts from run {parent}, whose state {state_path(store, parent, at)} has gone since "
            "the job began; start the same command again"
        )
    return found


def startable(
    runs: Iterable[Run], store: RunStore, cohort: str, train: Callable[[Run], Any]
) -> list[Run]:
    """Those of the runs that can begin; the others are stored as not started.

    train: trains one run that the store lacks, or whose kept states it lacks.
    """
    ready: list[Run] = []
    known: dict[tuple[str, Point], bool] = {}
    for run in runs:
        if run.start is None:
            ready.append(run)
            continue
        key = run.start.run.run_id, run.start.at
        if key not in known:
            if read_state(store, *key) is None and not _never_there(run, store):
                train(run.start.parent)
            known[key] = read_state(store, *key) is not None
        if known[key]:
            ready.append(run)
        else:
            store.write(_not_started(run, store, cohort))
    return ready


def _never_there(run: Run, store: RunStore) -> bool:
    """Whether the store has the run's parent, and that was never at the moment asked for."""
    assert run.start is not None
    parent = store.read(run.start.run.run_id)
    return parent is not None and not reached(parent, run.start.at)


def _not_started(run: Run, store: RunStore, cohort: str) -> StoredRun:
    assert run.start is not None
    parent = store.read(run.start.run.run_id)
    if parent is None:
        raise RegrokError(
            f"run {run.run_id} starts from run {run.start.run.run_id}, which was trained and is not in {store.folder}; "
            "start the same command again"
        )
    nothing = float("nan")
    point: dict[str, float] = {"step": 0}
    for name in ("train", "validation"):
        point |= {f"{name}_loss": nothing, f"{name}_accuracy": nothing, f"{name}_examples": 0}
    facts = {
        **parent.facts,
        **dict.fromkeys(("collapsed", "diverged"), False),
        "not_started": True,
        "cohort": cohort,
        "wall_seconds": 0.0,
        "trainer": store.trainer,
        "points": 1,
    }
    measured: dict[str, dict[str, Any]] = {
        name: {"every": None, "code": store.observable(name), "columns": []}
        for name in run.protocol.measure
    }
    spectra = pd.DataFrame([], columns=["step", "kind", "power"])
    curve = pd.DataFrame([{**point, "V": nothing}])
    return StoredRun(run.run_id, facts, run.model_dump(mode="json"), measured, curve, spectra)


# What a run leaves for others -------------------------------------------------------------------------------------


def unfinished(runs: Iterable[Run], store: RunStore) -> list[Run]:
    """Those of the runs that have to be trained: not finished, or without a state that they are to keep."""
    return [run for run in runs if not store.finished(run) or lacks(store, run)]


def keep(run: Run, store: RunStore, points: Iterable[Point], step: int, kept: Any) -> None:
    """Store the state of a run at one step, under each of the moments that it is.

    kept: what `regrok.training.slots.Engine.checkpoint` says of the run's slot.
    """
    averages = {name: tensor.numpy() for name, tensor in kept["state"].items()}
    state = State(step, kept["step"], kept["flat"].numpy(), averages)
    for point in points:
        write_state(store, run.run_id, point, state)


def moments(run: Run, step: int, grokked_at: int | None, last: bool = False) -> list[Point]:
    """Those of the moments that the run is to keep which are now: after a logged step, or after its last one."""
    now = ("end",) if last else (step, "T_grok") if step == grokked_at else (step,)
    return [point for point in run.protocol.keep or () if point in now]


def missed(run: Run, store: RunStore, checkpoint: Any) -> bool:
    """Whether a run that goes on from its checkpoint would have gone past a moment that it is to keep, and had not."""
    step, grokked_at = checkpoint["step"] - checkpoint["begun"], checkpoint["slot"]["grokked_at"]
    past = [
        point
        for point in run.protocol.keep or ()
        if (point == "T_grok" and grokked_at is not None)
        or (isinstance(point, int) and point <= step)
    ]
    return any(read_state(store, run.run_id, point) is None for point in past)

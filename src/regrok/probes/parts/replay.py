"""The states of a finished run: from the store where it keeps them, else the run is trained again as far as is asked.

Initialisation, data and batches are functions of the run's seed and the step, so that a run which is trained again has
the bits that it had. V at every logged step up to the last state is compared with the run's curve, and nothing is
measured on a run that differs from it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import torch

from regrok.errors import RegrokError
from regrok.measures.observables import squared_norm
from regrok.probes.parts.state import Network, ProbeState, sets_of
from regrok.runs.states import State, read_state
from regrok.training import starts
from regrok.training.slots import Engine

if TYPE_CHECKING:
    from regrok.runs.store import RunStore, StoredRun
    from regrok.study.run import Point, Run


def states(
    run: Run, stored: StoredRun, store: RunStore, steps: Sequence[int], grokked_at: float
) -> Iterator[ProbeState]:
    """The run at these of its logged steps, in order.

    stored: the finished run. grokked_at: its T_grok, NaN where there is none. Raises RegrokError, with what to store,
    for a run that cannot be trained again here to the same bits, and where a trained one differs from the curve.
    """
    if not steps:
        return
    torch.set_num_threads(1)  # as in training
    engine = Engine(run, 1)
    sets = sets_of(run)
    network = Network(run, engine.model)

    def state(step: int, flat: torch.Tensor, begun: int) -> ProbeState:
        return ProbeState(run, step, flat, network, sets["train"], sets["validation"], begun)

    # What a run begins with is never stored: it is drawn, or its parent's.
    held = {s: _held(store, run, _points(s, stored, grokked_at)) for s in steps if s}
    kept = {step: found for step, found in held.items() if found is not None}
    if len(kept) < len(held):
        _refuse_foreign(run, stored, steps)
    engine.start(0, run, None, starts.first_state(run, store))
    for step in steps:
        if len(kept) == len(held) and step:
            found = kept[step]
            yield state(step, torch.from_numpy(found.weights), found.clock - found.step)
        else:
            _advance(engine, run, stored, step, steps)
            yield state(step, engine.flat[0].clone(), engine.begun[0])


def _points(step: int, stored: StoredRun, grokked_at: float) -> list[Point]:
    """The names under which the store may keep a step."""
    found: list[Point] = [step]
    if step == grokked_at:
        found.append("T_grok")
    if step == int(stored.curve["step"].iloc[-1]):
        found.append("end")
    return found


def _held(store: RunStore, run: Run, points: list[Point]) -> State | None:
    found = (read_state(store, run.run_id, point) for point in points)
    return next((state for state in found if state is not None), None)


def _keeping(steps: Sequence[int]) -> str:
    """What a study has to say for these states to be stored."""
    asked = [step for step in steps if step]
    return f"keep the states that are asked for: protocol.keep: {asked}"


def _refuse_foreign(run: Run, stored: StoredRun, steps: Sequence[int]) -> None:
    """Raise RegrokError for a run whose bits nothing here can give again."""
    device = str(stored.facts.get("device", ""))
    if device.startswith("cuda"):
        raise RegrokError(
            f"run {run.run_id}: it was trained on {device}, whose bits this processor does not give again; "
            f"{_keeping(steps)}, or train it here (trainer.device: cpu)"
        )


def _advance(engine: Engine, run: Run, stored: StoredRun, step: int, steps: Sequence[int]) -> None:
    """Train on to this step, and compare V at every logged step on the way."""
    logged = stored.curve[["step", "V"]].to_numpy(float)
    curve, every = {int(step): float(V) for step, V in logged}, run.protocol.log_every
    _compare(engine, run, stored, curve, steps)
    torch.set_flush_denormal(True)  # as in training, where it changes the smallest numbers
    try:
        while engine.taken(0) < step:
            engine.advance(every)
            _compare(engine, run, stored, curve, steps)
    finally:
        torch.set_flush_denormal(False)


def _compare(
    engine: Engine, run: Run, stored: StoredRun, curve: Mapping[int, float], steps: Sequence[int]
) -> None:
    """Raise RegrokError, with step and reason, where the run's V is not that of its curve."""
    now = engine.taken(0)
    if now not in curve:
        return  # a released curve has some of the logged steps
    ours, theirs = float(squared_norm(engine.flat)[0]), curve[now]
    if ours == theirs or (ours != ours and theirs != theirs):
        return
    facts, kept = stored.facts, ""
    if facts.get("arithmetic"):
        kept = f"{facts['processor']}: {facts['arithmetic']}"
    here = str(engine.arithmetic)
    why = (
        f"it was computed by {kept or 'arithmetic that was not kept'}, and here computes {here}"
        if kept != here
        else "though the arithmetic is the same: the stored run or the code is not what it says"
    )
    raise RegrokError(
        f"run {run.run_id} trained again parts from its curve at step {now:,} (V = {ours!r}, stored {theirs!r}), "
        f"{why}; {_keeping(steps)}, or delete the run from the store so that it is trained anew"
    )

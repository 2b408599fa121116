"""The trainer: a queue of runs through S slots, until every run has an outcome.

    while runs remain:
        fill the free slots from the queue
        advance every slot by log_every steps
        log each slot; end the runs that are done

A run ends `tail_steps` after it grokked, when its budget is spent, when it has not memorised after
`memorise_steps` (2603.25009's DNF_tr), when it diverged, or when it collapsed. One without validation examples never
groks, so it trains until its budget is spent. The
slot then takes the next run. Finished runs go to the store at once; unfinished ones are checkpointed there every
`checkpoint_seconds`, at logged steps, so that a killed job loses no more than that and ends in the same bits.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import torch

from regrok.measures import events
from regrok.measures.observables import Moment, cadence, measure, squared_norm
from regrok.runs.store import RunStore, StoredRun
from regrok.study.run import Run
from regrok.training import starts
from regrok.training.evaluate import Evaluation
from regrok.training.progress import Silent
from regrok.training.slots import Engine, slots_within

COLLAPSED_NORM_SHARE = 1e-3
"""A collapse is looked for only once V has fallen below this share of V_0."""

COLLAPSED_SPREAD = 1e-5
"""A collapsed network's logits vary by less than this over all inputs: its output ignores the input."""


@dataclass
class Slot:
    """What the trainer remembers about the run in one slot."""

    run: Run
    curve: list[dict[str, float]] = field(default_factory=list)
    spectra: list[dict[str, Any]] = field(default_factory=list)
    columns: dict[str, list[str]] = field(default_factory=dict)
    """Observable → the curve's columns that it fills."""
    memorised: bool = False
    grokked_at: int | None = None
    seconds: float = 0.0
    """Of its evaluations in this process, and of all that was done for it before."""
    collapsed: bool = False
    diverged: bool = False

    @property
    def end(self) -> int:
        """The last step this run will take, as far as is known now."""
        protocol = self.run.protocol
        if self.grokked_at is None or protocol.stop == "budget":
            patience = None if self.memorised else protocol.memorise_steps
            return min(protocol.max_steps, patience or protocol.max_steps)
        return min(protocol.max_steps, self.grokked_at + protocol.tail_steps)

    def state(self, stepping: float) -> dict[str, Any]:
        """What a checkpoint keeps beside the engine's tensors; plain types only.

        stepping: seconds of the steps that this process has taken, which the engine counts.
        """
        spectra = [{**s, "power": list(map(float, s["power"]))} for s in self.spectra]
        return {
            "curve": self.curve,
            "spectra": spectra,
            "columns": self.columns,
            "memorised": self.memorised,
            "grokked_at": self.grokked_at,
            "seconds": self.seconds + stepping,
        }


class Trainer:
    """Trains the runs of one cohort that its store lacks. Use `train_cohort`."""

    def __init__(
        self,
        cohort: str,
        runs: Iterable[Run],
        store: RunStore,
        *,
        slots: int,
        of: int | None = None,
        memory_gib: float = 2.0,
        device: str = "cpu",
        checkpoint_seconds: float = 60.0,
        progress: Any = None,
    ):
        """of: how many runs the cohort has, with those that the store holds; None: the runs given."""
        self.cohort = cohort
        self.store = store
        self.queue = deque(runs)
        self.total = len(self.queue)
        self.done = 0
        self.steps_taken = 0
        self.checkpoint_seconds = checkpoint_seconds
        self.progress = progress or Silent()
        count = min(slots, self.total)
        if device != "cpu":
            # The shapes of a step are fixed by S, so S must not depend on how many runs are left. An empty slot
            # costs what a full one costs, so there are no more than the cohort ever fills.
            count = min(slots, of or self.total, slots_within(self.queue[0], memory_gib))
        self.engine = Engine(self.queue[0], count, device)
        self.arithmetic = str(self.engine.arithmetic)
        self.occupied: dict[int, Slot] = {}

    def train(self) -> None:
        """Train every run to its end. Raises RegrokError when a result cannot be written."""
        saved = time.monotonic()
        while self.queue or self.occupied:
            for slot in range(self.engine.slots):
                if slot not in self.occupied and self.queue:
                    self._start(slot, self.queue.popleft())
            # Each slot logs at multiples of log_every, which the whole cohort shares.
            self.engine.advance(self.engine.protocol.log_every)
            self.steps_taken += len(self.occupied) * self.engine.protocol.log_every
            self._log(list(self.occupied))
            for slot in list(self.occupied):
                self._keep(slot)
                if self._ended(slot):
                    self._finish(slot)
            if time.monotonic() - saved > self.checkpoint_seconds:
                for slot, state in self.occupied.items():
                    kept = state.state(self.engine.seconds[slot])
                    saving = {**self.engine.checkpoint(slot), "slot": kept}
                    self.store.write_checkpoint(state.run, saving, self.arithmetic)
                saved = time.monotonic()
            self.progress.update(self)
        self.progress.finish(self)

    def steps_left(self) -> int:
        """Steps that the remaining runs take at most, as far as is known now (a run may grok and end early)."""
        waiting = sum(run.protocol.max_steps for run in self.queue)
        running = sum(s.end - int(s.curve[-1]["step"]) for s in self.occupied.values())
        return waiting + running

    # One slot ----------------------------------------------------------------------------------------

    def _start(self, slot: int, run: Run) -> None:
        checkpoint = self.store.read_checkpoint(run, self.arithmetic)
        if checkpoint is not None and starts.missed(run, self.store, checkpoint):
            checkpoint = None
        first = starts.first_state(run, self.store) if checkpoint is None else None
        self.engine.start(slot, run, checkpoint, first)
        state = Slot(run)
        if checkpoint is not None:
            for name, value in checkpoint["slot"].items():
                setattr(state, name, value)
        self.occupied[slot] = state
        if checkpoint is None:
            self._log([slot])
            self._keep(slot)

    def _log(self, slots: list[int]) -> None:
        """Append one point to the curve of each slot; decide what it proves."""
        engine = self.engine
        began = time.perf_counter()
        steps = {slot: engine.taken(slot) for slot in slots}
        full = {slot: self._full(self.occupied[slot], steps[slot]) for slot in slots}
        squared = squared_norm(engine.flat)
        finite = torch.isfinite(squared) & torch.isfinite(engine.loss).cpu()
        lost = [slot for slot in slots if not finite[slot]]
        for slot in lost:
            self.occupied[slot].diverged = True
        stop = {
            slot: None if full[slot] else events.LOWEST_THRESHOLD
            for slot in slots
            if slot not in lost
        }
        train = engine.evaluate(
            "train", {k: v for k, v in stop.items() if full[k] or not self.occupied[k].memorised}
        )
        validation = engine.evaluate(
            "validation",
            {k: v for k, v in stop.items() if full[k] or self.occupied[k].grokked_at is None},
        )
        for slot in slots:
            found = {"train": train.get(slot), "validation": validation.get(slot)}
            self._append(slot, steps[slot], float(squared[slot]), full[slot], found)
        share = (time.perf_counter() - began) / len(slots)
        for slot in slots:
            self.occupied[slot].seconds += share

    def _full(self, state: Slot, step: int) -> bool:
        """Whether both sets are evaluated whole at this step; between, only what the events still need.

        After T_grok at every logged step: whether a crossing lasts is read off the evaluations that follow it.
        """
        every = step % state.run.protocol.curve_every == 0
        return every or state.grokked_at is not None or step >= state.end

    def _append(
        self, slot: int, step: int, squared: float, full: bool, found: dict[str, Evaluation | None]
    ) -> None:
        state, engine = self.occupied[slot], self.engine
        protocol = state.run.protocol
        row: dict[str, float] = {"step": step, "V": squared}
        for name, result in found.items():
            row[f"{name}_loss"] = float(result.loss) if result else float("nan")
            row[f"{name}_accuracy"] = float(result.accuracy) if result else float("nan")
            row[f"{name}_examples"] = int(result.examples) if result else 0
        final = max(events.THRESHOLDS.values())
        state.memorised |= row["train_accuracy"] >= final
        if row["validation_accuracy"] >= final and state.grokked_at is None:
            state.grokked_at = step
        state.curve.append(row)
        if state.diverged:
            return
        # A set without examples is never evaluated, and nothing waits for it.
        awaited = [found[name] for name in found if getattr(engine.info, f"{name}_size")]
        evaluations = tuple(each for each in awaited if each)
        whole = len(evaluations) == len(awaited)
        if protocol.measure:
            flat, classes = engine.flat[slot : slot + 1], engine.info.classes
            run = state.run
            shown = evaluations if whole else ()
            moment = Moment(engine.model, flat, run.task, classes, run.seed, shown)
            due = step % protocol.measure_every == 0
            for name, what in measure(protocol.measure, moment, due=due).items():
                row.update(what.scalars)
                state.columns[name] = list(what.scalars)
                if what.spectrum is not None:
                    state.spectra.append({"step": step, "kind": name, "power": what.spectrum})
        if full and whole:
            spread = float(torch.stack([each.spread for each in evaluations]).amax())
            state.collapsed = self._collapsed(state, spread)

    def _collapsed(self, state: Slot, spread: float) -> bool:
        """Whether decay has taken the network to the origin, where it stays.

        Once the output ignores the input, the gradient of every parameter but the output bias is a product
        with factors that have themselves decayed, so it vanishes faster than the decay term, and under SGD the
        origin absorbs. Adam's normalised steps do not shrink with the gradient, so its runs are never ended here.
        """
        optimiser = state.run.optimiser
        if optimiser.name != "sgd" or optimiser.weight_decay == 0:
            return False
        first, last = state.curve[0], state.curve[-1]
        previous = state.curve[-2]["V"] if len(state.curve) > 1 else first["V"]
        return (
            last["V"] < COLLAPSED_NORM_SHARE * first["V"]
            and last["V"] <= previous
            and spread < COLLAPSED_SPREAD
        )

    def _ended(self, slot: int) -> bool:
        state = self.occupied[slot]
        return state.diverged or state.collapsed or self.engine.taken(slot) >= state.end

    def _keep(self, slot: int, last: bool = False) -> None:
        """Store what other runs start from, where this is such a moment."""
        state, step = self.occupied[slot], self.engine.taken(slot)
        points = starts.moments(state.run, step, state.grokked_at, last)
        if points:
            starts.keep(state.run, self.store, points, step, self.engine.checkpoint(slot))

    def _finish(self, slot: int) -> None:
        self._keep(slot, last=True)
        state = self.occupied.pop(slot)
        state.seconds += self.engine.seconds[slot]
        self.engine.clear(slot)
        self.store.write(stored_run(state, self.cohort, self.engine, self.store))
        self.done += 1


def stored_run(state: Slot, cohort: str, engine: Engine, store: RunStore) -> StoredRun:
    """The finished run as the store keeps it: its settings, its curve and spectra, what else is known of it."""
    columns = [
        "step",
        *(f"{s}_{w}" for s in ("train", "validation") for w in ("loss", "accuracy", "examples")),
        "V",
    ]
    curve = pd.DataFrame(state.curve)
    curve = curve.reindex(columns=[*columns, *(c for c in curve.columns if c not in columns)])
    for name in ("train_examples", "validation_examples"):
        curve[name] = curve[name].fillna(0).astype(np.int64)
    facts = {
        "parameters": engine.layout.parameters,
        "collapsed": state.collapsed,
        "diverged": state.diverged,
        "cohort": cohort,
        "wall_seconds": state.seconds,
        "device": engine.describe(),
        "processor": engine.arithmetic.processor,
        "arithmetic": engine.arithmetic.words,
        "trainer": store.trainer,
        "points": len(curve),
    }
    protocol = state.run.protocol
    measured: dict[str, dict[str, Any]] = {
        name: {
            "every": cadence(name, protocol.measure_every),
            "code": store.observable(name),
            "columns": state.columns.get(name, []),
        }
        for name in protocol.measure
    }
    spectra = pd.DataFrame(state.spectra, columns=["step", "kind", "power"])
    settings = state.run.model_dump(mode="json")
    return StoredRun(state.run.run_id, facts, settings, measured, curve, spectra)


def train_cohort(cohort: str, runs: Iterable[Run], store: RunStore, **options: Any) -> int:
    """Train those of the runs that the store lacks, and what they start from; returns how many of the runs that were.

    Options: slots, memory_gib (on a GPU, lowers slots to what fits), device, checkpoint_seconds, progress.
    Single-threaded by decision: with more threads the floating-point path would depend on the reader's core count.
    """
    torch.set_num_threads(1)
    runs = list(runs)
    missing = [store.to_train(run) for run in starts.unfinished(runs, store)]
    alone = {**options, "progress": None}
    ready = starts.startable(
        missing, store, cohort, lambda parent: train_cohort(parent.run_id, [parent], store, **alone)
    )
    if ready:
        # SGD with decay drives weights into denormals, which a core multiplies far slower than zeros.
        torch.set_flush_denormal(True)
        try:
            Trainer(cohort, ready, store, of=len(runs), **options).train()
        finally:
            torch.set_flush_denormal(False)
    return len(missing)

"""S slots of stacked models, advanced together: the inner loop of every training.

A slot owns one row of every stacked tensor: parameters, optimiser state, hyper-parameters, step count, random
stream, examples. Nothing in a slot's arithmetic looks at another slot, and what a batch holds is a function of
(stream, step) alone, so a run's numbers do not depend on its companions, its slot or a kill in between.

On a CPU core the slots are advanced in groups of one: the activations of one model stay in the core's cache,
and an idle slot costs nothing. On a GPU one group holds every slot and the step is captured in a CUDA graph.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from regrok import kernels
from regrok.kernels.arithmetic import Arithmetic, arithmetic
from regrok.models import build
from regrok.models.losses import loss_of
from regrok.runs.states import State
from regrok.study.run import Run
from regrok.study.sizes import mirrored, run_info
from regrok.tasks import streams
from regrok.tasks.examples import Examples, examples
from regrok.training import optim
from regrok.training.evaluate import Evaluation, allowed_wrong, evaluate
from regrok.training.noise import Noise
from regrok.training.optim import HYPER

Batch = tuple[Tensor, Tensor, Tensor | None]
"""Inputs, labels and weights of a step; no weights where each example counts once."""

CHUNK = 64
"""Batches drawn ahead at once on a CPU."""

ROWS = 8
"""Batches of distinct examples are filled up to a multiple of this many rows, which products take together anyhow."""

DTYPES = {None: torch.float32, "float64": torch.float64}
"""`protocol.precision` -> that of parameters, gradients and averages."""

WARM_UP_STEPS = 3
"""Steps run on a side stream before a CUDA graph is captured, as PyTorch's documentation asks."""


class Engine:
    """The slots of one cohort. All runs that enter share the representative run's shape signature."""

    def __init__(
        self,
        representative: Run,
        slots: int,
        device: str = "cpu",
        group: int | None = None,
        dtype: torch.dtype | None = None,
        stacked: bool | None = None,
    ):
        """dtype: None for that of the run. stacked: see `regrok.models.build`; None stacks on a GPU."""
        self.device = torch.device(device)
        self.slots = slots
        self.group = group or (slots if self.device.type == "cuda" else 1)
        if slots % self.group:
            raise ValueError(f"{slots} slots cannot be advanced in groups of {self.group}")
        self.representative = representative
        self.protocol = representative.protocol
        dtype = self.dtype = dtype or DTYPES[self.protocol.precision]
        self.info = run_info(representative)
        products = representative.protocol.products
        self.model = build(
            representative.model,
            self.info,
            dtype,
            self.device,
            products=products,
            kernels="reference" if stacked else None,
            stacked=stacked,
            loss=loss_of(representative.optimiser),
        )
        self.layout = self.model.layout
        self.optimiser = optim.build(representative.optimiser, self.layout)
        self.full_batch = representative.protocol.batch == "full"
        self.merges = mirrored(representative)
        self.batch = representative.batch_size
        # Runs side by side need one shape, and a graph cannot ask how many examples there are.
        lone = self.group == 1 and self.device.type == "cpu"
        self.distinct = lone and not self.full_batch and self.protocol.replacement
        # An example that is drawn twice drops other elements each time.
        self.drops = getattr(representative.model, "dropout", None) is not None
        self.distinct = self.distinct and not self.drops

        size = self.layout.size
        self.flat = torch.zeros(slots, size, dtype=dtype, device=self.device)
        self.state = {
            name: torch.zeros(slots, size, dtype=dtype, device=self.device)
            for name in self.optimiser.state_names
        }
        self.hyper = {
            name: torch.zeros(slots, dtype=torch.float64, device=self.device) for name in HYPER
        }
        self.steps = torch.zeros(slots, dtype=torch.int64, device=self.device)
        self.keys = torch.zeros(slots, dtype=torch.int64, device=self.device)
        self.draws = torch.zeros(slots, 2, dtype=torch.int64, device=self.device)
        self.origin = torch.zeros_like(self.flat) if self.optimiser.towards else None
        self.loss = torch.zeros(slots, dtype=dtype, device=self.device)
        self.seconds = [0.0] * slots
        self.begun = [0] * slots
        self.runs: list[Run | None] = [None] * slots

        self.sets = {
            name: Examples(
                *(torch.zeros(slots, *t.shape, dtype=t.dtype, device=self.device) for t in one)
            )
            for name, one in examples(representative, merged=self.merges, dtype=dtype).items()
        }
        if self.merges:
            self.batch = self.sets["train"].labels.shape[1]
        self._groups = [self._group(i) for i in range(0, slots, self.group)]

    def _group(self, start: int) -> dict[str, Any]:
        """Views of one group's rows; the buffers that only live inside a step are shared by all groups."""
        rows = slice(start, start + self.group)
        if start == 0:
            shape = (self.group, self.batch)
            self._gradient = torch.zeros(
                self.group, self.layout.size, dtype=self.dtype, device=self.device
            )
            weighted = self.merges or self.distinct
            self._workspace = self.model.workspace(self.group, self.batch, weighted=weighted)
            self._indices = torch.zeros(shape, dtype=torch.int64, device=self.device)
            self._row = torch.arange(self.group, device=self.device)[:, None]
            spec = self.representative.optimiser
            self._noise = Noise(spec, self.layout, self.dtype, self.device, self.group)
        flat, steps = self.flat[rows], self.steps[rows]
        state = {name: tensor[rows] for name, tensor in self.state.items()}
        hyper = {name: tensor[rows] for name, tensor in self.hyper.items()}
        draws = self.draws[rows]
        origin = None if self.origin is None else self.origin[rows]
        return {
            "rows": range(start, start + self.group),
            "flat": flat,
            "update": self.optimiser.bind(flat, self._gradient, state, hyper, steps, origin),
            "draws": draws,
            "blur": self._noise.of_weights(flat, draws),
            "shake": self._noise.of_gradient(self._gradient, draws),
            "steps": steps,
            "keys": self.keys[rows],
            "loss": self.loss[rows],
            "inputs": self.sets["train"].inputs[rows],
            "labels": self.sets["train"].labels[rows],
            "weights": self.sets["train"].counts[rows] if self.merges else None,
            "graph": None,
            "memo": streams.EpochMemo(),
        }

    # Slots -------------------------------------------------------------------------------------------

    def start(
        self,
        slot: int,
        run: Run,
        checkpoint: dict[str, Any] | None = None,
        first: State | None = None,
    ) -> None:
        """Put a run into a slot: initialised from its own stream, or as its checkpoint or `first`, its parent, left it.

        With the optimiser kept, `steps` goes on from the parent's, and `begun` holds where.
        """
        for name, one in examples(run, merged=self.merges, dtype=self.dtype).items():
            for stacked, values in zip(self.sets[name], one, strict=True):
                stacked[slot] = values
        self.keys[slot] = streams.key(run.seed, "batch")
        self.draws[slot, 0] = streams.key(run.seed, "noise")
        for name in HYPER:
            value = getattr(run.optimiser, name)
            self.hyper[name][slot] = float("inf") if value is None else float(value)
        self.begun[slot] = 0
        if checkpoint is not None:
            self.flat[slot] = checkpoint["flat"]
            self.steps[slot] = checkpoint["step"]
            self.begun[slot] = checkpoint["begun"]
            for name, tensor in self.state.items():
                tensor[slot] = checkpoint["state"][name]
        elif first is not None and run.start is not None:
            kept = run.start.optimiser == "kept"
            self.flat[slot] = torch.from_numpy(first.weights)
            self.steps[slot] = self.begun[slot] = first.clock if kept else 0
            for name, tensor in self.state.items():
                tensor[slot] = torch.from_numpy(first.averages[name]) if kept else 0
        else:
            # The slots may differ in init_scale, so the run's own model draws its parameters.
            own = build(run.model, self.info, self.dtype, "cpu")
            self.flat[slot] = own.init(streams.generator(run.seed, "init"))
            self.steps[slot] = 0
            for tensor in self.state.values():
                tensor[slot] = 0
        if self.origin is not None:
            # What a run decays towards is what it begins with, its own initialisation or its parent's state.
            self.origin[slot] = self.flat[slot] if checkpoint is None else checkpoint["origin"]
        self.loss[slot] = 0
        self.seconds[slot] = 0.0
        self.runs[slot] = run

    def clear(self, slot: int) -> None:
        """Empty a slot; its parameters are zeroed so that a GPU group keeps stepping on harmless numbers."""
        self.runs[slot] = None
        self.flat[slot] = 0
        self.hyper["learning_rate"][slot] = 0

    def checkpoint(self, slot: int) -> dict[str, Any]:
        """Everything that the slot's future depends on."""
        origin = {} if self.origin is None else {"origin": self.origin[slot].cpu().clone()}
        return {
            "step": int(self.steps[slot]),
            "begun": self.begun[slot],
            "flat": self.flat[slot].cpu().clone(),
            "state": {name: tensor[slot].cpu().clone() for name, tensor in self.state.items()},
            **origin,
        }

    def taken(self, slot: int) -> int:
        """Steps that the run in a slot has taken itself."""
        return int(self.steps[slot]) - self.begun[slot]

    # Steps -------------------------------------------------------------------------------------------

    def advance(self, steps: int) -> None:
        """Take `steps` optimiser steps in every occupied slot, and add the time to the slots' seconds."""
        for group in self._groups:
            occupied = [slot for slot in group["rows"] if self.runs[slot] is not None]
            if not occupied:
                continue
            began = time.perf_counter()
            if self.device.type == "cuda":
                graph = self._captured(group)
                for _ in range(steps):
                    graph.replay()
            else:
                for batch in self._batches(group, steps):
                    self._step(group, *batch)
            if self.device.type == "cuda":
                torch.cuda.synchronize(self.device)
            share = (time.perf_counter() - began) / len(occupied)
            for slot in occupied:
                self.seconds[slot] += share

    def _batches(self, group: dict[str, Any], steps: int) -> Iterator[Batch]:
        """The next `steps` batches of a group; drawn ahead in chunks where that is possible, which is cheaper."""
        if self.full_batch or not self.protocol.replacement:
            for _ in range(steps):
                yield self._batch(group)
            return
        n = self.info.train_size
        ahead = torch.arange(min(steps, CHUNK), device=self.device)
        left = steps
        while left:
            taken = ahead[: min(left, CHUNK)]
            # (steps, runs) rows of draws, as one call over all of them.
            when = (group["steps"][None, :] + taken[:, None]).flatten()
            drawn = streams.indices(group["keys"].repeat(len(taken)), when, self.batch, n)
            if self.distinct:
                yield from self._distinct(group, drawn)
            else:
                drawn = drawn.view(len(taken), self.group, self.batch)
                inputs = group["inputs"][self._row, drawn]
                labels = group["labels"][self._row, drawn]
                yield from ((inputs[i], labels[i], None) for i in range(len(taken)))
            left -= len(taken)

    def _distinct(self, group: dict[str, Any], drawn: Tensor) -> Iterator[Batch]:
        """Batches (1, at most batch) of one run's draws (steps, batch), each example once and counted.

        The mean loss and its gradient are those of the draws, at a twentieth less of the cost for 512 of 4,704.
        """
        examples, counts, sizes = streams.distinct(drawn)
        inputs, labels = group["inputs"][0, examples], group["labels"][0, examples]
        weights = counts.to(self.dtype)
        for i, size in enumerate(sizes):
            rows = min(-(-size // ROWS) * ROWS, self.batch)
            yield inputs[i : i + 1, :rows], labels[i : i + 1, :rows], weights[i : i + 1, :rows]

    def _batch(self, group: dict[str, Any]) -> Batch:
        """The next batch of a group, a pure function of each slot's stream and step."""
        if self.full_batch:
            return group["inputs"], group["labels"], group["weights"]
        n = self.info.train_size
        if self.protocol.replacement:
            streams.indices(group["keys"], group["steps"], self.batch, n, out=self._indices)
        else:
            streams.epoch_indices(
                group["keys"], group["steps"], self.batch, n, out=self._indices, memo=group["memo"]
            )
        drawn = self._row, self._indices
        return group["inputs"][drawn], group["labels"][drawn], None

    def _step(
        self, group: dict[str, Any], inputs: Tensor, labels: Tensor, weights: Tensor | None
    ) -> None:
        workspace = self._workspace.narrowed(labels.shape[1])
        if self.drops or self._noise:
            group["draws"][:, 1].copy_(group["steps"])
        draws = group["draws"] if self.drops else None
        loss = self.model.loss_and_gradient(
            group["blur"](), self._gradient, inputs, labels, workspace, weights, draws
        )
        group["shake"]()
        group["loss"].copy_(loss)
        group["steps"] += 1
        group["update"]()

    def _captured(self, group: dict[str, Any]) -> torch.cuda.CUDAGraph:
        """The group's step as a CUDA graph, captured once; slots change in place, so the graph stays valid."""
        if group["graph"] is None:
            kept = [self.flat, self.steps, self.loss, *self.state.values()]
            before = [tensor.clone() for tensor in kept]
            side = torch.cuda.Stream(self.device)
            side.wait_stream(torch.cuda.current_stream(self.device))
            with torch.cuda.stream(side):
                for _ in range(WARM_UP_STEPS):
                    self._step(group, *self._batch(group))
            torch.cuda.current_stream(self.device).wait_stream(side)
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph):
                self._step(group, *self._batch(group))
            # The warm-up steps were real steps: put everything back as it was.
            for tensor, saved in zip(kept, before, strict=True):
                tensor.copy_(saved)
            group["graph"] = graph
        return group["graph"]

    def evaluate(self, which: str, stop_below: dict[int, float | None]) -> dict[int, Evaluation]:
        """Evaluate the named slots on their `train` or `validation` set; see `regrok.training.evaluate`.

        A GPU evaluates all slots in one call of fixed shape and leaves out those not named. A set without examples
        has no accuracy: then there is no evaluation.
        """
        asked, size = self.sets[which], getattr(self.info, f"{which}_size")
        if not size:
            return {}
        allowed = torch.full((self.slots,), -1, dtype=torch.int64)
        for slot, stop in stop_below.items():
            allowed[slot] = allowed_wrong(size, stop)
        found: dict[int, Evaluation] = {}
        for group in self._groups:
            named = [slot for slot in group["rows"] if slot in stop_below]
            if named:
                rows = slice(group["rows"].start, group["rows"].stop)
                result = evaluate(
                    self.model,
                    self.flat[rows],
                    asked.inputs[rows],
                    asked.labels[rows],
                    allowed[rows].to(self.device),
                    asked.counts[rows],
                )
                found |= {slot: result.of(slot - rows.start) for slot in named}
        return found

    @property
    def bytes(self) -> int:
        """Memory of the slots, of the buffers of a step and of those of an evaluation, as far as both were made."""
        tensors = [value for value in vars(self).values() if isinstance(value, Tensor)]
        sets = (tensor for one in self.sets.values() for tensor in one)
        held = sum(t.nbytes for t in (*tensors, *sets, *self.state.values(), *self.hyper.values()))
        return held + self._workspace.bytes + self.model.evaluation_bytes

    @property
    def arithmetic(self) -> Arithmetic:
        """What computes here, beside the code: runs of other arithmetic may differ in their last digits."""
        return arithmetic(self.device, self.dtype, self.group)

    def describe(self) -> str:
        """The device and what computes on it, for the run's row."""
        if self.device.type == "cuda":
            return f"cuda: {torch.cuda.get_device_name(self.device)}"
        return f"cpu: {kernels.select(self.device, self.dtype).name} kernels"


def slots_within(run: Run, memory_gib: float) -> int:
    """How many slots of this run's shape fit a memory budget, at least 1: what a GPU's S is chosen by.

    One slot is set up, stacked as on a GPU, and takes a step and an evaluation; its tensors are counted. Half of the
    budget is left to the allocator, the optimiser's temporaries and the graph.
    """
    engine = Engine(run, 1, stacked=True)
    engine.start(0, run)
    engine.advance(1)
    for name in engine.sets:
        engine.evaluate(name, {0: None})
    return max(1, int(memory_gib * 2**30 / 2 / engine.bytes))

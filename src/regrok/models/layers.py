"""What every model shares: stacking over runs, recorded programs, torch.nn's initialisations."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from regrok import kernels as kernel_choice
from regrok.kernels.noise import FIRST_DROPOUT
from regrok.kernels.reference import ACTIVATIONS
from regrok.models.layout import Layout
from regrok.models.program import Program, Workspace

# Rows of a forward-only chunk: its activations stay in a core's second-level cache.
EVALUATION_ROWS = 1024


class Scores(NamedTuple):
    """What an evaluation needs of R runs' logits z on B examples."""

    loss: Tensor
    """(R, B) each example's loss, cross-entropy but for networks that have another."""
    hit: Tensor
    """(R, B) 1 where the label is the first of the largest z, otherwise 0."""
    low: Tensor
    """(R, C) the least of each z."""
    high: Tensor
    """(R, C) the largest of each z."""
    residuals: Tensor | None = None
    """(R, B, C) z minus what it should be, where the loss leaves their mean over a set out (`regrok.models.losses`)."""


class StackedModel:
    """Base of the models: subclasses give shapes, an initialisation and two recordings.

    See `regrok.models.Model` for what the public methods promise, `regrok.models.build` for the
    arguments.
    """

    def __init__(
        self,
        model: Any,
        task: Any,
        dtype: torch.dtype,
        device: torch.device,
        *,
        products: str = "float32",
        kernels: str | None = None,
        stacked: bool | None = None,
    ) -> None:
        self.spec = model
        self.task = task
        self.dtype = dtype
        self.device = device
        self.products = products
        self.kernels = kernel_choice.select(device, dtype, kernels)
        self.stacked = device.type != "cpu" if stacked is None else stacked
        if self.stacked and self.kernels.name == "native":
            raise ValueError(
                "native kernels take one run at a time: stacked=True needs 'reference'"
            )
        self.classes = int(task.classes)
        self.activation = ACTIVATIONS.index(model.activation)
        self.dropout: float | None = getattr(model, "dropout", None)
        self.layout = Layout(*self.parameters())
        self._evaluation: Workspace | None = None

    # What a subclass provides.

    def parameters(self) -> tuple[Mapping[str, Sequence[int]], Mapping[str, Sequence[str]]]:
        """Shapes in `named_parameters()` order, and groups of names."""
        raise NotImplementedError

    def initialise(self, generator: torch.Generator) -> dict[str, Tensor]:
        """torch.nn's default values, drawn in the order of the plain module's constructor."""
        raise NotImplementedError

    def inputs(self, workspace: Workspace) -> Tensor:
        """The workspace's buffer for the inputs of a step."""
        if self.task.kind == "pairs":
            return workspace.buffer("tokens", workspace.batch, 2, dtype=torch.int64)
        return workspace.buffer("vectors", workspace.batch, int(self.task.width))

    def record_shared(self, program: Program, θ: dict[str, Tensor], workspace: Workspace) -> None:
        """Forward-only: what does not depend on the examples (token tables)."""

    def record_logits(
        self, program: Program, θ: dict[str, Tensor], workspace: Workspace, *, train: bool
    ) -> Tensor:
        """Inputs -> the (R, B, C) buffer of logits, without the head's bias.

        train: also keep what the backward pass needs.
        """
        raise NotImplementedError

    def record_step(
        self, program: Program, θ: dict[str, Tensor], g: dict[str, Tensor], workspace: Workspace
    ) -> None:
        """Inputs and labels -> `loss` buffer (R, 1) and every gradient in `g`."""
        raise NotImplementedError

    def head_bias(self, named: dict[str, Tensor], workspace: Workspace, role: str) -> Tensor:
        """(R, C): the head's bias among the parameters, or its gradient among theirs; zeros, or what nobody reads,
        of a head that has none. role: "value" or "gradient"."""
        found = named.get("head.bias")
        if found is None:
            return workspace.buffer(f"absent head.bias, {role}", self.classes)
        return found

    def record_loss(
        self,
        program: Program,
        θ: dict[str, Tensor],
        g: dict[str, Tensor],
        workspace: Workspace,
        logits: Tensor,
    ) -> None:
        """Logits -> the buffer `loss`, the gradient of the head's bias, and in place their own."""
        labels = workspace.buffer("labels", workspace.batch, dtype=torch.int64)
        weights = workspace.buffer("weights", workspace.batch) if workspace.weighted else None
        loss = workspace.buffer("loss", 1)
        bias = self.head_bias(θ, workspace, "value")
        bias_grad = self.head_bias(g, workspace, "gradient")
        program.add("cross_entropy", logits, bias, labels, weights, loss, bias_grad)

    def record_dropout(
        self,
        program: Program,
        workspace: Workspace,
        site: int,
        x: Tensor,
        out: Tensor,
        also: Tensor | None = None,
    ) -> None:
        """out = x with some elements dropped and the others enlarged; `also` in the same places, in place.

        site: which of the network's dropouts; equal sites of a step drop equal elements.
        """
        draw = workspace.buffer("draws", 2, dtype=torch.int64)
        program.add("dropout", x, draw, FIRST_DROPOUT + site, self.dropout, out, also)

    # What `regrok.models.Model` promises.

    def init(self, generator: torch.Generator) -> Tensor:
        drawn = self.initialise(generator)
        scale = float(self.spec.init_scale)
        gains = {name for name in drawn if "norm" in name and name.endswith("weight")}
        return self.layout.pack({n: v if n in gains else v * scale for n, v in drawn.items()})

    def workspace(self, runs: int, batch: int, *, weighted: bool = False) -> Workspace:
        runs = runs if self.stacked else 1
        return Workspace(runs, batch, self.dtype, self.device, weighted=weighted)

    @property
    def evaluation_bytes(self) -> int:
        """Memory of the evaluations' buffers made so far."""
        return 0 if self._evaluation is None else self._evaluation.bytes

    def loss_and_gradient(
        self,
        flat: Tensor,
        grad: Tensor,
        inputs: Tensor,
        labels: Tensor,
        workspace: Workspace,
        weights: Tensor | None = None,
        draws: Tensor | None = None,
    ) -> Tensor:
        if (weights is not None) != workspace.weighted:
            raise ValueError("weights go with a weighted workspace, and with no other")
        if (draws is not None) != (self.dropout is not None):
            raise ValueError("draws go with a model that has dropout, and with no other")
        if self.stacked or flat.shape[0] == 1:
            return self._step(flat, grad, inputs, labels, weights, draws, workspace)
        loss = torch.empty(flat.shape[0], dtype=self.dtype, device=self.device)
        for r in range(flat.shape[0]):
            one = slice(r, r + 1)
            own = None if weights is None else weights[one]
            drawn = None if draws is None else draws[one]
            loss[one] = self._step(
                flat[one], grad[one], inputs[one], labels[one], own, drawn, workspace
            )
        return loss

    def logits(self, flat: Tensor, inputs: Tensor) -> Tensor:
        runs, examples = inputs.shape[:2]
        out = torch.empty((runs, examples, self.classes), dtype=self.dtype, device=self.device)
        group = runs if self.stacked else 1
        for r in range(0, runs, group):
            some = slice(r, r + group)
            self._evaluate(flat[some], inputs[some], out[some])
        return out

    def scores(self, flat: Tensor, parts: Iterable[tuple[Tensor, Tensor]]) -> Iterator[Scores]:
        if self.stacked or flat.shape[0] == 1:
            yield from self._scores(flat, parts)
            return
        for inputs, labels in parts:
            each = [
                next(self._scores(flat[one], [(inputs[one], labels[one])]))[:4]
                for one in (slice(r, r + 1) for r in range(flat.shape[0]))
            ]
            yield Scores(*(torch.cat(some) for some in zip(*each, strict=True)))

    def _scores(self, flat: Tensor, parts: Iterable[tuple[Tensor, Tensor]]) -> Iterator[Scores]:
        shared = None
        for inputs, labels in parts:
            workspace = self._evaluation_workspace(*labels.shape)
            # One memory for all parts, unless a larger part comes: the tables stand.
            if workspace.whole is not shared:
                shared = workspace.whole
                self._shared(flat, shared)
            yield self._score(flat, inputs, labels, workspace)

    def _score(self, flat: Tensor, inputs: Tensor, labels: Tensor, workspace: Workspace) -> Scores:
        examples = labels.shape[1]
        scores = (
            *(workspace.buffer(f"score_{name}", examples) for name in ("loss", "hit")),
            *(workspace.buffer(f"score_{name}", self.classes) for name in ("low", "high")),
        )
        targets = workspace.buffer("labels", examples, dtype=torch.int64)

        def record() -> Program:
            program, θ = Program(self.kernels, self.products), self.layout.views(flat)
            logits = self.record_logits(program, θ, workspace, train=False)
            bias = self.head_bias(θ, workspace, "value")
            program.add("score", logits, bias, targets, *scores)
            return program

        self.inputs(workspace).copy_(inputs)
        targets.copy_(labels)
        workspace.program((2, flat.data_ptr()), record).run()
        return Scores(*(part.clone() for part in scores))

    def _shared(self, flat: Tensor, workspace: Workspace) -> None:
        """Make the tables of an evaluation."""

        def record() -> Program:
            program = Program(self.kernels, self.products)
            self.record_shared(program, self.layout.views(flat), workspace)
            return program

        workspace.program((0, flat.data_ptr()), record).run()

    def _evaluation_workspace(self, runs: int, rows: int) -> Workspace:
        found = self._evaluation
        if found is None or found.batch < rows or found.runs != (runs if self.stacked else 1):
            found = self._evaluation = self.workspace(runs, rows)
        return found.narrowed(rows)

    def _step(
        self,
        flat: Tensor,
        grad: Tensor,
        inputs: Tensor,
        labels: Tensor,
        weights: Tensor | None,
        draws: Tensor | None,
        workspace: Workspace,
    ) -> Tensor:
        self.inputs(workspace).copy_(inputs)
        workspace.buffer("labels", workspace.batch, dtype=torch.int64).copy_(labels)
        if weights is not None:
            workspace.buffer("weights", workspace.batch).copy_(weights)
        if draws is not None:
            workspace.buffer("draws", 2, dtype=torch.int64).copy_(draws)
        program = workspace.program(
            (flat.data_ptr(), grad.data_ptr()), lambda: self._record_step(flat, grad, workspace)
        )
        program.run()
        return workspace.buffer("loss", 1).squeeze(-1)

    def _record_step(self, flat: Tensor, grad: Tensor, workspace: Workspace) -> Program:
        grad.zero_()  # once: the step writes every parameter's gradient, never the padding
        program = Program(self.kernels, self.products)
        self.record_step(program, self.layout.views(flat), self.layout.views(grad), workspace)
        return program

    def _evaluate(self, flat: Tensor, inputs: Tensor, out: Tensor) -> None:
        examples = inputs.shape[1]
        rows = min(EVALUATION_ROWS, examples) if self.device.type == "cpu" else examples
        workspace = self._evaluation_workspace(flat.shape[0], rows)
        θ = self.layout.views(flat)

        def chunk() -> Program:
            program = Program(self.kernels, self.products)
            logits = self.record_logits(program, θ, workspace, train=False)
            program.add("add_bias", logits, self.head_bias(θ, workspace, "value"))
            return program

        self._shared(flat, workspace.whole)
        program = workspace.program((1, flat.data_ptr()), chunk)
        buffer = self.inputs(workspace)
        logits = workspace.buffer("logits", rows, self.classes)
        for start in range(0, examples, rows):
            part = inputs[:, start : start + rows]
            buffer[:, : part.shape[1]].copy_(part)
            program.run()
            out[:, start : start + rows].copy_(logits[:, : part.shape[1]])


def linear(rows: int, columns: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """weight (rows, columns) and bias (rows,) of `nn.Linear(columns, rows)`."""
    weight = linear_weight(rows, columns, generator)
    bound = 1 / math.sqrt(columns)
    return weight, nn.init.uniform_(torch.empty(rows), -bound, bound, generator=generator)


def linear_weight(rows: int, columns: int, generator: torch.Generator) -> Tensor:
    """(rows, columns) weight of `nn.Linear`: Kaiming-uniform with a = √5."""
    return nn.init.kaiming_uniform_(torch.empty(rows, columns), math.sqrt(5), generator=generator)


def embedding(rows: int, columns: int, generator: torch.Generator) -> Tensor:
    """(rows, columns) weight of `nn.Embedding`: standard normal."""
    return nn.init.normal_(torch.empty(rows, columns), generator=generator)

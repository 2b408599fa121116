"""A run at one step, as a probe sees it: parameters by name, network and loss as functions, examples, batches."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from regrok.errors import RegrokError
from regrok.models import Model, build
from regrok.probes.parts.networks import Forward, Parameters, forward_of
from regrok.study.run import Run
from regrok.study.sizes import run_info
from regrok.tasks import streams
from regrok.tasks.seen import data_of


@dataclass(frozen=True)
class Labelled:
    """Examples of one run."""

    inputs: Tensor
    """(k, 2) int64 pairs or (k, n) floats."""
    labels: Tensor
    """(k,) int64."""

    def __getitem__(self, chosen: Any) -> Labelled:
        """Those at these places, as a tensor is indexed."""
        return Labelled(self.inputs[chosen], self.labels[chosen])

    def __len__(self) -> int:
        return len(self.labels)


class Network:
    """The network of one run, and its loss, at whatever parameters; made once for all states of the run."""

    def __init__(self, run: Run, model: Model):
        """model: as the trainer has it (`regrok.training.slots.Engine`)."""
        self.run, self.model, self.layout = run, model, model.layout
        self._models: dict[torch.dtype, Model] = {}
        self._rooms: dict[tuple[torch.dtype, int], Any] = {}

    @cached_property
    def forward(self) -> Forward:
        """(parameters, inputs) → (B, C) logits, differentiable as often as one likes."""
        return forward_of(self.model)

    def loss(self, parameters: Parameters, examples: Labelled) -> Tensor:
        """() mean loss on these examples, as training minimises it but without dropout."""
        logits = self.forward(parameters, _of(examples.inputs, parameters))
        own = getattr(self.model, "loss", None)
        if own is not None:
            found: Tensor = own(logits, examples.labels, None)
            return found
        return functional.cross_entropy(logits, examples.labels)

    def gradient(self, flat: Tensor, examples: Labelled) -> Tensor:
        """(P,) gradient of the loss at parameters (P,), in their precision; padding 0.

        By the hand-written pass of a network that has one, in plain products of that precision.
        """
        if hasattr(self.model, "plain"):
            leaf = flat.detach().clone().requires_grad_()
            (found,) = torch.autograd.grad(self.loss(self.layout.views(leaf), examples), leaf)
            return found
        model, size = self._model(flat.dtype), len(examples)
        if (flat.dtype, size) not in self._rooms:
            self._rooms[flat.dtype, size] = model.workspace(1, size)
        # Aligned as the trainer's, and of the caller's alone: it may still need what it gave.
        grad = torch.zeros(1, self.layout.size, dtype=flat.dtype)
        inputs = examples.inputs
        if inputs.is_floating_point():
            inputs = inputs.to(flat.dtype)
        room = self._rooms[flat.dtype, size]
        model.loss_and_gradient(flat[None].clone(), grad, inputs[None], examples.labels[None], room)
        return grad[0]

    def _model(self, dtype: torch.dtype) -> Model:
        if dtype not in self._models:
            spec = self.run.model
            if getattr(spec, "dropout", None) is not None:
                spec = spec.model_copy(update={"dropout": None})
            self._models[dtype] = build(spec, run_info(self.run), dtype, "cpu")
        return self._models[dtype]


@dataclass(frozen=True)
class ProbeState:
    """One run after `step` optimiser steps."""

    run: Run
    step: int
    flat: Tensor
    """(P,) all parameters as they are trained, one after the other (`regrok.models.layout.Layout`)."""
    network: Network
    train: Labelled
    """The training set; mirror images are examples of their own."""
    validation: Labelled
    begun: int = 0
    """Steps that the batch stream had taken when the run began: those of its parent, where it kept the optimiser."""

    def parameters(self, dtype: torch.dtype | None = None) -> dict[str, Tensor]:
        """Name → a copy of the parameter, of its own shape."""
        flat = self.flat.to(dtype or self.flat.dtype)
        return {name: view.clone() for name, view in self.network.layout.views(flat).items()}

    def forward(self, parameters: Parameters, inputs: Tensor) -> Tensor:
        """(B, C) logits at these parameters, differentiable in them."""
        return self.network.forward(parameters, _of(inputs, parameters))

    def loss(self, parameters: Parameters, examples: Labelled) -> Tensor:
        """() mean loss at these parameters, differentiable in them."""
        return self.network.loss(parameters, examples)

    def gradient(self, flat: Tensor, examples: Labelled) -> Tensor:
        """(P,) gradient of the loss at parameters (P,), in their precision; faster than by `loss`."""
        return self.network.gradient(flat, examples)

    def batch(self, step: int) -> Labelled:
        """What the run trained on in the step after `step`, mirror images apart: a function of its seed and the step.

        Raises RegrokError for a step before the run began.
        """
        clock = step + self.begun
        if clock < 0:
            raise RegrokError(f"run {self.run.run_id}: step {step} lies before its first")
        protocol = self.run.protocol
        if protocol.batch == "full":
            return self.train
        draw = streams.indices if protocol.replacement else streams.epoch_indices
        keys = torch.tensor([streams.key(self.run.seed, "batch")])
        drawn = draw(keys, torch.tensor([clock]), self.run.batch_size, len(self.train))
        return self.train[drawn[0]]


def _of(inputs: Tensor, parameters: Parameters) -> Tensor:
    """Vectors in the precision of the parameters; tokens as they are."""
    if not inputs.is_floating_point():
        return inputs
    return inputs.to(next(iter(parameters.values())).dtype)


def sets_of(run: Run) -> Mapping[str, Labelled]:
    """The run's examples: train and validation."""
    data = data_of(run)
    return {
        "train": Labelled(data.train_inputs, data.train_labels),
        "validation": Labelled(data.validation_inputs, data.validation_labels),
    }

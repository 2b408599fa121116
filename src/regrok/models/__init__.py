"""The networks that are trained, each stacked over R runs: hand-written backward passes, and autograd's."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pkgutil import resolve_name
from typing import Any, Protocol

import torch
from torch import Tensor

from regrok.models.layers import Scores
from regrok.models.layout import Layout
from regrok.models.losses import Loss
from regrok.models.program import Workspace

__all__ = ["MODELS", "Layout", "Model", "Workspace", "build"]

MODELS = {
    "transformer": "regrok.models.transformer:Transformer",
    "mlp": "regrok.models.mlp:MLP",
    "decoder": "regrok.models.decoder:Decoder",
    "quadratic": "regrok.models.quadratic:Quadratic",
    "encoder": "regrok.models.encoder:Encoder",
}
"""The class of each network."""


class Model(Protocol):
    """R independent networks of one architecture, their parameters in a flat buffer (R, P).

    inputs: int64 (R, B, 2) token pairs (a, b), or floats (R, B, n) vectors; labels: int64 (R, B).
    """

    layout: Layout
    evaluation_bytes: int
    """Memory of the buffers of `logits` and `scores`."""

    def init(self, generator: torch.Generator) -> Tensor:
        """(P,) float32: `torch.nn`'s default initialisation, drawn from `generator` in the order in
        which the plain module's constructor draws, then weights, embeddings and biases multiplied
        by `init_scale` (LayerNorm gains stay 1)."""
        ...

    def workspace(self, runs: int, batch: int, *, weighted: bool = False) -> Workspace:
        """Buffers for steps of `runs` stacked runs with `batch` examples each; reuse it.

        weighted: the steps pass weights."""
        ...

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
        """Mean loss of each run, (R,); writes its gradient into `grad` (R, P), padding 0.

        weights: (R, B), how often each example counts in the mean; None: once. draws: int64 (R, 2), each run's key of
        noise and the number of its step, where the model has dropout (`regrok.kernels.noise`).
        The returned tensor belongs to the workspace: the next call overwrites it.
        """
        ...

    def logits(self, flat: Tensor, inputs: Tensor) -> Tensor:
        """(R, B, C) logits, forward only, for any B. The result belongs to the caller."""
        ...

    def scores(self, flat: Tensor, parts: Iterable[tuple[Tensor, Tensor]]) -> Iterator[Scores]:
        """Losses, hits and ranges of the logits for each part (inputs, labels) of a set, in one pass.

        What depends on the parameters alone is computed once: `flat` must not change meanwhile.
        """
        ...


def build(
    model: Any,
    task: Any,
    dtype: torch.dtype = torch.float32,
    device: torch.device | str = "cpu",
    *,
    products: str = "float32",
    kernels: str | None = None,
    stacked: bool | None = None,
    loss: Loss | None = None,
) -> Model:
    """The network that `model` (a config block) describes, for a task's sizes.

    task: `kind` ("pairs" of tokens or "vectors"), `tokens` p (vocabulary), `width` n (vector
    dimension), `classes` C. products: "bfloat16" rounds the operands of matrix products to
    bfloat16 (float32 accumulation). kernels: "native" or "reference"; None takes native on a CPU
    that has a compiler. stacked: all R runs in each call (the default on CUDA) or one run after
    the other (the default on CPU, whose cache holds one run's activations and where a run's bits
    then cannot depend on R). loss: what is minimised, where it is not cross-entropy, which is all that
    the hand-written networks have.
    """
    network: Any = resolve_name(MODELS[model.name])
    other = {} if loss is None else {"loss": loss}
    made: Model = network(
        model,
        task,
        dtype,
        torch.device(device),
        products=products,
        kernels=kernels,
        stacked=stacked,
        **other,
    )
    return made

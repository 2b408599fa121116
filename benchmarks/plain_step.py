"""The networks and optimisers of a run in torch.nn and torch.optim, as the tests' yardsticks have them."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from plain import PlainTransformer
from plain_decoder import PlainDecoder
from plain_mlp import PlainMLP
from regrok.models.encoder import EncoderNetwork
from regrok.models.quadratic import QuadraticNetwork
from regrok.study.model import MLP, ByAutograd, Decoder, Encoder, Quadratic, Transformer
from regrok.study.run import Optimiser

LEFT_OUT = {"name", "init_scale", "dropout"}
"""What none of the three has: a step costs the same whatever the first weights, and no case drops anything."""


def plain_network(model: Transformer | MLP | Decoder | ByAutograd, p: int) -> nn.Module:
    """The network for a task of p tokens and p classes."""
    fields = model.model_dump(exclude=LEFT_OUT)
    if isinstance(model, Transformer):
        return PlainTransformer(p, p, **fields)
    if isinstance(model, Decoder):
        return PlainDecoder(p, p, **fields)
    if isinstance(model, Encoder):
        return EncoderNetwork(p, p, **fields)
    if isinstance(model, Quadratic):
        return QuadraticNetwork(p, model.width, p)
    return PlainMLP(p, p=p, n=None, **fields)


def plain_step(
    module: nn.Module, optimiser: Optimiser, inputs: Tensor, labels: Tensor
) -> Callable[[], None]:
    """One step of the network on these examples, as often as it is called."""
    weights = list(module.parameters())
    o = optimiser
    update: torch.optim.Optimizer = torch.optim.SGD(
        weights, o.learning_rate, o.momentum, weight_decay=o.weight_decay
    )
    if o.name == "adamw":
        update = torch.optim.AdamW(weights, o.learning_rate, weight_decay=o.weight_decay)

    elif o.name == "adam":
        update = torch.optim.Adam(weights, o.learning_rate, weight_decay=o.weight_decay)

    def loss(outputs: Tensor) -> Tensor:
        if o.loss is None:
            return nn.functional.cross_entropy(outputs, labels)
        left = nn.functional.one_hot(labels, outputs.shape[1]) - outputs
        return (left - left.mean(0)).square().sum() / 2 / len(labels)

    def step() -> None:
        update.zero_grad()
        loss(module(inputs)).backward()
        if o.clip_norm is not None:
            nn.utils.clip_grad_norm_(weights, o.clip_norm)
        update.step()

    return step

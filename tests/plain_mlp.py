"""The multilayer perceptrons written plainly in torch.nn: what `regrok.models.mlp` must equal."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from plain import ACTIVATIONS


class Block(nn.Module):
    """h + ½·FC2(act(FC1(LN(h)))), the residual block of arXiv 2603.25009."""

    def __init__(self, width: int, activation: str) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.fc1 = nn.Linear(width, width)
        self.act = ACTIVATIONS[activation]()
        self.fc2 = nn.Linear(width, width)

    def forward(self, h: Tensor) -> Tensor:
        return h + 0.5 * self.fc2(self.act(self.fc1(self.norm(h))))


class PlainMLP(nn.Module):
    """Token pairs (B, 2) or vectors (B, n) -> logits (B, C).

    p: vocabulary of a pair task; n: dimension of a vector task; the other one is None.
    """

    def __init__(
        self,
        classes: int,
        *,
        input: str,
        depth: int,
        width: int,
        activation: str,
        residual: bool,
        p: int | None = None,
        n: int | None = None,
    ) -> None:
        super().__init__()
        self.input = input
        if input != "vector":
            self.embedding = nn.Embedding(p, width)
        columns = {"sum": width, "concat": 2 * width, "vector": n}[input]
        if residual:
            self.project = nn.Identity() if input == "sum" else nn.Linear(columns, width)
            self.blocks = nn.ModuleList([Block(width, activation) for _ in range(depth)])
        else:
            self.act = ACTIVATIONS[activation]()
            self.hidden = nn.ModuleList(
                [nn.Linear(width if i else columns, width) for i in range(depth)]
            )
        self.residual = residual
        self.head = nn.Linear(width, classes)

    def forward(self, x: Tensor) -> Tensor:
        if self.input == "sum":
            h = self.embedding(x).sum(1)
        elif self.input == "concat":
            h = torch.flatten(self.embedding(x), 1)
        else:
            h = x
        if self.residual:
            h = self.project(h)
            for block in self.blocks:
                h = block(h)
        else:
            for layer in self.hidden:
                h = self.act(layer(h))
        return self.head(h)

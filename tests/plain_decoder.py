"""The causal decoders written plainly in torch.nn: what `regrok.models.decoder` must equal."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from plain import ACTIVATIONS


def sinusoids(length: int, d_model: int) -> Tensor:
    """(length, d_model) fixed positions: sines in even columns, cosines in odd ones."""
    columns = torch.arange(0, d_model, 2, dtype=torch.float64)
    angle = torch.arange(length)[:, None] / 10000 ** (columns / d_model)
    pairs = torch.stack([angle.sin(), angle.cos()], -1)
    return pairs.flatten(1)[:, :d_model]


class PlainDecoder(nn.Module):
    """Token pairs (B, 2) -> logits (B, C) of the answer after a ∘ b = (or a b =)."""

    def __init__(
        self,
        p: int,
        classes: int,
        *,
        layers: int,
        d_model: int,
        heads: int,
        ffn: int,
        activation: str,
        norm: str,
        biases: bool,
        operator: bool,
        positions: str,
        tied: bool,
    ) -> None:
        super().__init__()
        self.p, self.classes, self.operator, self.tied = p, classes, operator, tied
        length = 4 if operator else 3
        self.embedding = nn.Embedding(p + length - 2, d_model)
        if positions == "learned":
            self.position = nn.Embedding(length, d_model)
        self.register_buffer("sinusoids", sinusoids(length, d_model))
        self.register_buffer("mask", torch.ones(length, length).triu(1).bool())
        self.layers = nn.ModuleList()
        for _ in range(layers):
            layer = nn.TransformerEncoderLayer(
                d_model,
                heads,
                ffn,
                dropout=0.0,
                activation=ACTIVATIONS[activation](),
                batch_first=True,
                norm_first=norm == "pre",
                bias=biases,
            )
            for name in (
                "norm1",
                "norm2",
            ):  # a LayerNorm keeps its bias where linear maps have none
                setattr(layer, name, nn.Identity() if norm == "none" else nn.LayerNorm(d_model))
            self.layers.append(layer)
        self.norm = nn.LayerNorm(d_model) if norm == "pre" else nn.Identity()
        if not tied:
            self.head = nn.Linear(d_model, classes, bias=biases)

    def forward(self, pairs: Tensor) -> Tensor:
        mark = torch.full_like(pairs[:, 0], self.p)
        a, b = pairs.unbind(1)
        tokens = [a, mark, b, mark + 1] if self.operator else [a, b, mark]
        positions = self.position.weight if hasattr(self, "position") else self.sinusoids
        h = self.embedding(torch.stack(tokens, 1)) + positions.to(self.embedding.weight.dtype)
        for layer in self.layers:
            h = layer(h, src_mask=self.mask)
        h = self.norm(h[:, -1])
        return h @ self.embedding.weight[: self.classes].T if self.tied else self.head(h)

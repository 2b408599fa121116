"""The papers' networks written plainly in torch.nn: what the stacked, hand-differentiated models
must equal, and what the benchmarks are measured against."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Quadratic(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x * x


ACTIVATIONS = {"gelu": nn.GELU, "relu": nn.ReLU, "tanh": nn.Tanh, "quadratic": Quadratic}


class PlainTransformer(nn.Module):
    """Token pairs (B, 2) -> logits (B, C)."""

    def __init__(
        self,
        p: int,
        classes: int,
        *,
        d_model: int,
        heads: int,
        ffn: int,
        activation: str,
        norm: str,
        readout: str,
        embeddings: str | None = None,
    ) -> None:
        super().__init__()
        self.readout = readout
        self.separate = embeddings == "separate"
        if self.separate:
            self.embedding_a = nn.Embedding(p, d_model)
            self.embedding_b = nn.Embedding(p, d_model)
        else:
            self.embedding = nn.Embedding(p, d_model)
        self.position = nn.Embedding(2, d_model)
        self.layer = nn.TransformerEncoderLayer(
            d_model,
            heads,
            ffn,
            dropout=0.0,
            activation=ACTIVATIONS[activation](),
            batch_first=True,
            norm_first=norm == "pre",
        )
        self.norm = nn.LayerNorm(d_model)
        self.head = nn.Linear(d_model, classes)

    def forward(self, tokens: Tensor) -> Tensor:
        h = self.layer(self.embedded(tokens) + self.position.weight)
        h = h[:, -1] if self.readout == "last" else h.mean(1)
        return self.head(self.norm(h))

    def embedded(self, tokens: Tensor) -> Tensor:
        if not self.separate:
            return self.embedding(tokens)
        return torch.stack([self.embedding_a(tokens[:, 0]), self.embedding_b(tokens[:, 1])], 1)

"""An encoder on the two tokens (a, b) read at the first one, pre-norm: the network of 2602.16746.

Layers are torch.nn's TransformerEncoderLayer, with LayerNorm before each block and before the head, and learned
positions. Two layers of width 128 with a feed-forward width of 256 have 290,401 parameters at p = 97; the paper says
about 290,000. First values are torch.nn's; `torch.nn.TransformerEncoder` copies the layer that it is given, so that a
network built with it starts from layers that are alike, which is a choice here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy

import torch
from torch import Tensor, nn

from regrok.models.autograd import Autograd


class EncoderNetwork(nn.Module):
    """Pairs (B, 2) of p tokens -> logits (B, C).

    alike: whether all layers start from the values of the first. position_scale: factor on the positions' first values.
    """

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
        alike: bool = False,
        position_scale: float = 1.0,
    ) -> None:
        super().__init__()
        self.embedding = nn.Embedding(p, d_model)
        self.position = nn.Embedding(2, d_model)
        made = [
            nn.TransformerEncoderLayer(
                d_model,
                heads,
                ffn,
                dropout=0.0,
                activation=activation,
                batch_first=True,
                norm_first=True,
            )
            for _ in range(layers)
        ]
        if alike:
            made = [deepcopy(made[0]) for _ in made]
        with torch.no_grad():
            self.position.weight *= position_scale
        self.layers = nn.Sequential(*made)
        self.norm = nn.LayerNorm(d_model)
        self.head = nn.Linear(d_model, classes)

    def forward(self, pairs: Tensor) -> Tensor:
        x = self.layers(self.embedding(pairs) + self.position.weight)
        return self.head(self.norm(x[..., 0, :]))


class Encoder(Autograd):
    def module(self) -> nn.Module:
        spec, task = self.spec, self.task
        return EncoderNetwork(
            task.tokens,
            task.classes,
            layers=spec.layers,
            d_model=spec.d_model,
            heads=spec.heads,
            ffn=spec.ffn,
            activation=spec.activation,
            alike=spec.layer_starts == "alike",
            position_scale=spec.position_scale or 1.0,
        )

    def groups(self, names: Sequence[str]) -> Mapping[str, Sequence[str]]:
        """Those of the hand-written transformers."""
        return {
            "embedding": [n for n in names if n.startswith(("embedding", "position"))],
            "attention": [n for n in names if "self_attn" in n],
            "ffn": [n for n in names if "linear" in n],
            "norm": [n for n in names if "norm" in n],
            "head": [n for n in names if n.startswith("head")],
        }

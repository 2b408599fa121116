"""A causal decoder's parameters: names and shapes as in the plain torch.nn module, groups, and first values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from regrok.models.layers import embedding, linear, linear_weight
from regrok.models.sequence import Symbols

Shapes = dict[str, tuple[int, ...]]


def shapes(spec: Any, sequence: Symbols, classes: int) -> Shapes:
    """Name → shape in `named_parameters()` order; linear maps as weight and bias of `nn.Linear`."""
    d, f = int(spec.d_model), int(spec.ffn)
    found: Shapes = {"embedding.weight": (sequence.vocabulary, d)}
    if spec.positions == "learned":
        found["position.weight"] = (sequence.length, d)

    def add(name: str, *shape: int, bias: bool = bool(spec.biases), mark: str = ".") -> None:
        found[f"{name}{mark}weight"] = shape
        if bias:
            found[f"{name}{mark}bias"] = shape[:1]

    for layer in range(sequence.depth):
        add(f"layers.{layer}.self_attn.in_proj", 3 * d, d, mark="_")
        add(f"layers.{layer}.self_attn.out_proj", d, d)
        add(f"layers.{layer}.linear1", f, d)
        add(f"layers.{layer}.linear2", d, f)
        if spec.norm != "none":
            add(f"layers.{layer}.norm1", d, bias=True)
            add(f"layers.{layer}.norm2", d, bias=True)
    if spec.norm == "pre":
        add("norm", d, bias=True)
    if not spec.tied:
        add("head", classes, d)
    return found


def groups(found: Mapping[str, Sequence[int]]) -> dict[str, list[str]]:
    """Group → names; a group without parameters is left out."""
    named = {
        "embedding": [n for n in found if n.startswith(("embedding", "position"))],
        "attention": [n for n in found if "self_attn" in n],
        "ffn": [n for n in found if "linear" in n],
        "norm": [n for n in found if "norm" in n],
        "head": [n for n in found if n.startswith("head")],
    }
    return {group: names for group, names in named.items() if names}


def draw(found: Mapping[str, tuple[int, ...]], generator: torch.Generator) -> dict[str, Tensor]:
    """torch.nn's default values, drawn in the order of the plain module's constructor.

    nn.MultiheadAttention draws its output projection, then the input's, and zeroes both biases.
    """
    drawn: dict[str, Tensor] = {}

    def add_linear(name: str) -> None:
        weight, bias = f"{name}.weight", f"{name}.bias"
        rows, columns = found[weight]
        if bias in found:
            drawn[weight], drawn[bias] = linear(rows, columns, generator)
        else:
            drawn[weight] = linear_weight(rows, columns, generator)

    for name, shape in found.items():
        stem, _, last = name.rpartition(".")
        if last == "in_proj_weight":
            add_linear(f"{stem}.out_proj")
            drawn[name] = nn.init.xavier_uniform_(torch.empty(shape), generator=generator)
        elif last == "in_proj_bias" or name.endswith("out_proj.bias"):
            drawn[name] = torch.zeros(shape)
        elif "norm" in name:
            drawn[name] = torch.ones(shape) if last == "weight" else torch.zeros(shape)
        elif stem in ("embedding", "position"):
            drawn[name] = embedding(shape[0], shape[1], generator)
        elif name not in drawn:
            add_linear(stem)
    return drawn

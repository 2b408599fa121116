"""The hand-written networks once more, as plain functions of named parameters that torch can differentiate.

    forward(parameters, inputs) -> logits

Parameters are those of one run by the names of its layout, inputs (B, 2) int64 pairs or (B, n) floats, logits (B, C).
No operation here lacks a second derivative or a rule for torch.func: attention is written out. Nothing is dropped, as
in an evaluation. Networks whose gradients are autograd's anyway bring a plain module of their own.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.func import functional_call
from torch.nn import functional
from torch.nn.attention import SDPBackend, sdpa_kernel

from regrok.errors import RegrokError
from regrok.models.mlp import BLOCK_SCALE

Parameters = Mapping[str, Tensor]
Forward = Callable[[Parameters, Tensor], Tensor]

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "gelu": functional.gelu,
    "relu": torch.relu,
    "tanh": torch.tanh,
    "quadratic": torch.square,
}


def forward_of(model: Any) -> Forward:
    """The network of a model (`regrok.models.build`) as a function.

    Raises RegrokError for one that is neither written here nor brings a module.
    """
    if hasattr(model, "plain"):
        return _by_module(model.plain)
    kinds: dict[str, Callable[[Any], Forward]] = {
        "transformer": transformer,
        "mlp": mlp,
        "decoder": decoder,
    }
    if model.spec.name not in kinds:
        raise RegrokError(
            f"model.name = '{model.spec.name}': src/regrok/probes/parts/networks.py does not write it as a function of "
            "its parameters, which this probe needs; add it there"
        )
    return kinds[model.spec.name](model)


def _by_module(module: torch.nn.Module) -> Forward:
    def forward(θ: Parameters, inputs: Tensor) -> Tensor:
        with sdpa_kernel(SDPBackend.MATH):  # the other ways have no second derivative
            logits: Tensor = functional_call(module, dict(θ), (inputs,))
        return logits

    return forward


def mlp(model: Any) -> Forward:
    """`regrok.models.mlp`: summed or joined embeddings, or a vector; plain layers or residual blocks."""
    spec = model.spec
    act = ACTIVATIONS[spec.activation]

    def forward(θ: Parameters, inputs: Tensor) -> Tensor:
        h = inputs
        if spec.input != "vector":
            embedded = functional.embedding(inputs, θ["embedding.weight"])
            h = embedded.sum(-2) if spec.input == "sum" else embedded.flatten(-2)
        if spec.residual:
            if "project.weight" in θ:
                h = _linear(θ, "project", h)
            for i in range(spec.depth):
                x = _norm(θ, f"blocks.{i}.norm", h)
                x = act(_linear(θ, f"blocks.{i}.fc1", x))
                h = h + BLOCK_SCALE * _linear(θ, f"blocks.{i}.fc2", x)
        else:
            for i in range(spec.depth):
                h = act(_linear(θ, f"hidden.{i}", h))
        return _linear(θ, "head", h)

    return forward


def transformer(model: Any) -> Forward:
    """`regrok.models.transformer`: one encoder layer on two tokens, the last one or the mean read by the head."""
    spec = model.spec

    def forward(θ: Parameters, inputs: Tensor) -> Tensor:
        if spec.embeddings == "separate":
            pair = (
                functional.embedding(inputs[..., i], θ[f"embedding_{which}.weight"])
                for i, which in enumerate("ab")
            )
            h = torch.stack(tuple(pair), -2)
        else:
            h = functional.embedding(inputs, θ["embedding.weight"])
        h = _layer(θ, "layer", h + θ["position.weight"], spec)
        h = h[..., -1, :] if spec.readout == "last" else h.mean(-2)
        return _linear(θ, "head", _norm(θ, "norm", h))

    return forward


def decoder(model: Any) -> Forward:
    """`regrok.models.decoder`: causal layers on a ∘ b = or a b =, read at the last position."""
    spec, p, classes = model.spec, int(model.task.tokens), int(model.classes)
    length = 4 if spec.operator else 3

    def forward(θ: Parameters, inputs: Tensor) -> Tensor:
        a, b = inputs.unbind(-1)
        mark = torch.full_like(a, p)
        tokens = torch.stack([a, mark, b, mark + 1] if spec.operator else [a, b, mark], -1)
        table = θ["embedding.weight"]
        positions = (
            θ["position.weight"]
            if spec.positions == "learned"
            else _sinusoids(length, spec.d_model).to(table)
        )
        mask = torch.full((length, length), -math.inf, dtype=table.dtype).triu(1)
        h = functional.embedding(tokens, table) + positions
        for i in range(spec.layers):
            h = _layer(θ, f"layers.{i}", h, spec, mask)
        h = h[..., -1, :]
        if spec.norm == "pre":
            h = _norm(θ, "norm", h)
        return h @ table[:classes].mT if spec.tied else _linear(θ, "head", h)

    return forward


# What they are made of ---------------------------------------------------------------------------------------------


def _layer(θ: Parameters, name: str, h: Tensor, spec: Any, mask: Tensor | None = None) -> Tensor:
    """nn.TransformerEncoderLayer on (…, T, d), its LayerNorms after the sums, before the blocks, or nowhere."""

    def feed(x: Tensor) -> Tensor:
        inner = ACTIVATIONS[spec.activation](_linear(θ, f"{name}.linear1", x))
        return _linear(θ, f"{name}.linear2", inner)

    def attend(x: Tensor) -> Tensor:
        return _attention(θ, f"{name}.self_attn", x, spec.heads, mask)

    if spec.norm == "pre":
        h = h + attend(_norm(θ, f"{name}.norm1", h))
        return h + feed(_norm(θ, f"{name}.norm2", h))
    if spec.norm == "post":
        h = _norm(θ, f"{name}.norm1", h + attend(h))
        return _norm(θ, f"{name}.norm2", h + feed(h))
    h = h + attend(h)
    return h + feed(h)


def _attention(θ: Parameters, name: str, x: Tensor, heads: int, mask: Tensor | None) -> Tensor:
    """Multi-head attention of x (…, T, d) to itself; mask (T, T) is added to the scores."""
    bias = θ.get(f"{name}.in_proj_bias")
    qkv = functional.linear(x, θ[f"{name}.in_proj_weight"], bias)
    q, k, v = (part.unflatten(-1, (heads, -1)).transpose(-2, -3) for part in qkv.chunk(3, -1))
    scores = q @ k.mT / math.sqrt(q.shape[-1])
    weights = torch.softmax(scores if mask is None else scores + mask, -1)
    return _linear(θ, f"{name}.out_proj", (weights @ v).transpose(-2, -3).flatten(-2))


def _linear(θ: Parameters, name: str, x: Tensor) -> Tensor:
    return functional.linear(x, θ[f"{name}.weight"], θ.get(f"{name}.bias"))


def _norm(θ: Parameters, name: str, x: Tensor) -> Tensor:
    return functional.layer_norm(x, x.shape[-1:], θ[f"{name}.weight"], θ[f"{name}.bias"])


def _sinusoids(length: int, d_model: int) -> Tensor:
    """(length, d_model) fixed positions: sines in even columns, cosines in odd ones."""
    columns = torch.arange(0, d_model, 2, dtype=torch.float64)
    angle = torch.arange(length)[:, None] / 10000 ** (columns / d_model)
    return torch.stack([angle.sin(), angle.cos()], -1).flatten(1)[:, :d_model]

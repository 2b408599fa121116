"""Every kernel in torch operations, stacked over runs: the definition that `native` must match.

Shapes: R runs, n examples, p tokens, d columns, C classes, H heads. Every tensor has the leading
dimension R; parameters are (R, d); tokens are int64 (R, n, 2), a pair (a, b) a row. Results go to
the buffers given as arguments; None where a result or a term is not wanted. Nothing here waits for
the device, and sums over examples that share a token are one-hot products, not atomic additions:
a CUDA step is deterministic.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from regrok.kernels.causal import CAUSAL
from regrok.kernels.indexed import rows_of, split_heads, sum_by_token
from regrok.kernels.noise import NOISE

EPSILON = 1e-5  # torch.nn.LayerNorm's default
ACTIVATIONS = ("gelu", "relu", "tanh", "quadratic")


def add_row(table: Tensor, row: Tensor, out: Tensor) -> None:
    """out = table (R, p, d) + row (R, d), e.g. token embeddings plus one position's embedding."""
    torch.add(table, row.unsqueeze(1), out=out)


def column_sum(x: Tensor, out: Tensor) -> None:
    """out (R, d) = sum of the rows of x (R, n, d)."""
    out.copy_(x.sum(1))


def add(x: Tensor, y: Tensor, scale: float, out: Tensor) -> None:
    """out = scale · (x + y), all (R, n, d); `out` may be x or y."""
    out.copy_((x + y) * scale)


def scaled(x: Tensor, scale: float, out: Tensor) -> None:
    """out = scale · x, both (R, n, d)."""
    torch.mul(x, scale, out=out)


def gather_sum(first: Tensor, second: Tensor, tokens: Tensor, out: Tensor) -> None:
    """out (R, n, d) = first[a] + second[b]; first and second are (R, p, d)."""
    out.copy_(rows_of(first, tokens, 0) + rows_of(second, tokens, 1))


def scatter_sum(grad: Tensor, tokens: Tensor, column: int, out: Tensor) -> None:
    """out[t] (R, p, d) += sum of the rows of grad (R, n, d) whose token `column` (0, 1) is t."""
    out.add_(sum_by_token(grad, tokens, column, out.shape[1]))


def activate(
    kind: int, x: Tensor, bias: Tensor | None, scale: float, out: Tensor, derivative: Tensor | None
) -> None:
    """out = scale · act(x + bias), derivative = scale · act'(x + bias); derivative may be x.

    kind: index in ACTIVATIONS. gelu is x Φ(x) with Φ the normal distribution function (erf, no tanh
    approximation), quadratic is x².
    """
    z = x if bias is None else x + bias.unsqueeze(1)
    name = ACTIVATIONS[kind]
    if name == "gelu":
        phi = 0.5 * (1 + torch.erf(z * math.sqrt(0.5)))
        value = z * phi
        slope = phi + z * torch.exp(-0.5 * z * z) * (1 / math.sqrt(2 * math.pi))
    elif name == "relu":
        value, slope = z.clamp_min(0), (z > 0).to(z.dtype)
    elif name == "tanh":
        value = torch.tanh(z)
        slope = 1 - value * value
    else:
        value, slope = z * z, 2 * z
    out.copy_(value * scale)
    if derivative is not None:
        derivative.copy_(slope * scale)


def gather_activate(
    kind: int,
    first: Tensor,
    second: Tensor,
    tokens: Tensor,
    bias: Tensor | None,
    scale: float,
    out: Tensor,
    derivative: Tensor | None,
) -> None:
    """`activate` on first[a] + second[b]: the first hidden layer of an MLP on token pairs."""
    z = rows_of(first, tokens, 0) + rows_of(second, tokens, 1)
    activate(kind, z, bias, scale, out, derivative)


def activate_backward(grad: Tensor, derivative: Tensor, bias_grad: Tensor | None) -> None:
    """derivative (R, m·n, d) *= grad (R, n, d) repeated m times; bias_grad (R, d) = column sums."""
    derivative.unflatten(1, (-1, grad.shape[1])).mul_(grad.unsqueeze(1))
    if bias_grad is not None:
        bias_grad.copy_(derivative.sum(1))


def norm(
    x: Tensor,
    bias: Tensor | None,
    bias_scale: float,
    residual: Tensor | None,
    tokens: Tensor | None,
    column: int,
    total: Tensor | None,
    gain: Tensor,
    shift: Tensor,
    hat: Tensor | None,
    rstd: Tensor | None,
    out: Tensor,
) -> None:
    """LayerNorm of z = x + bias_scale · bias + residual; out = gain · hat + shift.

    x, out, hat: (R, n, d); rstd: (R, n) = 1/√(var z + 1e-5); total: z itself. residual is
    (R, n, d), or with `tokens` a table (R, p, d) of which each example takes its token's row.
    """
    z = x
    if bias is not None:
        z = z + bias_scale * bias.unsqueeze(1)
    if residual is not None:
        z = z + (residual if tokens is None else rows_of(residual, tokens, column))
    centred = z - z.mean(-1, keepdim=True)
    inverse = torch.rsqrt(centred.square().mean(-1, keepdim=True) + EPSILON)
    normalised = centred * inverse
    if total is not None:
        total.copy_(z)
    if hat is not None:
        hat.copy_(normalised)
    if rstd is not None:
        rstd.copy_(inverse.squeeze(-1))
    out.copy_(normalised * gain.unsqueeze(1) + shift.unsqueeze(1))


def norm_backward(
    grad: Tensor,
    hat: Tensor,
    rstd: Tensor,
    gain: Tensor,
    skip: Tensor | None,
    skip_scale: float,
    gain_grad: Tensor,
    shift_grad: Tensor,
    out: Tensor,
    bias_scale: float,
    bias_grad: Tensor | None,
) -> None:
    """Gradient of z in `norm` from grad (R, n, d), the gradient of its `out`; `out` may be grad.

    skip: gradient that reaches z by other ways (a residual stream); skip_scale · skip is added to
    the result; its rows repeat where it has fewer than n. `out` may be skip where it has n.
    bias_grad (R, d) = bias_scale · column sums of the result.
    """
    gain_grad.copy_((grad * hat).sum(1))
    shift_grad.copy_(grad.sum(1))
    scaled = grad * gain.unsqueeze(1)
    mean = scaled.mean(-1, keepdim=True)
    slope = (scaled * hat).mean(-1, keepdim=True)
    result = (scaled - mean - hat * slope) * rstd.unsqueeze(-1)
    if skip is not None:
        parts = result.unflatten(1, (-1, skip.shape[1]))
        result = (parts + skip_scale * skip.unsqueeze(1)).flatten(1, 2)
    out.copy_(result)
    if bias_grad is not None:
        bias_grad.copy_(bias_scale * result.sum(1))


def cross_entropy(
    logits: Tensor,
    bias: Tensor,
    labels: Tensor,
    weights: Tensor | None,
    loss: Tensor,
    bias_grad: Tensor,
) -> None:
    """loss (R, 1) = mean cross-entropy of softmax(logits + bias); logits become its gradient.

    logits: (R, n, C); labels: int64 (R, n); bias, bias_grad: (R, C). weights: (R, n), how often an
    example counts in the mean, or None where each counts once.
    """
    log_p = torch.log_softmax(logits + bias.unsqueeze(1), -1)
    weights = torch.ones_like(logits[..., 0]) if weights is None else weights
    shares = (weights / weights.sum(1, keepdim=True)).unsqueeze(-1)
    loss.copy_(-(shares * log_p.gather(-1, labels.unsqueeze(-1))).sum(1))
    classes = torch.arange(logits.shape[-1], device=logits.device)
    target = (labels.unsqueeze(-1) == classes).to(logits.dtype)
    logits.copy_((log_p.exp() - target) * shares)
    bias_grad.copy_(logits.sum(1))


def score(
    logits: Tensor,
    bias: Tensor,
    labels: Tensor,
    loss: Tensor,
    hit: Tensor,
    low: Tensor,
    high: Tensor,
) -> None:
    """What an evaluation reads off z = logits + bias; logits stay as they are.

    logits: (R, n, C); bias: (R, C); labels: int64 (R, n). loss, hit: (R, n), each example's
    cross-entropy and 1 where its label is the first of the largest z (a constant z would otherwise be
    right everywhere). low, high: (R, C), the range of each z over the examples.
    """
    z = logits + bias.unsqueeze(1)
    loss.copy_(torch.logsumexp(z, -1) - z.gather(-1, labels.unsqueeze(-1)).squeeze(-1))
    hit.copy_(z.argmax(-1) == labels)
    low.copy_(z.amin(1))
    high.copy_(z.amax(1))


def attend(
    query: Tensor,
    key0: Tensor,
    value0: Tensor,
    key1: Tensor,
    value1: Tensor,
    tokens: Tensor,
    position: int,
    heads: int,
    weight: Tensor,
    out: Tensor,
) -> None:
    """Attention of one query position over a pair of tokens, all from (R, p, d) tables.

    The softmax over two positions is the sigmoid of the difference of their scores:
    w = σ(q · (k0[a] − k1[b]) / √(d/H)) per head, out (R, n, d) = v1[b] + w (v0[a] − v1[b]).
    query: table of the querying position (0: row a, 1: row b). weight: (R, n, H) receives w.
    """
    q = split_heads(rows_of(query, tokens, position), heads)
    k = split_heads(rows_of(key0, tokens, 0) - rows_of(key1, tokens, 1), heads)
    v0, v1 = rows_of(value0, tokens, 0), rows_of(value1, tokens, 1)
    w = torch.sigmoid((q * k).sum(-1) / math.sqrt(q.shape[-1]))
    weight.copy_(w)
    out.copy_(v1 + (w.unsqueeze(-1) * split_heads(v0 - v1, heads)).flatten(-2))


def attend_backward(
    grad: Tensor,
    query: Tensor,
    key0: Tensor,
    value0: Tensor,
    key1: Tensor,
    value1: Tensor,
    tokens: Tensor,
    position: int,
    heads: int,
    weight: Tensor,
    query_grad: Tensor,
    key0_grad: Tensor,
    value0_grad: Tensor,
    key1_grad: Tensor,
    value1_grad: Tensor,
) -> None:
    """Adds the gradients of `attend`'s five tables, (R, p, d) each, from grad (R, n, d)."""
    p = query.shape[1]
    q = split_heads(rows_of(query, tokens, position), heads)
    k = split_heads(rows_of(key0, tokens, 0) - rows_of(key1, tokens, 1), heads)
    v = split_heads(rows_of(value0, tokens, 0) - rows_of(value1, tokens, 1), heads)
    g = split_heads(grad, heads)
    w = weight.unsqueeze(-1)
    from_first = (w * g).flatten(-2)
    slope = w * (1 - w) * (g * v).sum(-1, keepdim=True) / math.sqrt(q.shape[-1])
    value0_grad.add_(sum_by_token(from_first, tokens, 0, p))
    value1_grad.add_(sum_by_token(grad - from_first, tokens, 1, p))
    query_grad.add_(sum_by_token((slope * k).flatten(-2), tokens, position, p))
    key = (slope * q).flatten(-2)
    key0_grad.add_(sum_by_token(key, tokens, 0, p))
    key1_grad.sub_(sum_by_token(key, tokens, 1, p))


def zero(x: Tensor) -> None:
    """x (R, n, d) = 0, before `scatter_sum` and `attend_backward` add to it."""
    x.zero_()


def add_bias(x: Tensor, bias: Tensor) -> None:
    """x (R, n, d) += bias (R, d), in place."""
    x.add_(bias.unsqueeze(1))


class _Reference:
    name = "reference"

    def bind(self, kernel: str, *args: Any) -> Callable[[], Any]:
        found: Callable[..., None] = {**globals(), **CAUSAL, **NOISE}[kernel]
        return partial(found, *args)

    def fuse(self, calls: Sequence[Callable[[], Any]]) -> list[Callable[[], Any]]:
        return list(calls)


KERNELS = _Reference()

"""Causal attention over the places of a short sequence, in torch operations; see `regrok.kernels.reference`."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from regrok.kernels.indexed import rows_of, split_heads, sum_by_token

PLACES = ("alone", "first", "second", "example")
"""How a place of a sequence finds an example's row among its own: it has one row for all; by the example's token a; by
its token b; one row an example."""


def _place(places: Tensor, position: int) -> tuple[slice, str]:
    first, count, kind = places[0, position].tolist()
    return slice(first, first + count), PLACES[kind]


def _placed(table: Tensor, tokens: Tensor | None, places: Tensor, position: int, n: int) -> Tensor:
    """(R, n, d): each example's row of the place."""
    rows, kind = _place(places, position)
    own = table[:, rows]
    if kind == "alone":
        return own.expand(-1, n, -1)
    if kind == "example" or tokens is None:
        return own
    return rows_of(own, tokens, PLACES.index(kind) - 1)


def gather_rows(
    table: Tensor, tokens: Tensor | None, places: Tensor, position: int, out: Tensor
) -> None:
    """out (R, n, d): each example's row of a place of its sequence.

    places: int64 (1, m, 3) on the CPU; a place has its first row in the table, how many rows, and which of PLACES.
    tokens: None where example i has the token a = i, for what depends on a alone.
    """
    out.copy_(_placed(table, tokens, places, position, out.shape[1]))


def scatter_rows(
    grad: Tensor, tokens: Tensor | None, places: Tensor, position: int, out: Tensor
) -> None:
    """Adds each example's row of grad (R, n, d) to its row of a place in the table `out`; see `gather_rows`."""
    rows, kind = _place(places, position)
    own = out[:, rows]
    if kind == "alone":
        own.add_(grad.sum(1, keepdim=True))
    elif kind == "example" or tokens is None:
        own.add_(grad)
    else:
        own.add_(sum_by_token(grad, tokens, PLACES.index(kind) - 1, own.shape[1]))


def _stacked(
    table: Tensor, tokens: Tensor | None, places: Tensor, positions: int, n: int
) -> Tensor:
    """(R, n, m, d): each example's rows of the first m = `positions` places."""
    return torch.stack([_placed(table, tokens, places, j, n) for j in range(positions)], 2)


def _slope(w: Tensor, along: Tensor, width: float) -> Tensor:
    """Gradient of scores, from that of their softmax w over dimension 2; scores were divided by √width."""
    return w * (along - (w * along).sum(2, keepdim=True)) / math.sqrt(width)


def _keys(
    qkv: Tensor, tokens: Tensor | None, places: Tensor, positions: int, heads: int, n: int
) -> tuple[Tensor, Tensor, Tensor]:
    """The last position's queries (R, n, 1, H, d/H), and all positions' keys and values (R, n, m, H, d/H)."""
    rows = _stacked(qkv, tokens, places, positions, n)
    query, key, value = (split_heads(part, heads) for part in rows.chunk(3, -1))
    return query[:, :, -1:], key, value


def attend_causal(
    qkv: Tensor,
    tokens: Tensor | None,
    places: Tensor,
    positions: int,
    heads: int,
    weight: Tensor,
    out: Tensor,
) -> None:
    """Attention of the last of the first `positions` places over all of them.

    qkv: (R, rows, 3d), a row's query, key and value; places: which row each example has at each position, see
    `gather_rows`. out: (R, n, d). weight: (R, n, positions · H) receives softmax(q · k / √(d/H)), position by position.
    """
    query, key, value = _keys(qkv, tokens, places, positions, heads, out.shape[1])
    scores = (query * key).sum(-1) / math.sqrt(key.shape[-1])
    w = torch.softmax(scores, 2)
    weight.copy_(w.flatten(2))
    out.copy_((w.unsqueeze(-1) * value).sum(2).flatten(-2))


def attend_causal_backward(
    grad: Tensor,
    qkv: Tensor,
    tokens: Tensor | None,
    places: Tensor,
    positions: int,
    heads: int,
    weight: Tensor,
    qkv_grad: Tensor,
) -> None:
    """Adds the gradient of `attend_causal`'s queries, keys and values, (R, rows, 3d), from grad (R, n, d)."""
    query, key, value = _keys(qkv, tokens, places, positions, heads, grad.shape[1])
    g = split_heads(grad, heads).unsqueeze(2)
    w = weight.unflatten(-1, (positions, heads))
    along = (g * value).sum(-1)
    slope = _slope(w, along, key.shape[-1])
    key_grad = (slope.unsqueeze(-1) * query).flatten(-2)
    value_grad = (w.unsqueeze(-1) * g).flatten(-2)
    query_grad = (slope.unsqueeze(-1) * key).sum(2).flatten(-2)
    d = grad.shape[-1]
    scatter_rows(query_grad, tokens, places, positions - 1, qkv_grad[..., :d])
    for j in range(positions):
        scatter_rows(key_grad[:, :, j], tokens, places, j, qkv_grad[..., d : 2 * d])
        scatter_rows(value_grad[:, :, j], tokens, places, j, qkv_grad[..., 2 * d :])


def attend_stream(
    query: Tensor,
    stream: Tensor,
    tokens: Tensor | None,
    places: Tensor,
    positions: int,
    heads: int,
    weight: Tensor,
    out: Tensor,
) -> None:
    """Attention over rows x of the stream (R, rows, d) themselves: out = Σ w x with w = softmax(q · x / √(d/H)).

    query, out: (R, n, H · d), a row of the stream's width for each head; the rest as in `attend_causal`.
    """
    n, d = query.shape[1], stream.shape[-1]
    rows = _stacked(stream, tokens, places, positions, n)
    scores = torch.einsum("rnhd,rnjd->rnjh", split_heads(query, heads), rows)
    w = torch.softmax(scores / math.sqrt(d / heads), 2)
    weight.copy_(w.flatten(2))
    out.copy_(torch.einsum("rnjh,rnjd->rnhd", w, rows).flatten(2))


def attend_stream_backward(
    grad: Tensor,
    query: Tensor,
    stream: Tensor,
    tokens: Tensor | None,
    places: Tensor,
    positions: int,
    heads: int,
    weight: Tensor,
    query_grad: Tensor,
    stream_grad: Tensor,
) -> None:
    """query_grad (R, n, H · d) of `attend_stream`, from grad of that shape; adds to the stream's, (R, rows, d)."""
    n, d = query.shape[1], stream.shape[-1]
    rows = _stacked(stream, tokens, places, positions, n)
    g, q = split_heads(grad, heads), split_heads(query, heads)
    w = weight.unflatten(-1, (positions, heads))
    along = torch.einsum("rnhd,rnjd->rnjh", g, rows)
    slope = _slope(w, along, d / heads)
    rows_grad = torch.einsum("rnjh,rnhd->rnjd", w, g) + torch.einsum("rnjh,rnhd->rnjd", slope, q)
    query_grad.copy_(torch.einsum("rnjh,rnjd->rnhd", slope, rows).flatten(2))
    for j in range(positions):
        scatter_rows(rows_grad[:, :, j], tokens, places, j, stream_grad)


CAUSAL = {
    "gather_rows": gather_rows,
    "scatter_rows": scatter_rows,
    "attend_causal": attend_causal,
    "attend_causal_backward": attend_causal_backward,
    "attend_stream": attend_stream,
    "attend_stream_backward": attend_stream_backward,
}
"""The kernels of this file."""

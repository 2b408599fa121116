"""Rows that examples share, in torch operations: gathered, summed, and cut into heads."""

from __future__ import annotations

import torch
from torch import Tensor


def rows_of(table: Tensor, tokens: Tensor, column: int) -> Tensor:
    """(R, n, d): the row of each example's token."""
    index = tokens[..., column].unsqueeze(-1).expand(-1, -1, table.shape[-1])
    return torch.gather(table, 1, index)


def sum_by_token(grad: Tensor, tokens: Tensor, column: int, p: int) -> Tensor:
    """(R, p, d): sums of the rows of `grad` (R, n, d) that share a token."""
    residues = torch.arange(p, device=tokens.device)
    one_hot = (tokens[..., column].unsqueeze(1) == residues.view(1, p, 1)).to(grad.dtype)
    return torch.bmm(one_hot, grad)


def split_heads(x: Tensor, heads: int) -> Tensor:
    """(..., d) -> (..., H, d/H)."""
    return x.unflatten(-1, (heads, -1))

"""Noise and dropout, in torch operations; see `regrok.kernels.reference`.

Random numbers are counted, not drawn: each is a function of the run's key, its step, the stream and the number's place,
computed with integer operations that wrap alike on every device. So noise depends on no slot, thread, resumption or
evaluation, and a backward pass makes the factors of its forward pass again instead of keeping them.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from regrok.tasks.streams import GOLDEN, splitmix64

BITS = 31
"""Bits of a number; a hash of 64 makes two."""

WEIGHTS, GRADIENT, FIRST_DROPOUT = 0, 1, 2
"""Streams of a step: the noise of the weights, of the gradient, and from the third on the layers' dropout."""


def _numbers(draw: Tensor, stream: int, rows: int, columns: int) -> tuple[Tensor, Tensor]:
    """Two independent uniform integers in [0, 2³¹) each: int64 (R, rows, columns). draw: see `noise`."""
    key, step = draw[:, 0], draw[:, 1]
    offset = ((stream + 1) * GOLDEN + 2**63) % 2**64 - 2**63  # as an int64 wraps
    start = splitmix64(splitmix64(key + (step + 1) * GOLDEN) + offset)
    place = torch.arange(1, rows * columns + 1, device=draw.device)
    drawn = splitmix64(start[:, None] + place * GOLDEN).unflatten(1, (rows, columns))
    least = (1 << BITS) - 1
    return (drawn >> (64 - BITS)) & least, (drawn >> 2) & least


def normal(draw: Tensor, stream: int, rows: int, columns: int, dtype: torch.dtype) -> Tensor:
    """(R, rows, columns) independent standard normal numbers, by the transformation of Box and Muller (1958).

    Columns j and ⌈columns/2⌉ + j of a row are the cosine's and the sine's of one pair; the largest is 6.7. draw: see
    `noise`.
    """
    length, angle = _numbers(draw, stream, rows, -(-columns // 2))
    radius = torch.sqrt(-2 * torch.log((length.to(dtype) + 0.5) * 2.0**-BITS))
    turn = angle.to(dtype) * (2 * math.pi * 2.0**-BITS)
    return torch.cat((radius * turn.cos(), radius * turn.sin()), -1)[..., :columns]


def factors(
    draw: Tensor, stream: int, rate: float, rows: int, columns: int, dtype: torch.dtype
) -> Tensor:
    """(R, rows, columns) of independent factors: 0 with the chance `rate`, otherwise 1 / (1 − rate).

    draw: see `noise`.
    """
    high, low = _numbers(draw, stream, rows, -(-columns // 2))
    numbers = torch.cat((high, low), -1)[..., :columns]
    limit = min(round(rate * 2**BITS), 2**BITS - 1)
    return (numbers >= limit).to(dtype) * (1 / (1 - rate))


def noise(
    x: Tensor, draw: Tensor, stream: int, scale: float, mask: Tensor | None, out: Tensor
) -> None:
    """out = x + scale · mask · z, all (R, n, d), with standard normal z; `out` may be x.

    draw: int64 (R, 2), a run's key and the number of its step. stream: tells the noises of a step apart. mask: (1, d),
    or None for ones.
    """
    _, n, d = x.shape
    z = scale * normal(draw, stream, n, d, x.dtype)
    torch.add(x, z if mask is None else z * mask, out=out)


def dropout(
    x: Tensor, draw: Tensor, stream: int, rate: float, out: Tensor, also: Tensor | None
) -> None:
    """out = x · `factors`, all (R, n, d), and `also` too, in place. `out` may be x. draw: see `noise`."""
    _, n, d = x.shape
    found = factors(draw, stream, rate, n, d, x.dtype)
    torch.mul(x, found, out=out)
    if also is not None:
        also.mul_(found)


NOISE = {"noise": noise, "dropout": dropout}
"""The kernels of this file."""

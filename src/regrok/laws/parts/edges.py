"""Where along a setting runs begin to generalise, and where they stop: the edges of a window on the values tried.

The window is walked outwards from the value of the largest share (the middle one of several) until a share is one half
or less. How sure the edges are comes from drawing every share from its posterior under Jeffreys' prior,
Beta(k + ½, n − k + ½), and walking again: a bootstrap would say of 3 out of 3 that it is certain.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

HALF = 0.5


@dataclass(frozen=True)
class Window:
    """Edges as places in the values tried: 0 is the least of them."""

    inside: bool
    """Whether at any value more than half of the runs generalise; where none does, both edges lie outside."""
    low: int
    high: int
    lows: np.ndarray
    """(replicates,) places of the lower edge under draws of the shares; as many as there are values: beyond all."""
    highs: np.ndarray
    """(replicates,) places of the upper edge; −1: below all."""
    apart: int
    """Values outside the window with a share above one half."""


def walk(inside: np.ndarray, centre: int) -> tuple[np.ndarray, np.ndarray]:
    """Places of the outermost values that are inside and reached from the centre. inside: (..., values) booleans.

    >>> down, up = walk(np.array([[True, False, True, True, False]]), 2)
    >>> int(down[0]), int(up[0])
    (2, 3)
    """
    # Products along each side: 1 as long as no share has failed yet.
    down = np.cumprod(inside[..., centre::-1], axis=-1).sum(-1)
    up = np.cumprod(inside[..., centre:], axis=-1).sum(-1)
    return centre - down + 1, centre + up - 1


def window(did: np.ndarray, of: np.ndarray, replicates: int, rng: np.random.Generator) -> Window:
    """The window of the values at which more than half of the runs did it.

    did, of: (values,) runs that did it, of so many, in the order of the values. Where no share is above one half, the
    lower edge is drawn by a walk down from the largest value and lies beyond all that fail on the way, the upper one
    likewise by a walk up from the least: more of what helps, or less of what harms, is the last to fail.
    """
    share = did / np.maximum(of, 1)
    over = share > HALF
    drawn = rng.beta(did + 0.5, of - did + 0.5, size=(replicates, did.size)) > HALF
    if not over.any():
        lows, _ = walk(drawn, did.size - 1)
        _, highs = walk(drawn, 0)
        return Window(False, did.size, -1, lows, highs, 0)
    best = np.flatnonzero(share == share.max())
    centre = int(best[(best.size - 1) // 2])
    drawn[:, centre] = True
    low, high = (int(edge) for edge in walk(over, centre))
    lows, highs = walk(drawn, centre)
    apart = int(over[:low].sum() + over[high + 1 :].sum())
    return Window(True, low, high, lows, highs, apart)

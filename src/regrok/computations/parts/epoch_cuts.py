"""Which epochs lie before the transition and which after it, where a paper does not say what parts the two.

Three cuts: `fixed`, the same epoch for whatever is trained; `median`, the epoch by which half of a group's networks,
over all widths, have learned; `own`, windows around each network's own epoch of learning. At the first, networks that
all learn earlier are told apart from themselves; the other two part what has not learned from what has.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

FIXED, MEDIAN, OWN = "fixed", "median", "own"
CUTS = (FIXED, MEDIAN, OWN)
LOOKS = 3
"""Epochs that are looked at on either side of `median` and `own`, evenly apart: as many for each network."""
NEVER = -1
"""Stands for an epoch that there is not."""


def looked_at(
    learned: Sequence[np.ndarray], told: Mapping[str, Any]
) -> tuple[list[np.ndarray], dict[str, tuple[np.ndarray, np.ndarray]]]:
    """Epochs whose gradients are looked at, and which of them each cut calls before and after.

    learned: of every width (networks,) the epoch of learning, NaN for none, group after group. told: `snapshots`,
    `transition`, `epochs`, `seeds` of a group. Returns of every width (networks, columns), `NEVER` where there is no
    such epoch, and cut → indices of columns. The first column is epoch 0, then come the snapshots. Before a median M
    lie epochs from 0 to the last before it, after it those from M to the end; no epoch where fewer than half of a
    group learn. Windows of a network's own T are [T/2, T) and [2T, 3T], as far as there are epochs; a network that
    never learns has none.
    """
    fixed = np.array([0, *told["snapshots"]])
    middle = medians(learned, told["seeds"])
    made = []
    for own in learned:
        M = np.ceil(np.repeat(middle, told["seeds"]))
        spans = [
            (np.zeros_like(M), M - 1),
            (M, np.where(np.isnan(M), np.nan, told["epochs"])),
            (np.ceil(own / 2), own - 1),
            (2 * own, np.minimum(3 * own, told["epochs"])),
        ]
        whole = np.tile(fixed, (len(own), 1))
        made.append(np.hstack([whole, *(between(*span) for span in spans)]))
    early = fixed < told["transition"]
    ends = len(fixed) + LOOKS * np.arange(5)
    windows = [np.arange(*ends[i : i + 2]) for i in range(4)]
    return made, {
        FIXED: (np.flatnonzero(early), np.flatnonzero(~early)),
        MEDIAN: (windows[0], windows[1]),
        OWN: (windows[2], windows[3]),
    }


def medians(learned: Sequence[np.ndarray], seeds: int) -> np.ndarray:
    """(groups,) median epoch of learning over a group's networks of all widths; NaN where fewer than half learn.

    A network that does not learn within the budget counts as later than any, which is all that a median asks.
    """
    every = np.stack([each.reshape(-1, seeds) for each in learned], axis=-1)
    late = np.where(np.isnan(every), np.inf, every).reshape(len(every), -1)
    middle = np.median(late, axis=1)
    return np.where(np.isfinite(middle), middle, np.nan)


def between(first: np.ndarray, last: np.ndarray) -> np.ndarray:
    """(networks, LOOKS) whole epochs evenly apart from first to last; `NEVER` where there are none.

    >>> between(np.array([10.0, 5.0, np.nan]), np.array([19.0, 4.0, np.nan])).tolist()
    [[10, 14, 19], [-1, -1, -1], [-1, -1, -1]]
    """
    with np.errstate(invalid="ignore"):
        known = first <= last
    low, high = (np.where(known, each, 0.0) for each in (first, last))
    found = np.floor(np.linspace(low, high, LOOKS, axis=-1)).astype(int)
    return np.where(known[:, None], found, NEVER)

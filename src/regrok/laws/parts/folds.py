"""What is chosen on some runs and judged on others: which are which, in each of several folds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Fold:
    """What is chosen on and what is judged: (runs,) booleans."""

    train: np.ndarray
    judged: np.ndarray


def each_out(labels: Sequence[object] | np.ndarray) -> list[Fold]:
    """A fold for each label, in order: its runs are judged by what is chosen on all others. labels: (runs,).

    >>> [fold.judged.tolist() for fold in each_out([2, 1, 2])]
    [[False, True, False], [True, False, True]]
    """
    given = np.asarray(labels)
    return [Fold(given != label, given == label) for label in np.unique(given)]


def halves(labels: Sequence[object] | np.ndarray, order: np.ndarray) -> list[Fold]:
    """Two folds: of the runs of each label every second one in this order (runs,), and the others.

    >>> [fold.train.tolist() for fold in halves(["a", "a", "b"], np.array([2, 1, 1]))]
    [[False, True, True], [True, False, False]]
    """
    given = np.asarray(labels)
    half = np.zeros(len(given), dtype=bool)
    for label in np.unique(given):
        rows = np.flatnonzero(given == label)
        half[rows[np.argsort(order[rows], kind="stable")][::2]] = True
    return [Fold(half, ~half), Fold(~half, half)]

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


def halves(labels: Sequence[object] | np.ndarray) -> list[Fold]:
    """Two folds: of the labels in order every second one, and the others. labels: (runs,), such as seeds.

    A label is on one side in all of its runs: seed 3 of one cell trains where seed 3 of another does.

    >>> [fold.train.tolist() for fold in halves([1, 2, 3, 1, 3])]
    [[True, False, True, True, True], [False, True, False, False, False]]
    """
    half = np.unique(np.asarray(labels), return_inverse=True)[1] % 2 == 0
    return [Fold(half, ~half), Fold(~half, half)]

"""Training a two-layer network with squares on pairs until it adds, and how far its tangent kernel turns on the way."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from regrok.computations.parts.quadratic_network import (
    Descent,
    Network,
    Pairs,
    sums,
    tangent_kernel,
)


@dataclass(frozen=True)
class Trained:
    """One training."""

    step: np.ndarray
    """(t,) logged steps, the first 0."""
    train: np.ndarray
    """(t,) accuracy on training pairs."""
    unseen: np.ndarray
    """(t,) accuracy on all others."""
    drift: np.ndarray
    """(t,) 1 − cosine between the tangent kernel and that at the start; NaN where not asked for."""
    centred: np.ndarray
    """(t,) the same of both kernels centred."""
    n: int
    """Training pairs."""
    p: int

    def memorised(self, level: float) -> float:
        """First logged step from which on the accuracy on training pairs is at least `level`; NaN for none."""
        return first_for_good(self.step, self.train >= level)

    def generalised(self, level: float) -> float:
        """First logged step from which on the accuracy on unseen pairs is at least `level`; NaN for none."""
        return first_for_good(self.step, self.unseen >= level)

    @property
    def error(self) -> float:
        """Share of all pairs, seen and unseen, that are wrong at the end."""
        seen = self.n / self.p**2
        return float(seen * (1 - self.train[-1]) + (1 - seen) * (1 - self.unseen[-1]))


def first_for_good(steps: np.ndarray, holds: np.ndarray) -> float:
    """The first of the steps from which on it holds to the end; NaN where it does not hold at the end."""
    broken = np.flatnonzero(~holds)
    at = int(broken[-1]) + 1 if broken.size else 0
    return float(steps[at]) if at < len(steps) else math.nan


def logged_steps(budget: int, growth: float) -> list[int]:
    """0, 1 and so on, each larger than the one before by `growth` or by 1, up to the budget."""
    made, due = [0], 1.0
    while made[-1] < budget:
        made.append(min(max(made[-1] + 1, round(due)), budget))
        due = made[-1] * growth
    return made


def train(
    network: Network,
    pairs: Pairs,
    rate: float,
    budget: int,
    growth: float,
    stop: float,
    drift: bool = False,
) -> Trained:
    """Train in place, until the budget is spent or every training pair and a share `stop` of all others is right.

    growth: of the logged steps. drift: whether the tangent kernel of the first output is followed, on all pairs.
    """
    p = pairs.p
    descent, seen, labels = Descent(network, pairs, rate), pairs.mask(), sums(p)
    first = tangent_kernel(network) if drift else None
    kept: list[tuple[float, ...]] = []
    for due in logged_steps(budget, growth):
        while descent.steps < due:
            descent.step()
        hits = network.table().argmax(-1) == labels
        train_accuracy, accuracy = float(hits[seen].mean()), float(hits[~seen].mean())
        turned = turns(first, tangent_kernel(network)) if first is not None else (math.nan,) * 2
        kept.append((due, train_accuracy, accuracy, *turned))
        if train_accuracy == 1.0 and accuracy >= stop:
            break
    step, right, others, plain, centre = np.array(kept).T
    return Trained(step.astype(int), right, others, plain, centre, len(pairs.a), p)


def turns(one: np.ndarray, other: np.ndarray) -> tuple[float, float]:
    """`turn` of two kernels, and of both centred."""
    return turn(one, other), turn(centred(one), centred(other))


def centred(kernel: np.ndarray) -> np.ndarray:
    """The kernel of the features less their mean: its own rows' and columns' means are 0.

    The tangent kernel of a network with squares is positive on every two pairs, and what all of it has in common is
    most of its length; the cosine of centred kernels is the alignment of Cortes, Mohri and Rostamizadeh (2012).
    """
    rows = kernel.mean(0)
    return np.asarray(kernel - rows - rows[:, None] + rows.mean())


def turn(one: np.ndarray, other: np.ndarray) -> float:
    """1 − cosine between two kernels as vectors: 0 where they are the same but for their size."""
    return float(1 - (one * other).sum() / math.sqrt((one**2).sum() * (other**2).sum()))

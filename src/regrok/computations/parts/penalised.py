"""Normalised gradient descent of a two-layer network with squares under a penalty, and what is told of it.

What is minimised is the mean cross-entropy plus λ‖θ‖∞ (2407.12332, Appendix A) or ½λ‖θ‖². A step has the length η
whatever the gradient's size, so that a penalty counts as much as it has weight against the loss's gradient. That falls
below 1e-20 as soon as every training pair leads by about 46, and is kept as a logarithm here: neither a weight as small
as that nor a gradient smaller yet is lost to rounding.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from regrok.computations.parts.quadratic_network import (
    Descent,
    Network,
    Pairs,
    pulls,
    sums,
    tangent_kernel,
)
from regrok.computations.parts.quadratic_training import centred, first_for_good, turn
from regrok.laws.parts import estimate as est

PENALTIES = ("none", "linf", "l2")


@dataclass(frozen=True)
class Penalty:
    """λ‖θ‖∞ ("linf"), ½λ‖θ‖² ("l2") or none."""

    kind: str = "none"
    weight: float = 0.0

    def gradient(self, network: Network) -> tuple[np.ndarray, np.ndarray]:
        """Of the penalty over λ, in W and in V; of ‖θ‖∞ the sign of the largest weight, shared by those as large."""
        if self.kind == "l2":
            return network.W, network.V
        top = network.largest()
        parts = [np.where(np.abs(x) == top, np.sign(x), 0.0) for x in (network.W, network.V)]
        ties = sum(int(np.count_nonzero(x)) for x in parts)
        return parts[0] / ties, parts[1] / ties


def log_largest(outputs: np.ndarray, labels: np.ndarray) -> float:
    """log of the largest probability of a wrong output: what `quadratic_network.pulls` is over. (n, p), (n,)."""
    top = outputs.max(1, keepdims=True)
    total = (top + np.log(np.exp(outputs - top).sum(1, keepdims=True)))[:, 0]
    wrong = outputs.copy()
    wrong[np.arange(len(labels)), labels] = -np.inf
    return float((wrong.max(1) - total).max())


class Penalised(Descent):
    """θ ← θ − η·g/‖g‖ for the gradient g of the mean cross-entropy and the penalty."""

    def __init__(self, network: Network, pairs: Pairs, rate: float, penalty: Penalty) -> None:
        super().__init__(network, pairs, rate)
        self.penalty = penalty

    def direction(self) -> tuple[np.ndarray, np.ndarray]:
        network, labels = self.network, self.pairs.labels
        before = self.gather @ network.W.T
        active = before**2
        outputs = active @ network.V.T
        pull = pulls(outputs, labels)
        before *= 2 * (pull @ network.V)
        of_W, of_V = (self.scatter @ before).T, pull.T @ active
        if self.penalty.kind == "none":
            return of_W, of_V
        # These are the loss's gradient over exp(size); both parts are taken over the larger of their factors.
        size = log_largest(outputs, labels) - math.log(len(labels))
        weight = math.log(self.penalty.weight)
        loss, pulled = (math.exp(x - max(size, weight)) for x in (size, weight))
        on_W, on_V = self.penalty.gradient(network)
        return loss * of_W + pulled * on_W, loss * of_V + pulled * on_V


def normalised_margin(network: Network, pairs: Pairs) -> float:
    """The smallest lead of the right output over the largest other on training pairs, over ‖θ‖∞³·p.

    Outputs are of degree 3 in the weights, so that this is the margin of the network with weights of at most one, over
    the modulus. A Fourier network of 8p neurons has 4; what theorem 4.6 asks for is that it is bounded from below.
    """
    outputs = network.table()[pairs.a, pairs.b]
    rows = np.arange(len(pairs.a))
    right = outputs[rows, pairs.labels]
    outputs[rows, pairs.labels] = -np.inf
    return float((right - outputs.max(1)).min() / network.largest() ** 3 / pairs.p)


@dataclass(frozen=True)
class Course:
    """One training, at its logged steps, (t,) each."""

    step: np.ndarray
    train: np.ndarray
    """Accuracy on training pairs."""
    unseen: np.ndarray
    """Accuracy on all others."""
    largest: np.ndarray
    """‖θ‖∞."""
    margin: np.ndarray
    """`normalised_margin`."""
    drift_at_T_mem: float
    """1 − cosine of the centred tangent kernel with that at the start; NaN where nothing was memorised."""
    drift: float
    """The same at the end."""

    def late(self, values: np.ndarray) -> float:
        """The median over the logged steps of the last tenth of the budget."""
        return float(np.median(values[self.step >= 0.9 * self.step[-1]]))

    def first(self, values: np.ndarray, level: float) -> float:
        """The first logged step at which values are at least `level`; NaN for none."""
        found = np.flatnonzero(values >= level)
        return float(self.step[found[0]]) if found.size else math.nan

    def for_good(self, values: np.ndarray, level: float) -> float:
        """The first logged step from which on they are."""
        return first_for_good(self.step, values >= level)


def follow(descent: Descent, logged: Sequence[int], level: float) -> Course:
    """Train to the last of the logged steps, which ascend from 0, whatever is reached before.

    level: accuracy on training pairs that counts as memorised, at the first logged step that has it.
    """
    network, pairs = descent.network, descent.pairs
    seen, labels = pairs.mask(), sums(pairs.p)
    start, at_mem = centred(tangent_kernel(network)), math.nan
    kept: list[tuple[float, ...]] = []
    for due in logged:
        while descent.steps < due:
            descent.step()
        hits = network.table().argmax(-1) == labels
        right = float(hits[seen].mean())
        if right >= level and math.isnan(at_mem):
            at_mem = turn(start, centred(tangent_kernel(network)))
        margin = normalised_margin(network, pairs)
        kept.append((due, right, float(hits[~seen].mean()), network.largest(), margin))
    step, train, unseen, largest, margins = np.array(kept).T
    drift = turn(start, centred(tangent_kernel(network)))
    return Course(step.astype(int), train, unseen, largest, margins, at_mem, drift)


def of_draws(count: int, n: int, what: str) -> est.Estimate:
    """count of n trainings with Wilson's interval."""
    found = est.share(count, n, f"{count} of {n} {what}")
    return replace(found, estimator="share of draws, Wilson interval")

"""Networks of one hidden layer that learn exclusive or, many at once, by full-batch gradient descent in float64.

Sibling of arXiv 2604.16431 (2604.04655, p. 3): 2–h–1 with N = 4h + 1 parameters, binary cross-entropy on the four
samples, which are training and evaluation set. All parameters of a network are one vector: weights of the hidden layer,
its biases, weights of the output, its bias.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import expit

INPUTS = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
LABELS = np.array([0.0, 1.0, 1.0, 0.0])


def nodes(width: int) -> int:
    """N, parameters of a network.

    >>> nodes(20)
    81
    """
    return 4 * width + 1


Activation = tuple[Callable[[np.ndarray], np.ndarray], Callable[[np.ndarray], np.ndarray]]
ACTIVATIONS: dict[str, Activation] = {
    "tanh": (np.tanh, lambda out: 1 - out**2),
    "relu": (lambda z: np.maximum(z, 0.0), lambda out: (out > 0).astype(float)),
    "sigmoid": (expit, lambda out: out * (1 - out)),
}
"""A function, and its derivative from its value."""


def _uniform(width: int, rng: np.random.Generator) -> np.ndarray:
    first, last = 1 / math.sqrt(2), 1 / math.sqrt(width)
    return np.concatenate(
        [rng.uniform(-first, first, 3 * width), rng.uniform(-last, last, width + 1)]
    )


def _normal(first: float, last: float, width: int, rng: np.random.Generator) -> np.ndarray:
    parts = [first * rng.standard_normal(2 * width), np.zeros(width)]
    return np.concatenate([*parts, last * rng.standard_normal(width), [0.0]])


STARTS: dict[str, Callable[[int, np.random.Generator], np.ndarray]] = {
    "uniform": _uniform,
    "xavier": lambda h, rng: _normal(math.sqrt(2 / (2 + h)), math.sqrt(2 / (h + 1)), h, rng),
    "he": lambda h, rng: _normal(1.0, math.sqrt(2 / h), h, rng),
}
"""uniform: everything within ±1/√(inputs of the layer). xavier: normal of variance 2/(inputs + outputs), no biases. he:
normal of variance 2/inputs, no biases."""


@dataclass
class Networks:
    """Networks of one width, changed in place."""

    theta: np.ndarray
    """(networks, N)"""
    activation: str

    @classmethod
    def start(
        cls, width: int, start: str, activation: str, seeds: Sequence[Sequence[int]]
    ) -> Networks:
        """One network a seed of `numpy.random.default_rng`."""
        made = [STARTS[start](width, np.random.default_rng(list(seed))) for seed in seeds]
        return cls(np.array(made), activation)

    def gradient(self) -> tuple[np.ndarray, np.ndarray]:
        """The loss's gradient, (networks, N), and which networks have all four samples right, (networks,)."""
        count, total = self.theta.shape
        h = (total - 1) // 4
        inner = self.theta[:, : 2 * h].reshape(count, h, 2)
        outer = self.theta[:, 3 * h : 4 * h]
        value, slope = ACTIVATIONS[self.activation]
        hidden = value(inner @ INPUTS.T + self.theta[:, 2 * h : 3 * h, None])
        out = (outer[:, None, :] @ hidden)[:, 0] + self.theta[:, -1:]
        pull = (expit(out) - LABELS) / len(LABELS)
        back = outer[:, :, None] * pull[:, None, :] * slope(hidden)
        found = np.empty_like(self.theta)
        found[:, : 2 * h] = (back @ INPUTS).reshape(count, 2 * h)
        found[:, 2 * h : 3 * h] = back.sum(-1)
        found[:, 3 * h : 4 * h] = (hidden @ pull[:, :, None])[:, :, 0]
        found[:, -1] = pull.sum(-1)
        return found, ((out > 0) == (LABELS > 0)).all(axis=1)


@dataclass(frozen=True)
class Trained:
    """What is kept of a training."""

    theta: np.ndarray
    """Parameters after the last step: (networks, N)."""
    right: np.ndarray
    """Which networks have all samples right, before the first step and after each: (epochs + 1, networks)."""

    @property
    def learned(self) -> np.ndarray:
        """First epoch from which on all samples are right to the end; NaN for none. (networks,)"""
        wrong = ~self.right[::-1]
        since = np.where(wrong.any(0), wrong.argmax(0), len(self.right))
        return np.where(since > 0, len(self.right) - since, np.nan).astype(float)


Apply = Callable[[int, np.ndarray], np.ndarray]
"""Epoch and gradient → the gradient that is stepped along, (networks, N)."""


def train(networks: Networks, rate: float, epochs: int, apply: Apply | None = None) -> Trained:
    """Gradient descent for so many epochs of one step; `apply` sees every gradient, that of the last state too."""
    right = np.zeros((epochs + 1, len(networks.theta)), dtype=bool)
    for epoch in range(epochs + 1):
        gradient, right[epoch] = networks.gradient()
        stepped = gradient if apply is None else apply(epoch, gradient)
        if epoch < epochs:
            networks.theta -= rate * stepped
    return Trained(networks.theta, right)

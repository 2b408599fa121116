"""The two-layer network with squares that adds modulo p, and its tangent kernel (arXiv 2407.12332).

    f_c(a, b) = Σ_j V_cj·(W_j,a + W_j,p+b)²,   W (h, 2p), V (p, h), no biases.

A pair enters as two one-hot vectors, so that a neuron's input is a sum of two of its weights. On triples (a, b, c) the
output is f_c(a, b). That c selects an output and is no third input follows from the claim that such a network can give
1[a + b ≡ c]: squares of u_a + v_b + t_c have no term in which all three meet, and the target, whose sum over any one of
the three is constant, is orthogonal to all others but the constant (derived here).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from regrok.errors import RegrokError


@dataclass
class Network:
    """Both layers, changed in place by a step."""

    W: np.ndarray
    """(h, 2p) input weights, those of a before those of b."""
    V: np.ndarray
    """(p, h) output weights."""

    @property
    def p(self) -> int:
        """The modulus."""
        return len(self.V)

    def table(self) -> np.ndarray:
        """(p, p, p) outputs over a, b and c."""
        p = self.p
        before = self.W.T[:p, None] + self.W.T[None, p:]
        return np.asarray((before**2) @ self.V.T)

    def largest(self) -> float:
        """‖θ‖∞, over both layers."""
        return float(max(np.abs(self.W).max(), np.abs(self.V).max()))


def sums(p: int) -> np.ndarray:
    """(p, p) labels a + b mod p."""
    return np.asarray(np.add.outer(np.arange(p), np.arange(p)) % p)


def margin(outputs: np.ndarray) -> float:
    """The smallest lead of the right output over the largest other, over all pairs. outputs: (p, p, p)."""
    p = len(outputs)
    right = np.eye(p, dtype=bool)[sums(p)]
    others = np.where(right, -np.inf, outputs).max(-1)
    return float((outputs[right].reshape(p, p) - others).min())


def started(p: int, h: int, scale: float, rng: np.random.Generator) -> Network:
    """Every weight from N(0, scale²)."""
    return Network(scale * rng.standard_normal((h, 2 * p)), scale * rng.standard_normal((p, h)))


@dataclass(frozen=True)
class Pairs:
    """Training pairs in any order."""

    a: np.ndarray
    """(n,) integers below p."""
    b: np.ndarray
    """(n,) integers below p."""
    p: int

    @classmethod
    def first(cls, order: np.ndarray, n: int, p: int) -> Pairs:
        """The first n of an order (p²,) of all pairs a·p + b."""
        a, b = np.divmod(np.sort(order[:n]), p)
        return cls(a, b, p)

    @property
    def labels(self) -> np.ndarray:
        """(n,) a + b mod p."""
        return np.asarray((self.a + self.b) % self.p)

    def mask(self) -> np.ndarray:
        """(p, p) whether a pair is among them."""
        made = np.zeros((self.p, self.p), dtype=bool)
        made[self.a, self.b] = True
        return made


def pulls(outputs: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Gradient of the cross-entropy in the outputs, over its own largest entry: its direction, whatever its size.

    outputs: (n, p), labels: (n,). For c other than the label the entry is the probability of c, and at the label it is
    minus the sum of the others. All are taken over the largest in logarithms, so that nothing is lost to rounding or
    underflow however well the pairs are fitted. Returns (n, p).
    """
    rows = np.arange(len(labels))
    top = outputs.max(1, keepdims=True)
    total = top + np.log(np.exp(outputs - top).sum(1, keepdims=True))
    logs = outputs - total
    logs[rows, labels] = -np.inf
    made = np.exp(logs - logs.max())
    made[rows, labels] = -made.sum(1)
    return np.asarray(made)


class Descent:
    """Full-batch normalised gradient descent on cross-entropy: θ ← θ − η·g/‖g‖, ‖·‖ over both layers."""

    def __init__(self, network: Network, pairs: Pairs, rate: float) -> None:
        from scipy.sparse import csr_matrix

        n, p = len(pairs.a), pairs.p
        self.network, self.pairs, self.rate, self.steps = network, pairs, rate, 0
        ones = (np.ones(2 * n), (np.tile(np.arange(n), 2), np.concatenate([pairs.a, p + pairs.b])))
        self.gather = csr_matrix(ones, shape=(n, 2 * p))
        self.scatter = self.gather.T.tocsr()

    def direction(self) -> tuple[np.ndarray, np.ndarray]:
        """The gradient in W and in V, up to one positive factor."""
        before = self.gather @ self.network.W.T
        active = before**2
        pull = pulls(active @ self.network.V.T, self.pairs.labels)
        before *= 2 * (pull @ self.network.V)
        return (self.scatter @ before).T, pull.T @ active

    def step(self) -> None:
        """One step. Raises RegrokError where the weights are no longer finite."""
        of_W, of_V = self.direction()
        size = math.sqrt(float((of_W**2).sum() + (of_V**2).sum()))
        if not math.isfinite(size) or size == 0:
            raise RegrokError(
                f"options.learning_rate = {self.rate:g}: diverged at step {self.steps}; a smaller one may do"
            )
        self.network.W -= self.rate / size * of_W
        self.network.V -= self.rate / size * of_V
        self.steps += 1


def matches(p: int) -> np.ndarray:
    """(p², p²) how many of a and b two pairs share: 0, 1 or 2, the product of their inputs."""
    eye, ones = np.eye(p), np.ones((p, p))
    return np.asarray(np.kron(eye, ones) + np.kron(ones, eye))


def tangent_kernel(network: Network, output: int = 0) -> np.ndarray:
    """The empirical tangent kernel of one output on all pairs, (p², p²), summed over neurons.

    By ∂f_c/∂V_cj = z_j² and ∂f_c/∂W_j = 2·V_cj·z_j·x with z_j = W_j·x (derived here), it is
    Σ_j z_j²·z'_j² + 4·Σ_j V_cj²·z_j·z'_j·(x·x').
    """
    p = network.p
    before = (network.W.T[:p, None] + network.W.T[None, p:]).reshape(p * p, -1)
    weighted = before * (2 * network.V[output])
    return np.asarray((before**2) @ (before**2).T + (weighted @ weighted.T) * matches(p))

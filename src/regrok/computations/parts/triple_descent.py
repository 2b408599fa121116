"""Full-batch gradient descent of a two-layer network with squares on triples (arXiv 2407.12332, Theorem 3.6).

What is minimised is the mean over training triples of ½(f_c(a, b) − m·1[a + b ≡ c])², plus λ‖θ‖∞; c selects the output
(regrok.computations.parts.quadratic_network). The height m of the target is the modulus in the theorem. Near the
Fourier network of 4p neurons the curvature of this mean is about 3 with m = p and falls with the modulus where m = 1
(derived here: `curvature`), so that a step of η = 1 does not stay near the first, and does near the second.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from regrok.computations.parts.penalised import Penalty
from regrok.computations.parts.quadratic_network import Network, sums


@dataclass(frozen=True)
class Triples:
    """Training triples."""

    seen: np.ndarray
    """(p, p, p) whether a triple (a, b, c) is among them."""
    height: float
    """Of the target."""

    @classmethod
    def first(cls, order: np.ndarray, n: int, p: int, height: float) -> Triples:
        """The first n of an order (p³,) of all triples (a·p + b)·p + c."""
        seen = np.zeros(p**3, dtype=bool)
        seen[order[:n]] = True
        return cls(seen.reshape(p, p, p), height)

    @property
    def p(self) -> int:
        return len(self.seen)

    def target(self) -> np.ndarray:
        """(p, p, p) the height where a + b ≡ c, and 0 elsewhere."""
        return np.asarray(self.height * np.eye(self.p)[sums(self.p)])

    def losses(self, network: Network) -> tuple[float, float]:
        """Mean squares on training triples and on all, over the null predictor's on all; ∞ where no longer finite."""
        with np.errstate(all="ignore"):
            squares = (network.table() - self.target()) ** 2
            null = self.height**2 / self.p
            found = float(squares[self.seen].mean()) / null, float(squares.mean()) / null
        return found if all(map(math.isfinite, found)) else (math.inf, math.inf)


class TripleDescent:
    """θ ← θ − η·g for the gradient g of the mean over training triples and the penalty."""

    def __init__(self, network: Network, triples: Triples, rate: float, penalty: Penalty) -> None:
        self.network, self.triples, self.rate, self.penalty = network, triples, rate, penalty
        p = triples.p
        self.target = triples.target().reshape(p * p, p)
        self.weights = triples.seen.reshape(p * p, p) / triples.seen.sum()
        self.steps, self.diverged = 0, False

    def gradient(self) -> tuple[np.ndarray, np.ndarray]:
        """In W, (h, 2p), and in V, (p, h)."""
        W, V, p = self.network.W, self.network.V, self.triples.p
        before = (W.T[:p, None] + W.T[None, p:]).reshape(p * p, -1)
        active = before**2
        left = (active @ V.T - self.target) * self.weights
        back = (2 * before * (left @ V)).reshape(p, p, -1)
        of_W = np.concatenate([back.sum(1), back.sum(0)]).T
        of_V = left.T @ active
        if self.penalty.kind != "none":
            on_W, on_V = self.penalty.gradient(self.network)
            of_W, of_V = of_W + self.penalty.weight * on_W, of_V + self.penalty.weight * on_V
        return of_W, of_V

    def step(self) -> None:
        """One step; none where the weights are no longer finite, which `diverged` says."""
        with np.errstate(all="ignore"):
            of_W, of_V = self.gradient()
        if not (np.isfinite(of_W).all() and np.isfinite(of_V).all()):
            self.diverged = True
            return
        self.network.W -= self.rate * of_W
        self.network.V -= self.rate * of_V
        self.steps += 1


def curvature(network: Network, triples: Triples, rounds: int = 100) -> float:
    """Largest eigenvalue of the Gauss–Newton matrix of the mean of halves: JᵀJ/n, by power iteration.

    At a network that fits it is that of the Hessian, and a step η stays near it where η is below two over this.
    """
    p = triples.p
    before = (network.W.T[:p, None] + network.W.T[None, p:]).reshape(p * p, -1)
    weights = triples.seen.reshape(p * p, p) / triples.seen.sum()
    rng = np.random.default_rng(0)
    dW, dV = rng.standard_normal(network.W.shape), rng.standard_normal(network.V.shape)
    size = 0.0
    for _ in range(rounds):
        length = math.sqrt(float((dW**2).sum() + (dV**2).sum()))
        dW, dV = dW / length, dV / length
        inner = (dW.T[:p, None] + dW.T[None, p:]).reshape(p * p, -1)
        moved = (before**2) @ dV.T + (2 * before * inner) @ network.V.T
        moved *= weights
        back = (2 * before * (moved @ network.V)).reshape(p, p, -1)
        dW, dV = np.concatenate([back.sum(1), back.sum(0)]).T, moved.T @ before**2
        size = math.sqrt(float((dW**2).sum() + (dV**2).sum()))
    return size

"""Gradient descent on a linear model with an L2 penalty, in closed form (arXiv 2601.19791, Section 3's setting).

    L(θ) = (1/2n)·‖Φθ − Φθ*‖² + (λ/2)·‖θ‖²,   θ_{t+1} = θ_t − η·∇L(θ_t),

with Φ (n, m), n < m. Derived here: along the right singular vectors v_i of Φ, with μ_i = s_i²/n, the error
e_t = θ_t − θ* obeys a scalar recursion, and off their span the start decays alone:

    v_iᵀe_t = g_i + r_i^t·(v_iᵀe_0 − g_i),   g_i = −λ/(μ_i + λ)·v_iᵀθ*,   r_i = 1 − η(μ_i + λ),
    P⊥e_t = r^t·P⊥θ_0 − P⊥θ*,   r = 1 − ηλ.

So training is over at the rate η·μ_min, and what nothing was learned about is forgotten at the rate ηλ: the first does
not know λ, the second is 1/(ηλ). No step is simulated.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from regrok.errors import RegrokError

GONE = 1e-17
"""Share of a start that is left where its part of the error no longer changes in float64."""
BLOCK = 4096
"""Steps that are looked at together."""

Form = Callable[[np.ndarray], np.ndarray]
"""(m, k) vectors → (m, k), the covariance of the features times them."""


@dataclass(frozen=True)
class Recursion:
    """One problem: features, teacher, start, and the covariance that the population loss is taken in."""

    features: np.ndarray
    """(n, m) Φ, n < m, of full rank."""
    teacher: np.ndarray
    """(m,) θ*."""
    start: np.ndarray
    """(m,) θ_0."""
    covariance: Form
    rate: float
    """η."""
    decay: float
    """λ > 0."""
    known: tuple[tuple[np.ndarray, np.ndarray], np.ndarray] | None = None
    """`basis` and `gram`, where another problem has them already."""

    def __post_init__(self) -> None:
        if self.known is not None:
            self.__dict__.update(zip(("basis", "gram"), self.known, strict=True))
        largest = float(self.curvature.max() + self.decay)
        if self.rate * largest >= 2:
            raise RegrokError(
                f"options.learning_rate = {self.rate:g}: the recursion diverges; below {2 / largest:.3g} it would not"
            )

    @cached_property
    def basis(self) -> tuple[np.ndarray, np.ndarray]:
        """(n,) singular values and (n, m) right singular vectors of Φ."""
        _, values, vectors = np.linalg.svd(self.features, full_matrices=False)
        return values, vectors

    def moved(self, decay: float, scale: float = 1.0) -> Recursion:
        """The same problem with another λ and θ_0 times `scale`; what does not change is not computed again."""
        factor = np.ones(len(self.gram))
        factor[-2] = scale
        gram = self.gram * np.outer(factor, factor)
        return replace(self, decay=decay, start=scale * self.start, known=(self.basis, gram))

    @property
    def curvature(self) -> np.ndarray:
        """(n,) μ_i."""
        return self.basis[0] ** 2 / len(self.features)

    @cached_property
    def parts(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """g (n,), what decays along v_i (n,), r_i (n,), P⊥θ_0 (m,) and P⊥θ* (m,)."""
        vectors, mu = self.basis[1], self.curvature
        of_teacher, of_start = vectors @ self.teacher, vectors @ self.start
        rest = -self.decay / (mu + self.decay) * of_teacher
        outside = [
            v - vectors.T @ c for v, c in ((self.start, of_start), (self.teacher, of_teacher))
        ]
        shrink = 1 - self.rate * (mu + self.decay)
        return rest, of_start - of_teacher - rest, shrink, outside[0], outside[1]

    @cached_property
    def gram(self) -> np.ndarray:
        """(n + 2, n + 2) the covariance between the v_i, P⊥θ_0 and P⊥θ*."""
        columns = np.column_stack([self.basis[1].T, self.parts[3], self.parts[4]])
        return np.asarray(columns.T @ self.covariance(columns))

    def coordinates(self, steps: np.ndarray) -> np.ndarray:
        """(T, n + 2) the error at each step: along v_i, and the shares of P⊥θ_0 and of P⊥θ* in it."""
        rest, moving, shrink = self.parts[:3]
        along = rest + shrink ** steps[:, None] * moving
        outside = (1 - self.rate * self.decay) ** steps
        return np.column_stack([along, outside, np.full(len(steps), -1.0)])

    def at(self, step: int) -> np.ndarray:
        """(m,) θ at a step."""
        z = self.coordinates(np.array([step]))[0]
        n = len(self.features)
        return np.asarray(
            self.teacher + self.basis[1].T @ z[:n] + z[n] * self.parts[3] + z[n + 1] * self.parts[4]
        )

    def train_loss(self, steps: np.ndarray) -> np.ndarray:
        """(T,) mean of (Φθ − Φθ*)² over the n examples, without the penalty."""
        along = self.coordinates(steps)[:, : len(self.features)]
        return np.asarray((along**2 * self.curvature).sum(1))

    def population_loss(self, steps: np.ndarray) -> np.ndarray:
        """(T,) expectation of (φ(x)ᵀ(θ − θ*))² over new inputs."""
        z = self.coordinates(steps)
        return np.asarray(((z @ self.gram) * z).sum(1))

    @property
    def settled(self) -> int:
        """A step from which nothing changes along the v_i."""
        return math.ceil(math.log(GONE) / math.log(max(float(np.abs(self.parts[2]).max()), 1e-300)))

    def memorised(self, level: float) -> float:
        """t1: the last step with a training loss of `level` or more, 0 if there is none; NaN where it stays there."""
        end = self.settled
        if self.train_loss(np.array([end]))[0] >= level:
            return math.nan
        last = 0
        for first in range(0, end + 1, BLOCK):
            steps = np.arange(first, min(first + BLOCK, end + 1))
            above = np.flatnonzero(self.train_loss(steps) >= level)
            last = int(steps[above[-1]]) if above.size else last
        return float(last)

    def generalised(self, level: float) -> float:
        """t2: the first step with a population loss of `level` or less; NaN where there is none."""
        end = self.settled
        for first in range(0, end + 1, BLOCK):
            steps = np.arange(first, min(first + BLOCK, end + 1))
            below = np.flatnonzero(self.population_loss(steps) <= level)
            if below.size:
                return float(steps[below[0]])
        return self._late(end, level)

    def _late(self, end: int, level: float) -> float:
        """t2 after `end`, where the loss is a square in u = (1 − ηλ)^t alone."""
        fixed = self.coordinates(np.array([end]))[0]
        n = len(self.features)
        fixed[n] = 0.0
        square = self.gram[n, n]
        half = self.gram[n] @ fixed
        constant = fixed @ self.gram @ fixed - level
        inside = half**2 - square * constant
        if inside < 0 or square == 0:
            return math.nan
        u = (-half + math.sqrt(inside)) / square
        if u <= 0:
            return math.nan
        shrink = math.log1p(-self.rate * self.decay)
        step = max(math.ceil(math.log(u) / shrink), end)
        # The root is known to rounding: its neighbours decide.
        near = np.arange(max(step - 2, end), step + 3)
        below = np.flatnonzero(self.population_loss(near) <= level)
        return float(near[below[0]]) if below.size else math.nan


def memorised_bound(
    n: int, rate: float, least: float, start: float, size: float, level: float
) -> float:
    """The printed upper bound of t1: n·ln(6b²‖θ_0‖²/ε)/(2ηλ⁺).

    least: λ⁺, the smallest positive eigenvalue of ΦᵀΦ; start: ‖θ_0‖²; size: b², that no feature vector's square is
    larger than; level: ε.
    """
    return n * math.log(6 * size * start / level) / (2 * rate * least)


def memorised_bound_gaussian(
    n: int, m: int, rate: float, least: float, variance: float, level: float
) -> float:
    """The printed upper bound of t1 for features N(0, I/m): n·ln(14mν²/ε)/(2ηλ⁺)."""
    return n * math.log(14 * m * variance / level) / (2 * rate * least)


def generalised_bound(
    n: int, m: int, rate: float, decay: float, variance: float, least: float, level: float
) -> float:
    """The printed lower bound of t2: ln[(m−n)ν²/2·(√(c/λ_min(Σ)) + ‖θ*‖)^−2]/(4ηλ), for ‖θ*‖ = 1.

    least: λ_min(Σ); level: c. A bound below 0 says nothing.
    """
    reach = math.sqrt(level / least) + 1.0 if least > 0 else math.inf
    inside = (m - n) * variance / 2 / reach**2
    return math.log(inside) / (4 * rate * decay) if inside > 0 else -math.inf


def generalised_bound_gaussian(
    n: int, m: int, rate: float, decay: float, variance: float, level: float
) -> float:
    """The printed lower bound of t2 for features N(0, I/m) and ηλ ≤ 0.01: ln((m−n)ν²/(8mε))/(2.02ηλ)."""
    return math.log((m - n) * variance / (8 * m * level)) / (2.02 * rate * decay)

"""The local learning coefficient of a state, by stochastic gradient Langevin dynamics, and what it should be.

The estimator of Lau et al. (arXiv 2308.12108), which arXiv 2603.01192 uses: chains start at the state w*, move by

    w ← w − (ε/2)·(nβ·∇L(w) + γ·(w − w*)) + N(0, ε·I),

and after the burn-in λ = nβ·(mean of L(w) over draws − L(w*)). L is a mean over samples; where ∇L comes from a
minibatch, so does L(w).

Derived here, for L(w) = ½ Σ h_i (w_i − w*_i)²: the chain is linear in each direction. With a_i = (ε/2)(nβ·h_i + γ)
and q_i = (1 − a_i)², the variance after t steps is ε·(1 − q_i^t)/(1 − q_i), so that one draw after t steps expects
½ Σ nβ·h_i·ε·(1 − q_i^t)/(1 − q_i). It is bounded where a_i < 2. For a small step and many draws it becomes
½ Σ nβ·h_i/(nβ·h_i + γ), half the number of directions that are stiff against the localisation: the absolute value
depends on nβ and γ, and a direction with nβ·h_i ≪ γ is not seen at all.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from regrok.errors import RegrokError

LossAndGradient = Callable[[Tensor, int], tuple[Tensor, Tensor]]
"""(points (S·C, N), draw) → losses (S·C,) and gradients (S·C, N); rows s·C to s·C + C − 1 are the chains of state s.

`draw` counts the calls, so that each may have its own minibatch."""


@dataclass(frozen=True)
class Protocol:
    """How a coefficient is sampled."""

    step: float
    """ε."""
    n_beta: float
    """nβ, samples times inverse temperature."""
    localisation: float
    """γ, the strength that holds a chain at the state."""
    chains: int
    burn_in: int
    """Draws of each chain that do not count."""
    draws: int
    """Draws of each chain that count."""

    def __post_init__(self) -> None:
        """Raises RegrokError for what nothing can be sampled with, naming it."""
        for name in ("step", "n_beta", "chains", "draws"):
            if not 0 < getattr(self, name) < math.inf:
                raise RegrokError(f"{name} = {getattr(self, name):g}: should be above 0")
        for name in ("localisation", "burn_in"):
            if not 0 <= getattr(self, name) < math.inf:
                raise RegrokError(f"{name} = {getattr(self, name):g}: should be 0 or above")


@dataclass(frozen=True)
class Sampled:
    """What the chains of S states gave."""

    coefficient: Tensor
    """(S, C) λ of each chain, float64; NaN where it diverged."""
    diverged: Tensor
    """(S, C) bool."""

    @property
    def mean(self) -> Tensor:
        """(S,) mean over chains; NaN where one has diverged, since the others stay by luck."""
        return self.coefficient.mean(1)


def sample(
    loss_and_gradient: LossAndGradient,
    centre: Tensor,
    loss_at_centre: Tensor,
    protocol: Protocol,
    generator: torch.Generator,
) -> Sampled:
    """Local learning coefficients of S states at once.

    centre: (S, N) states w*, in whose precision chains move. loss_at_centre: (S,) L(w*), over all samples.

    A chain diverges where a loss is not finite, or where its λ exceeds N + 10·√(2N): of a quadratic loss with a step of
    at most `largest_step`, a single draw expects at most N with a standard deviation of at most √(2N), whatever the
    curvatures.
    """
    states, size = centre.shape
    home = centre.repeat_interleave(protocol.chains, 0)
    points, noise = home.clone(), torch.empty_like(home)
    total = torch.zeros(len(home), dtype=torch.float64)
    half = protocol.step / 2
    for draw in range(protocol.burn_in + protocol.draws):
        loss, gradient = loss_and_gradient(points, draw)
        if draw >= protocol.burn_in:
            total += loss.double()
        noise.normal_(generator=generator)
        pull = half * protocol.localisation
        # One product less than w − w*: w ← (1 − εγ/2)·w + (εγ/2)·w* − (ε/2)·nβ·∇L + √ε·noise.
        points.mul_(1 - pull).add_(home, alpha=pull)
        points.add_(gradient, alpha=-half * protocol.n_beta).add_(
            noise, alpha=math.sqrt(protocol.step)
        )
    rise = total.reshape(states, -1) / protocol.draws - loss_at_centre.double()[:, None]
    found = protocol.n_beta * rise
    most = size + 10 * math.sqrt(2 * size)
    diverged = ~(found.isfinite() & (found <= most))
    return Sampled(found.masked_fill(diverged, math.nan), diverged)


def localised(curvatures: np.ndarray, n_beta: float, localisation: float) -> float:
    """½ Σ nβ·h_i/(nβ·h_i + γ): λ of a quadratic loss with these Hessian eigenvalues (n,), derived in the module.

    With γ = 0 half the number of eigenvalues above 0.
    """
    stiff = n_beta * curvatures[curvatures > 0]
    return float((stiff / (stiff + localisation)).sum() / 2)


def expected(curvatures: np.ndarray, protocol: Protocol) -> float:
    """What `sample` expects of a quadratic loss with these eigenvalues (n,), its step and its few draws included.

    The mean over draws t = burn-in, … of the module's variance; infinite where a step is beyond the largest stable one.
    """
    h = curvatures[curvatures > 0]
    a = protocol.step / 2 * (protocol.n_beta * h + protocol.localisation)
    if (a >= 2).any():
        return math.inf
    q = (1 - a) ** 2
    left = 1 - q
    # Geometric sum of q^t over the draws that count.
    begun = q**protocol.burn_in * (1 - q**protocol.draws) / (protocol.draws * left)
    variance = protocol.step * (1 - begun) / left
    return float((protocol.n_beta * h * variance).sum() / 2)


def largest_step(curvature: float, n_beta: float, localisation: float) -> float:
    """ε = 2/(nβ·h + γ) for the largest curvature h: half of where the stiffest direction stops being stable.

    There a = 1: the direction forgets its past in one step, with twice the variance that it should have.
    """
    return 2 / (n_beta * max(curvature, 0.0) + localisation)


def largest_curvature(
    gradient: Callable[[Tensor], Tensor],
    centre: Tensor,
    generator: torch.Generator,
    iterations: int = 60,
    reach: float = 1e-4,
) -> float:
    """The Hessian's eigenvalue of largest size at a state (N,), by power iteration on differences of gradients.

    gradient: of points (N,), in the state's precision, which should be float64. reach: ‖displacement‖ of a difference.
    """
    direction = torch.randn(centre.shape, generator=generator, dtype=centre.dtype)
    size = torch.zeros((), dtype=centre.dtype)
    for _ in range(iterations):
        direction /= torch.linalg.vector_norm(direction)
        moved = reach * direction
        curved = (gradient(centre + moved) - gradient(centre - moved)) / (2 * reach)
        size = direction @ curved  # Rayleigh quotient
        direction = curved
        if not float(torch.linalg.vector_norm(curved)):
            break
    return float(size)


def refusal(protocol: Protocol, curvature: float, where: str) -> str:
    """What is said of a state whose chains diverged, with the step that would do."""
    step = largest_step(curvature, protocol.n_beta, protocol.localisation)
    return (
        f"{where}: chains diverge with step = {protocol.step:g}; the largest curvature is {curvature:.3g}, for which "
        f"{step:.2g} would do"
    )

"""The commutator defect: how much two gradient steps depend on their order (arXiv 2602.16967, 2602.16746).

From θ, two random batches A and B and a fixed η, take two plain gradient steps, θ_AB first on A and then on B, the
second gradient at the moved point, θ_BA the other way round. With g_A, g_B the gradients at θ,

    defect = ‖θ_AB − θ_BA‖ / (‖ηg_A‖·‖ηg_B‖),

of which the median over pairs of batches is taken.

What it is (derived here). With g_B(θ − ηg_A) = g_B − ηH_B g_A + O(η²), H the Hessian of a batch's loss,

    θ_AB − θ_BA = η[g_B − g_B(θ − ηg_A)] − η[g_A − g_A(θ − ηg_B)] = η²(H_B g_A − H_A g_B) + O(η³),

exact for a quadratic loss, so that the defect is ‖H_B g_A − H_A g_B‖/(‖g_A‖‖g_B‖), free of η: a curvature over a
gradient, which grows as gradients vanish whether or not curvatures do. It is 0 where A and B are the same.

The difference is formed in double precision from the brackets above. Formed from parameters in single precision, as a
training script would, it carries their rounding, about ε‖θ‖ with ε = 2⁻²⁴: an error of the defect of about
ε‖θ‖/(η²‖g_A‖‖g_B‖), which grows as gradients vanish even faster. Both are measured, on the same batches.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from regrok.errors import RegrokError
from regrok.probes.parts.state import Labelled, ProbeState

DEFAULTS: dict[str, Any] = {"pairs": 9, "learning_rate": 1e-3, "batch": None, "repetition": False}
REFERS: dict[str, Any] = {"learning_rate": "positive", "batch": "positive"}
COST: dict[str, float] = {"": 4.0, "pairs": 14.0}
COLUMNS: dict[str, tuple[str, str]] = {
    "defect": ("", "median over pairs of batches of the commutator defect, in double precision"),
    "defect_low": ("", "its lower quartile over the pairs"),
    "defect_high": ("", "its upper quartile over the pairs"),
    "defect_single": ("", "the same median where parameters and gradients are single precision"),
    "gradient": ("", "geometric mean of the norms of the batches' gradients, median over pairs"),
    "rounding": ("", "ε‖θ‖/(‖ηg_A‖‖ηg_B‖), ε = 2⁻²⁴: the defect that rounding alone would give, median"),
}  # fmt: skip

EPSILON = 2.0**-24
"""Half the distance of single-precision numbers near 1, relative to them."""

Gradient = Callable[[Tensor, Labelled], Tensor]


def measure(state: ProbeState, options: dict[str, Any], seed: int) -> list[dict[str, float]]:
    """One row: medians over `pairs` of batches, each of `batch` examples (null: the run's own).

    repetition: whether a batch may hold an example more than once, as where each is drawn for itself.
    Nothing at a state whose gradients are not finite. Raises RegrokError where a batch is the whole training set, of
    which both would be the same.
    """
    size, total = int(options["batch"] or state.run.batch_size), len(state.train)
    if size >= total:
        raise RegrokError(
            f"run {state.run.run_id}: options.batch = {size} of {total} training examples: two such batches are the "
            "same, and the defect is 0; give a batch of fewer"
        )
    draw = torch.Generator().manual_seed(seed)
    eta = float(options["learning_rate"])
    exact, single = state.flat.double(), state.flat.float()
    found: list[dict[str, float]] = []
    for _ in range(options["pairs"]):
        a, b = (state.train[drawn(total, size, options["repetition"], draw)] for _ in range(2))
        twice, first, second = commutator(state.gradient, exact, a, b, eta)
        scale = (eta * first) * (eta * second)
        if not scale > 0 or not twice < float("inf"):
            return []
        found.append(
            {
                "defect": twice / scale,
                "defect_single": single_difference(state.gradient, single, a, b, eta) / scale,
                "gradient": (first * second) ** 0.5,
                "rounding": EPSILON * float(exact.norm()) / scale,
            }
        )
    values = sorted(each["defect"] for each in found)
    low, _, high = statistics.quantiles(values, n=4) if len(values) > 1 else values * 3
    medians = {name: statistics.median(each[name] for each in found) for name in found[0]}
    return [medians | {"defect_low": low, "defect_high": high}]


def drawn(total: int, size: int, repetition: bool, draw: torch.Generator) -> Tensor:
    """(size,) places of a batch's examples among `total`, each drawn for itself or all of them different."""
    if repetition:
        return torch.randint(total, (size,), generator=draw)
    return torch.randperm(total, generator=draw)[:size]


def commutator(
    gradient: Gradient, theta: Tensor, a: Labelled, b: Labelled, eta: float
) -> tuple[float, float, float]:
    """‖θ_AB − θ_BA‖, ‖g_A‖ and ‖g_B‖, by the brackets above: no digits of θ are lost.

    gradient: (θ (P,), examples) → (P,), in the precision of θ.
    """
    g_a, g_b = gradient(theta, a), gradient(theta, b)
    after_a = g_b - gradient(theta - eta * g_a, b)
    after_b = g_a - gradient(theta - eta * g_b, a)
    return float(eta * (after_a - after_b).norm()), float(g_a.norm()), float(g_b.norm())


def single_difference(
    gradient: Gradient, theta: Tensor, a: Labelled, b: Labelled, eta: float
) -> float:
    """‖θ_AB − θ_BA‖ of parameters that are moved twice in their own precision, and subtracted."""

    def moved(*order: Labelled) -> Tensor:
        point = theta
        for examples in order:
            point = point - eta * gradient(point, examples)
        return point

    return float((moved(a, b) - moved(b, a)).norm())

"""Networks with squares that add modulo p exactly, written down (arXiv 2407.12332, Proposition 3.8 and Appendix F).

The construction (derived here; which one is printed was not found). Write α = 2πka/p and so on. For a frequency k, the
four phases φ = 0, π/4, π/2, 3π/4 and both signs, a neuron has the input weights cos(α + φ) and ±cos(β + φ) and the
output weights ±cos(γ + 2φ). The two signs of one phase give, by (x + y)² − (x − y)² = 4xy,

    4·cos(α + φ)·cos(β + φ)·cos(γ + 2φ) = 2·[cos(α + β + 2φ) + cos(α − β)]·cos(γ + 2φ)
                                        = cos(α + β − γ) + cos(α + β + γ + 4φ) + 2·cos(α − β)·cos(γ + 2φ).

Over the phases 4φ takes the values 0, π, 2π, 3π and 2φ the values 0, π/2, π, 3π/2, so that the last two terms sum to
zero, and the eight neurons give 4·cos(2πk(a + b − c)/p).

All p frequencies: 8p neurons, and Σ_k 4·cos(2πk(a + b − c)/p) = 4p·1[a + b ≡ c], a margin of 4p.

For odd p the frequencies k and p − k give the same, and k = 1, …, (p − 1)/2 suffices: Σ 4·cos = 2p·1[a + b ≡ c] − 2,
and four neurons of frequency zero, (1, ±1) twice with the outputs ±1/4, give the 2 that lacks: 4·(1/4)·2. 4p neurons,
with a margin of 2p. No weight exceeds 1. Outputs are of degree 3 in the weights, so that (p/margin)^(1/3) times the
weights give p·1[a + b ≡ c], the target of regression.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from regrok.computations.parts.quadratic_network import Network, margin, sums
from regrok.errors import RegrokError
from regrok.laws.parts import estimate as est

DEFAULTS: dict[str, Any] = {
    "moduli": [5, 7, 8, 12],  # p, of either parity
}
REFERS: dict[str, Any] = {"moduli": "numbers"}
ESTIMATES: dict[str, list[str]] = {
    "": [
        "error",
        "margin_over_p",
        "largest_weight",
        "neurons_over_p",
        "target_weight",
        "odd_error",
        "odd_margin_over_p",
        "odd_largest_weight",
        "odd_neurons_over_p",
        "odd_target_weight",
    ]
}


def eight(p: int, frequencies: np.ndarray) -> Network:
    """Eight neurons for each of these frequencies; see the module."""
    phases = np.arange(4) * np.pi / 4
    k, phi, sign = (
        x.reshape(-1, 1) for x in np.meshgrid(frequencies, phases, [1.0, -1.0], indexing="ij")
    )
    turn = 2 * np.pi * ((k * np.arange(p)) % p) / p
    first, second, out = (
        np.cos(turn + phi),
        sign * np.cos(turn + phi),
        sign * np.cos(turn + 2 * phi),
    )
    return Network(np.concatenate([first, second], 1), out.T.copy())


def full(p: int) -> Network:
    """The network of 8p neurons, for any p."""
    return eight(p, np.arange(p))


def odd(p: int) -> Network:
    """The network of 4p neurons. Raises RegrokError for even p."""
    if p % 2 == 0:
        raise RegrokError(f"options.moduli: {p} is even; 4p neurons are for odd p")
    waves = eight(p, np.arange(1, (p + 1) // 2))
    sign = np.array([1.0, -1.0, 1.0, -1.0])
    level = np.concatenate([np.ones((4, p)), np.tile(sign[:, None], (1, p))], 1)
    return Network(
        np.concatenate([waves.W, level]),
        np.concatenate([waves.V, np.tile(sign / 4, (p, 1))], 1),
    )


def measured(network: Network, height: float) -> dict[str, float]:
    """One network against height·p·1[a + b ≡ c]."""
    p, outputs = network.p, network.table()
    target = height * p * np.eye(p)[sums(p)]
    lead = margin(outputs)
    return {
        "error": float(np.abs(outputs - target).max() / (height * p)),
        "margin_over_p": lead / p,
        "largest_weight": network.largest(),
        "neurons_over_p": len(network.W) / p,
        "target_weight": network.largest() * (p / lead) ** (1 / 3),
    }


def compute(options: Mapping[str, Any], seed: int) -> dict[str, Any]:
    """Both networks at every modulus: the worst over moduli of each quantity.

    options: as `DEFAULTS`. Returns {"estimates", "points"}. Estimates, those of 4p neurons with `odd_`: error, the
    largest deviation of an output over all triples from what is derived, over the height; the margin over p; ‖θ‖∞;
    neurons over p; target_weight, ‖θ‖∞ of the same network scaled to the target p. Points: one a modulus and network.
    Raises RegrokError where no modulus is odd, or one is below 3.
    """
    moduli = [int(p) for p in options["moduli"]]
    if not any(p % 2 for p in moduli) or min(moduli) < 3:
        raise RegrokError(f"options.moduli = {moduli}: should be 3 or more each, and one odd")
    points: list[dict[str, Any]] = [
        {"p": p, "network": "full", **measured(full(p), 4.0)} for p in moduli
    ]
    points += [{"p": p, "network": "odd", **measured(odd(p), 2.0)} for p in moduli if p % 2]
    estimates = {}
    for network, prefix in (("full", ""), ("odd", "odd_")):
        rows = [point for point in points if point["network"] == network]
        for key in ("error", "margin_over_p", "largest_weight", "neurons_over_p", "target_weight"):
            values = [float(row[key]) for row in rows]
            worst = min(values) if key == "margin_over_p" else max(values)
            how = f"worst of {len(rows)} moduli, all triples of each"
            estimates[f"{prefix}{key}"] = est.exact(worst, len(rows), how)
    return {"estimates": estimates, "points": points}

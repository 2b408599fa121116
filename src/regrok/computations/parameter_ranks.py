"""How many parameters of a two-layer network with squares count: ranks against formulas (arXiv 2603.01192).

The learning coefficient of a loss that is quadratic in the function, at a point where the rank of the map from
parameters to the function is constant, is half that rank. Counted for Ŷ = V·σ(WᵀX), σ(x) = x², K neurons and d = 2p
inputs:

1. The parameter map (W, V) → (Σ_j V_cj·W_j·W_jᵀ)_c into p symmetric d × d matrices: each neuron has d + p parameters
   and one that changes nothing (W_j → t·W_j, V_j → V_j/t²), so that min(K(d + p − 1), p·d(d + 1)/2) is what is left
   at most; Corollary 4.2 has it as the rank of a generic, non-defective solution, Corollary 5.4 with d = 2p as K(3p −
   1).
2. On inputs x = [e_a; e_b] a neuron sees u_a + v_b alone, and a constant moved from all of u to all of v is a second
   parameter that changes nothing: min(K(3p − 2), p³), p³ being all functions of two numbers with p outputs (derived
   here).
3. n training pairs leave at most n·p, and (n − 1)·p where each output's mean over them is taken off, as the loss does
   (derived here). A function fitted on them alone has no larger coefficient than half of that.
4. W frozen, f is linear in V, and the rank is p times that of the n × K features: p·min(n, K) (Theorem 5.2).

Ranks are those of the map's derivative at one normal point, by exact singular values.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from regrok.computations.parts.quadratic_network import Network, Pairs, started
from regrok.errors import RegrokError
from regrok.laws.parts import estimate as est
from regrok.measures.curvature import rank

DEFAULTS: dict[str, Any] = {
    "moduli": [5, 7],  # p
    "widths": [0.5, 1.0, 2.0, 4.0, 6.0],  # K over p
    "fraction": 0.4,  # of all pairs, in training
    "published_p": 53,
    "published_width": 1024,
}
REFERS: dict[str, Any] = {"moduli": "numbers", "widths": "numbers", "fraction": "positive"}
ESTIMATES: dict[str, list[str]] = {
    "": [
        "map_error",
        "printed_excess",
        "printed_relative_excess",
        "inputs_error",
        "training_error",
        "lazy_error",
        "smallest_gap",
        "published_ceiling",
        "published_formula",
        "published_formula_over_ceiling",
        "published_lazy_over_ceiling",
        "width_at_ceiling",
    ]
}


def parameter_map(network: Network) -> np.ndarray:
    """(p·d(d + 1)/2, K(d + p)) derivative of the symmetric matrices in W and V, at a network."""
    W, V = network.W, network.V
    count, d = W.shape
    upper = np.triu_indices(d)
    of_V = np.einsum("ji,jk->jik", W, W)[:, *upper]  # (K, d(d+1)/2)
    moved = np.einsum("il,jk->jlik", np.eye(d), W)  # e_l·W_jᵀ
    of_W = (moved + moved.transpose(0, 1, 3, 2))[:, :, *upper]  # (K, d, d(d+1)/2)
    columns = [np.kron(np.eye(network.p), of_V[j][:, None]) for j in range(count)]
    columns += [np.einsum("c,lm->cml", V[:, j], of_W[j]).reshape(-1, d) for j in range(count)]
    return np.concatenate(columns, 1)


def on_pairs(network: Network, pairs: Pairs) -> np.ndarray:
    """(n·p, 3pK) derivative of the outputs on pairs, in V and then in W.

    By ∂f_c/∂V_cj = z_j² and ∂f_c/∂W_j = 2·V_cj·z_j·x with z_j = W_j·x.
    """
    p, count = network.p, len(network.W)
    n = len(pairs.a)
    z = network.W.T[pairs.a] + network.W.T[p + pairs.b]  # (n, K)
    of_V = np.einsum("nj,ce->ncje", z**2, np.eye(p)).reshape(n * p, -1)
    weighted = 2 * np.einsum("nj,cj->ncj", z, network.V)
    x = np.zeros((n, 2 * p))
    x[np.arange(n), pairs.a] = 1.0
    x[np.arange(n), p + pairs.b] = 1.0
    of_W = np.einsum("ncj,nl->ncjl", weighted, x).reshape(n * p, count * 2 * p)
    return np.concatenate([of_V, of_W], 1)


def centred(jacobian: np.ndarray, p: int) -> np.ndarray:
    """The same (n·p, N) with each output's mean over the n pairs taken off, as the loss does."""
    rows = jacobian.reshape(-1, p, jacobian.shape[1])
    return np.asarray((rows - rows.mean(0)).reshape(jacobian.shape))


def counted(p: int, width: int, fraction: float, rng: np.random.Generator) -> dict[str, Any]:
    """Ranks at one normal point with K neurons, beside the formulas of the module."""
    network = started(p, width, 1.0, rng)
    order = rng.permutation(p * p)
    n, d = round(fraction * p * p), 2 * p
    of_map = parameter_map(network)
    everywhere = on_pairs(network, Pairs.first(order, p * p, p))
    trained = centred(on_pairs(network, Pairs.first(order, n, p)), p)
    of_V = on_pairs(network, Pairs.first(order, n, p))[:, : p * width]
    found = {
        "map": rank(of_map),
        "inputs": rank(everywhere),
        "training": rank(trained),
        "lazy": rank(of_V),
    }
    return {
        "p": p,
        "width": width,
        "n": n,
        **{name: each.value for name, each in found.items()},
        "map_formula": min(width * (d + p - 1), p * d * (d + 1) // 2),
        "printed_formula": width * (3 * p - 1),
        "inputs_formula": min(width * (3 * p - 2), p**3),
        "training_formula": (n - 1) * p,
        "lazy_formula": p * min(n, width),
        "gap": min(each.gap for each in found.values()),
    }


def compute(options: Mapping[str, Any], seed: int) -> dict[str, Any]:
    """Ranks over moduli and widths against the formulas, and what the formulas come to at the published point.

    options: as `DEFAULTS`. seed: of points and training sets. Returns {"estimates", "points"}. Estimates: the largest
    difference between rank and formula of the parameter map, on all inputs, on training pairs (of networks whose
    formula on all inputs exceeds the ceiling of the module), and with W frozen; how much Corollary 5.4 exceeds the
    rank on all inputs at most, of networks that do not fill all functions, in parameters and over the rank; how sure
    ranks are, as the smallest ratio of the last singular value that counts to the first that does not. At the
    published point: half the ceiling n·p; ½K(3p − 1); the second over the first; the rank with W frozen, by the
    singular values of its features, over the ceiling; and the width at which Corollary 5.4 reaches it. Points: one a
    modulus and width. Raises RegrokError naming an option.
    """
    moduli, widths = [int(p) for p in options["moduli"]], options["widths"]
    if not moduli or min(moduli) < 4:
        # The smallest tables have defective ranks of their own.
        raise RegrokError(f"options.moduli = {moduli}: should be 4 or more each")
    if not widths or min(widths) <= 0 or not 0 < options["fraction"] < 1:
        raise RegrokError(
            f"options.widths = {widths}, fraction = {options['fraction']:g}: should be above 0, and the latter below 1"
        )
    rng = np.random.default_rng(seed)
    sizes = [(p, max(2, round(width * p))) for p in moduli for width in widths]
    points = [counted(p, width, options["fraction"], rng) for p, width in sizes]
    return {"estimates": {**worst(points), **published(options, rng)}, "points": points}


def worst(points: list[dict[str, Any]]) -> dict[str, est.Estimate]:
    """The largest differences between ranks and formulas over points."""
    how = f"worst of {len(points)} moduli and widths, exact singular values"

    def largest(rank_of: str, formula: str, rows: list[dict[str, Any]]) -> est.Estimate:
        if not rows:
            return est.missing("no modulus and width of this kind was tried", 0, how)
        return est.exact(max(abs(row[formula] - row[rank_of]) for row in rows), len(rows), how)

    unfilled = [row for row in points if row["inputs_formula"] < row["p"] ** 3]
    wide = [row for row in points if row["width"] * (3 * row["p"] - 2) > row["n"] * row["p"]]
    relative = [row["printed_formula"] / row["inputs"] - 1 for row in unfilled]
    return {
        "map_error": largest("map", "map_formula", points),
        "printed_excess": largest("inputs", "printed_formula", unfilled),
        "printed_relative_excess": est.exact(max(relative), len(relative), how)
        if relative
        else est.missing("every width fills all functions", 0, how),
        "inputs_error": largest("inputs", "inputs_formula", points),
        "training_error": largest("training", "training_formula", wide),
        "lazy_error": largest("lazy", "lazy_formula", points),
        "smallest_gap": est.exact(min(row["gap"] for row in points), len(points), how),
    }


def published(options: Mapping[str, Any], rng: np.random.Generator) -> dict[str, est.Estimate]:
    """What the formulas come to at the published modulus and width, on the published share of pairs."""
    p, width = options["published_p"], options["published_width"]
    n, formula = round(options["fraction"] * p * p), width * (3 * p - 1)
    pairs, W = Pairs.first(rng.permutation(p * p), n, p), rng.standard_normal((2 * p, width))
    features = (W[pairs.a] + W[p + pairs.b]) ** 2
    how, where = "formula", f"p = {p}, K = {width}, n = {n}"
    values = {
        "published_ceiling": n * p / 2,
        "published_formula": formula / 2,
        "published_formula_over_ceiling": formula / (n * p),
        "published_lazy_over_ceiling": p * rank(features).value / (n * p),
        "width_at_ceiling": n * p / (3 * p - 1),
    }
    return {key: est.exact(float(value), 1, how, "", where) for key, value in values.items()}

"""What a sampled learning coefficient sees of a network whose Hessian is known (arXiv 2603.01192).

The network of 4p neurons that adds modulo an odd p exactly (`fourier_network.odd`), scaled to the target 1[a + b ≡
c], has the centred square loss 0 on all pairs, so that its Hessian is JᵀPJ/p² with J the derivative of all outputs
and P the centring (derived here). Half the rank is the coefficient that the theory speaks of. The localised estimator
of a quadratic loss with this Hessian is known in closed form (`regrok.measures.learning_coefficient.localised`), and
so is what a chain of few draws makes of it (`expected`); the sampler on the network itself may differ, since its loss
is no quadratic one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from regrok.computations import fourier_network
from regrok.computations.parameter_ranks import centred, on_pairs
from regrok.computations.parts import arms, needed
from regrok.computations.parts.quadratic_network import Network, Pairs
from regrok.computations.parts.slopes import exponent
from regrok.computations.parts.square_loss import Stack
from regrok.errors import RegrokError
from regrok.laws.parts import estimate as est
from regrok.measures.learning_coefficient import Protocol, expected, localised, sample

DEFAULTS: dict[str, Any] = {
    "p": 7,  # odd
    "step": 5e-4,  # ε
    "n_beta": 26.4,  # nβ
    "localisation": 5.0,  # γ
    "chains": 3,
    "burn_in": 100,  # draws that do not count
    "draws": 500,
    "localisations": [0.05, 0.5, 5.0, 50.0],  # γ of the curves
    "n_betas": [3.0, 30.0, 300.0, 3000.0],  # nβ of the curves
    "long": 100,  # times as many draws: what a chain that has settled expects
    "arms": {},  # name → what it changes of the above
}
REFERS: dict[str, Any] = {
    "step": "positive",
    "n_beta": "positive",
    "localisation": "positive",
    "localisations": "numbers",
    "n_betas": "numbers",
    "arms": "arms",
}
ESTIMATES: dict[str, list[str]] = {
    "": [
        "half_rank",
        "rank_over_formula",
        "seen_share",
        "chain_share",
        "settled_share",
        "chain_over_settled",
        "sampled",
        "sampled_over_chain",
        "diverged_share",
        "localisation_exponent",
        "n_beta_exponent",
    ],
    "arms": [
        "half_rank",
        "rank_over_formula",
        "seen_share",
        "chain_share",
        "settled_share",
        "chain_over_settled",
        "sampled",
        "sampled_over_chain",
        "diverged_share",
        "localisation_exponent",
        "n_beta_exponent",
    ],
}


def network(p: int) -> Network:
    """4p neurons with outputs 1[a + b ≡ c]: outputs of `fourier_network.odd` are 2p times that, of degree 3."""
    made = fourier_network.odd(p)
    scale = (2 * p) ** (-1 / 3)
    return Network(made.W * scale, made.V * scale)


def curvatures(made: Network) -> np.ndarray:
    """Eigenvalues of the Hessian of the centred loss over all pairs, (3pK,) at most, those that are 0 but for rounding
    left out."""
    p = made.p
    a, b = np.divmod(np.arange(p * p), p)
    values = np.linalg.svd(centred(on_pairs(made, Pairs(a, b, p)), p), compute_uv=False)
    counted = values[values > max(3 * p * len(made.W), p**3) * np.finfo(float).eps * values[0]]
    return np.asarray(counted**2 / p**2)


def flattened(made: Network) -> torch.Tensor:
    """(1, 3pK) as `square_loss.Stack` lays it out."""
    return torch.tensor(np.concatenate([made.W.T.ravel(), made.V.ravel()]))[None]


def compute(options: Mapping[str, Any], seed: int) -> dict[str, Any]:
    """What the estimator sees of the exact network, at the protocol and over γ and nβ.

    options: as `DEFAULTS`; `arms` change the others. seed: of chains. Returns {"estimates", "points"}. Estimates,
    each under the arm's name too: half the rank of the Hessian, and that over ½K(3p − 2); of half the rank, what the
    estimator's exact posterior sees, what a chain of so many draws expects, one of `long` times as many, and the
    second over the third; the mean of the network's own chains, its share of what the chain expects, and the share of
    chains that diverge; slopes of the log of the first share on log γ and on log nβ. Points: "curve", one a γ and nβ,
    with the coefficient by the posterior. Raises RegrokError naming an option.
    """
    return arms.over(options, lambda told: measured(told, seed))


def measured(options: Mapping[str, Any], seed: int) -> arms.Measured:
    """The estimates and the points of one arm, as `compute` has them."""
    p = int(options["p"])
    if p < 3 or p % 2 == 0:
        raise RegrokError(f"options.p = {p}: should be odd, and 3 or more")
    keys = ("step", "n_beta", "localisation", "chains", "burn_in", "draws")
    protocol = Protocol(*(options[key] for key in keys))
    # The one draw that counts comes so late that the chain has settled.
    long = replace(protocol, burn_in=options["long"] * protocol.draws, draws=1)
    made = network(p)
    h = curvatures(made)
    half = len(h) / 2
    a, b = (torch.tensor(x)[None] for x in np.divmod(np.arange(p * p), p))
    stack = Stack(p, 4 * p, a, b).repeated(protocol.chains)
    every = torch.arange(p * p).expand(protocol.chains, -1)
    chains = sample(
        lambda flat, draw: stack.loss_and_gradient(flat, every),
        flattened(made),
        torch.zeros(1),
        protocol,
        torch.Generator().manual_seed(seed),
    )
    found = chains.coefficient[0].tolist()
    at = protocol.n_beta, protocol.localisation
    chain, settled = expected(h, protocol), expected(h, long)
    how, never = "exact curvatures", "every chain diverged"
    exact = {
        "half_rank": half,
        "rank_over_formula": len(h) / (4 * p * (3 * p - 2)),
        "seen_share": localised(h, *at) / half,
        "chain_share": chain / half,
        "settled_share": settled / half,
        "chain_over_settled": chain / settled,
        "localisation_exponent": exponent(
            options["localisations"], [localised(h, at[0], g) for g in options["localisations"]]
        ),
        "n_beta_exponent": exponent(
            options["n_betas"], [localised(h, n, at[1]) for n in options["n_betas"]]
        ),
    }
    grid = [(n, g) for n in options["n_betas"] for g in options["localisations"]]
    estimates = {
        **{key: est.exact(value, 1, how) for key, value in exact.items()},
        "sampled": needed.mean(found, never, "over chains"),
        "sampled_over_chain": needed.mean([value / chain for value in found], never, "over chains"),
        "diverged_share": est.share(int(chains.diverged.sum()), len(found)),
    }
    points = [
        {"kind": "curve", "n_beta": n, "localisation": g, "share": localised(h, n, g) / half}
        for n, g in grid
    ]
    return estimates, points

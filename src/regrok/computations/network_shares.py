"""The share of all pairs that a network needs to add modulo p, beside its kernel (arXiv 2407.12332, Theorem 4.6).

The two-layer network with squares is trained by full-batch normalised gradient descent on the cross-entropy
(regrok.computations.parts.quadratic_network). The theorem bounds the errors over all pairs of networks with a large
margin by Õ(√(p^(5/3)/n)), so that a share of about p^(−1/3) suffices; a permutation-equivariant kernel needs a
constant one. Both are read here as the share at which one half of all pairs, seen and unseen, is wrong. The kernel is
the network's expected tangent kernel, on the same pairs. Training sets of a draw are nested, and a draw has its own
start.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from regrok.computations.parts import expected_kernel, needed
from regrok.computations.parts.expected_kernel import Variances
from regrok.computations.parts.quadratic_network import Pairs, started, sums
from regrok.computations.parts.quadratic_training import Trained, train
from regrok.computations.parts.slopes import exponent
from regrok.errors import RegrokError
from regrok.laws.parts import estimate as est

DEFAULTS: dict[str, Any] = {
    "moduli": [7, 11],  # p
    "shares": [0.3, 0.5, 0.7, 0.9],  # of all pairs, ascending
    "draws": 2,  # of training sets and starts
    "width": 8,  # neurons over p
    "scale": 0.1,  # standard deviation of every weight at the start
    "learning_rate": 10.0,  # η of a normalised step
    "budget": 1000,  # steps
    "growth": 1.1,  # a step is logged when it has grown by this factor
    "level": 0.95,  # accuracy on training pairs that counts as memorising, and on unseen ones as generalising
    "published_factor": 2.0,  # a further training set of this many times p^(5/3) pairs
}
REFERS: dict[str, Any] = {
    "moduli": "numbers",
    "shares": "numbers",
    "scale": "positive",
    "learning_rate": "positive",
    "growth": "positive",
    "level": "positive",
    "published_factor": "positive",
}
ESTIMATES: dict[str, list[str]] = {
    "": [
        "needed_share_exponent",
        "unseen_needed_share_exponent",
        "kernel_needed_share_exponent",
        "exponent_less_kernel",
        "needed_share_over_kernel",
        "memorised_share",
        "published_accuracy",
        "published_kernel_accuracy",
        "published_delay",
        "delayed_share",
    ]
}
NEVER = "one half of all pairs is wrong at every share tried"


def check(options: Mapping[str, Any]) -> None:
    """Raises RegrokError naming an option that nothing can be trained with."""
    shares = options["shares"]
    if not shares or list(shares) != sorted(set(shares)) or not 0 < shares[0] <= shares[-1] < 1:
        raise RegrokError(f"options.shares = {shares}: should ascend between 0 and 1")
    if not options["moduli"] or min(options["moduli"]) < 3:
        raise RegrokError(f"options.moduli = {options['moduli']}: should be 3 or more each")
    if options["growth"] <= 1:
        raise RegrokError(f"options.growth = {options['growth']:g}: should be above 1")
    for p in options["moduli"]:
        if published(options, p) >= p**2:
            raise RegrokError(
                f"options.published_factor = {options['published_factor']:g}: leaves no pair unseen at p = {p}"
            )


def published(options: Mapping[str, Any], p: int) -> int:
    """Training pairs of the published experiment at this modulus: twice p^(5/3)."""
    return round(options["published_factor"] * p ** (5 / 3))


def compute(options: Mapping[str, Any], seed: int) -> dict[str, Any]:
    """Errors of networks and of their kernel over shares and moduli, and the share that either needs.

    options: as `DEFAULTS`. seed: of training sets and starts. Returns {"estimates", "points"}. Estimates, means over
    draws: exponents in p of the share at which half of all pairs is wrong, of the network, of the kernel, and the
    first less the second, a slope for each draw, and of that at which half of the unseen pairs is, of the network
    (the kernel has none); the network's needed share over the kernel's at the largest p; the share of runs that
    memorise; of runs at the published number of pairs and the largest p, the accuracy on unseen pairs of network and
    kernel, the share that memorises before it generalises, and T_grok over T_mem. Points: "run", one a modulus, share
    and draw, "published" likewise, "needed", one a modulus and draw, and "curve", the first draw at the published
    number and the largest p. Raises RegrokError naming an option, or the step at which a run diverged.
    """
    check(options)
    points: list[dict[str, Any]] = []
    for p in map(int, options["moduli"]):
        for i in range(options["draws"]):
            points += drawn(options, p, i, seed)
    return {"estimates": measured(options, points), "points": points}


def drawn(options: Mapping[str, Any], p: int, i: int, seed: int) -> list[dict[str, Any]]:
    """Runs of one draw at one modulus: at every share, and at the published number of pairs; and what they need."""
    order = np.random.default_rng([seed, p, i]).permutation(p * p)
    made, largest = [], p == max(options["moduli"])
    sizes = [("run", share, round(share * p * p)) for share in options["shares"]]
    sizes += [("published", published(options, p) / p**2, published(options, p))]
    for kind, share, n in sizes:
        pairs = Pairs.first(order, n, p)
        # A share's errors count to one half, so its runs need not get the last pair right.
        stop = 1.0 if kind == "published" else options["level"]
        found = trained(options, pairs, stop, np.random.default_rng([seed, p, i, 1]))
        made.append({"kind": kind, "draw": i, "share": share, **told(options, pairs, found)})
        if kind == "published" and largest and i == 0:
            made += [
                {"kind": "curve", "p": p, "step": int(s), "train": float(a), "unseen": float(b)}
                for s, a, b in zip(found.step, found.train, found.unseen, strict=True)
            ]
    runs = [row for row in made if row["kind"] == "run"]
    errors = {
        "needed_share": [row["error"] for row in runs],
        "unseen_needed_share": [1 - row["unseen_accuracy"] for row in runs],
        "kernel_needed_share": [row["kernel_error"] for row in runs],
    }
    needs = {key: needed.crossing(options["shares"], values) for key, values in errors.items()}
    return [*made, {"kind": "needed", "p": p, "draw": i, **needs}]


def trained(
    options: Mapping[str, Any], pairs: Pairs, stop: float, rng: np.random.Generator
) -> Trained:
    """One run from the start of its draw, the same for every training set of it. stop: as `train` has it."""
    network = started(pairs.p, options["width"] * pairs.p, options["scale"], rng)
    how = (options["learning_rate"], options["budget"], options["growth"])
    return train(network, pairs, *how, stop=stop)


def told(options: Mapping[str, Any], pairs: Pairs, found: Trained) -> dict[str, Any]:
    """What is kept of one run, and of the kernel on the same pairs."""
    p, seen = pairs.p, pairs.mask()
    variance = options["scale"] ** 2
    predicted = expected_kernel.additive(seen, np.eye(p)[sums(p)], Variances(variance, variance))
    hits = predicted.argmax(-1) == sums(p)
    return {
        "p": p,
        "n": len(pairs.a),
        "error": found.error,
        "train_accuracy": float(found.train[-1]),
        "unseen_accuracy": float(found.unseen[-1]),
        "kernel_error": float(1 - hits.mean()),
        "kernel_unseen_accuracy": float(hits[~seen].mean()),
        "steps": int(found.step[-1]),
        "T_mem": found.memorised(options["level"]),
        "T_grok": found.generalised(options["level"]),
    }


def measured(options: Mapping[str, Any], points: list[dict[str, Any]]) -> dict[str, est.Estimate]:
    """The estimates of the points."""
    moduli, draws = [int(p) for p in options["moduli"]], range(options["draws"])
    at = {(row["draw"], row["p"]): row for row in points if row["kind"] == "needed"}
    network, unseen, kernel = (
        np.array([[at[i, p][key] for p in moduli] for i in draws])
        for key in ("needed_share", "unseen_needed_share", "kernel_needed_share")
    )
    of_network, of_unseen, of_kernel = (
        np.array([exponent(moduli, draw) for draw in each]) for each in (network, unseen, kernel)
    )
    last = int(np.argmax(moduli))
    large = [row for row in points if row["kind"] == "published" and row["p"] == moduli[last]]
    every = [row for row in points if row["kind"] in ("run", "published")]
    memorised, grokked = (np.array([row[key] for row in large]) for key in ("T_mem", "T_grok"))
    # What is right on training pairs, and later or never within the budget on the others, is late.
    late = np.isfinite(memorised) & ~(grokked <= memorised)
    where = f"at p = {moduli[last]}"
    pair = 1 / (moduli[last] ** 2 - published(options, moduli[last]))
    slopes = "a slope over p for each draw"
    return {
        "needed_share_exponent": needed.mean(list(of_network), NEVER, slopes),
        "unseen_needed_share_exponent": needed.mean(list(of_unseen), NEVER, slopes),
        "kernel_needed_share_exponent": needed.mean(list(of_kernel), NEVER, slopes),
        "exponent_less_kernel": needed.mean(list(of_network - of_kernel), NEVER, slopes),
        "needed_share_over_kernel": needed.mean(
            list(network[:, last] / kernel[:, last]), NEVER, where
        ),
        "memorised_share": est.share(
            sum(row["train_accuracy"] >= options["level"] for row in every), len(every)
        ),
        "published_accuracy": needed.mean(
            [row["unseen_accuracy"] for row in large], "no run", where, pair, (0.0, 1.0)
        ),
        "published_kernel_accuracy": needed.mean(
            [row["kernel_unseen_accuracy"] for row in large], "no run", where, pair, (0.0, 1.0)
        ),
        "published_delay": needed.mean(
            list(grokked / np.maximum(memorised, 1)), "no run generalises in time", where
        ),
        "delayed_share": est.share(int(late.sum()), len(late), where),
    }

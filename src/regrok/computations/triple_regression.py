"""What a network makes of 2p^2.25 triples by regression, beside its kernel (arXiv 2407.12332, Theorem 3.6, Appendix A).

The two-layer network with squares, 4p neurons, is trained by full-batch gradient descent on the square loss with a
small ℓ∞ penalty. By the theorem an interpolating network of small ‖θ‖∞ loses O(p²/n) of the null predictor's loss,
where the kernel of Theorem 3.4 needs a constant share of all p³ triples. Arms have another height of the target; those
of a draw have the same triples and the same start. A run that diverges stays in every denominator and leaves no loss.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from regrok.computations.parts import arms, expected_kernel, needed
from regrok.computations.parts.expected_kernel import Variances
from regrok.computations.parts.penalised import Penalty, of_draws
from regrok.computations.parts.quadratic_network import started, sums
from regrok.computations.parts.quadratic_training import logged_steps
from regrok.computations.parts.triple_descent import TripleDescent, Triples
from regrok.errors import RegrokError
from regrok.laws.parts import estimate as est

DEFAULTS: dict[str, Any] = {
    "moduli": [5, 7],  # p
    "draws": 2,  # of training sets and starts
    "width": 4,  # neurons over p
    "scale": 0.1,  # standard deviation of every weight at the start
    "height": "modulus",  # of the target: the modulus, or one
    "learning_rate": 1.0,  # η
    "weight": 1e-4,  # of ‖θ‖∞
    "budget": 100,  # steps
    "growth": 1.1,  # a step is logged when it has grown by this factor
    "enough": 0.05,  # of the null predictor's loss on all triples: a run ends there
    "factor": 2.0,  # n = factor·p^power triples
    "power": 2.25,
    "arms": {},  # name → what it changes of the above
}
REFERS: dict[str, Any] = {
    "moduli": "numbers",
    "scale": "positive",
    "height": ["modulus", "one"],
    "learning_rate": "positive",
    "weight": "positive",
    "growth": "positive",
    "enough": "positive",
    "factor": "positive",
    "power": "positive",
    "arms": "arms",
}
ESTIMATES: dict[str, list[str]] = {
    "": [
        "halved_share",
        "kernel_halved_share",
        "diverged_share",
        "loss",
        "train_loss",
        "kernel_loss",
        "share_of_triples",
        "largest_weight",
    ],
    "arms": [
        "halved_share",
        "kernel_halved_share",
        "diverged_share",
        "loss",
        "train_loss",
        "kernel_loss",
        "share_of_triples",
        "largest_weight",
    ],
}


def size(settings: Mapping[str, Any], p: int) -> int:
    """Training triples at this modulus."""
    return round(settings["factor"] * p ** settings["power"])


def check(settings: Mapping[str, Any]) -> None:
    """Raises RegrokError naming an option that nothing can be trained with."""
    if not settings["moduli"] or min(settings["moduli"]) < 3:
        raise RegrokError(f"options.moduli = {settings['moduli']}: should be 3 or more each")
    for p in settings["moduli"]:
        if size(settings, int(p)) >= p**3:
            raise RegrokError(
                f"options.factor = {settings['factor']:g}: leaves no triple unseen at p = {p}"
            )
    if settings["growth"] <= 1:
        raise RegrokError(f"options.growth = {settings['growth']:g}: should be above 1")


def compute(options: Mapping[str, Any], seed: int) -> dict[str, Any]:
    """Losses of networks and of their kernel at every modulus.

    options: as `DEFAULTS`. seed: of training sets and starts. Returns {"estimates", "points"}. Estimates, at the
    largest modulus: the shares of draws in which the network, and in which its kernel, has less than half of the null
    predictor's loss on all triples, and in which training diverges; means over the draws that did not of the network's
    losses on all and on training triples and of ‖θ‖∞, and over all of the kernel's loss; the share of triples in
    training. Points: "run", one an arm, modulus and draw, and "curve", the first draw of each arm at the largest.
    Raises RegrokError naming an option that nothing can be trained with.
    """

    def of(settings: dict[str, Any]) -> arms.Measured:
        check(settings)
        rows = [
            row
            for p in map(int, settings["moduli"])
            for i in range(settings["draws"])
            for row in drawn(settings, p, i, seed)
        ]
        return measured(settings, rows), rows

    return arms.over(options, of)


def drawn(settings: Mapping[str, Any], p: int, i: int, seed: int) -> list[dict[str, Any]]:
    """One training of one draw at one modulus, and the kernel on the same triples."""
    height = float(p) if settings["height"] == "modulus" else 1.0
    order = np.random.default_rng([seed, p, i]).permutation(p**3)
    triples = Triples.first(order, size(settings, p), p, height)
    rng = np.random.default_rng([seed, p, i, 1])
    network = started(p, settings["width"] * p, settings["scale"], rng)
    descent = TripleDescent(
        network, triples, settings["learning_rate"], Penalty("linf", settings["weight"])
    )
    curve: list[dict[str, Any]] = []
    for due in logged_steps(settings["budget"], settings["growth"]):
        while descent.steps < due and not descent.diverged:
            descent.step()
        train, whole = triples.losses(network)
        # Weights that are finite still may have outputs that are not.
        descent.diverged |= math.isinf(whole)
        curve.append({"kind": "curve", "p": p, "step": due, "train": train, "loss": whole})
        if descent.diverged or whole <= settings["enough"]:
            break
    lost = math.nan if descent.diverged else whole
    row = {
        "kind": "run",
        "p": p,
        "draw": i,
        "n": int(triples.seen.sum()),
        "steps": descent.steps,
        "diverged": descent.diverged,
        "loss": lost,
        "train_loss": math.nan if descent.diverged else train,
        "largest_weight": math.nan if descent.diverged else network.largest(),
        "kernel_loss": kernel_loss(triples, settings["scale"] ** 2),
    }
    shown = i == 0 and p == max(settings["moduli"])
    return [row, *([each for each in curve if math.isfinite(each["loss"])] if shown else [])]


def kernel_loss(triples: Triples, variance: float) -> float:
    """The ridgeless expected kernel's mean square on all triples over the null predictor's; any height has the same."""
    right = np.eye(triples.p)[sums(triples.p)]
    own = np.moveaxis(triples.seen, -1, 0)
    values = np.moveaxis(right, -1, 0)[..., None]
    found = expected_kernel.additive(own, values, Variances(variance, variance))[..., 0]
    return float(((np.moveaxis(found, 0, -1) - right) ** 2).mean() * triples.p)


def measured(
    settings: Mapping[str, Any], points: Sequence[Mapping[str, Any]]
) -> dict[str, est.Estimate]:
    """The estimates of the points of one arm."""
    last = max(int(p) for p in settings["moduli"])
    runs = [row for row in points if row["kind"] == "run" and row["p"] == last]
    at = f"at p = {last}"
    n = len(runs)
    # A run without a loss diverged: it is not below one half.
    halved = sum(row["loss"] < needed.LEVEL for row in runs)
    of_kernel = sum(row["kernel_loss"] < needed.LEVEL for row in runs)
    diverged = sum(row["diverged"] for row in runs)
    every = f"all {n} runs diverged"
    return {
        "halved_share": of_draws(halved, n, f"below half of the null loss {at}"),
        "kernel_halved_share": of_draws(of_kernel, n, f"below half of the null loss {at}"),
        "diverged_share": of_draws(diverged, n, f"diverged {at}"),
        "loss": needed.mean([row["loss"] for row in runs], every, at),
        "train_loss": needed.mean([row["train_loss"] for row in runs], every, at),
        "kernel_loss": needed.mean([row["kernel_loss"] for row in runs], "no run", at),
        "share_of_triples": est.exact(size(settings, last) / last**3, n, "count", note=at),
        "largest_weight": needed.mean([row["largest_weight"] for row in runs], every, at),
    }

"""What a kernel learns of modular addition from a share of all examples (arXiv 2407.12332, Theorems 3.4 and 4.3).

The kernel is the expected tangent kernel of the two-layer network with squares
(regrok.computations.parts.expected_kernel), its predictor the ridgeless one, the loss the mean square over all
examples, seen and unseen. The theorems say of any permutation-equivariant kernel method that a constant share of them
leaves at least one half of the null predictor's loss, whatever p. The null predictor is 0.

pairs: outputs 1[a + b ≡ c] for every c, of which a training pair shows all. triples: each (a, b, c) is an example of
its own with the target p·1[a + b ≡ c]; with two inputs c selects the output, with three it is an input of one output.
Training sets of a draw are nested.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from regrok.computations.parts import arms, expected_kernel, needed
from regrok.computations.parts.expected_kernel import Variances
from regrok.computations.parts.quadratic_network import sums
from regrok.computations.parts.slopes import exponent
from regrok.errors import RegrokError
from regrok.laws.parts import estimate as est

DEFAULTS: dict[str, Any] = {
    "examples": "pairs",
    "inputs": 2,  # how many of a, b and c enter as inputs; 3 with triples only
    "moduli": [11, 13],  # p
    "shares": [0.2, 0.4, 0.6, 0.8],  # of all examples, ascending
    "draws": 5,  # of training sets
    "hidden_variance": 1.0,  # of the first layer's weights
    "output_variance": 1.0,  # of the second layer's
    "arms": {},  # name → what it changes of the above
}
REFERS: dict[str, Any] = {
    "examples": ["pairs", "triples"],
    "moduli": "numbers",
    "shares": "numbers",
    "hidden_variance": "positive",
    "output_variance": "positive",
    "arms": "arms",
}
ESTIMATES: dict[str, list[str]] = {
    "": [
        "smallest_needed_share",
        "needed_share_exponent",
        "smallest_loss",
        "smallest_unseen_loss",
        "accuracy_over_chance",
        "largest_singular_share",
        "singular_from_share",
    ],
    "arms": [
        "smallest_needed_share",
        "needed_share_exponent",
        "smallest_loss",
        "smallest_unseen_loss",
        "accuracy_over_chance",
        "largest_singular_share",
        "singular_from_share",
    ],
}
NEVER = "the loss stays above one half of the null predictor's at every share tried"


def check(settings: Mapping[str, Any]) -> None:
    """Raises RegrokError naming an option that nothing can be computed with."""
    shares, inputs = settings["shares"], settings["inputs"]
    if inputs not in (2, 3):
        raise RegrokError(f"options.inputs = {inputs}: should be 2 or 3")
    if inputs == 3 and settings["examples"] == "pairs":
        raise RegrokError("options.inputs = 3: pairs have 2; give examples: triples")
    if not shares or list(shares) != sorted(set(shares)) or not 0 < shares[0] <= shares[-1] < 1:
        raise RegrokError(f"options.shares = {shares}: should ascend between 0 and 1")
    if not settings["moduli"] or min(settings["moduli"]) < 3:
        raise RegrokError(f"options.moduli = {settings['moduli']}: should be 3 or more each")


def compute(options: Mapping[str, Any], seed: int) -> dict[str, Any]:
    """Losses over shares and moduli, and the share that is needed.

    options: as `DEFAULTS`. seed: of the draws; an arm has the same. Returns {"estimates", "points"}. Estimates, means
    over draws: the share at which the loss is one half of the null predictor's, at the modulus where it is smallest;
    its exponent in p, a slope for each draw; the smallest loss on all, and on unseen examples, over the null
    predictor's, at the modulus and share where it is; the accuracy on unseen pairs over chance at the largest p and
    the share nearest to one half (pairs only); the largest share of directions in which the kernel is singular, and
    the share of examples from which it is. Points: one a modulus and share, means over draws, and "needed", one a
    modulus and draw. Raises RegrokError naming an option that nothing can be computed with.
    """

    def of(settings: dict[str, Any]) -> arms.Measured:
        check(settings)
        rows = [
            row
            for p in settings["moduli"]
            for i in range(settings["draws"])
            for row in drawn(settings, int(p), np.random.default_rng([seed, int(p), i]))
        ]
        return measured(settings, rows)

    return arms.over(options, of)


def drawn(settings: Mapping[str, Any], p: int, rng: np.random.Generator) -> list[dict[str, float]]:
    """What one draw of nested training sets leaves at each share: a record for each."""
    variances = Variances(settings["hidden_variance"], settings["output_variance"])
    pairs, three = settings["examples"] == "pairs", settings["inputs"] == 3
    whole = p**2 if pairs else p**3
    order = rng.permutation(whole)
    right = np.eye(p)[sums(p)]
    shape = (p, p) if pairs else (p, p, p)
    features = expected_kernel.paired_features(p, variances) if three else None
    made = []
    for share in settings["shares"]:
        n = max(round(share * whole), 1)
        singular = 0
        seen = np.zeros(whole, dtype=bool)
        seen[order[:n]] = True
        if pairs:
            predicted = expected_kernel.additive(seen.reshape(p, p), right, variances)
        elif features is None:
            # An output sees the triples with its own c; the target's factor p cancels in what is told.
            own = np.moveaxis(seen.reshape(p, p, p), -1, 0)
            values = np.moveaxis(right, -1, 0)[..., None]
            found = expected_kernel.additive(own, values, variances)[..., 0]
            predicted = np.moveaxis(found, 0, -1)
        else:
            flat, singular = expected_kernel.least_norm(
                features, order[:n], right.reshape(-1)[order[:n]]
            )
            predicted = flat.reshape(p, p, p)
        squares, unseen = (predicted - right) ** 2, ~seen.reshape(shape)
        hits = predicted.argmax(-1) == sums(p)
        made.append(
            {
                "p": p,
                "share": float(share),
                "loss": float(squares.mean() / (right**2).mean()),
                "unseen_loss": float(squares[unseen].mean() / (right**2).mean()),
                "accuracy": float(hits[unseen].mean()) if pairs else float("nan"),
                "singular": singular / n,
            }
        )
    return made


def measured(
    settings: Mapping[str, Any], rows: list[dict[str, float]]
) -> tuple[dict[str, est.Estimate], list[dict[str, Any]]]:
    """The estimates and the points of the records of all moduli, draws and shares, in this order."""
    moduli, shares, draws = settings["moduli"], settings["shares"], settings["draws"]

    def table(key: str) -> np.ndarray:
        shaped = np.array([row[key] for row in rows]).reshape(len(moduli), draws, len(shares))
        return np.asarray(shaped)

    losses, unseen, singular = table("loss"), table("unseen_loss"), table("singular")
    share = np.array([[needed.crossing(shares, draw) for draw in each] for each in losses]).T
    exponents = [exponent(moduli, draw) for draw in share]

    def least(values: np.ndarray) -> est.Estimate:
        at = np.unravel_index(np.argmin(values.mean(1)), (len(moduli), len(shares)))
        where = f"at p = {moduli[at[0]]} and a share of {shares[at[1]]:g}"
        return needed.mean(list(values[at[0], :, at[1]]), NEVER, where)

    half, last = int(np.argmin(np.abs(np.array(shares) - 0.5))), int(np.argmax(moduli))
    accuracy = table("accuracy")[last, :, half] * moduli[last]
    pair = 1 / ((1 - shares[half]) * moduli[last])
    worst = singular.max(1)
    broken = [s for j, s in enumerate(shares) if worst[:, j].any()]
    rank = f"singular values below {expected_kernel.TOLERANCE:g} of the largest"
    known = rank if settings["inputs"] == 3 else "regular in closed form"
    made = {
        "smallest_needed_share": needed.smallest(share, moduli, NEVER),
        "needed_share_exponent": needed.mean(exponents, NEVER, "a slope over p for each draw"),
        "smallest_loss": least(losses),
        "smallest_unseen_loss": least(unseen),
        "accuracy_over_chance": needed.mean(
            list(accuracy),
            "of triples there is none",
            f"at p = {moduli[last]}",
            pair,
            (0.0, math.inf),
        ),
        "largest_singular_share": est.exact(float(worst.max()), draws, known),
        "singular_from_share": est.exact(float(broken[0]), draws, known)
        if broken
        else est.missing(f"the kernel is regular at every share tried ({known})", draws),
    }
    points: list[dict[str, Any]] = [
        {
            "kind": "loss",
            "p": int(p),
            "share": s,
            **{
                key: float(np.mean(table(key)[i, :, j]))
                for key in ("loss", "unseen_loss", "accuracy")
            },
            "singular": float(worst[i, j]),
        }
        for i, p in enumerate(moduli)
        for j, s in enumerate(shares)
    ]
    points += [
        {"kind": "needed", "p": int(p), "draw": k, "needed_share": float(share[k, i])}
        for i, p in enumerate(moduli)
        for k in range(draws)
    ]
    return made, points

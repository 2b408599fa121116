"""D(t) while networks learn exclusive or, with the probe in line and in shadow (arXiv 2604.16431 and 2604.04655).

At every epoch the gradient of each network is put on a graph of its parameters and cascades
(regrok.computations.parts.cascade). Over a family of widths the sizes go as s ∝ N^D. In line, the published way of the
sibling paper, steps go along what the cascade has left of the gradient; in shadow training is not touched. D(t) is
taken at equal epoch over all widths, as published, and again at equal distance from each network's own event.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from regrok.computations.parts import finite_size, probed_family
from regrok.computations.parts.arms import arms
from regrok.computations.parts.finite_size import exponent, over
from regrok.computations.parts.probed_family import Probed, grouped, mean, sizes_of
from regrok.computations.parts.xor_networks import train
from regrok.laws.parts import estimate as est

DEFAULTS: dict[str, Any] = {
    "widths": [20, 30, 50, 70],  # h
    "seeds": 6,  # networks of a width in a group: the published sample
    "groups": 2,  # repeats of that sample
    "activation": "tanh",
    "start": "uniform",
    "learning_rate": 0.5,  # η
    "epochs": 60,  # full-batch steps
    "every": 10,  # D(t) is told every so many epochs
    "in_line": True,  # whether steps go along the redistributed gradient
    "topology": "barabasi_albert",
    "attach": 2,  # m
    "quantile": 0.9,  # of |g|: the threshold τ, anew at each epoch
    "alpha": 0.3,  # share that is given away
    "sweeps": 20,  # at most
    "order": "parallel",
    "statistic": "max",  # over the networks of a width
    "transition": 55,  # epoch that parts before from after: the middle of the printed crossing
    "arms": {},  # name → what it changes of the above
}
REFERS: dict[str, Any] = {
    "widths": "widths",
    "activation": ["tanh", "relu", "sigmoid"],
    "start": ["uniform", "xavier", "he"],
    "learning_rate": "positive",
    "topology": ["barabasi_albert", "random", "regular", "ring", "small_world"],
    "quantile": "between 0 and 1",
    "alpha": "between 0 and 1",
    "order": ["parallel", "sequential"],
    "statistic": ["max", "mean"],
    "arms": "arms",
}
ESTIMATES: dict[str, list[str]] = {
    "": [
        "D_at_*",
        "D_before",
        "D_after",
        "rise",
        "D_pooled",
        "gamma_pooled",
        "r_squared",
        "aligned_before",
        "aligned_at",
        "aligned_after",
        "aligned_rise",
        "first_wave_D",
        "first_wave_share",
        "T_earliest",
        "T_latest",
        "learned_share",
        "untouched_share",
    ],
    "arms": [
        "D_at_*",
        "D_before",
        "D_after",
        "rise",
        "D_pooled",
        "gamma_pooled",
        "r_squared",
        "aligned_before",
        "aligned_at",
        "aligned_after",
        "aligned_rise",
        "first_wave_D",
        "first_wave_share",
        "T_earliest",
        "T_latest",
        "learned_share",
        "untouched_share",
        "before_less_whole",
        "after_less_whole",
    ],
}


def compute(options: Mapping[str, Any], seed: int) -> dict[str, Any]:
    """Exponents of avalanches over training, of the whole and of each arm.

    options: as `DEFAULTS`. seed: of starts and graphs, which an arm has too. Returns {"estimates", "points"}.
    Estimates, means over groups: D at logged epochs, its mean before and after `transition` and their difference;
    D and γ of sizes pooled over all epochs, with the R² of the first fit; D with each network in windows around its own
    event (`probed_family.windows`); D of the first sweep, and its largest share of the nodes; the mean epoch of
    learning at the width where it is earliest and where it is latest (`probed_family.learning_times`); shares of
    networks that learn, and of those whose parameters end bit for bit as without a probe; of an arm also D less that
    of the whole. Points: "curve", D at each logged epoch with its interval, and "learned", the mean epoch of learning
    at each width. Raises RegrokError naming an option.
    """
    estimates: dict[str, est.Estimate] = {}
    points: list[dict[str, Any]] = []
    base: dict[str, np.ndarray] = {}
    for arm in arms(options):
        with arm.named():
            probed_family.check(arm.options)
            made = family(arm.options, seed)
        found, values = measured(arm.options, made)
        if arm.whole:
            base = values
        else:
            for key in ("before", "after"):
                difference = values[key] - base[key] if len(values[key]) == len(base[key]) else []
                found[f"{key}_less_whole"] = mean(difference)
        estimates |= arm.estimates(found)
        points += arm.points(shown(arm.options, made))
    return {"estimates": estimates, "points": points}


class Family:
    """Sizes of a family's avalanches. Arrays are (groups, seeds, widths, …)."""

    def __init__(self, probed: list[Probed], untouched: list[np.ndarray], told: Mapping[str, Any]):
        def stacked(values: list[np.ndarray]) -> np.ndarray:
            return np.stack([grouped(each, told) for each in values], axis=2)

        self.nodes = sizes_of(told["widths"])
        self.size = stacked([each.size for each in probed])
        self.first = stacked([each.first for each in probed])
        self.learned = stacked([each.trained.learned for each in probed])
        self.untouched = stacked(untouched)


def family(told: Mapping[str, Any], seed: int) -> Family:
    """Train every width with the probe, and again without, to see whether it changed a bit."""
    probed, untouched = [], []
    for width in told["widths"]:
        run = probed_family.in_line if told["in_line"] else probed_family.in_shadow
        probed.append(run(told, width, seed))
        alone = train(
            probed_family.started(told, width, seed), told["learning_rate"], told["epochs"]
        )
        untouched.append((probed[-1].trained.theta == alone.theta).all(axis=1))
    return Family(probed, untouched, told)


def curve(told: Mapping[str, Any], made: Family) -> tuple[np.ndarray, np.ndarray]:
    """Logged epochs, and D at each of them: (groups, epochs)."""
    epochs = np.arange(0, told["epochs"] + 1, told["every"])
    sizes = over(made.size[..., epochs], told["statistic"], axis=1)
    return epochs, exponent(np.moveaxis(sizes, 1, -1), made.nodes)


def aligned(told: Mapping[str, Any], made: Family) -> dict[str, np.ndarray]:
    """Window around each network's own event → D of mean sizes there: (groups,)."""
    found = {}
    for name, mask in probed_family.windows(made.learned, told["epochs"]):
        # A mean within the window: the largest of a longer window is larger whatever happens in it.
        own = over(np.where(mask, made.size, np.nan), "mean", axis=-1)
        found[name] = exponent(over(own, told["statistic"], axis=1), made.nodes)
    return found


def measured(
    told: Mapping[str, Any], made: Family
) -> tuple[dict[str, est.Estimate], dict[str, np.ndarray]]:
    """The estimates, and D before and after of every group."""
    epochs, D = curve(told, made)
    early = epochs < told["transition"]
    before, after = (finite_size.known_mean(D[:, part], -1) for part in (early, ~early))
    found = {f"D_at_{epoch}": mean(D[:, i]) for i, epoch in enumerate(epochs)}
    found |= {"D_before": mean(before), "D_after": mean(after), "rise": mean(after - before)}
    pooled = {kind: over(made.size, kind, axis=(1, 3)) for kind in finite_size.STATISTICS}
    slope, r_squared = finite_size.fitted(pooled["max"], made.nodes)
    found |= {"D_pooled": mean(slope), "r_squared": mean(r_squared)}
    found["gamma_pooled"] = mean(exponent(pooled["mean"], made.nodes))
    own = aligned(told, made)
    found |= {f"aligned_{name}": mean(values) for name, values in own.items()}
    found["aligned_rise"] = mean(own["after"] - own["before"])
    first = made.first / made.nodes[:, None]
    found["first_wave_D"] = mean(exponent(over(made.first, "mean", axis=(1, 3)), made.nodes))
    found["first_wave_share"] = est.exact(
        float(first.max()), first.size, "largest over networks and epochs"
    )
    found |= probed_family.learning_times(made.learned, told["widths"], told["epochs"])
    found["learned_share"] = est.share(int(np.isfinite(made.learned).sum()), made.learned.size)
    found["untouched_share"] = est.share(int(made.untouched.sum()), made.untouched.size)
    return found, {"before": before, "after": after}


def shown(told: Mapping[str, Any], made: Family) -> list[dict[str, Any]]:
    """The points of one arm."""
    epochs, D = curve(told, made)
    rows = []
    for i, epoch in enumerate(epochs):
        at = mean(D[:, i])
        told_of = {"value": at.value, "low": at.low, "high": at.high}
        rows.append({"kind": "curve", "epoch": int(epoch), **told_of})
    times = finite_size.known_mean(over(made.learned, "mean", axis=1), 0)
    rows += [
        {"kind": "learned", "width": int(width), "epoch": float(time)}
        for width, time in zip(told["widths"], times, strict=True)
    ]
    return rows

"""Cascades of Gaussian noise on several graphs: what the published probe finds where nothing is learned (2604.04655).

τ is a quantile of |g|, so that the first sweep updates a fixed share of the nodes whatever the gradients are, and D = 1
of the first sweep is automatic. D − 1 of the whole only says how the updates that follow depend on the number of nodes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from regrok.computations.parts import probed_family
from regrok.computations.parts.finite_size import exponent
from regrok.computations.parts.probed_family import grouped, sizes_of
from regrok.laws.parts import estimate as est

DEFAULTS: dict[str, Any] = {
    "widths": [20, 50, 100],  # h of the networks whose N = 4h + 1 the graphs have
    "topologies": ["barabasi_albert", "random"],
    "seeds": 6,  # graphs of a size in a group: the published sample
    "groups": 2,  # repeats of that sample
    "draws": 5,  # noise of every graph
    "deviation": 0.5,  # of the noise: N(0, 0.5²)
    "attach": 2,  # m
    "quantile": 0.9,
    "alpha": 0.3,
    "sweeps": 20,
    "order": "parallel",
}
REFERS: dict[str, Any] = {
    "widths": "widths",
    "topologies": ["barabasi_albert", "random", "regular", "ring", "small_world"],
    "deviation": "positive",
    "quantile": "between 0 and 1",
    "alpha": "between 0 and 1",
    "order": ["parallel", "sequential"],
}
ESTIMATES: dict[str, list[str]] = {
    "": [
        "D",
        "D_farthest",
        "variation",
        "between_topologies",
        "first_wave_D",
        "first_wave_share",
        "later_share",
    ],
    "topologies": ["D"],
}


def compute(options: Mapping[str, Any], seed: int) -> dict[str, Any]:
    """D of the mean cascade of Gaussian noise, on every topology.

    options: as `DEFAULTS`. seed: of graphs and noise. Returns {"estimates", "points"}. Estimates, over groups of
    graphs: D of each topology, its mean over them, and that of the topology farthest from 1; variation, the standard
    deviation over topologies as a share of the mean, which graphs and noise alone make positive;
    between_topologies, the same of what lies behind (`between`); D of the first sweep, the largest share of nodes
    that it updates, and the share of all updates that comes later. Points: "size", one a topology and N: mean updates
    in all and in the first sweep. Raises RegrokError naming an option.
    """
    probed_family.check(options)
    nodes = sizes_of(options["widths"])
    made = np.array(
        [
            [sizes(options, topology, width, [seed, i, width]) for width in options["widths"]]
            for i, topology in enumerate(options["topologies"])
        ]
    )
    # (topologies, whole or first sweep, groups, widths), means over graphs and noise
    means = np.stack([made[:, :, k].mean(-1).transpose(0, 2, 1) for k in (0, 1)], axis=1)
    D = exponent(means[:, 0], nodes)
    by_topology = D.mean(axis=1)
    farthest = int(np.argmax(np.abs(by_topology - 1)))
    found = {f"{name}.D": est.mean(D[i]) for i, name in enumerate(options["topologies"])}
    found["D"] = est.mean(D.mean(axis=0), note="mean over topologies of a group")
    found["D_farthest"] = est.mean(D[farthest], note=str(options["topologies"][farthest]))
    found["variation"] = (
        est.mean(D.std(axis=0, ddof=1) / D.mean(axis=0))
        if len(D) > 1
        else est.missing("one topology does not vary", 0)
    )
    found["between_topologies"] = between(D, seed)
    found["first_wave_D"] = exactly(exponent(means[:, 1], nodes))
    found["first_wave_share"] = est.exact(
        float((made[:, :, 1] / nodes[:, None, None]).max()), made[:, :, 1].size, "largest"
    )
    later = 1 - means[:, 1].sum((0, 2)) / means[:, 0].sum((0, 2))
    found["later_share"] = est.mean(later)
    points = [
        {
            "kind": "size",
            "topology": name,
            "nodes": int(n),
            "size": float(means[i, 0, :, j].mean()),
            "first": float(means[i, 1, :, j].mean()),
        }
        for i, name in enumerate(options["topologies"])
        for j, n in enumerate(nodes)
    ]
    return {"estimates": found, "points": points}


def sizes(options: Mapping[str, Any], topology: str, width: int, seed: list[int]) -> np.ndarray:
    """Updates in all and in the first sweep of every cascade: (2, groups, seeds·draws)."""
    on = probed_family.graphs(options, width, seed[0], topology, options["attach"])
    rng = np.random.default_rng(seed)
    noise = options["deviation"] * rng.standard_normal((on.count, on.nodes, options["draws"]))
    made = probed_family.probe(options, on, noise)
    both = (grouped(each, options) for each in (made.size(), made.updates[0]))
    return np.stack([each.reshape(options["groups"], -1) for each in both])


def exactly(values: np.ndarray) -> est.Estimate:
    """Their mean, and an interval from the least to the largest: what does not vary is known."""
    known = est.exact(float(values.mean()), values.size, "mean, least and largest")
    return est.choice(known, float(values.min()), float(values.max()))


REPLICATES = 2000
"""Resamples of groups."""


def between(D: np.ndarray, seed: int) -> est.Estimate:
    """Standard deviation of the topologies' expected D over these topologies, as a share of the mean D.

    D: (topologies, groups). The variance of the means over groups is that of the expectations and, on top, a share of
    1/groups of the variance within a topology, which is taken off; what is left below zero is zero. The interval is
    over groups, drawn anew within each topology, with the means' own sampling variance taken off a second time: a
    resample adds it once more. Topologies are those that were listed, and no sample of others.
    """
    how = "between-topology standard deviation over the mean, bootstrap over groups"
    topologies, groups = D.shape
    if topologies < 2:
        return est.missing("one topology does not vary", 0, how)
    if groups < 2:
        return est.missing("one group does not tell how it would vary by itself", 0, how)
    drawn = np.random.default_rng([seed, 3]).integers(groups, size=(REPLICATES, *D.shape))
    resampled = np.take_along_axis(D[None], drawn, axis=-1)
    sampling = D.var(axis=1, ddof=1).mean() / groups

    def share(variance: np.ndarray) -> np.ndarray:
        return np.sqrt(np.maximum(variance, 0.0)) / D.mean()

    draws = share(component(resampled) - sampling)
    value, n = float(share(component(D))), topologies * groups
    note = f"{topologies} topologies, {groups} groups of graphs each"
    return est.from_draws(value, draws, n, topologies, how, note=note, bounds=est.POSITIVE)


def component(D: np.ndarray) -> np.ndarray:
    """Variance of the means over groups, less what the spread of the groups gives it. D: (…, topologies, groups)."""
    within = D.var(axis=-1, ddof=1).mean(axis=-1)
    return np.asarray(D.mean(axis=-1).var(axis=-1, ddof=1) - within / D.shape[-1])

"""Probes that differ in what a paper leaves open or calls robust, and the exponents that each of them gives."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import numpy as np

from regrok.computations.parts.cascade import ORDERS, cascade, thresholds
from regrok.computations.parts.finite_size import STATISTICS, exponent, known_mean
from regrok.computations.parts.graphs import Graphs

POOLINGS = ("per_epoch", "pooled")
"""D at each epoch, averaged over those before or after; or one D of all avalanches before or after."""


@dataclass(frozen=True)
class Probe:
    """One way to let gradients cascade."""

    topology: str
    attach: int
    quantile: float
    alpha: float
    sweeps: int
    order: str
    threshold: str = "epoch"
    """epoch: τ anew at each epoch. start: that of the first one throughout."""
    placed: str = "in_order"
    """in_order: parameter i is node i, and the first are the hubs of preferential attachment. shuffled: at random."""

    def sizes(self, on: Graphs, gradients: np.ndarray, seed: int) -> np.ndarray:
        """Updates of every cascade: (networks, epochs). gradients: (networks, N, epochs), from the first.

        seed: of where parameters are placed, one place for all epochs of a network.
        """
        if self.placed == "shuffled":
            draws = np.random.default_rng([seed, gradients.shape[1], 2])
            gradients = np.stack([draws.permutation(each) for each in gradients])
        tau = thresholds(gradients, self.quantile)
        if self.threshold == "start":
            tau = np.repeat(tau[:, :1], tau.shape[1], axis=1)
        return cascade(on, gradients, tau, self.alpha, self.sweeps, self.order).size()


def default(options: Mapping[str, Any]) -> Probe:
    """The probe of the options that are one value each."""
    keys = ("topology", "attach", "quantile", "alpha", "sweeps", "order", "placed")
    return Probe(**{key: options[key] for key in keys})


def left_open(options: Mapping[str, Any]) -> list[Probe]:
    """The default in either order, which the paper does not name."""
    return [replace(default(options), order=order) for order in ORDERS]


def called_robust(options: Mapping[str, Any]) -> list[Probe]:
    """The default at every quantile and α that the paper calls robust."""
    return [
        replace(default(options), quantile=q, alpha=a)
        for q, a in product(options["quantiles"], options["alphas"])
    ]


def every(options: Mapping[str, Any]) -> list[Probe]:
    """Both, and the default with another m, number of sweeps, topology, placement or threshold, one at a time."""
    own = default(options)
    others = [replace(own, attach=m) for m in options["attaches"]]
    others += [replace(own, sweeps=most) for most in options["most_sweeps"]]
    others += [replace(own, topology=topology) for topology in options["topologies"]]
    others += [replace(own, placed=placed) for placed in options["placements"]]
    others += [replace(own, threshold="start")]
    return list(dict.fromkeys([*left_open(options), *called_robust(options), *others]))


def read(
    sizes: np.ndarray, nodes: np.ndarray, cuts: Mapping[str, tuple[np.ndarray, np.ndarray]]
) -> Iterator[tuple[str, str, str, dict[str, np.ndarray]]]:
    """Statistic, pooling and cut, and what they make of sizes: D before, D after, and the difference.

    sizes: (groups, seeds, widths, columns), NaN where a network has no such epoch. cuts: name → columns before and
    after. Values are (groups,), NaN for a group of which a network is not known there: over those that learn in time
    alone D would be of other networks before than after.
    """
    for statistic in STATISTICS:
        at = dimensions(sizes, nodes, statistic)
        for pooling, (cut, parts) in product(POOLINGS, cuts.items()):
            before, after = (
                known_mean(at[:, part], -1)
                if pooling == "per_epoch"
                else exponent(whole(sizes[..., part], statistic, axis=(1, 3)), nodes)
                for part in parts
            )
            yield (
                statistic,
                pooling,
                cut,
                {"D_before": before, "D_after": after, "rise": after - before},
            )


def dimensions(sizes: np.ndarray, nodes: np.ndarray, statistic: str) -> np.ndarray:
    """D of each column over a group's networks: (groups, columns). sizes: as of `read`."""
    return exponent(np.moveaxis(whole(sizes, statistic, axis=1), 1, -1), nodes)


def whole(sizes: np.ndarray, statistic: str, axis: int | tuple[int, ...]) -> np.ndarray:
    """The largest or the mean size; NaN where one of them is not known."""
    return np.asarray((np.max if statistic == "max" else np.mean)(sizes, axis=axis))

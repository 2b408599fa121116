"""Probes that differ in what a paper leaves open or calls robust, and the exponents that each of them gives."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import numpy as np

from regrok.computations.parts.cascade import ORDERS, cascade, thresholds
from regrok.computations.parts.finite_size import STATISTICS, exponent, known_mean, over
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

    def sizes(self, on: Graphs, gradients: np.ndarray) -> np.ndarray:
        """Updates of every cascade: (networks, epochs). gradients: (networks, N, epochs), from the first."""
        tau = thresholds(gradients, self.quantile)
        if self.threshold == "start":
            tau = np.repeat(tau[:, :1], tau.shape[1], axis=1)
        return cascade(on, gradients, tau, self.alpha, self.sweeps, self.order).size()


def default(options: Mapping[str, Any]) -> Probe:
    """The probe of the options that are one value each."""
    keys = ("topology", "attach", "quantile", "alpha", "sweeps", "order")
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
    """Both, and the default with another m, number of sweeps, topology or threshold, one at a time."""
    own = default(options)
    others = [replace(own, attach=m) for m in options["attaches"]]
    others += [replace(own, sweeps=most) for most in options["most_sweeps"]]
    others += [replace(own, topology=topology) for topology in options["topologies"]]
    others += [replace(own, threshold="start")]
    return list(dict.fromkeys([*left_open(options), *called_robust(options), *others]))


def read(
    sizes: np.ndarray, nodes: np.ndarray, epochs: np.ndarray, transition: float
) -> Iterator[tuple[str, str, dict[str, np.ndarray]]]:
    """Statistic, pooling and what they make of sizes: D before, after and their difference, and D at each epoch.

    sizes: (groups, seeds, widths, epochs). Values are (groups,); D at an epoch is the same for either pooling.
    """
    early = epochs < transition
    for statistic, pooling in product(STATISTICS, POOLINGS):
        at = exponent(np.moveaxis(over(sizes, statistic, axis=1), 1, -1), nodes)
        before, after = (
            known_mean(at[:, part], -1)
            if pooling == "per_epoch"
            else exponent(over(sizes[..., part], statistic, axis=(1, 3)), nodes)
            for part in (early, ~early)
        )
        found = {"D_before": before, "D_after": after, "rise": after - before}
        yield (
            statistic,
            pooling,
            found | {f"D_at_{epoch}": at[:, i] for i, epoch in enumerate(epochs)},
        )

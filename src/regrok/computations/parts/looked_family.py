"""A family of networks that learn exclusive or, the gradients of some epochs of each, and how these cascade.

Which epochs are looked at follows from when the networks learn (`epoch_cuts`), so that each is trained twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from regrok.computations.parts import epoch_cuts, probed_family
from regrok.computations.parts.graphs import Graphs
from regrok.computations.parts.probed_family import grouped
from regrok.computations.parts.specifications import Probe
from regrok.computations.parts.xor_networks import train


def learned(told: Mapping[str, Any], width: int, seed: int) -> np.ndarray:
    """Epochs of learning of a width's networks (networks,)."""
    networks = probed_family.started(told, width, seed)
    return train(networks, told["learning_rate"], told["epochs"]).learned


def gradients(told: Mapping[str, Any], width: int, seed: int, looks: np.ndarray) -> np.ndarray:
    """The same training again: gradients (networks, N, columns) at the epochs looked at, zeros where there is none."""
    networks = probed_family.started(told, width, seed)
    found = np.zeros((*networks.theta.shape, looks.shape[1]))

    def seen(epoch: int, gradient: np.ndarray) -> np.ndarray:
        network, column = np.nonzero(looks == epoch)
        found[network, :, column] = gradient[network]
        return gradient

    train(networks, told["learning_rate"], told["epochs"], seen)
    return found


def cascaded(
    told: Mapping[str, Any],
    probe: Probe,
    on: list[Graphs],
    seen: list[np.ndarray],
    looks: list[np.ndarray],
    seed: int,
    whole: bool,
) -> np.ndarray:
    """Sizes by a probe, of all networks or of the first group's: (groups, seeds, widths, columns), NaN for none."""
    made = []
    for graphs, gradient, at in zip(on, seen, looks, strict=True):
        count = len(at) if whole else told["seeds"]
        there = graphs if whole else graphs.first(count)
        sizes = probe.sizes(there, gradient[:count], seed)
        known = np.where(at[:count] == epoch_cuts.NEVER, np.nan, sizes)
        made.append(known.reshape(-1, told["seeds"], known.shape[-1]))
    return np.stack(made, axis=2)


def in_line(
    told: Mapping[str, Any], seed: int
) -> tuple[np.ndarray, dict[str, tuple[np.ndarray, np.ndarray]]]:
    """Sizes of a family whose steps go along what the cascade leaves, as `cascaded`, and which of them each cut reads.

    Its networks learn at epochs of their own, and are looked at around these.
    """
    made = [probed_family.in_line(told, width, seed) for width in told["widths"]]
    looks, cuts = epoch_cuts.looked_at([each.trained.learned for each in made], told)
    sizes = [
        np.where(at == epoch_cuts.NEVER, np.nan, np.take_along_axis(each.size, at, axis=1))
        for each, at in zip(made, looks, strict=True)
    ]
    return np.stack([grouped(each, told) for each in sizes], axis=2), cuts

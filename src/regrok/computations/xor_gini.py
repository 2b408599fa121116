"""The Gini coefficient of |θ| while networks learn exclusive or: does it peak as they do (arXiv 2604.04655)?

Trained without a probe, for every activation and kind of start, since the paper names neither.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from typing import Any

import numpy as np

from regrok.computations.parts import choices
from regrok.computations.parts.xor_networks import Networks, train
from regrok.laws.parts import estimate as est

DEFAULTS: dict[str, Any] = {
    "width": 100,  # h
    "seeds": 10,  # networks
    "activation": "tanh",  # of the default choice
    "start": "uniform",  # likewise
    "activations": ["tanh", "relu", "sigmoid"],
    "starts": ["uniform", "xavier", "he"],
    "learning_rate": 0.5,  # η
    "epochs": 100,
    "near": 10,  # epochs around learning
}
REFERS: dict[str, Any] = {
    "activation": ["tanh", "relu", "sigmoid"],
    "start": ["uniform", "xavier", "he"],
    "activations": ["tanh", "relu", "sigmoid"],
    "starts": ["uniform", "xavier", "he"],
    "learning_rate": "positive",
}
ESTIMATES: dict[str, list[str]] = {"": ["peak", "near_share", "learned_share"]}


def gini(values: np.ndarray) -> np.ndarray:
    """Gini coefficient of |values| along the last axis: 0 where all are equal, near 1 where one has everything.

    >>> gini(np.array([[1.0, -1.0], [0.0, 2.0]])).tolist()
    [0.0, 0.5]
    """
    ordered = np.sort(np.abs(values), axis=-1)
    n = ordered.shape[-1]
    weights = 2 * np.arange(1, n + 1) - n - 1
    return (ordered @ weights) / (n * ordered.sum(-1))


def compute(options: Mapping[str, Any], seed: int) -> dict[str, Any]:
    """How high the Gini coefficient is around the epoch of learning, and whether it is highest there.

    options: as `DEFAULTS`. seed: of starts. Returns {"estimates", "points"}. Estimates, of the default choice, with
    those of the other activations and starts beside them: peak, the largest coefficient within `near` epochs of
    learning over that before the first step; near_share, of networks whose largest is there; learned_share. Networks
    that do not learn are in the last alone. Points: "gini", mean coefficient of the default choice at every epoch.
    """
    made = {
        (activation, start): followed(options, activation, start, seed)
        for activation, start in product(options["activations"], options["starts"])
    }
    default = (options["activation"], options["start"])
    if default not in made:
        made[default] = followed(options, *default, seed)
    own = {name: peaks(*each, options["near"]) for name, each in made.items()}
    found = {
        "peak": choices.among({name: est_mean(each[0]) for name, each in own.items()}, default),
        "near_share": choices.among({name: share(each[1]) for name, each in own.items()}, default),
        "learned_share": choices.among(
            {name: share(np.isfinite(each[1])) for name, each in made.items()}, default
        ),
    }
    mean = made[default][0].mean(axis=1)
    points = [{"kind": "gini", "epoch": i, "value": float(g)} for i, g in enumerate(mean)]
    return {"estimates": found, "points": points}


def followed(
    options: Mapping[str, Any], activation: str, start: str, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients (epochs + 1, networks), and the epoch of learning (networks,)."""
    seeds = [[seed, options["width"], i] for i in range(options["seeds"])]
    networks = Networks.start(options["width"], start, activation, seeds)
    found = np.zeros((options["epochs"] + 1, options["seeds"]))

    def seen(epoch: int, gradient: np.ndarray) -> np.ndarray:
        found[epoch] = gini(networks.theta)
        return gradient

    trained = train(networks, options["learning_rate"], options["epochs"], seen)
    return found, trained.learned


def peaks(curves: np.ndarray, learned: np.ndarray, near: int) -> tuple[np.ndarray, np.ndarray]:
    """Of each network that learns: its largest coefficient near that over its first, and whether it has none larger."""
    epochs = np.arange(len(curves))[:, None]
    known = np.isfinite(learned)
    own = curves[:, known]
    close = np.abs(epochs - learned[known]) <= near
    best = np.where(close, own, -np.inf).max(axis=0)
    return best / own[0], best >= own.max(axis=0)


def est_mean(values: np.ndarray) -> est.Estimate:
    """Mean over networks that learn."""
    return est.mean(values) if values.size else est.missing("no network learns", 0)


def share(which: np.ndarray) -> est.Estimate:
    """Share of networks."""
    return est.share(int(which.sum()), which.size)

"""A family of networks of several widths that learn exclusive or, and the avalanches of their gradients.

Networks come in groups: a group is the published sample, so many seeds of every width, and gives one D(t). Groups are
what intervals are over. A network's start and its graph do not depend on activation, kind of start or probe.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from regrok.computations.parts.cascade import cascade, thresholds
from regrok.computations.parts.graphs import Graphs
from regrok.computations.parts.xor_networks import Networks, Trained, nodes, train
from regrok.errors import RegrokError
from regrok.laws.parts import estimate as est
from regrok.study.avalanches import unfit

CHUNK = 50
"""Epochs whose cascades run side by side."""
UNKNOWN = "no group of networks has sizes above zero at every width"
"""Why there is no D."""


def check(options: Mapping[str, Any]) -> None:
    """Raises RegrokError naming an option that no exponent can be found with."""
    widths = options["widths"]
    if len(set(widths)) != len(widths) or len(widths) < 2:
        raise RegrokError(f"options.widths = {widths}: two widths or more have to differ in N")
    if not 0 < options["quantile"] < 1:
        raise RegrokError(f"options.quantile = {options['quantile']:g}: should be between 0 and 1")
    if not 0 < options["alpha"] <= 1:
        raise RegrokError(f"options.alpha = {options['alpha']:g}: should be above 0, and at most 1")
    for key, why in unfit(options):
        raise RegrokError(f"options.{key} = {options[key]}: {why}")


def sizes_of(widths: Sequence[int]) -> np.ndarray:
    """N of every width."""
    return np.array([nodes(int(h)) for h in widths], dtype=float)


def members(options: Mapping[str, Any]) -> int:
    """Networks of a width."""
    return int(options["groups"] * options["seeds"])


def graphs(options: Mapping[str, Any], width: int, seed: int, topology: str, m: int) -> Graphs:
    """The graphs of a width's networks, one each."""
    rng = np.random.default_rng([seed, width, 1])
    seeds = rng.integers(2**31, size=members(options)).tolist()
    return Graphs.draw(topology, nodes(width), m, seeds)


def started(options: Mapping[str, Any], width: int, seed: int) -> Networks:
    """The networks of a width before the first step."""
    seeds = [[seed, width, 0, i] for i in range(members(options))]
    return Networks.start(width, options["start"], options["activation"], seeds)


@dataclass(frozen=True)
class Probed:
    """A width's training under the probe."""

    trained: Trained
    size: np.ndarray
    """Updates of the cascade of every epoch's gradient: (networks, epochs + 1)."""
    first: np.ndarray
    """Of these, in the first sweep."""


def in_line(options: Mapping[str, Any], width: int, seed: int) -> Probed:
    """Training whose steps go along the gradient as the cascade has left it."""
    on = graphs(options, width, seed, options["topology"], options["attach"])
    found = np.zeros((2, members(options), options["epochs"] + 1))

    def redistributed(epoch: int, gradient: np.ndarray) -> np.ndarray:
        made = probe(options, on, gradient[:, :, None])
        found[:, :, epoch] = made.size()[:, 0], made.updates[0, :, 0]
        return made.values[:, :, 0]

    networks = started(options, width, seed)
    trained = train(networks, options["learning_rate"], options["epochs"], redistributed)
    return Probed(trained, found[0], found[1])


def in_shadow(options: Mapping[str, Any], width: int, seed: int) -> Probed:
    """Training that the probe looks at and leaves alone."""
    on = graphs(options, width, seed, options["topology"], options["attach"])
    found = np.zeros((2, members(options), options["epochs"] + 1))
    kept: list[np.ndarray] = []

    def seen(epoch: int, gradient: np.ndarray) -> np.ndarray:
        kept.append(gradient)
        if len(kept) == CHUNK or epoch == options["epochs"]:
            made = probe(options, on, np.stack(kept, axis=-1))
            past = slice(epoch + 1 - len(kept), epoch + 1)
            found[:, :, past] = made.size(), made.updates[0]
            kept.clear()
        return gradient

    networks = started(options, width, seed)
    trained = train(networks, options["learning_rate"], options["epochs"], seen)
    return Probed(trained, found[0], found[1])


def probe(options: Mapping[str, Any], on: Graphs, gradients: np.ndarray) -> Any:
    """The cascade of gradients (networks, N, columns) by the options' probe, τ being each column's own."""
    tau = thresholds(gradients, options["quantile"])
    how = (options["alpha"], options["sweeps"], options["order"])
    return cascade(on, gradients, tau, *how)


def grouped(values: np.ndarray, options: Mapping[str, Any]) -> np.ndarray:
    """(networks, …) → (groups, seeds, …)."""
    return values.reshape(options["groups"], options["seeds"], *values.shape[1:])


def windows(learned: np.ndarray, epochs: int) -> Iterator[tuple[str, np.ndarray]]:
    """Epochs before, at and after each network's own event T: [T/2, T), within T/10 of T, [2T, 3T].

    learned: (…,) T, NaN for none. Yields a name and a mask (…, epochs + 1), all false where there is no such epoch.
    """
    at = np.arange(epochs + 1)
    own = learned[..., None]
    with np.errstate(invalid="ignore"):
        yield "before", (at >= own / 2) & (at < own)
        yield "at", np.abs(at - own) <= np.maximum(own / 10, 1)
        yield "after", (at >= 2 * own) & (at <= 3 * own)


def mean(values: Any, unknown: str = UNKNOWN) -> est.Estimate:
    """Mean over groups (groups,) with a t interval, those that have none left out, and the note says of how many."""
    values = np.asarray(values, dtype=float)
    known = values[np.isfinite(values)]
    if not known.size:
        return est.missing(unknown, 0, "mean, t interval")
    lost = len(values) - len(known)
    note = f"; {lost} of {len(values)} groups have none" if lost else ""
    return est.mean(known, note=f"groups of networks{note}")


def learning_times(
    learned: np.ndarray, widths: Sequence[int], epochs: int
) -> dict[str, est.Estimate]:
    """T_earliest and T_latest: mean epoch of learning at the widths where it is earliest and latest.

    learned: (groups, seeds, widths), NaN for a network that does not learn within so many epochs. Such a one learns
    later than that if at all, so that the mean of its width is at least the one with the budget in its place: a lower
    bound, whose interval has no upper end. Of the latest width that holds as soon as any width has such a network.
    """
    never = np.isnan(learned)
    if never.all():
        none = est.missing("no network learns within the budget", 0, "mean, t interval")
        return {"T_earliest": none, "T_latest": none}
    at_least = np.where(never, float(epochs), learned).mean(axis=1)
    times, lost = at_least.mean(axis=0), never.sum(axis=(0, 1))
    found = {}
    for name, at in (("T_earliest", int(times.argmin())), ("T_latest", int(times.argmax()))):
        made = mean(at_least[:, at]).noting(f"width {widths[at]}")
        open_above = lost[at] if name == "T_earliest" else lost.sum()
        if open_above:
            of = f"{open_above} of {never.size if name == 'T_latest' else never[..., at].size}"
            low = made.value if never[..., at].all() else made.low
            made = replace(made, low=low, high=None, reason=None).noting(
                f"a lower bound: {of} networks do not learn within the budget"
            )
        found[name] = made
    return found

"""D of networks that learn exclusive or, under every choice that the papers leave open (arXiv 2604.16431, 2604.04655).

Trained without a probe, for every activation and kind of start, the gradients at some epochs are put to many probes.
Left open are activation, start, the order of updates, s_max or ⟨s⟩ for D, and whether D is taken at each epoch or of
all avalanches before and after; quantile and α are called robust over a range, and the rest is named and could be
otherwise. Every choice has the same starts and the same graphs.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from typing import Any

import numpy as np

from regrok.computations.parts import choices, probed_family, specifications
from regrok.computations.parts.finite_size import known_mean, over
from regrok.computations.parts.graphs import Graphs
from regrok.computations.parts.probed_family import grouped, sizes_of
from regrok.computations.parts.specifications import Probe
from regrok.computations.parts.xor_networks import train
from regrok.errors import RegrokError
from regrok.laws.parts import estimate as est

DEFAULTS: dict[str, Any] = {
    "widths": [20, 30, 50],  # h
    "seeds": 6,  # networks of a width in a group: the published sample
    "groups": 2,  # repeats of that sample; all choices are put to the first of them
    "activation": "tanh",  # of the default choice
    "start": "uniform",  # likewise
    "activations": ["tanh", "relu", "sigmoid"],
    "starts": ["uniform", "xavier", "he"],
    "learning_rate": 0.5,  # η
    "epochs": 60,  # full-batch steps
    "snapshots": [10, 50, 60],  # epochs, beside the start, whose gradients cascade
    "transition": 55,  # epoch that parts before from after: the middle of the printed crossing
    "topology": "barabasi_albert",
    "attach": 2,  # m
    "quantile": 0.9,
    "alpha": 0.3,
    "sweeps": 20,  # at most
    "order": "parallel",
    "statistic": "max",
    "pooling": "per_epoch",
    "quantiles": [0.8, 0.9, 0.95],
    "alphas": [0.1, 0.3, 0.5],
    "attaches": [1, 4],
    "most_sweeps": [5],
    "topologies": ["random", "regular", "ring", "small_world"],
    "printed_before": 0.9,  # D before, as printed
    "printed_after": 1.2,  # and after
    "tolerance": 0.1,  # within which a choice gives the printed value
    "printed_latest": 134.0,  # epoch at which the latest width learns, as printed
    "timely": 3.0,  # factor of that within which the latest width learns in time
}
REFERS: dict[str, Any] = {
    "widths": "widths",
    "activation": ["tanh", "relu", "sigmoid"],
    "start": ["uniform", "xavier", "he"],
    "activations": ["tanh", "relu", "sigmoid"],
    "starts": ["uniform", "xavier", "he"],
    "learning_rate": "positive",
    "snapshots": "numbers",
    "topology": ["barabasi_albert", "random", "regular", "ring", "small_world"],
    "topologies": ["barabasi_albert", "random", "regular", "ring", "small_world"],
    "quantile": "between 0 and 1",
    "quantiles": "between 0 and 1",
    "alpha": "between 0 and 1",
    "alphas": "between 0 and 1",
    "order": ["parallel", "sequential"],
    "statistic": ["max", "mean"],
    "pooling": ["per_epoch", "pooled"],
    "tolerance": "positive",
    "printed_latest": "positive",
    "timely": "positive",
}
ESTIMATES: dict[str, list[str]] = {
    "": [
        "D_at_*",
        "D_before",
        "D_after",
        "rise",
        "T_earliest",
        "T_latest",
        "learned_share",
        "rising_share",
        "falling_share",
        "robust_sign_share",
        "sign_share",
        "timely_share",
        "timely_sign_share",
        "value_share",
        "least_rise",
        "largest_rise",
        "choices",
    ],
    "activations": ["sign_share"],
}
UNKNOWN = "no group of networks has sizes above zero at every width"
KEYS = ("activation", "start", "order", "statistic", "pooling")


def compute(options: Mapping[str, Any], seed: int) -> dict[str, Any]:
    """D before and after the transition under every choice.

    options: as `DEFAULTS`. seed: of starts and graphs. Returns {"estimates", "points"}. Estimates: D before and after,
    their difference, D at each snapshot, and the mean epoch of learning at the width where it is earliest and latest,
    means over groups of the default choice with those of the other open ones beside them; shares of activations and
    starts, at the default probe, whose D rises, and falls, beyond its interval; of probes with another quantile or α
    that give the printed sign; of all choices, on the first group, that give it, in all and of each activation, and
    that give both printed values within `tolerance`; the share of activations and starts whose latest width learns
    about when the printed one does, and of their choices that give the sign; the least and largest difference; the
    number of choices. Points: "choice", one each. Raises RegrokError naming an option.
    """
    probed_family.check(options)
    if options["snapshots"] != sorted(
        {int(e) for e in options["snapshots"] if e <= options["epochs"]}
    ):
        raise RegrokError(
            f"options.snapshots = {options['snapshots']}: should ascend to at most epochs = {options['epochs']}"
        )
    nodes, epochs = sizes_of(options["widths"]), np.array([0, *options["snapshots"]])
    tried = specifications.every(options)
    opened = specifications.left_open(options)
    on = {
        (topology, m): [
            probed_family.graphs(options, width, seed, topology, m) for width in options["widths"]
        ]
        for topology, m in dict.fromkeys((probe.topology, probe.attach) for probe in tried)
    }
    of_choice: dict[str, dict[tuple[str, ...], est.Estimate]] = {}
    points: list[dict[str, Any]] = []
    for activation, start in product(options["activations"], options["starts"]):
        told = {**options, "activation": activation, "start": start}
        gradients, learned = trained(told, seed)
        for key, value in times(told, learned).items():
            of_choice.setdefault(key, {})[activation, start] = value
        for probe in tried:
            where = on[probe.topology, probe.attach]
            whole = probe in opened
            sizes = cascaded(told, probe, where, gradients, None if whole else options["seeds"])
            for statistic, pooling, found in specifications.read(
                sizes, nodes, epochs, options["transition"]
            ):
                name = (activation, start, probe.order, statistic, pooling)
                points.append(point(name, probe, found))
                for key, values in found.items() if whole else ():
                    if pooling == options["pooling"] or not key.startswith("D_at_"):
                        of_choice.setdefault(key, {})[name] = mean(values)
    own = tuple(str(options[key]) for key in KEYS)
    estimates = {
        key: choices.among(found, own if len(next(iter(found))) == len(KEYS) else own[:2])
        for key, found in of_choice.items()
    }
    estimates |= shares(options, of_choice["rise"], points)
    estimates |= in_time(options, of_choice["T_latest"], points)
    return {"estimates": estimates, "points": points}


def trained(told: Mapping[str, Any], seed: int) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Of every width: gradients at the snapshots, (networks, N, snapshots), and the epoch of learning, (networks,)."""
    gradients, learned = [], []
    for width in told["widths"]:
        kept: dict[int, np.ndarray] = {}

        def seen(
            epoch: int, gradient: np.ndarray, kept: dict[int, np.ndarray] = kept
        ) -> np.ndarray:
            if epoch == 0 or epoch in told["snapshots"]:
                kept[epoch] = gradient
            return gradient

        networks = probed_family.started(told, width, seed)
        learned.append(train(networks, told["learning_rate"], told["epochs"], seen).learned)
        gradients.append(np.stack([kept[epoch] for epoch in sorted(kept)], axis=-1))
    return gradients, learned


def cascaded(
    told: Mapping[str, Any],
    probe: Probe,
    on: list[Graphs],
    gradients: list[np.ndarray],
    first: int | None,
) -> np.ndarray:
    """Sizes by a probe, of the `first` networks of a width or of all: (groups, seeds, widths, snapshots)."""
    if first is None:
        made = [grouped(probe.sizes(*each), told) for each in zip(on, gradients, strict=True)]
    else:
        made = [
            probe.sizes(graphs.first(first), gradient[:first])[None]
            for graphs, gradient in zip(on, gradients, strict=True)
        ]
    return np.stack(made, axis=2)


def point(name: tuple[str, ...], probe: Probe, found: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """One choice on the first group: what was chosen and what it gives."""
    row: dict[str, Any] = {"kind": "choice", **dict(zip(KEYS, name, strict=True))}
    row |= {
        "quantile": probe.quantile,
        "alpha": probe.alpha,
        "attach": probe.attach,
        "sweeps": probe.sweeps,
        "topology": probe.topology,
        "threshold": probe.threshold,
    }
    names = {"D_before": "before", "D_after": "after", "rise": "rise"}
    return row | {short: round(float(found[key][0]), 4) for key, short in names.items()}


def mean(values: np.ndarray) -> est.Estimate:
    """Mean over groups with a t interval, those that have none left out."""
    known = values[np.isfinite(values)]
    if not known.size:
        return est.missing(UNKNOWN, 0, "mean, t interval")
    return est.mean(known, note="groups of networks")


def times(told: Mapping[str, Any], learned: list[np.ndarray]) -> dict[str, est.Estimate]:
    """Epochs of learning at the widths where it is earliest and latest, and the share of networks that learn."""
    groups = over(np.stack([grouped(each, told) for each in learned], axis=2), "mean", axis=1)
    by_width = known_mean(groups, 0)
    every = np.concatenate(learned)
    found = {"learned_share": est.share(int(np.isfinite(every).sum()), every.size)}
    never = est.missing("no network learns within the budget", 0, "mean, t interval")
    if not np.isfinite(by_width).any():
        return found | {"T_earliest": never, "T_latest": never}
    for name, at in (("T_earliest", np.nanargmin(by_width)), ("T_latest", np.nanargmax(by_width))):
        found[name] = mean(groups[:, at]).noting(f"width {told['widths'][at]}")
    return found


def shares(
    options: Mapping[str, Any],
    rises: Mapping[tuple[str, ...], est.Estimate],
    points: list[dict[str, Any]],
) -> dict[str, est.Estimate]:
    """How many choices give what is printed."""
    probe = tuple(str(options[key]) for key in KEYS[2:])
    own = [each for name, each in rises.items() if name[2:] == probe]
    up = [each.low is not None and each.low > 0 for each in own]
    down = [each.high is not None and each.high < 0 for each in own]
    rows = [row for row in points if np.isfinite(row["rise"])]
    at_default = {key: options[key] for key in (*KEYS, "attach", "sweeps", "topology")}
    at_default["threshold"] = "epoch"
    robust = [row for row in rows if all(row[key] == at_default[key] for key in at_default)]
    near = [
        abs(row["before"] - options["printed_before"]) <= options["tolerance"]
        and abs(row["after"] - options["printed_after"]) <= options["tolerance"]
        for row in rows
    ]
    rising = [row["rise"] > 0 for row in rows]
    every = [row["rise"] for row in rows] or [np.nan]
    count = f"{len(rows)} choices"
    by_activation = {
        activation: [row["rise"] > 0 for row in rows if row["activation"] == activation]
        for activation in options["activations"]
    }
    return {
        f"{activation}.sign_share": est.share(sum(up_there), len(up_there), "choices")
        for activation, up_there in by_activation.items()
    } | {
        "rising_share": est.share(sum(up), len(own), "activations and starts"),
        "falling_share": est.share(sum(down), len(own), "activations and starts"),
        "robust_sign_share": est.share(
            sum(row["rise"] > 0 for row in robust), len(robust), "quantiles and α"
        ),
        "sign_share": est.share(sum(rising), len(rows), count),
        "value_share": est.share(sum(near), len(rows), count),
        "least_rise": est.exact(float(min(every)), len(rows), "least of all choices"),
        "largest_rise": est.exact(float(max(every)), len(rows), "largest of all choices"),
        "choices": est.exact(float(len(points)), len(points), "count"),
    }


def in_time(
    options: Mapping[str, Any],
    latest: Mapping[tuple[str, ...], est.Estimate],
    points: list[dict[str, Any]],
) -> dict[str, est.Estimate]:
    """The activations and starts whose latest width learns about when printed, and the sign under these."""
    printed, factor = options["printed_latest"], options["timely"]
    timely = {
        name
        for name, each in latest.items()
        if each.value is not None and printed / factor <= each.value <= printed * factor
    }
    rises = [
        row["rise"] > 0
        for row in points
        if np.isfinite(row["rise"]) and (row["activation"], row["start"]) in timely
    ]
    return {
        "timely_share": est.share(len(timely), len(latest), "activations and starts"),
        "timely_sign_share": est.share(sum(rises), len(rises), f"{len(rises)} choices"),
    }

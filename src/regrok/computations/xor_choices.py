"""D of networks that learn exclusive or, under every choice that the papers leave open (arXiv 2604.16431, 2604.04655).

Trained without a probe, for every activation and kind of start, the gradients at some epochs are put to many probes.
Left open are activation, start, the order of updates, s_max or ⟨s⟩ for D, whether D is taken at each epoch or of all
avalanches before and after, what parts before from after (`epoch_cuts`), which parameter is which node, and whether
steps go along what the cascade leaves; quantile and α are called robust over a range, and the rest is named and could
be otherwise. Every choice has the same starts and the same graphs.

Networks with one activation and start may all learn before the printed epoch, or after it, and D before and after that
is then of one side of the event. So the cut is a choice: the printed epoch, the median epoch of learning, and each
network's own. A median beyond the budget leaves no D, nor does an own window of a width with a network that does not
learn in time.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import product
from typing import Any

import numpy as np

from regrok.computations.parts import (
    choices,
    enumerated,
    epoch_cuts,
    looked_family,
    printed_signs,
    probed_family,
    specifications,
)
from regrok.computations.parts.epoch_cuts import FIXED, MEDIAN
from regrok.computations.parts.printed_signs import AS_FIRST_LISTED, KEYS
from regrok.computations.parts.probed_family import grouped, mean, sizes_of
from regrok.computations.parts.specifications import Probe
from regrok.laws.parts import estimate as est

DEFAULTS: dict[str, Any] = {
    "widths": [20, 30, 50],  # h
    "seeds": 6,  # networks of a width in a group: the published sample
    "groups": 2,  # repeats of that sample; all choices are put to the first, those left open to all
    "activation": "tanh",  # of the default choice
    "start": "uniform",  # likewise
    "activations": ["tanh", "relu", "sigmoid"],
    "starts": ["uniform", "xavier", "he"],
    "learning_rate": 0.5,  # η
    "epochs": 60,  # full-batch steps
    "snapshots": [10, 50, 60],  # epochs, beside the start, whose gradients cascade
    "transition": 55,  # epoch of the fixed cut: the middle of the printed crossing
    "topology": "barabasi_albert",
    "attach": 2,  # m
    "quantile": 0.9,
    "alpha": 0.3,
    "sweeps": 20,  # at most
    "order": "parallel",
    "placed": "in_order",  # which parameter is which node
    "statistic": "max",
    "pooling": "per_epoch",
    "quantiles": [0.8, 0.9, 0.95],
    "alphas": [0.1, 0.3, 0.5],
    "attaches": [1, 4],
    "most_sweeps": [5],
    "topologies": ["random", "regular", "ring", "small_world"],
    "placements": ["shuffled"],
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
    "placed": ["in_order", "shuffled"],
    "placements": ["in_order", "shuffled"],
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
        "D_before_by_cut",
        "D_after_by_cut",
        "rise_by_cut",
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
        "task_rise",
        "task_rising_share",
        "task_falling_share",
        "robust_rise",
        "printed_sign_share",
        "printed_sign_at_fixed",
        "printed_sign_at_median",
        "printed_sign_at_own",
        "printed_value_share",
        "least_of_all",
        "largest_of_all",
        "every_choice",
        "no_D",
    ],
    "activations": ["sign_share", "printed_sign_share"],
}


def compute(options: Mapping[str, Any], seed: int) -> dict[str, Any]:
    """D before and after the transition under every choice.

    options: as `DEFAULTS`; the default activation and start are tried whether listed or not. seed: of starts, graphs
    and where parameters are placed. Returns {"estimates", "points"}. Estimates: D before and after, their difference,
    D at each snapshot, and the mean epoch of learning at the width where it is earliest and latest, means over groups
    of the default choice with those of the other open ones beside them, at the fixed epoch and, under `…_by_cut`, at
    every cut; task_rise, the least change in the printed direction of any activation and start, at the median epoch of
    learning and the default probe, and the shares of these that rise and fall beyond their intervals; robust_rise, the
    least such change of any quantile and α called robust, of the default activation and start at the fixed epoch; and
    what of all choices on the first group gives what is printed (`printed_signs`). Points: "choice", one for each
    that has D before and after; `no_D` counts the others. Raises RegrokError naming an option.
    """
    probed_family.check(options)
    tried, opened = specifications.every(options), specifications.left_open(options)
    robust = specifications.called_robust(options)
    on = {
        (topology, m): [
            probed_family.graphs(options, width, seed, topology, m) for width in options["widths"]
        ]
        for topology, m in dict.fromkeys((probe.topology, probe.attach) for probe in tried)
    }
    default = (options["activation"], options["start"])
    first_cut: dict[str, dict[tuple[str, ...], est.Estimate]] = {}
    by_cut: dict[str, dict[tuple[str, ...], est.Estimate]] = {}
    at_median: dict[tuple[str, str], np.ndarray] = {}
    of_probe: dict[Probe, np.ndarray] = {}
    rows: list[dict[str, Any]] = []
    for activation, start in pairs(options):
        own = (activation, start)
        told = {**options, "activation": activation, "start": start}
        learned = [looked_family.learned(told, width, seed) for width in options["widths"]]
        looks, cuts = epoch_cuts.looked_at(learned, told)
        seen = [
            looked_family.gradients(told, width, seed, at)
            for width, at in zip(options["widths"], looks, strict=True)
        ]
        for key, value in times(told, learned).items():
            first_cut.setdefault(key, {})[own] = value
        for probe in tried:
            whole = probe in opened or (own == default and probe in robust)
            there = on[probe.topology, probe.attach]
            sizes = looked_family.cascaded(told, probe, there, seen, looks, seed, whole)
            for key, of_name in at_snapshots(told, own, probe, sizes, probe in opened).items():
                first_cut.setdefault(key, {}).update(of_name)
            for statistic, pooling, cut, found in specifications.read(
                sizes, sizes_of(options["widths"]), cuts
            ):
                name = (*own, probe.order, statistic, pooling)
                rows.append(row(name, probe, cut, "in_shadow", found))
                as_default = (statistic, pooling) == (options["statistic"], options["pooling"])
                if as_default and probe in robust and own == default and cut == FIXED:
                    of_probe[probe] = found["rise"]
                if as_default and probe == specifications.default(options) and cut == MEDIAN:
                    at_median[own] = found["rise"]
                for key, values in found.items() if probe in opened else ():
                    by_cut.setdefault(f"{key}_by_cut", {})[*name, cut] = mean(values)
                    if cut == FIXED:
                        first_cut.setdefault(key, {})[name] = mean(values)
        if start == options["start"]:
            rows += in_line(told, seed)
    own_name = tuple(str(options[key]) for key in KEYS)
    estimates = {
        key: choices.among(found, own_name[: len(next(iter(found)))])
        for key, found in first_cut.items()
    } | {key: choices.among(found, (*own_name, FIXED)) for key, found in by_cut.items()}
    listed = [each for each in rows if all(each[k] == v for k, v in AS_FIRST_LISTED.items())]
    estimates |= printed_signs.first_shares(options, first_cut["rise"], rows)
    estimates |= printed_signs.in_time(options, first_cut["T_latest"], listed)
    estimates |= printed_signs.enumerated_shares(options, rows)
    estimates |= every_task(options, at_median)
    way = printed_signs.sign(options)
    estimates["robust_rise"] = enumerated.least({k: way * v for k, v in of_probe.items()})
    known = [shown(each) for each in rows if math.isfinite(each["rise"])]
    return {"estimates": estimates, "points": known}


def pairs(options: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Activations and starts, those of the default choice among them."""
    listed = [*product(options["activations"], options["starts"])]
    return list(dict.fromkeys([*listed, (options["activation"], options["start"])]))


def at_snapshots(
    told: Mapping[str, Any],
    own: tuple[str, str],
    probe: Probe,
    sizes: np.ndarray,
    opened: bool,
) -> dict[str, dict[tuple[str, ...], est.Estimate]]:
    """D at epoch 0 and each snapshot, by statistic, of a probe in an order that is left open."""
    epochs, nodes = [0, *told["snapshots"]], sizes_of(told["widths"])
    found: dict[str, dict[tuple[str, ...], est.Estimate]] = {}
    for statistic in specifications.STATISTICS if opened else ():
        at = specifications.dimensions(sizes, nodes, statistic)
        name = (*own, probe.order, statistic, told["pooling"])
        for i, epoch in enumerate(epochs):
            found.setdefault(f"D_at_{epoch}", {})[name] = mean(at[:, i])
    return found


def in_line(told: Mapping[str, Any], seed: int) -> list[dict[str, Any]]:
    """Choices of the first group whose steps go along what the cascade leaves, by the default probe."""
    sizes, cuts = looked_family.in_line({**told, "groups": 1}, seed)
    probe, own = specifications.default(told), (told["activation"], told["start"])
    read = specifications.read(sizes, sizes_of(told["widths"]), cuts)
    return [
        row((*own, probe.order, statistic, pooling), probe, cut, "in_line", found)
        for statistic, pooling, cut, found in read
    ]


def row(
    name: tuple[str, ...], probe: Probe, cut: str, steps: str, found: Mapping[str, np.ndarray]
) -> dict[str, Any]:
    """One choice on the first group: what was chosen, and what it gives."""
    chosen = {**dict(zip(KEYS, name, strict=True)), "cut": cut, "steps": steps}
    names = {"D_before": "before", "D_after": "after", "rise": "rise"}
    return {
        "kind": "choice",
        **chosen,
        **{key: value for key, value in vars(probe).items() if key != "order"},
        **{short: float(found[key][0]) for key, short in names.items()},
    }


def shown(each: Mapping[str, Any]) -> dict[str, Any]:
    """A choice as a point, its numbers to the fourth digit."""
    return {**each, **{key: round(each[key], 4) for key in ("before", "after", "rise")}}


def times(told: Mapping[str, Any], learned: list[np.ndarray]) -> dict[str, est.Estimate]:
    """Epochs of learning at the widths where it is earliest and latest, and the share of networks that learn."""
    groups = np.stack([grouped(each, told) for each in learned], axis=2)
    every = np.concatenate(learned)
    return {
        "learned_share": est.share(int(np.isfinite(every).sum()), every.size),
        **probed_family.learning_times(groups, told["widths"], told["epochs"]),
    }


def every_task(
    options: Mapping[str, Any], rises: Mapping[tuple[str, str], np.ndarray]
) -> dict[str, est.Estimate]:
    """Whether D goes the printed way with every activation and start. rises: of each, over groups."""
    way = printed_signs.sign(options)
    found = {name: way * values for name, values in rises.items()}
    made = [mean(values) for values in found.values()]
    of = "activations and starts"
    return {
        "task_rise": enumerated.least(found),
        "task_rising_share": enumerated.share(
            [each.low is not None and each.low > 0 for each in made], of
        ),
        "task_falling_share": enumerated.share(
            [each.high is not None and each.high < 0 for each in made], of
        ),
    }

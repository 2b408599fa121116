"""How avalanches of gradients go with the size of networks as these generalise (2604.16431): D(t) over families.

A family has one run of every width with one seed; of its avalanches s ∝ N^D at each step. D before, at and after the
transition is read in two ways: at equal step, as published, around the family's median T_grok, and with each run in
windows of its own T_grok, so that widths that grok at different steps are not mixed. What of D the threshold fixes is
`first_D`, the exponent of the first sweep alone.

Of a pair of groups, one that groks and one that does not, with the same seeds: where D(t) of the two part, counted back
from the transition as published, which is known afterwards alone; and what an alarm says that sees the past alone
(`regrok.laws.parts.past_alone`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from regrok.computations.parts.finite_size import exponent, fitted, over
from regrok.laws.parts import estimate as est
from regrok.laws.parts import past_alone, two_samples
from regrok.laws.parts.families import (
    Families,
    Window,
    aligned_sizes,
    at_equal_step,
    before_event,
    dated_like,
    families,
    inside,
)
from regrok.laws.parts.selection import grouped, plain
from regrok.runs.frames import Frames
from regrok.study.defaults import option

DEFAULTS: dict[str, Any] = {
    "groups": {},
    "ratios": {},  # pairs of groups: one that groks, one that does not
    "windows": {"before": [0.5, 1.0], "at": [0.9, 1.1], "after": [1.5, 2.0]},  # shares of T_grok
    "memory": 4,  # states that the alarm's signal is a mean of
    "replicates": 2000,
}
REFERS: dict[str, Any] = {"groups": "groups", "ratios": "ratios", "windows": "ranges"}
NEEDS: dict[str, Any] = {"probes": ["cascade"]}
ESTIMATES: dict[str, list[str]] = {
    "groups": [
        "D_before",
        "D_at",
        "D_after",
        "change",
        "aligned_before",
        "aligned_at",
        "aligned_after",
        "aligned_change",
        "largest_before",
        "largest_at",
        "largest_after",
        "D_pooled",
        "gamma_pooled",
        "r_squared",
        "first_D",
        "T_grok",
        "T_spread",
    ],
    "ratios": ["D_after", "parting", "warned", "lead", "false_alarms", "falling_share"],
}

WINDOWS = ("before", "at", "after")
UNMEASURED = "no run of these was measured"
NARROW = "these runs have one number of parameters, over which nothing scales"


def fit(frames: Frames, options: dict[str, Any], seed: int) -> est.Result:
    """Exponents of each group of options.groups, and what sets apart each pair of options.ratios.

    Estimates of a group, means over families: D_before, D_at, D_after at equal step, in windows of the family's median
    T_grok (of a pair's second group, whose families that grok are left out, that of the first, by seed), and change,
    after less before; aligned_…, the exponent of sizes averaged in windows of each run's own T_grok; largest_…, of the
    largest sizes over families at equal step; D_pooled and gamma_pooled, of the largest and the mean size over all
    states, and r_squared of the first; first_D, of the first sweep; T_grok, of the family, and T_spread, the last over
    the first of its runs. Pairs: D_after, one less the other; parting, steps before the transition from which on D(t)
    differ, 0 where they do not there; of held-out seeds warned, the share that has its alarm before the transition,
    lead, its mean in steps, false_alarms of families that do not grok; falling_share, of detectors those that wait for
    D to fall. A family with a run that was not measured, or whose windows no state lies in, is left out, with a note.

    Points: "step" and "lag", D(t) of a group at equal step and before the transition. Cells: a record a family.
    """
    settings = option(options, DEFAULTS)
    tables = [table for table in frames.probes.values() if len(table) and "nodes" in table]
    columns = ["run_id", "step", "nodes", "size", "first"]
    table = pd.concat(tables) if tables else pd.DataFrame(columns=columns)
    groups = grouped(frames.runs, frames.experiments, settings["groups"])
    made = {name: families(rows, table) for name, rows in groups.items()}
    made |= {other: made[other].that_never_grok() for _, other in settings["ratios"].values()}
    of = {other: made[one] for one, other in settings["ratios"].values()}
    events = {
        name: dated_like(each, of[name]) if name in of else each.transition
        for name, each in made.items()
    }
    estimates: dict[str, est.Estimate] = {}
    for name, each in made.items():
        found = of_group(each, events[name], settings, seed)
        estimates |= {f"{name}.{key}": found[key] for key in ESTIMATES["groups"]}
    for name, (one, other) in settings["ratios"].items():
        pair = (made[one], made[other]), (events[one], events[other])
        found = of_pair(*pair, settings, seed)
        estimates |= {f"{name}.{key}": found[key] for key in ESTIMATES["ratios"]}
    points = [point for name in made for point in drawn(name, made[name], events[name])]
    cells = [record for name in made for record in described(name, made[name], events[name])]
    return {"estimates": estimates, "points": points, "cells": cells}


def window_of(settings: Mapping[str, Any], name: str) -> Window:
    """A window by its name, one that the options do not change being the default."""
    low, high = {**DEFAULTS["windows"], **settings["windows"]}[name]
    return float(low), float(high)


def over_families(values: np.ndarray, unit: str = "", log: bool = False) -> est.Estimate:
    """Their mean, with a note of how many are not known."""
    unknown = int(np.isnan(values).sum())
    note = f"{unknown} of {len(values)} families have none" if unknown else ""
    return est.mean(values, unit, note, log)


def of_group(
    made: Families, event: np.ndarray, settings: Mapping[str, Any], seed: int
) -> dict[str, est.Estimate]:
    """The estimates of one group. event: (f,) the transition of each family."""
    if len(made.nodes) < 2:
        why = NARROW if len(made.nodes) else UNMEASURED
        return {key: est.missing(why, len(made.seeds)) for key in ESTIMATES["groups"]}
    windows = {name: window_of(settings, name) for name in WINDOWS}
    equal = {name: at_equal_step(made, event, span) for name, span in windows.items()}
    aligned = {
        name: exponent(aligned_sizes(made, span), made.nodes) for name, span in windows.items()
    }
    found = {f"D_{name}": over_families(values) for name, values in equal.items()}
    found |= {f"aligned_{name}": over_families(values) for name, values in aligned.items()}
    found["change"] = over_families(equal["after"] - equal["before"])
    found["aligned_change"] = over_families(aligned["after"] - aligned["before"])
    for name, span in windows.items():
        found[f"largest_{name}"] = of_largest(made, event, span, settings["replicates"], seed)
    pooled, r_squared = fitted(over(made.size, "max", axis=2), made.nodes)
    found["D_pooled"], fits = over_families(pooled), over_families(r_squared)
    found["r_squared"] = fits if fits.high is None else replace(fits, high=min(fits.high, 1.0))
    found["gamma_pooled"] = over_families(exponent(over(made.size, "mean", axis=2), made.nodes))
    found["first_D"] = over_families(exponent(over(made.first, "mean", axis=2), made.nodes))
    found["T_grok"] = over_families(made.transition, "steps", log=True)
    with np.errstate(invalid="ignore"):
        apart = made.grokked.max(axis=1) / made.grokked.min(axis=1)
    found["T_spread"] = over_families(apart, log=True)
    return found


def of_largest(
    made: Families, event: np.ndarray, window: Window, replicates: int, seed: int
) -> est.Estimate:
    """D of the largest sizes over families, mean over a window of the median transition: the printed s_max ∝ N^D."""
    how = "least squares of the largest sizes, bootstrap over families"
    known = event[np.isfinite(event)]
    mask = inside(made.steps, np.median(known) if len(known) else np.array(np.nan), window)
    if not mask.any():
        return est.missing("no state lies in this window", len(made.seeds), how)
    sizes = made.size[:, :, mask].transpose(0, 2, 1)  # (f, s, w)
    sizes = sizes[np.isfinite(sizes).all(axis=(1, 2))]

    def of(rows: np.ndarray) -> np.ndarray:
        return exponent(sizes[rows].max(axis=-3), made.nodes).mean(axis=-1)

    return est.bootstrap(of, np.zeros(len(sizes)), replicates, seed, how)


# Two groups -------------------------------------------------------------------------------------------------------


def of_pair(
    pair: tuple[Families, Families],
    events: tuple[np.ndarray, np.ndarray],
    settings: Mapping[str, Any],
    seed: int,
) -> dict[str, est.Estimate]:
    """What sets families that grok apart from those that do not."""
    ours, theirs = pair
    if min(len(ours.nodes), len(theirs.nodes)) < 2:
        why = NARROW if min(len(ours.nodes), len(theirs.nodes)) else UNMEASURED
        return {key: est.missing(why, len(ours.seeds)) for key in ESTIMATES["ratios"]}
    after = window_of(settings, "after")
    late = [at_equal_step(made, event, after) for made, event in zip(pair, events, strict=True)]
    found = {"D_after": difference(*late)}
    found["parting"] = parting(pair, events, settings["replicates"], seed)
    if not np.isfinite(ours.transition).any():
        none = est.absent("none of these families groks", len(ours.seeds))
        return found | dict.fromkeys(("warned", "lead", "false_alarms", "falling_share"), none)
    return found | warned(ours, theirs, settings["memory"])


def difference(one: np.ndarray, other: np.ndarray) -> est.Estimate:
    """Mean of one less that of the other, with Welch's interval."""
    one, other = one[np.isfinite(one)], other[np.isfinite(other)]
    n, how = len(one) + len(other), "difference of means, Welch interval"
    if min(len(one), len(other)) < 2:
        return est.missing("fewer than two families on one side", n, how)
    made = two_samples.difference(two_samples.sample(one), two_samples.sample(other))
    if not made.variance > 0:
        return est.estimate(made.value, None, None, n, how)
    return est.estimate(made.value, made.value - made.half, made.value + made.half, n, how)


def parting(
    pair: tuple[Families, Families],
    events: tuple[np.ndarray, np.ndarray],
    replicates: int,
    seed: int,
) -> est.Estimate:
    """Steps before the transition from which on D(t) of the groups differ by Welch's test at 95 %, up to it.

    0 where they do not differ at the transition itself. Families of both are counted back from their own event.
    """
    how = "first lag from which on Welch's test parts the groups, bootstrap over families"
    steps, known = pair[0].steps, np.concatenate(events)
    if len(steps) < 2 or not np.isfinite(known).any():
        return est.missing("no transition to count back from", len(known), how, "steps")
    lags = np.arange(0, np.nanmax(known) + 1, float(np.diff(steps).min()))
    before = [before_event(made, event, lags) for made, event in zip(pair, events, strict=True)]
    one, other = (each[np.isfinite(each[:, 0])] for each in before)
    if min(len(one), len(other)) < 2:
        return est.missing("fewer than two families on one side", len(known), how, "steps")
    both = np.concatenate([one, other])
    labels = np.repeat([0, 1], [len(one), len(other)])

    def of(rows: np.ndarray) -> np.ndarray:
        values = both[rows]
        split = values[..., : len(one), :], values[..., len(one) :, :]
        lasting = np.logical_and.accumulate(apart(*split), axis=-1).sum(axis=-1)
        found: np.ndarray = lags[np.maximum(lasting - 1, 0)]
        return found

    whole = (0.0, float(lags[-1]))
    return est.bootstrap(of, labels, replicates, seed, how, unit="steps", bounds=whole)


def apart(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """(…, k) whether means over families differ by Welch's test at 95 %; no where a family is not known.

    one: (…, n, k), other: (…, m, k).
    """
    gap = one.mean(axis=-2) - other.mean(axis=-2)
    a, b = (each.var(axis=-2, ddof=1) / each.shape[-2] for each in (one, other))
    with np.errstate(divide="ignore", invalid="ignore"):
        squares = a**2 / (one.shape[-2] - 1) + b**2 / (other.shape[-2] - 1)
        margin = stats.t.ppf(0.5 + est.LEVEL / 2, (a + b) ** 2 / squares) * np.sqrt(a + b)
        differ: np.ndarray = np.abs(gap) > np.where(a + b == 0, 0.0, margin)
    return differ


def warned(ours: Families, theirs: Families, memory: int) -> dict[str, est.Estimate]:
    """Alarms of held-out seeds: before the transition, how long before, and where there is none."""
    event = ours.transition
    grokking = np.isfinite(event)
    steps = np.intersect1d(ours.steps, theirs.steps)
    moving, still = (
        past_alone.running(made.D[:, np.isin(made.steps, steps)], memory) for made in (ours, theirs)
    )
    quiet = len(theirs.seeds)
    found = past_alone.warned(
        np.concatenate([theirs.seeds, ours.seeds[grokking]]),
        np.concatenate([still, moving[grokking]]),
        np.concatenate([np.full(quiet, np.nan), event[grokking]]),
        steps,
    )
    keys = ("warned", "lead", "false_alarms", "falling_share")
    if not len(found.directions):
        none = est.missing("no family to choose a threshold on", len(event))
        return dict.fromkeys(keys, none)
    lead = event[grokking] - found.alarm[quiet:]
    before = lead > 0
    without = f"{int((~before).sum())} of {len(lead)} families have none"
    return {
        "warned": est.share(int(before.sum()), len(lead)),
        "lead": est.mean(lead[before], "steps", without if not before.all() else ""),
        "false_alarms": est.share(int(np.isfinite(found.alarm[:quiet]).sum()), quiet),
        "falling_share": est.share(int((found.directions < 0).sum()), len(found.directions)),
    }


# What figures and tables show -------------------------------------------------------------------------------------


def drawn(name: str, made: Families, event: np.ndarray) -> list[dict[str, Any]]:
    """Mean and interval of D over families, at each step and at each lag before the transition."""
    if len(made.steps) < 2 or len(made.nodes) < 2:
        return []
    latest = np.nanmax(event) if np.isfinite(event).any() else 0.0
    lags = np.arange(0, latest + 1, float(np.diff(made.steps).min()))
    kinds = {"step": (made.steps, made.D), "lag": (lags, before_event(made, event, lags))}
    found = []
    for kind, (places, values) in kinds.items():
        for place, column in zip(places, values.T, strict=True):
            mean = est.mean(column)
            if mean.value is not None:
                ends = {"low": mean.low, "high": mean.high, "families": mean.n}
                about = {"kind": kind, "group": name, "at": float(place), "D": mean.value}
                found.append(about | ends)
    return found


def described(name: str, made: Families, event: np.ndarray) -> list[dict[str, Any]]:
    """A record a family: its seed, numbers of parameters, transition and D."""
    pooled = made.D.mean(axis=1) if len(made.steps) else np.full(len(made.seeds), np.nan)
    return [
        {
            "group": name,
            "seed": plain(seed),
            "nodes": made.nodes.tolist(),
            "T_grok": [plain(each) for each in grokked],
            "transition": plain(own),
            "D": plain(D),
        }
        for seed, grokked, own, D in zip(made.seeds, made.grokked, event, pooled, strict=True)
    ]

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

from regrok.computations.parts.finite_size import exponent, fitted, over
from regrok.laws.parts import estimate as est
from regrok.laws.parts.families import (
    NARROW,
    UNMEASURED,
    Families,
    Window,
    aligned_sizes,
    at_equal_step,
    before_event,
    dated_like,
    families,
)
from regrok.laws.parts.measured import by_module
from regrok.laws.parts.pairs import of_pair
from regrok.laws.parts.readings import of_window, over_families
from regrok.laws.parts.selection import grouped, plain
from regrok.runs.frames import Frames
from regrok.study.defaults import option

DEFAULTS: dict[str, Any] = {
    "groups": {},
    "ratios": {},  # pairs of groups: one that groks, one that does not
    "windows": {"before": [0.5, 1.0], "at": [0.9, 1.1], "after": [1.5, 2.0]},  # shares of T_grok
    "memory": 4,  # states that the alarm's signal is a mean of
    "false_rate": 0.1,  # of quiet families, which raise the alarm that is set at a rate
    "replicates": 2000,
}
REFERS: dict[str, Any] = {
    "groups": "groups",
    "ratios": "ratios",
    "windows": "ranges",
    "false_rate": "between 0 and 1",
}
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
    "ratios": [
        "D_after",
        "parting",
        "half_gap",
        "warned",
        "lead",
        "false_alarms",
        "falling_share",
        "alarm_warned",
        "alarm_timely",
        "alarm_lead",
        "alarm_false",
        "alarm_falling",
    ],
}

WINDOWS = ("before", "at", "after")


def fit(frames: Frames, options: dict[str, Any], seed: int) -> est.Result:
    """Exponents of each group of options.groups, and what sets apart each pair of options.ratios.

    Estimates of a group, means over families: D_before, D_at, D_after at equal step, in windows of the family's median
    T_grok (of a pair's second group, whose families that grok are left out, that of the first, by seed), each with its
    choices (`regrok.laws.parts.readings`), and change, after less before; aligned_…, the exponent of sizes averaged in
    windows of each run's own T_grok; largest_…, of the largest sizes over families at equal step; D_pooled and
    gamma_pooled, of the largest and the mean size over all states, and r_squared of the first; first_D, of the first
    sweep; T_grok, of the family, and T_spread, the last over the first of its runs. Pairs: D_after, one less the other;
    parting and half_gap, steps before the transition at which D(t) part (`regrok.laws.parts.partings`); of held-out
    seeds warned, the share that has its alarm before the transition, lead, its mean in steps, false_alarms of families
    that do not grok; falling_share, of detectors those that wait for D to fall; alarm_…, the same of an alarm that a
    stated rate of quiet families raise (`regrok.laws.parts.pairs`). A family with a run that was not measured, or whose
    windows no state lies in, is left out, with a note.

    Points: "step" and "lag", D(t) of a group at equal step and before the transition. Cells: a record a family.
    """
    settings = option(options, DEFAULTS)
    table = by_module(frames, "cascade")
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
        keys = ESTIMATES["ratios"]
        found = of_pair(*pair, window_of(settings, "after"), settings, seed, keys)
        estimates |= {f"{name}.{key}": found[key] for key in keys}
    points = [point for name in made for point in drawn(name, made[name], events[name])]
    cells = [record for name in made for record in described(name, made[name], events[name])]
    return {"estimates": estimates, "points": points, "cells": cells}


def window_of(settings: Mapping[str, Any], name: str) -> Window:
    """A window by its name, one that the options do not change being the default."""
    low, high = {**DEFAULTS["windows"], **settings["windows"]}[name]
    return float(low), float(high)


def of_group(
    made: Families, event: np.ndarray, settings: Mapping[str, Any], seed: int
) -> dict[str, est.Estimate]:
    """The estimates of one group. event: (f,) the transition of each family."""
    if len(made.nodes) < 2:
        why = NARROW if len(made.nodes) else UNMEASURED
        return {key: est.missing(why, len(made.seeds)) for key in ESTIMATES["groups"]}
    windows = {name: window_of(settings, name) for name in WINDOWS}
    found: dict[str, est.Estimate] = {}
    for name, span in windows.items():
        ways = of_window(made, event, name, span, settings["replicates"], seed)
        found |= {f"{way}_{name}": ways[way] for way in ("D", "aligned", "largest")}
    ends = windows["before"], windows["after"]
    before, after = (at_equal_step(made, event, span) for span in ends)
    found["change"] = over_families(after - before)
    before, after = (exponent(aligned_sizes(made, span), made.nodes) for span in ends)
    found["aligned_change"] = over_families(after - before)
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

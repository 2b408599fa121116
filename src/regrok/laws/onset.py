"""Whether the commutator defect warns of grokking: onset, lead, growth and scaling (2602.16967, 2602.16746).

The onset is the first state whose defect is more than ten times the median of the first three and above 20; a run has
grokked where its validation accuracy is .98 three times in a row, at the first step at which it is .90. The lead is the
time between. Each is set against what would be there without a signal:

- lead ∝ T_grok^α follows with α near 1 from an early onset alone, and an alarm may be no more than memorising and some
  patience: `regrok.laws.parts.lead_scaling`;
- runs that end while the defect rises, or are measured at another cadence, have another growth:
  `regrok.laws.parts.growths`;
- runs that do not grok may raise it too (`alarms`).

The defect is a curvature over a gradient (`regrok.probes.commutator_defect`), so that log growth is a sum of both;
`vanishing` is the gradient's share at the largest defect.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd

from regrok.laws.parts import estimate as est
from regrok.laws.parts import growths
from regrok.laws.parts.lead_scaling import exponents, over_printed, patient
from regrok.laws.parts.measured import by_module
from regrok.laws.parts.onsets import generalised, later, onset
from regrok.laws.parts.selection import grouped, plain
from regrok.laws.parts.warned import NO_GROK, in_precision, note_of, share
from regrok.runs.frames import Frames
from regrok.study.defaults import option

DEFAULTS: dict[str, Any] = {
    "groups": {},
    "ratios": {},
    "factor": 10.0,
    "floor": 20.0,
    "first": 3,
    "level": 0.9,
    "lasting": 0.98,
    "most": 47.0,
    "coincidence": 100.0,
    "cadences": [1, 2, 4],
    "lead_mean": 1117.0,
    "lead_ends": [600.0, 1600.0],
    "lead_runs": 12,
    "printed_times": {},
    "replicates": 2000,
}
REFERS: dict[str, Any] = {
    "groups": "groups",
    "ratios": "ratios",
    "factor": "positive",
    "floor": "positive",
    "level": "positive",
    "lasting": "positive",
    "most": "positive",
    "coincidence": "positive",
    "cadences": "widths",
    "lead_mean": "positive",
    "lead_ends": "numbers",
    "printed_times": "times",
}
NEEDS: dict[str, Any] = {"probes": ["commutator_defect"]}
ESTIMATES: dict[str, list[str]] = {
    "groups": [
        "precedes",
        "lead",
        "lead_share",
        "growth",
        "growth_within",
        "alarms",
        "coincides",
        "onset_over_T_mem",
        "exponent",
        "r_squared",
        "null_exponent",
        "null_onset",
        "exponent_excess",
        "waiting_spread",
        "multiple_spread",
        "baseline_single",
        "single_same",
        "single_over_double",
        "vanishing",
        "growth_least",
        "memorised",
        "lead_beyond",
        "onset_later",
        "patient_spread",
        "times_over_printed",
        "precedes_single",
        "lead_beyond_single",
        "growth_single",
        "alarms_single",
    ],
    "ratios": ["growth", "growth_matched", "growth_single"],
}

UNMEASURED = "no state of these runs was measured"


def fit(frames: Frames, options: dict[str, Any], seed: int) -> est.Result:
    """What the defect says, per group of options.groups and per pair of options.ratios.

    Estimates of a group. Over runs that grok: precedes, the share with an onset before; lead, its mean in steps, and
    lead_share, of T_grok, where there is an onset; coincides, the share whose onset lies within `coincidence` steps of
    T_grok; onset_over_T_mem. Over all: growth of the defect, geometric mean, and growth_within, the share that grows at
    most `most`-fold; vanishing; of single precision single_same, the share that has its onset at the same state,
    baseline_single, its baseline over the other's, and single_over_double, largest defect over largest. Over runs that
    do not grok: alarms, the share with an onset. Over runs with a lead: exponent of it in T_grok, r_squared,
    null_exponent, null_onset and exponent_excess, the difference; waiting_spread, the logarithm of the ratio of
    standard deviations of log(T_grok/alarm), the onset's over the waiting detector's, and multiple_spread, over that of
    an alarm at a fixed multiple of T_mem. Ratios: growth, of geometric means.

    What took the place of some of these: growth_least, of runs that grok, a lower bound where they end while the defect
    rises, with what it is at other cadences; growth_matched, a ratio in equal time (`growths`); onset_later,
    onset_over_T_mem as far as the steps of both are known (`later`); lead_beyond, the mean lead less the printed one
    (`beyond`); times_over_printed, times to grokking over the printed ones of their operations (`over_printed`);
    patient_spread, against an alarm that never comes before T_mem (`patient`). memorised is the share of
    all runs that have a T_mem. The keys in _single are of the defect in single precision (`warned`).

    Points: the defect along the first seed of each cell. Cells: a record per run.
    """
    settings = option(options, DEFAULTS)
    table = by_module(frames, "commutator_defect")
    states = dict(iter(table.groupby("run_id", sort=False)))
    curves = dict(iter(frames.curves.groupby("run_id", sort=False)))
    estimates: dict[str, est.Estimate] = {}
    records: list[dict[str, Any]] = []
    described_of: dict[str, pd.DataFrame] = {}
    groups = grouped(frames.runs, frames.experiments, settings["groups"])
    for name, rows in groups.items():
        measured = [
            described(run, states[run["run_id"]], curves[run["run_id"]], settings)
            for run in rows.to_dict("records")
            if run["run_id"] in states
        ]
        runs = pd.DataFrame(measured)
        records += [{"group": name, **{k: plain(v) for k, v in run.items()}} for run in measured]
        described_of[name] = runs
        found = of_group(runs, settings, seed) if len(runs) else {}
        left_out = len(rows) - len(runs)
        note = f"{left_out} runs were not measured" if left_out else ""
        for key in ESTIMATES["groups"]:
            value = found.get(key, est.missing(UNMEASURED, len(runs)))
            estimates[f"{name}.{key}"] = value.noting(note)
    for name, pair in settings["ratios"].items():
        one, other = (described_of[group] for group in pair)
        for key in ("growth", "growth_single"):
            sides = (growths.known(side, key) for side in (one, other))
            estimates[f"{name}.{key}"] = growths.ratio(*sides)
        estimates[f"{name}.growth_matched"] = matched(one, other, states, settings["first"])
    return {"estimates": estimates, "points": points(groups, states), "cells": records}


def described(
    run: dict[str, Any], states: pd.DataFrame, curve: pd.DataFrame, settings: dict[str, Any]
) -> dict[str, Any]:
    """One run: its events, its onset in both precisions, how far the defect grows and by what."""
    states = states.sort_values("step")
    steps = states["step"].to_numpy(float)
    rule = {key: settings[key] for key in ("factor", "floor", "first")}
    double, single = (
        onset(steps, states[column].to_numpy(float), **rule)
        for column in ("defect", "defect_single")
    )
    grokked = generalised(curve.sort_values("step"), settings["level"], settings["lasting"])
    before = run.get("T_mem_previous")
    defect, gradient = (states[column].to_numpy(float) for column in ("defect", "gradient"))
    grown = {
        growths.column(choice): growths.grown(defect, *choice)
        for choice in growths.choices(settings["cadences"], settings["first"])
    }
    shrunk = math.nan
    if double.growth > 1:
        at = float(gradient[steps == double.largest][0])
        shrunk = math.log(float(np.median(gradient[: settings["first"]])) / at)
        shrunk /= math.log(double.growth)
    return {
        "run_id": run["run_id"],
        "cell": run["cell"],
        "seed": run["seed"],
        "operation": run["operation"],
        "learning_rate": run["learning_rate"],
        "weight_decay": run["weight_decay"],
        "T_mem": run["T_mem"],
        "T_mem_previous": run["T_mem"] if pd.isna(before) else before,
        "onset": double.step,
        "onset_previous": double.previous,
        "onset_single": single.step,
        "T_grok": grokked,
        "lead": grokked - double.step,
        "growth": double.growth,
        "growth_single": single.growth,
        "rising": growths.rises(defect),
        **grown,
        "baseline": double.baseline,
        "baseline_single": single.baseline / double.baseline,
        "single_over_double": float(states["defect_single"].max() / states["defect"].max()),
        "vanishing": shrunk,
    }


def of_group(runs: pd.DataFrame, settings: dict[str, Any], seed: int) -> dict[str, est.Estimate]:
    """The estimates of one group. runs: a row for each (`described`)."""
    grokked = runs[runs["T_grok"].notna()]
    warned = grokked[grokked["onset"].notna()]
    known = runs[runs["growth"].notna()]
    same = (runs["onset"] == runs["onset_single"]) | (
        runs["onset"].isna() & runs["onset_single"].isna()
    )
    late = warned[warned["T_mem"] > 0]
    note = note_of(len(grokked) - len(warned))
    found = {
        "lead": est.mean(warned["lead"], "steps", note),
        "lead_share": est.mean(warned["lead"] / warned["T_grok"], "", note),
        "growth_within": est.share(int((known["growth"] <= settings["most"]).sum()), len(known)),
        "coincides": share(grokked, grokked["lead"].abs() <= settings["coincidence"], NO_GROK),
        "onset_over_T_mem": est.mean(late["onset"] / late["T_mem"], "", note, log=True),
        "single_same": est.share(int(same.sum()), len(runs)),
        "baseline_single": est.mean(runs["baseline_single"], "", log=True),
        "single_over_double": est.mean(runs["single_over_double"], "", log=True),
        "vanishing": est.mean(runs["vanishing"]),
        "memorised": est.share(int(runs["T_mem"].notna().sum()), len(runs)),
        "onset_later": later(late, note),
        "times_over_printed": over_printed(runs, settings["printed_times"]),
        "patient_spread": patient(warned, settings["replicates"], seed, note),
    }
    found["growth_least"] = (
        growths.least(grokked, settings["cadences"], settings["first"])
        if len(grokked)
        else est.absent(NO_GROK)
    )
    for suffix in ("", "_single"):
        found |= in_precision(runs, suffix, settings)
    return found | exponents(warned, settings["replicates"], seed, note)


def matched(
    one: pd.DataFrame, other: pd.DataFrame, states: dict[str, pd.DataFrame], first: int
) -> est.Estimate:
    """How much more the defect grows in runs of `one` that grok than in runs of `other` that do not, in equal time."""

    def signals(runs: pd.DataFrame, grok: bool) -> list[growths.Signal]:
        if not len(runs):
            return []
        read = runs[runs["growth"].notna() & (runs["T_grok"].notna() == grok)]
        tables = (states[run_id].sort_values("step") for run_id in read["run_id"])
        return [
            (table["step"].to_numpy(float), table["defect"].to_numpy(float)) for table in tables
        ]

    return growths.matched(signals(one, True), signals(other, False), first)


def points(
    groups: dict[str, pd.DataFrame], states: dict[str, pd.DataFrame]
) -> list[dict[str, Any]]:
    """The defect along the first seed of each cell, with its operation and learning rate: what a figure shows of it."""
    found: list[dict[str, Any]] = []
    for name, rows in groups.items():
        first = rows.sort_values("seed").drop_duplicates("cell")
        for run in first.to_dict("records"):
            table = states.get(run["run_id"])
            if table is None:
                continue
            kept = table.sort_values("step")[["step", "defect", "defect_single", "gradient"]]
            about = {"group": name, "run_id": run["run_id"]}
            about |= {key: plain(run[key]) for key in ("learning_rate", "operation")}
            found += [
                about | {str(key): plain(value) for key, value in row.items()}
                for row in kept.to_dict("records")
            ]
    return found

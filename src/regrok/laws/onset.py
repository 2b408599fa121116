"""Whether the commutator defect warns of grokking: onset, lead, growth and scaling (2602.16967, 2602.16746).

The onset is the first state whose defect is more than ten times the median of the first three and above 20; a run has
grokked where its validation accuracy is .98 three times in a row, at the first step at which it is .90. The lead is the
time between. Each is set against what would be there without a signal:

- lead ∝ T_grok^α follows with α near 1 from an early onset alone. Null: that constant onset, the same for every run of
  the group, from which the leads are nearest in least squares of logs.
- an alarm may be no more than memorising and some patience. Null: T_mem and as long as onsets come after it on average.
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
from regrok.laws.parts import regression, two_samples
from regrok.laws.parts.onsets import generalised, onset
from regrok.laws.parts.selection import grouped, plain
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
    ],
    "ratios": ["growth"],
}

UNMEASURED = "no state of these runs was measured"
BEFORE = "onsets come so long before T_mem that some alarm as long before it would precede the first step"
FEWEST = 3
"""Runs with a lead that a slope or a spread is taken of."""


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

    Points: the defect along the first seed of each cell. Cells: a record per run.
    """
    settings = option(options, DEFAULTS)
    tables = [table for table in frames.probes.values() if len(table) and "defect" in table]
    table = pd.concat(tables) if tables else pd.DataFrame({"run_id": []})
    states = dict(iter(table.groupby("run_id", sort=False)))
    curves = dict(iter(frames.curves.groupby("run_id", sort=False)))
    estimates: dict[str, est.Estimate] = {}
    records: list[dict[str, Any]] = []
    growths: dict[str, np.ndarray] = {}
    groups = grouped(frames.runs, frames.experiments, settings["groups"])
    for name, rows in groups.items():
        measured = [
            described(run, states[run["run_id"]], curves[run["run_id"]], settings)
            for run in rows.to_dict("records")
            if run["run_id"] in states
        ]
        runs = pd.DataFrame(measured)
        records += [{"group": name, **{k: plain(v) for k, v in run.items()}} for run in measured]
        growths[name] = runs["growth"].dropna().to_numpy() if len(runs) else np.array([])
        found = of_group(runs, settings, seed) if len(runs) else {}
        left_out = len(rows) - len(runs)
        note = f"{left_out} runs were not measured" if left_out else ""
        for key in ESTIMATES["groups"]:
            value = found.get(key, est.missing(UNMEASURED, len(runs)))
            estimates[f"{name}.{key}"] = value.noting(note)
    for name, (one, other) in settings["ratios"].items():
        estimates[f"{name}.growth"] = ratio(growths[one], growths[other])
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
    gradient = states["gradient"].to_numpy(float)
    shrunk = math.nan
    if double.growth > 1:
        at = float(gradient[steps == double.largest][0])
        shrunk = math.log(float(np.median(gradient[: settings["first"]])) / at)
        shrunk /= math.log(double.growth)
    return {
        "run_id": run["run_id"],
        "cell": run["cell"],
        "seed": run["seed"],
        "learning_rate": run["learning_rate"],
        "weight_decay": run["weight_decay"],
        "T_mem": run["T_mem"],
        "onset": double.step,
        "onset_single": single.step,
        "T_grok": grokked,
        "lead": grokked - double.step,
        "growth": double.growth,
        "baseline": double.baseline,
        "baseline_single": single.baseline / double.baseline,
        "single_over_double": float(states["defect_single"].max() / states["defect"].max()),
        "vanishing": shrunk,
    }


def of_group(runs: pd.DataFrame, settings: dict[str, Any], seed: int) -> dict[str, est.Estimate]:
    """The estimates of one group. runs: a row for each (`described`)."""
    grokked, others = runs[runs["T_grok"].notna()], runs[runs["T_grok"].isna()]
    warned = grokked[grokked["onset"].notna()]
    known = runs[runs["growth"].notna()]
    same = (runs["onset"] == runs["onset_single"]) | (
        runs["onset"].isna() & runs["onset_single"].isna()
    )
    late = warned[warned["T_mem"] > 0]
    missed = f"{len(grokked) - len(warned)} runs grok without an onset"
    note = missed if len(grokked) > len(warned) else ""
    found = {
        "precedes": _share(grokked, grokked["lead"] > 0, "none of these runs grokked"),
        "lead": est.mean(warned["lead"], "steps", note),
        "lead_share": est.mean(warned["lead"] / warned["T_grok"], "", note),
        "growth": est.mean(known["growth"], "", log=True),
        "growth_within": est.share(int((known["growth"] <= settings["most"]).sum()), len(known)),
        "alarms": _share(others, others["onset"].notna(), "all of these runs grokked"),
        "coincides": _share(
            grokked, grokked["lead"].abs() <= settings["coincidence"], "none of these runs grokked"
        ),
        "onset_over_T_mem": est.mean(late["onset"] / late["T_mem"], "", note, log=True),
        "single_same": est.share(int(same.sum()), len(runs)),
        "baseline_single": est.mean(runs["baseline_single"], "", log=True),
        "single_over_double": est.mean(runs["single_over_double"], "", log=True),
        "vanishing": est.mean(runs["vanishing"]),
    }
    return found | exponents(warned, settings["replicates"], seed, note)


def _share(runs: pd.DataFrame, which: pd.Series, otherwise: str) -> est.Estimate:
    return est.share(int(which.sum()), len(runs)) if len(runs) else est.absent(otherwise)


def exponents(
    warned: pd.DataFrame, replicates: int, seed: int, note: str = ""
) -> dict[str, est.Estimate]:
    """The lead's exponent in T_grok beside that of a constant onset, and the alarm's spread beside waiting's.

    warned: runs that grok and have an onset. Those without a lead are left out, since it has no logarithm.
    """
    led = warned[(warned["lead"] > 0) & (warned["onset"] > 0)].reset_index(drop=True)
    keys = ["exponent", "r_squared", "null_exponent", "null_onset", "exponent_excess"]
    keys += ["waiting_spread", "multiple_spread"]
    if len(led) < FEWEST or led["T_grok"].nunique() < FEWEST:
        few = f"{len(led)} runs with a lead"
        return {key: est.missing(few, len(led)) for key in keys}
    without = len(warned) - len(led)
    note = "; ".join(filter(None, [note, f"{without} runs without a lead" if without else ""]))
    columns = ("T_grok", "onset", "T_mem")
    grok, warning, memorised = (led[column].to_numpy(float) for column in columns)

    def exponent(rows: np.ndarray) -> np.ndarray:
        return regression.slope(np.log(grok[rows]), np.log(grok[rows] - warning[rows]))

    def fitted(rows: np.ndarray) -> np.ndarray:
        return regression.r_squared(np.log(grok[rows]), np.log(grok[rows] - warning[rows]))

    def null(rows: np.ndarray) -> np.ndarray:
        return regression.slope(np.log(grok[rows]), constant(grok[rows], warning[rows]))

    def one_onset(rows: np.ndarray) -> np.ndarray:
        return grok[rows][..., 0] - np.exp(constant(grok[rows], warning[rows])[..., 0])

    def excess(rows: np.ndarray) -> np.ndarray:
        return exponent(rows) - null(rows)

    def spread(rows: np.ndarray) -> np.ndarray:
        patience = (warning[rows] - memorised[rows]).mean(-1, keepdims=True)
        waiting = memorised[rows] + patience
        with np.errstate(all="ignore"):
            ours = np.log(grok[rows] / warning[rows]).std(-1, ddof=1)
            theirs = np.log(grok[rows] / waiting).std(-1, ddof=1)
            return np.log(ours / theirs)

    def multiple(rows: np.ndarray) -> np.ndarray:
        with np.errstate(all="ignore"):
            ours = np.log(grok[rows] / warning[rows]).std(-1, ddof=1)
            return np.log(ours / np.log(grok[rows] / memorised[rows]).std(-1, ddof=1))

    made = {
        "exponent": (exponent, "least squares of log lead on log T_grok"),
        "r_squared": (fitted, "R² of log lead on log T_grok"),
        "null_exponent": (null, "the same where all have one onset, that nearest to theirs"),
        "null_onset": (one_onset, "that onset"),
        "exponent_excess": (excess, "difference of both exponents"),
        "waiting_spread": (spread, "log ratio of standard deviations of log(T_grok/alarm)"),
        "multiple_spread": (multiple, "the same against a fixed multiple of T_mem"),
    }
    words = ", bootstrap over seeds within cells"
    found = {
        key: est.bootstrap(
            statistic,
            led["cell"].to_numpy(),
            replicates,
            seed,
            how + words,
            unit="steps" if key == "null_onset" else "",
            note=note,
            bounds=est.SHARE if key == "r_squared" else est.UNBOUNDED,
        )
        for key, (statistic, how) in made.items()
    }
    if ((memorised + (warning - memorised).mean()) <= 0).any():
        found["waiting_spread"] = est.missing(BEFORE, len(led), made["waiting_spread"][1])
    return found


TRIED = 400
"""Constant onsets that are tried, from 0 to the first T_grok."""


def constant(grok: np.ndarray, warning: np.ndarray) -> np.ndarray:
    """Log leads of a constant onset: of all those before every T_grok the one nearest to the runs' own, in logs.

    grok, warning: (…, n) steps, with a lead each. Returns (…, n).
    """
    leads, first = np.log(grok - warning), grok.min(-1, keepdims=True)
    best, nearest = np.full(leads.shape[:-1], np.inf), np.zeros_like(leads)
    for share in np.linspace(0, 1, TRIED, endpoint=False):
        tried = np.log(grok - share * first)
        away = ((tried - leads) ** 2).sum(-1)
        nearest = np.where((away < best)[..., None], tried, nearest)
        best = np.minimum(away, best)
    return nearest


def ratio(one: np.ndarray, other: np.ndarray) -> est.Estimate:
    """Ratio of two geometric means, with Welch's interval of the difference of logs."""
    estimator, n = "ratio of geometric means, Welch interval of the logs", len(one) + len(other)
    if min(len(one), len(other)) < 2:
        return est.missing("fewer than two runs on one side", n, estimator)
    x, y = np.log(one), np.log(other)
    found = two_samples.difference(two_samples.sample(x), two_samples.sample(y))
    if not found.variance > 0:
        return est.estimate(math.exp(found.value), None, None, n, estimator)
    ends = (math.exp(found.value - found.half), math.exp(found.value + found.half))
    return est.estimate(math.exp(found.value), *ends, n, estimator)


def points(
    groups: dict[str, pd.DataFrame], states: dict[str, pd.DataFrame]
) -> list[dict[str, Any]]:
    """The defect along the first seed of each cell: what a figure shows of it."""
    found: list[dict[str, Any]] = []
    for name, rows in groups.items():
        first = rows.sort_values("seed").drop_duplicates("cell")
        for run in first.to_dict("records"):
            table = states.get(run["run_id"])
            if table is None:
                continue
            kept = table.sort_values("step")[["step", "defect", "defect_single", "gradient"]]
            about = {"group": name, "run_id": run["run_id"]}
            about["learning_rate"] = plain(run["learning_rate"])
            found += [
                about | {str(key): plain(value) for key, value in row.items()}
                for row in kept.to_dict("records")
            ]
    return found

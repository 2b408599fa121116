"""What a network scores between memorising and generalising, and how much of it mirrored pairs explain.

arXiv 2603.25009, experiment 1, calls the plateau near chance and prints 19.9 %, where chance is 1 %. Its MLP reads the
sum of both tokens' embeddings, so that it answers (b, a) as it answers (a, b): a held-out pair whose mirror image was
trained is known by heart. With a share f of all ordered pairs trained these are nearly a share f of the others.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from regrok.laws.parts import estimate as est
from regrok.laws.parts.absence import where_it_memorised
from regrok.laws.parts.selection import curve_of, grouped, plain
from regrok.runs.frames import Frames
from regrok.study.defaults import option
from regrok.tasks.operations import SYMMETRIC

DEFAULTS: dict[str, Any] = {"groups": {}}
REFERS: dict[str, Any] = {"groups": "groups"}
ESTIMATES: dict[str, list[str]] = {
    "groups": [
        "plateau_accuracy",
        "mirrored_share",
        "plateau_over_mirrored",
        "early_accuracy",
        "early_over_mirrored",
    ]
}


def plateau(run: dict[str, Any], curve: pd.DataFrame | None) -> float:
    """Median validation accuracy of the whole evaluations in the first half of the delay; NaN without any.

    The first half of what was watched after T_mem, of a run that did not grok.
    """
    known = delayed(run, curve)
    end = run["T_grok"] if pd.notna(run["T_grok"]) else run["steps"]
    half = (run["T_mem"] + end) / 2
    return float(known[known["step"] <= half]["validation_accuracy"].median())


def early(run: dict[str, Any], curve: pd.DataFrame | None) -> float:
    """As `plateau`, until half of what was not known when training was memorised is known.

    A run that learns nearly everything early and then stays below the threshold until late spends the first half of
    its delay there; this one looks no further than where it left the plateau. NaN without a whole evaluation.
    """
    accuracy = delayed(run, curve)["validation_accuracy"].dropna().to_numpy(float)
    if not accuracy.size:
        return math.nan
    left = np.flatnonzero(accuracy > (1 + accuracy[0]) / 2)
    return float(np.median(accuracy[: left[0]] if left.size else accuracy))


def delayed(run: dict[str, Any], curve: pd.DataFrame | None) -> pd.DataFrame:
    """The whole evaluations from T_mem to T_grok, or to the end of a run that did not grok; none without a T_mem."""
    if curve is None or pd.isna(run["T_mem"]):
        return pd.DataFrame({"step": [], "validation_accuracy": []})
    end = run["T_grok"] if pd.notna(run["T_grok"]) else run["steps"]
    whole = curve["validation_examples"] == run["validation_size"]
    return curve[whole & curve["step"].between(run["T_mem"], end)].sort_values("step")


def mirrored(run: dict[str, Any]) -> float:
    """Expected share of the held-out ordered pairs whose mirror image is trained; NaN where the order is read.

    NaN as well where a result depends on the order, and where the split keeps mirror images together, so that no
    held-out pair has a trained one. Of m² ordered pairs of m residues, n are trained at random. A pair of two residues
    has its mirror image among them with probability n / (m² − 1); one in m pairs is its own image.
    """
    n, pairs = run["train_size"], run["train_size"] + run["validation_size"]
    m = math.isqrt(int(pairs)) if pd.notna(pairs) else 0
    if run["input"] != "sum" or m < 2 or m * m != pairs:
        return math.nan
    if run.get("split") == "unordered" or run.get("operation", "add") not in SYMMETRIC:
        return math.nan
    return float((1 - 1 / m) * n / (pairs - 1))


def share_of(values: pd.Series) -> est.Estimate:
    """Mean over runs with its t interval, inside [0, 1]."""
    found = est.mean(values)
    if found.low is None or found.high is None:
        return found
    return replace(found, low=max(found.low, 0.0), high=min(found.high, 1.0))


def fit(frames: Frames, options: dict[str, Any], seed: int) -> est.Result:
    """The plateau per group of options.groups (see selection.group), of the runs that memorised.

    Estimates per group: plateau_accuracy (mean over runs of `plateau`), mirrored_share (expected, see `mirrored`) and
    plateau_over_mirrored; early_accuracy and early_over_mirrored likewise of `early`; absent where no run of the group
    memorised. Points: one record per run and group.
    """
    curves = curve_of(frames.curves)
    estimates: dict[str, est.Estimate] = {}
    points: list[dict[str, Any]] = []
    chosen = option(options, DEFAULTS)["groups"]
    for name, rows in grouped(frames.runs, frames.experiments, chosen).items():
        runs = rows.to_dict("records")
        level = pd.Series(
            [plateau(run, curves.get(str(run["run_id"]))) for run in runs], dtype=float
        )
        before = pd.Series(
            [early(run, curves.get(str(run["run_id"]))) for run in runs], dtype=float
        )
        expected = pd.Series([mirrored(run) for run in runs], dtype=float)
        known = np.unique(expected.dropna())
        estimates |= {
            f"{name}.plateau_accuracy": share_of(level),
            f"{name}.mirrored_share": est.exact(float(known[0]), len(rows), "count of pairs")
            if known.size == 1
            else est.missing("the inputs are not summed, or of several tasks", len(rows)),
            f"{name}.plateau_over_mirrored": est.mean(level / expected),
            f"{name}.early_accuracy": share_of(before),
            f"{name}.early_over_mirrored": est.mean(before / expected),
        }
        for key in ESTIMATES["groups"]:
            found = estimates[f"{name}.{key}"]
            estimates[f"{name}.{key}"] = where_it_memorised(found, name, rows)
        points += [
            {"group": name, "run_id": run["run_id"], "plateau": plain(a), "mirrored": plain(b)}
            for run, a, b in zip(runs, level, expected, strict=True)
        ]
    return {"estimates": estimates, "points": points, "cells": []}

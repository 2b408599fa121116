"""Which networks lose generalisation, and which of those find it again (arXiv 2309.02390: ungrokking, and after it).

The paper reads a level at the end of its budget. A network that has fallen may rise again while it trains on the same
subset, so the whole trajectory is read: lost is a stretch of evaluations below a level that lasts a stated dwell, and
regained one at or above it that lasts as long (`regrok.measures.events.loss_of_generalisation`). An isolated dip is
neither.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from regrok.errors import RegrokError
from regrok.laws.parts import estimate as est
from regrok.laws.parts import lifetimes
from regrok.laws.parts.selection import curve_of, grouped, plain
from regrok.measures.events import NO_LOSS, Loss, loss_of_generalisation
from regrok.runs.frames import Frames
from regrok.study.defaults import option

DEFAULTS: dict[str, Any] = {"groups": {}, "level": 0.9, "dwell": 1000.0}
REFERS: dict[str, Any] = {"groups": "groups", "level": "positive", "dwell": "positive"}
NEEDS: dict[str, Any] = {"options": ["groups"]}
ESTIMATES: dict[str, list[str]] = {
    "groups": [
        "lost_share",
        "lost_at",
        "regained_share",
        "regained_at",
        "regained_after",
        "regained_mean",
        "depth",
    ]
}

DEPTH = "mean of the least accuracy while lost, t interval"


def trajectory(run: dict[str, Any], curve: pd.DataFrame | None) -> tuple[np.ndarray, np.ndarray]:
    """Steps and validation accuracies of the run's whole evaluations; (n,) each, empty without a curve."""
    if curve is None or "validation_accuracy" not in curve:
        return np.empty(0), np.empty(0)
    whole = curve[curve["validation_examples"] == run["validation_size"]]
    whole = whole[whole["validation_accuracy"].notna()]
    return whole["step"].to_numpy(float), whole["validation_accuracy"].to_numpy(float)


def told(
    run: dict[str, Any], curve: pd.DataFrame | None, level: float, dwell: float
) -> dict[str, Any]:
    """The run's loss and recovery, and the least accuracy between them (to its end where there is none)."""
    steps, accuracy = trajectory(run, curve)
    found = loss_of_generalisation(steps, accuracy, level, dwell) if steps.size else NO_LOSS
    between = steps >= found.lost
    if not math.isnan(found.regained):
        between &= steps < found.regained
    return {
        **_fields(found),
        "least": float(accuracy[between].min()) if between.any() else math.nan,
        "generalised": bool(steps.size) and bool(pd.notna(run["T_grok"])),
        "watched": float(steps[-1]) if steps.size else math.nan,
        "finished": float(run["steps"]) >= float(run["max_steps"]),
    }


def _fields(found: Loss) -> dict[str, float]:
    return {name: getattr(found, name) for name in Loss.__dataclass_fields__}


def time_of(rows: pd.DataFrame, event: str, since: str | None = None) -> est.Estimate:
    """Kaplan–Meier median of an event, in steps from the start or from `since`, over the rows.

    A run without it is censored where it ended, since it may still come.
    """
    seen = rows[event].notna()
    end = rows[event].fillna(rows["watched"])
    begin, begin_previous = (
        (rows[since], rows[f"{since}_previous"]) if since else (0.0 * end, 0.0 * end)
    )
    time = (end - begin).astype(float)
    # Both ends of the time lie between two evaluations.
    lower = (rows[f"{event}_previous"] - begin).where(seen, time).clip(lower=0)
    upper = (rows[event] - begin_previous).where(seen, time)
    return lifetimes.median(time, seen, (lower.to_numpy(float), upper.to_numpy(float)))


def describe(rows: pd.DataFrame) -> dict[str, est.Estimate]:
    """What became of one group's runs; see `fit`."""
    finished = rows[rows["finished"].astype(bool)]
    had = finished[finished["generalised"].astype(bool)]
    words = []
    if early := len(rows) - len(finished):
        words.append(f"{early} of {len(rows)} runs ended before their budget and are left out")
    if out := len(finished) - len(had):
        words.append(f"{out} of {len(finished)} runs never generalised and are left out")
    note = "; ".join(words)
    lost = had[had["lost"].notna()]
    again = int(lost["regained"].notna().sum())
    of_lost = [
        est.share(again, len(lost)),
        time_of(lost, "regained"),
        time_of(lost, "regained", "lost"),
    ]
    of_lost.append(est.mean(lost["regained"], "steps", "of those that came back"))
    depth = est.mean(lost["least"])
    if depth.low is not None and depth.high is not None:
        depth = replace(depth, low=max(depth.low, 0.0), high=min(depth.high, 1.0))
    if not len(lost):
        why = (
            "no run of the group lost what it had"
            if len(had)
            else "no run of the group generalised"
        )
        of_lost = [est.absent(why, len(had), each.estimator, each.unit) for each in of_lost]
        depth = est.absent(why, len(had), DEPTH)
    share, at, after, mean = of_lost
    return {
        "lost_share": est.share(len(lost), len(had)).noting(note),
        "lost_at": time_of(had, "lost"),
        "regained_share": share,
        "regained_at": at,
        "regained_after": after,
        "regained_mean": mean,
        "depth": replace(depth, estimator=DEPTH),
    }


def fit(frames: Frames, options: dict[str, Any], seed: int) -> est.Result:
    """Loss and recovery per group of options.groups (see selection.group), of the runs that generalised at some time.

    Those that never did, and runs that ended before their budget, as one that diverged, are left out and counted.
    options: groups; level (accuracy), dwell (steps, above 0). Estimates per group: lost_share; lost_at, the median step
    of the loss over all runs that had something to lose; of those that lost it, regained_share, regained_at and
    regained_after (median steps from the start and from the loss, runs that have not come back censored), regained_mean
    (step of those that did) and depth, the mean of each run's least accuracy until it came back. What needs a run that
    lost it is absent where none did.
    Points: one record per run. Raises RegrokError for a level that is no accuracy.
    """
    settings = option(options, DEFAULTS)
    if not 0 < settings["level"] <= 1:
        raise RegrokError(f"options.level = {settings['level']:g}: should be above 0 and at most 1")
    curves = curve_of(frames.curves)
    estimates: dict[str, est.Estimate] = {}
    points: list[dict[str, Any]] = []
    for name, rows in grouped(frames.runs, frames.experiments, settings["groups"]).items():
        runs = rows.to_dict("records")
        made = [
            told(run, curves.get(str(run["run_id"])), settings["level"], settings["dwell"])
            for run in runs
        ]
        columns = [*Loss.__dataclass_fields__, "least", "generalised", "watched", "finished"]
        table = pd.DataFrame(made, columns=columns, index=rows.index)
        estimates |= {f"{name}.{key}": value for key, value in describe(table).items()}
        points += [
            {"group": name}
            | {key: plain(run[key]) for key in ("run_id", "seed", "train_size", "weight_decay")}
            | {key: plain(value) for key, value in each.items()}
            for run, each in zip(runs, made, strict=True)
        ]
    return {"estimates": estimates, "points": points, "cells": []}

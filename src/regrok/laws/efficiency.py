"""How large a norm a circuit needs for one training loss, over the size of the training set (2309.02390, Figure 3).

A circuit is the more efficient, the smaller the norm with which it gives its logits. Networks trained on random labels
have the memorising circuit alone, networks that have generalised on most of the table the generalising one. What such a
network comes to under weight decay is a balance: a stronger decay leaves a smaller norm and a larger loss. So several
decays trace, at each size D, the norm as a function of the loss L, and the reading taken here is

    log ‖θ‖ = a + β·log D + γ·log L,

by least squares over sizes and decays, of each seed by itself: β is how the norm that one loss needs goes with D. The
seeds' β give the interval. `exponent_level` is another reading, without a shape in the loss: at each size the norm is
interpolated between the decays at one loss that all sizes of the seed reach, and log ‖θ‖ regressed on log D alone.

Norm and loss of a run are medians over the last tenth of its budget: training without a schedule does not come to rest.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from regrok.errors import RegrokError
from regrok.laws.parts import estimate as est
from regrok.laws.parts.selection import curve_of, grouped, plain
from regrok.measures.events import LATE_SHARE
from regrok.runs.frames import Frames
from regrok.study.defaults import option

DEFAULTS: dict[str, Any] = {
    "groups": {},
    "ratios": {},
    "fitted": 0.99,  # train accuracy at the end that a run needs to have the circuit at all
    "generalised": [],  # groups whose runs need as much on held-out examples
}
REFERS: dict[str, Any] = {
    "groups": "groups",
    "ratios": "ratios",
    "fitted": "positive",
    "generalised": "of groups",
}
NEEDS: dict[str, Any] = {"options": ["groups"]}
ESTIMATES: dict[str, list[str]] = {
    "groups": ["exponent", "exponent_level", "loss_exponent", "fitted_share"],
    "ratios": ["exponent_difference", "crossing", "crossing_share"],
}

ESTIMATOR = "least squares on log size and log loss in each seed, t interval over seeds"
LEVEL = "least squares on log size at one loss in each seed, t interval over seeds"
CROSSING = "size of equal norm at the mean log loss in each seed, geometric mean over seeds"


def late(run: dict[str, Any], curve: pd.DataFrame | None) -> dict[str, float]:
    """Medians over the last tenth of the budget: log norm, log train loss, train and validation accuracy.

    NaN for a run that ended before its budget, and for a norm or loss that is not above 0.
    """
    names = {
        "V": "V",
        "loss": "train_loss",
        "train": "train_accuracy",
        "validation": "validation_accuracy",
    }
    nothing = dict.fromkeys(("log_norm", "log_loss", "train", "validation"), math.nan)
    if curve is None or not {*names.values(), "train_examples"} <= set(curve):
        return nothing
    budget = float(run["max_steps"])
    if not len(curve) or float(curve["step"].max()) < budget:
        return nothing
    end = curve[curve["step"] >= (1 - LATE_SHARE) * budget]
    end = end[end["train_examples"] == run["train_size"]]  # whole evaluations
    found = {key: float(end[column].median()) for key, column in names.items()}
    return {
        "log_norm": math.log(found["V"]) / 2 if found["V"] > 0 else math.nan,
        "log_loss": math.log(found["loss"]) if found["loss"] > 0 else math.nan,
        "train": found["train"],
        "validation": found["validation"],
    }


def plane(rows: pd.DataFrame) -> tuple[float, float, float] | None:
    """a, β and γ of one seed's runs; None where fewer than two sizes have several losses, which tell β from γ.

    >>> rows = pd.DataFrame({"train_size": [100, 100, 200, 200], "log_loss": [-1.0, -2.0, -1.0, -3.0]})
    >>> rows["log_norm"] = 1 + 0.5 * np.log(rows["train_size"]) - 0.25 * rows["log_loss"]
    >>> [round(each, 6) for each in plane(rows)]
    [1.0, 0.5, -0.25]
    """
    x = np.column_stack([np.ones(len(rows)), np.log(rows["train_size"]), rows["log_loss"]])
    several = rows.groupby("train_size")["log_loss"].nunique() > 1
    if several.sum() < 2 or np.linalg.matrix_rank(x - [0, *x[:, 1:].mean(0)]) < 3:
        return None
    a, b, c = np.linalg.lstsq(x, rows["log_norm"].to_numpy(float), rcond=None)[0]
    return float(a), float(b), float(c)


def at_one_loss(rows: pd.DataFrame) -> float:
    """β of one seed's runs with the norm read at one loss, the middle of those that every size has; NaN without one."""
    lines = [own.sort_values("log_loss") for _, own in rows.groupby("train_size", sort=True)]
    lines = [own for own in lines if own["log_loss"].nunique() > 1]
    if len(lines) < 2:
        return math.nan
    low = max(float(own["log_loss"].iloc[0]) for own in lines)
    high = min(float(own["log_loss"].iloc[-1]) for own in lines)
    if low > high:
        return math.nan
    middle = (low + high) / 2
    norms = [float(np.interp(middle, own["log_loss"], own["log_norm"])) for own in lines]
    sizes = np.log([float(own["train_size"].iloc[0]) for own in lines])
    return float(np.polyfit(sizes, norms, 1)[0])


def crossing(
    one: tuple[float, float, float], other: tuple[float, float, float], loss: float
) -> float:
    """log of the size at which both need one norm for this log loss; NaN where the first does not grow faster."""
    rise = one[1] - other[1]
    if rise <= 0:
        return math.nan
    return (other[0] - one[0] + (other[2] - one[2]) * loss) / rise


def over_seeds(
    values: list[float], seeds: int, estimator: str, note: str, unit: str = "", log: bool = False
) -> est.Estimate:
    """Mean over the seeds that have a value (geometric with `log`), with its t interval."""
    known = [value for value in values if math.isfinite(value)]
    if not known:
        why = (
            "in no seed do sizes and losses tell it"
            if seeds
            else "no runs that reached their budget with the circuit"
        )
        return est.missing(why, 0, estimator, unit)
    if len(known) < seeds:
        note = "; ".join(
            filter(None, [f"{seeds - len(known)} of {seeds} seeds do not tell it", note])
        )
    found = est.mean(known, unit, note, log)
    made = replace(found, estimator=estimator)
    return est.without_interval(made, "one seed gives no interval") if len(known) < 2 else made


def fit(frames: Frames, options: dict[str, Any], seed: int) -> est.Result:
    """How the norm at one loss goes with the size, per group of options.groups (see selection.group) and per ratio.

    options: groups, several sizes and decays each; ratios, name → [one, other]; fitted, the train accuracy that a run
    needs at its end; generalised, groups that need as much on held-out examples. Runs without, and those that ended
    before their budget, are left out and counted by fitted_share.
    Estimates per group: exponent (β), exponent_level (β at one loss), loss_exponent (γ), fitted_share. Per ratio:
    exponent_difference (paired by seed), crossing (size in examples above which the first needs the larger norm) and
    crossing_share (over all pairs). Points: one record per run. Raises RegrokError for a ratio of groups that there are
    not.
    """
    settings = option(options, DEFAULTS)
    curves = curve_of(frames.curves)
    estimates: dict[str, est.Estimate] = {}
    points: list[dict[str, Any]] = []
    usable: dict[str, pd.DataFrame] = {}
    for name, rows in grouped(frames.runs, frames.experiments, settings["groups"]).items():
        runs = rows.to_dict("records")
        made = pd.DataFrame(
            [late(run, curves.get(str(run["run_id"]))) for run in runs], index=rows.index
        )
        made = made.reindex(columns=["log_norm", "log_loss", "train", "validation"]).astype(float)
        fitted = made["train"] >= settings["fitted"]
        if name in settings["generalised"]:
            fitted &= made["validation"] >= settings["fitted"]
        fitted &= made[["log_norm", "log_loss"]].notna().all(axis=1)
        usable[name] = rows.join(made)[fitted]
        estimates |= {
            f"{name}.{key}": each for key, each in described(usable[name], len(rows)).items()
        }
        points += [
            {"group": name, "used": bool(used)}
            | {key: plain(run[key]) for key in ("run_id", "seed", "train_size", "weight_decay")}
            | {"norm": plain(math.exp(row["log_norm"])), "loss": plain(math.exp(row["log_loss"]))}
            for run, row, used in zip(runs, made.to_dict("records"), fitted, strict=True)
        ]
    for name, (one, other) in settings["ratios"].items():
        if unknown := {one, other} - set(usable):
            known = ", ".join(usable)
            raise RegrokError(f"options.ratios.{name}: no group '{min(unknown)}'; groups: {known}")
        for key, each in contrasted(usable[one], usable[other]).items():
            estimates[f"{name}.{key}"] = each
    return {"estimates": estimates, "points": points, "cells": []}


def described(rows: pd.DataFrame, asked: int) -> dict[str, est.Estimate]:
    """The estimates of one group; rows: its usable runs, of so many asked for."""
    own = [each for _, each in rows.groupby("seed", sort=True)]
    planes = [plane(each) or (math.nan,) * 3 for each in own]
    note = f"{asked - len(rows)} of {asked} runs left out" if len(rows) < asked else ""
    return {
        "exponent": over_seeds([each[1] for each in planes], len(own), ESTIMATOR, note),
        "exponent_level": over_seeds([at_one_loss(each) for each in own], len(own), LEVEL, note),
        "loss_exponent": over_seeds([each[2] for each in planes], len(own), ESTIMATOR, note),
        "fitted_share": est.share(len(rows), asked),
    }


def contrasted(one: pd.DataFrame, other: pd.DataFrame) -> dict[str, est.Estimate]:
    """The estimates of one ratio, over the seeds that both groups have."""
    seeds = sorted(set(one["seed"]) & set(other["seed"]))
    differences, sizes = [], []
    for each in seeds:
        parts = [rows[rows["seed"] == each] for rows in (one, other)]
        planes = [plane(rows) for rows in parts]
        if planes[0] is None or planes[1] is None:
            continue
        differences.append(planes[0][1] - planes[1][1])
        loss = float(pd.concat([rows["log_loss"] for rows in parts]).mean())
        sizes.append(crossing(planes[0], planes[1], loss))
    both = pd.concat([one, other])
    pairs = (both["train_size"] + both["validation_size"]).unique()
    at = over_seeds(_positive(sizes), len(seeds), CROSSING, "", "example", log=True)
    over = (
        over_seeds(_positive(sizes, float(pairs[0])), len(seeds), CROSSING, "", log=True)
        if len(pairs) == 1
        else est.missing("runs of several tables, or none", 0, CROSSING)
    )
    return {
        "exponent_difference": over_seeds(differences, len(seeds), ESTIMATOR + ", paired", ""),
        "crossing": at,
        "crossing_share": over,
    }


def _positive(log_sizes: list[float], scale: float = 1.0) -> list[float]:
    """Sizes from their logarithms, NaN where there is none or it is none that a set could have."""
    return [math.exp(x) / scale if -20 < x < 50 else math.nan for x in log_sizes]

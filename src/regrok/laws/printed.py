"""Our times over the printed ones, as two samples: the published mean, standard deviation and count have errors too.

A band around a printed mean asks more of a repeat than the published runs themselves could give: with five seeds that
scatter by half of their mean, an exact repeat lies in a narrow band almost never. Here the interval of ours over theirs
holds the error of both samples, so that 1 is in it in 95 of 100 exact repeats; how far it reaches says how much the
comparison is worth. One published run gives a prediction interval instead. Both sides are the runs that have the time,
as the paper's means are.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from regrok.errors import RegrokError
from regrok.laws.comparison import group_points
from regrok.laws.parts import estimate as est
from regrok.laws.parts import two_samples as two
from regrok.laws.parts.absence import where_it_memorised
from regrok.laws.parts.selection import grouped, within
from regrok.runs.frames import Frames
from regrok.study.defaults import option

PUBLISHED = ("rows",)
DEFAULTS: dict[str, Any] = {"groups": {}, "ratios": {}, "printed_every": None}
REFERS: dict[str, Any] = {"groups": "groups", "ratios": "ratios"}
ESTIMATES: dict[str, list[str]] = {
    "groups": ["delay_over_published", "T_mem_over_published"],
    "ratios": ["delay_ratio_over_published", "T_mem_ratio_over_published"],
}

SAMPLES = "ratio of means, two samples, Welch's interval on the log by the delta method"
PREDICTION = "geometric mean over one published run, t prediction interval of the logs"
RATIOS = "ratio of two ratios of means, four samples, delta method on the log"

Printed = Mapping[str, Any]
"""A row of published.yaml as plain values."""


def printed_row(rows: pd.DataFrame, published: Mapping[str, Any]) -> Printed | None:
    """The published cell that all of these runs are of; None where there is none.

    Raises RegrokError where the cells do not tell which of them it is.
    """
    found = [
        row
        for cells in published.values()
        for row in cells["rows"]
        if len(rows) and len(within(rows, row["match"])) == len(rows)
    ]
    if len(found) > 1:
        raise RegrokError(f"{len(found)} published cells match the same runs; narrow their `match`")
    return found[0] if found else None


COUNTED = {"delay": "grokked", "T_mem": "memorised"}
"""Time → what the published runs that its mean is over have done."""
CROSSINGS = {"delay": 2, "T_mem": 1}
"""Time → how many crossings it is made of, each rounded up to the logging step."""


def published_runs(row: Printed, time: str) -> int:
    """How many published runs the mean of a cell's times is over; all where it is not said."""
    return int(row.get(COUNTED[time], row["runs"]))


def published_sample(row: Printed, time: str, every: float) -> two.Sample | None:
    """The published times; None where their spread is not printed, or of one run.

    every: steps that printed times are multiples of, 0 where that is not known: their spread is no less than it leaves.
    """
    n = published_runs(row, time)
    if n < 2 or f"{time}_sd" not in row:
        return None
    sample = two.Sample(n, float(row[time]), float(row[f"{time}_sd"]))
    return sample.at_least(every * math.sqrt(CROSSINGS[time] / 12))


def finished(rows: pd.DataFrame, time: str = "delay", every: float = 0.0) -> np.ndarray:
    """Times in steps of the runs that have them: (n,), positive. every: steps that T_mem is rounded up to."""
    known = rows[time].astype(float)
    found = known[known > 0].to_numpy()
    return np.ceil(found / every) * every if every and time == "T_mem" else found


def rounding(rows: pd.DataFrame, time: str, every: float) -> float:
    """Standard deviation that its crossings, each rounded up to the logging step, leave in a time (steps)."""
    step = max(float(rows["log_every"].max()), every if time == "T_mem" else 0.0)
    return step * math.sqrt(CROSSINGS[time] / 12)


def our_sample(rows: pd.DataFrame, time: str, every: float) -> two.Sample | None:
    """Our times, with no less spread than the logging leaves; None of fewer than two runs."""
    times = finished(rows, time, every)
    return two.sample(times).at_least(rounding(rows, time, every)) if times.size > 1 else None


def counts(rows: pd.DataFrame, row: Printed, time: str) -> str:
    """How many of each side the means are over."""
    theirs = f"{published_runs(row, time)} of {row['runs']} published ones"
    return f"{finished(rows, time).size} of our {len(rows)} runs, {theirs}"


def over_published(
    rows: pd.DataFrame, row: Printed | None, time: str, every: float
) -> est.Estimate:
    """Our mean time over the printed one, with the errors of both."""
    if row is None or time not in row:
        return est.missing(f"no published {time} at these settings", len(rows), SAMPLES)
    ours, theirs = our_sample(rows, time, every), published_sample(row, time, every)
    if ours is None:
        n = finished(rows, time).size
        done = COUNTED[time]
        return est.missing(f"{n} of our {len(rows)} runs {done}; two are needed", n, SAMPLES)
    note = counts(rows, row, time)
    if theirs is not None:
        return two.ratio_of(two.log_ratio(ours, theirs), ours.n, SAMPLES, note)
    if published_runs(row, time) > 1:
        return est.missing(f"the spread of the published {time}s is not printed", ours.n, SAMPLES)
    logs = np.log(finished(rows, time, every))
    value = float(logs.mean()) - math.log(row[time])
    sd = max(float(logs.std(ddof=1)), rounding(rows, time, every) / ours.mean)
    half = float(stats.t.ppf(0.5 + est.LEVEL / 2, ours.n - 1)) * sd * math.sqrt(1 + 1 / ours.n)
    low, high = math.exp(value - half), math.exp(value + half)
    return est.estimate(math.exp(value), low, high, ours.n, PREDICTION, note=note)


def ratio_over_published(
    parts: tuple[pd.DataFrame, pd.DataFrame],
    rows: tuple[Printed | None, Printed | None],
    time: str,
    every: float,
) -> est.Estimate:
    """Our ratio of two mean times over the printed ratio, with the errors of all four means."""
    n = sum(len(part) for part in parts)
    samples = [
        None if row is None or time not in row else published_sample(row, time, every)
        for row in rows
    ]
    if any(each is None for each in samples):
        return est.missing("no published mean with its spread at these settings", n, RATIOS)
    ours = [our_sample(part, time, every) for part in parts]
    if any(each is None for each in ours):
        return est.missing(f"a group has fewer than two runs that {COUNTED[time]}", n, RATIOS)
    a, b = (two.log_ratio(*pair) for pair in zip(ours, samples, strict=True))  # type: ignore[arg-type]
    # The difference of two contrasts: their variances add, Satterthwaite's degrees of freedom.
    variance = a.variance + b.variance
    freedom = variance**2 / (a.variance**2 / a.freedom + b.variance**2 / b.freedom)
    note = "; ".join(counts(part, row, time) for part, row in zip(parts, rows, strict=True) if row)
    contrast = two.Contrast(a.value - b.value, variance, freedom)
    return two.ratio_of(contrast, sum(each.n for each in ours if each), RATIOS, note)


def fit(
    frames: Frames, options: dict[str, Any], seed: int, published: Mapping[str, Any]
) -> est.Result:
    """Ours over the printed ones, per group of options.groups (see selection.group) and per ratio (name → two groups).

    published: experiment → its published cells; a group is laid beside the cell whose `match` all of its runs meet, so
    that a smaller regime has none. printed_every: steps that printed times are multiples of, to which T_mem is rounded
    up on our side too (a delay is the difference of two); null where that is not known. Estimates per group:
    delay_over_published and T_mem_over_published; per ratio: the same two of ratios. What needs runs that memorised is
    absent where a group has none. Points: one record per run and group.
    """
    settings = option(options, DEFAULTS)
    parts = grouped(frames.runs, frames.experiments, settings["groups"])
    rows = {name: printed_row(part, published) for name, part in parts.items()}
    every = float(settings["printed_every"] or 0.0)
    estimates = {}
    for name, part in parts.items():
        for time in COUNTED:
            found = over_published(part, rows[name], time, every)
            estimates[f"{name}.{time}_over_published"] = where_it_memorised(found, name, part)
    for name, (a, b) in settings["ratios"].items():
        if unknown := {a, b} - set(parts):
            known = ", ".join(parts)
            raise RegrokError(f"options.ratios.{name}: no group '{min(unknown)}'; groups: {known}")
        for time in COUNTED:
            found = ratio_over_published((parts[a], parts[b]), (rows[a], rows[b]), time, every)
            for part in (a, b):
                found = where_it_memorised(found, part, parts[part])
            estimates[f"{name}.{time}_ratio_over_published"] = found
    return {"estimates": estimates, "points": group_points(parts), "cells": []}

"""Our delays over the printed ones, as two samples: the published mean, standard deviation and count have errors too.

A band around a printed mean asks more of a repeat than the published runs themselves could give: with five seeds that
scatter by half of their mean, an exact repeat lies in a narrow band almost never. Here the interval of ours over theirs
holds the error of both samples, so that 1 is in it in 95 of 100 exact repeats; how far it reaches says how much the
comparison is worth. One published run gives a prediction interval instead. Both sides are the runs that grokked, as the
paper's means are.
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
DEFAULTS: dict[str, Any] = {"groups": {}, "ratios": {}}
REFERS: dict[str, Any] = {"groups": "groups", "ratios": "ratios"}
ESTIMATES: dict[str, list[str]] = {
    "groups": ["delay_over_published"],
    "ratios": ["delay_ratio_over_published"],
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


def published_runs(row: Printed) -> int:
    """How many published runs the mean of a cell's delays is over: those that grokked."""
    return int(row.get("grokked", row["runs"]))


def published_sample(row: Printed) -> two.Sample | None:
    """The published delays; None where their spread is not printed, or of one run."""
    n = published_runs(row)
    if n < 2 or "delay_sd" not in row:
        return None
    return two.Sample(n, float(row["delay"]), float(row["delay_sd"]))


def finished(rows: pd.DataFrame) -> np.ndarray:
    """Delays in steps of the runs that grokked after they memorised: (n,), positive."""
    known = rows["delay"].astype(float)
    return known[known > 0].to_numpy()


def rounding(rows: pd.DataFrame) -> float:
    """Standard deviation that two crossings, each rounded up to the logging step, leave in a delay (steps)."""
    return float(rows["log_every"].max()) / math.sqrt(6)


def our_sample(rows: pd.DataFrame) -> two.Sample | None:
    """Our delays, with no less spread than the logging leaves; None of fewer than two runs."""
    delays = finished(rows)
    return two.sample(delays).at_least(rounding(rows)) if delays.size > 1 else None


def counts(rows: pd.DataFrame, row: Printed) -> str:
    """How many of each side the means are over."""
    theirs = f"{published_runs(row)} of {row['runs']} published ones"
    return f"{finished(rows).size} of our {len(rows)} runs, {theirs}"


def over_published(rows: pd.DataFrame, row: Printed | None) -> est.Estimate:
    """Our mean delay over the printed one, with the errors of both."""
    if row is None or "delay" not in row:
        return est.missing("no published delay at these settings", len(rows), SAMPLES)
    ours, theirs = our_sample(rows), published_sample(row)
    if ours is None:
        n = finished(rows).size
        return est.missing(f"{n} of our {len(rows)} runs grokked; two are needed", n, SAMPLES)
    if theirs is not None:
        return two.ratio_of(two.log_ratio(ours, theirs), ours.n, SAMPLES, counts(rows, row))
    if published_runs(row) > 1:
        return est.missing("the spread of the published delays is not printed", ours.n, SAMPLES)
    logs = np.log(finished(rows))
    value = float(logs.mean()) - math.log(row["delay"])
    sd = max(float(logs.std(ddof=1)), rounding(rows) / ours.mean)
    half = float(stats.t.ppf(0.5 + est.LEVEL / 2, ours.n - 1)) * sd * math.sqrt(1 + 1 / ours.n)
    low, high = math.exp(value - half), math.exp(value + half)
    return est.estimate(math.exp(value), low, high, ours.n, PREDICTION, note=counts(rows, row))


def ratio_over_published(
    parts: tuple[pd.DataFrame, pd.DataFrame], rows: tuple[Printed | None, Printed | None]
) -> est.Estimate:
    """Our ratio of two mean delays over the printed ratio, with the errors of all four means."""
    n = sum(len(part) for part in parts)
    samples = [None if row is None or "delay" not in row else published_sample(row) for row in rows]
    if any(each is None for each in samples):
        return est.missing("no published mean with its spread at these settings", n, RATIOS)
    ours = [our_sample(part) for part in parts]
    if any(each is None for each in ours):
        return est.missing("a group has fewer than two runs that grokked", n, RATIOS)
    a, b = (two.log_ratio(*pair) for pair in zip(ours, samples, strict=True))  # type: ignore[arg-type]
    # The difference of two contrasts: their variances add, Satterthwaite's degrees of freedom.
    variance = a.variance + b.variance
    freedom = variance**2 / (a.variance**2 / a.freedom + b.variance**2 / b.freedom)
    note = "; ".join(counts(part, row) for part, row in zip(parts, rows, strict=True) if row)
    contrast = two.Contrast(a.value - b.value, variance, freedom)
    return two.ratio_of(contrast, sum(each.n for each in ours if each), RATIOS, note)


def fit(
    frames: Frames, options: dict[str, Any], seed: int, published: Mapping[str, Any]
) -> est.Result:
    """Ours over the printed ones, per group of options.groups (see selection.group) and per ratio (name → two groups).

    published: experiment → its published cells; a group is laid beside the cell whose `match` all of its runs meet, so
    that a smaller regime has none. Estimates per group: delay_over_published; per ratio: delay_ratio_over_published.
    What needs runs that memorised is absent where a group has none. Points: one record per run and group.
    """
    settings = option(options, DEFAULTS)
    parts = grouped(frames.runs, frames.experiments, settings["groups"])
    rows = {name: printed_row(part, published) for name, part in parts.items()}
    estimates = {}
    for name, part in parts.items():
        found = over_published(part, rows[name])
        estimates[f"{name}.delay_over_published"] = where_it_memorised(found, name, part)
    for name, (a, b) in settings["ratios"].items():
        if unknown := {a, b} - set(parts):
            known = ", ".join(parts)
            raise RegrokError(f"options.ratios.{name}: no group '{min(unknown)}'; groups: {known}")
        found = ratio_over_published((parts[a], parts[b]), (rows[a], rows[b]))
        for part in (a, b):
            found = where_it_memorised(found, part, parts[part])
        estimates[f"{name}.delay_ratio_over_published"] = found
    return {"estimates": estimates, "points": group_points(parts), "cells": []}

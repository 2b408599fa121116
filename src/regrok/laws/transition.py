"""At which size of the training set networks keep, or reach, what generalises (arXiv 2309.02390, Figures 4, 7 and A.2).

A run has kept it if its validation accuracy, the median over the last tenth of the budget, is at or above a level: a
dip of one evaluation, or of a few, moves no median. Every number here is one of a stated budget, since a run that has
fallen may rise again; `budget_ratio` says how much the place still moves when the budget doubles.

Of each seed the sizes tried bracket one threshold, and the thresholds are taken to be logistic in log D: see
`parts.thresholds`, which says why seeds and not runs are counted and why no interval is narrower than the grid.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd

from regrok.errors import RegrokError
from regrok.laws.parts import estimate as est
from regrok.laws.parts.selection import curve_of, grouped, plain
from regrok.laws.parts.thresholds import Found, bracket, locate
from regrok.measures.events import LATE_SHARE
from regrok.runs.frames import Frames
from regrok.study.defaults import option

DEFAULTS: dict[str, Any] = {
    "groups": {},
    "ratios": {},
    "level": 0.7,  # of validation accuracy: what 2309.02390 names beside its sizes
    "high": 0.9,  # from here …
    "low": 0.3,  # … to here is the fall whose sharpness is asked
    "earlier": 0.5,  # of the budget, at which the place is read a second time
}
REFERS: dict[str, Any] = {
    "groups": "groups",
    "ratios": "ratios",
    "level": "positive",
    "high": "positive",
    "low": "positive",
    "earlier": "positive",
}
NEEDS: dict[str, Any] = {"options": ["groups"]}
ESTIMATES: dict[str, list[str]] = {
    "groups": [
        "place",
        "place_share",
        "slope",
        "width",
        "fall",
        "place_earlier",
        "budget_ratio",
        "middling_share",
    ],
    "ratios": ["place_ratio", "log_place_ratio"],
}

PLACE = "median threshold over seeds, logistic in log size, profile likelihood"
RATIO = "ratio of two such medians"
UNIT = "example"
GRID = "interval as wide as the sizes tried leave it open"
ONE_SEED = "no interval: one seed does not tell how others differ"
TENTH_TO_NINE = 2 * math.log(9)
"""From a tenth to nine tenths of the units, in s."""


def late_accuracy(run: dict[str, Any], curve: pd.DataFrame | None, share: float = 1.0) -> float:
    """Median validation accuracy over the last tenth of this share of the budget; NaN where the run ended before.

    Whole evaluations alone take part: where one was left early, its accuracy is only known to be low.
    """
    if curve is None or "validation_accuracy" not in curve:
        return math.nan
    budget = share * float(run["max_steps"])
    if not len(curve) or float(curve["step"].max()) < budget:
        return math.nan
    whole = curve[curve["validation_examples"] == run["validation_size"]]
    late = whole[whole["step"].between((1 - LATE_SHARE) * budget, budget)]
    return float(late["validation_accuracy"].median())


def begun_below(run: dict[str, Any], curve: pd.DataFrame | None, high: float) -> bool:
    """Whether the run starts from another network and had nothing to lose: its first evaluation is below `high`."""
    if not isinstance(run.get("start_run"), str):
        return False
    if curve is None or "validation_accuracy" not in curve:
        return True
    whole = curve[curve["validation_examples"] == run["validation_size"]]
    return not len(whole) or not float(whole["validation_accuracy"].iloc[0]) >= high


def thresholds(rows: pd.DataFrame, column: str, level: float, name: str) -> Found | str:
    """The group's thresholds where `column` crosses the level; in words why there are none.

    rows: runs with seed, train_size and the column, all known. Raises RegrokError naming a group in which a seed has
    two runs of one size.
    """
    if rows.empty:
        return "no run that reached its budget"
    if rows.duplicated(["seed", "train_size"]).any():
        raise RegrokError(
            f"options.groups.{name}: two runs of one seed and size; tell them apart by `within`"
        )
    found = [
        bracket(np.log(own["train_size"].to_numpy(float)), (own[column] >= level).to_numpy(bool))
        for _, own in rows.groupby("seed", sort=True)
    ]
    ends = np.array(found)
    if not np.isfinite(ends[:, 1]).any():
        return f"at no size tried did a run end at or above {level:g}: the place lies above them"
    if not np.isfinite(ends[:, 0]).any():
        return (
            f"at every size tried all runs ended at or above {level:g}: the place lies below them"
        )
    return locate(found)


def missing_centre(found: Found) -> bool:
    """Whether so many seeds are bounded on one side alone that the median is not."""
    return math.isnan(found.centre)


def place(found: Found | str, n: int, note: str, scale: float = 1.0) -> est.Estimate:
    """The size at which half of the seeds keep it, over `scale`; no surer than the sizes tried."""
    unit = UNIT if scale == 1 else ""
    if isinstance(found, str):
        return est.missing(found, n, PLACE, unit)
    if missing_centre(found):
        return est.missing("most seeds' thresholds lie beyond the sizes tried", n, PLACE, unit)
    value, low, high = (_exp(x) / scale for x in (found.centre, found.low, found.high))
    grid = [_exp(x) / scale for x in found.grid]
    if found.n < 2:
        alone = est.estimate(value, None, None, n, PLACE, unit, note)
        return est.without_interval(alone, ONE_SEED)
    low = low if low > 0 else math.nan  # not bounded below
    ends, words = no_surer(low, high, grid[0] if grid[0] > 0 else math.nan, grid[1])
    made = est.estimate(value, ends[0], ends[1], n, PLACE, unit, note)
    return made.noting(words)


def no_surer(low: float, high: float, grid_low: float, grid_high: float) -> tuple[est.Floor, str]:
    """The interval's ends widened to what the sizes tried leave open, and words where that moved one."""
    kept = np.isfinite([grid_low, grid_high]).all() and (grid_low < low or grid_high > high)
    return ((min(low, grid_low), max(high, grid_high)), GRID) if kept else ((low, high), "")


def slope(found: Found | str, n: int, note: str) -> est.Estimate:
    """1/s: by how much the log odds of keeping it rise with log D."""
    if isinstance(found, str):
        return est.missing(found, n, PLACE)
    if found.spread == 0:
        return est.missing("the sizes tried separate the runs: a step fits best", n, PLACE)
    if found.n < 2:
        return est.missing(ONE_SEED, n, PLACE)
    high = 1 / found.spread_low if found.spread_low else None
    return est.estimate(1 / found.spread, 1 / found.spread_high, high, n, PLACE, note=note)


def width(found: Found | str, n: int, note: str) -> est.Estimate:
    """Ratio of the sizes at which nine tenths and a tenth of the seeds keep it; 1 where a step fits best."""
    if isinstance(found, str):
        return est.missing(found, n, PLACE)
    if found.n < 2:
        return est.missing(ONE_SEED, n, PLACE)
    value, low, high = (
        _exp(TENTH_TO_NINE * s) for s in (found.spread, found.spread_low, found.spread_high)
    )
    return est.estimate(value, low, high, n, PLACE, note=note)


def apart(
    one: Found | str, other: Found | str, n: int, note: str = "", estimator: str = RATIO
) -> tuple[est.Estimate, est.Estimate]:
    """Ratio of two places, one over other, and its logarithm.

    The two intervals are put together as of independent medians (seeds that share a parent make it wider than need be),
    and no narrower than what the sizes tried leave open of both. An end that one of them does not have is null.
    """
    for each in (one, other):
        if isinstance(each, str) or missing_centre(each):
            why = each if isinstance(each, str) else "a place lies beyond the sizes tried"
            nothing = est.missing(why, n, estimator)
            return nothing, nothing
    assert isinstance(one, Found) and isinstance(other, Found)
    value = one.centre - other.centre
    if min(one.n, other.n) < 2:
        both = (
            est.estimate(x, None, None, n, estimator, note=note) for x in (math.exp(value), value)
        )
        ratio, log = (est.without_interval(each, ONE_SEED) for each in both)
        return ratio, log
    low = value - math.hypot(one.centre - one.low, other.high - other.centre)
    high = value + math.hypot(one.high - one.centre, other.centre - other.low)
    grid = one.grid[0] - other.grid[1], one.grid[1] - other.grid[0]
    (low, high), words = no_surer(low, high, *grid)
    log = est.estimate(value, low, high, n, estimator, note=note).noting(words)
    ends = [None if end is None else math.exp(end) for end in (log.low, log.high)]
    ratio = est.estimate(math.exp(value), ends[0], ends[1], n, estimator, note=log.note)
    return ratio, log


def _exp(x: float) -> float:
    return math.exp(min(x, 700.0)) if not math.isinf(x) else (0.0 if x < 0 else math.inf)


def fall(high: Found | str, low: Found | str, n: int, note: str) -> est.Estimate:
    """How many times larger a set keeps accuracy `high` than still reaches `low`: at least 1 by construction."""
    found = apart(high, low, n, note, "ratio of the median thresholds of two accuracies")[0]
    if found.value is None or found.low is None:
        return found
    value, low_end = max(found.value, 1.0), max(found.low, 1.0)
    return est.estimate(value, low_end, found.high, n, found.estimator, note=found.note)


def measured(
    rows: pd.DataFrame, curves: dict[str, pd.DataFrame], settings: dict[str, Any]
) -> pd.DataFrame:
    """The runs with their late accuracy, at the end and at the earlier end; those that began below stand apart."""
    runs = rows.to_dict("records")
    late = [
        [late_accuracy(run, curves.get(str(run["run_id"])), share) for run in runs]
        for share in (1.0, settings["earlier"])
    ]
    return rows.assign(
        late=np.array(late[0], dtype=float),
        late_earlier=np.array(late[1], dtype=float),
        began_below=[
            begun_below(run, curves.get(str(run["run_id"])), settings["high"]) for run in runs
        ],
    )


def of_group(
    rows: pd.DataFrame, settings: dict[str, Any], name: str
) -> tuple[dict[str, est.Estimate], Found | str]:
    """The estimates of one group (see `fit`), and its thresholds."""
    counted = rows[~rows["began_below"].astype(bool)]
    known = counted[counted["late"].notna()]
    n = len(known)
    words = []
    if len(counted) < len(rows):
        words.append(f"{len(rows) - len(counted)} runs began below and are left out")
    if n < len(counted):
        words.append(
            f"{len(counted) - n} of {len(counted)} runs ended before their budget and are left out"
        )
    budgets = sorted(known["max_steps"].unique())
    words += [f"budget {budget:,.0f} steps" for budget in budgets]
    note = "; ".join(words)
    whole = thresholds(known, "late", settings["level"], name)
    soon = thresholds(
        counted[counted["late_earlier"].notna()], "late_earlier", settings["level"], name
    )
    high, low = [thresholds(known, "late", settings[key], name) for key in ("high", "low")]
    pairs = (known["train_size"] + known["validation_size"]).unique()
    share = (
        place(whole, n, note, float(pairs[0]))
        if len(pairs) == 1
        else est.missing("runs of several tables, or none", n, PLACE)
    )
    early_note = "; ".join([f"at {settings['earlier']:g} of it", note])
    return {
        "place": place(whole, n, note),
        "place_share": share,
        "slope": slope(whole, n, note),
        "width": width(whole, n, note),
        "fall": fall(high, low, n, note),
        "middling_share": est.share(
            int(known["late"].between(settings["low"], settings["high"], inclusive="left").sum()), n
        ),
        "place_earlier": place(soon, n, early_note),
        "budget_ratio": apart(whole, soon, n, f"whole budget over {settings['earlier']:g} of it")[
            0
        ],
    }, whole


def cells_of(rows: pd.DataFrame, name: str, level: float) -> list[dict[str, Any]]:
    """A record per size: runs, the share that kept it, mean late accuracy."""
    known = rows[~rows["began_below"].astype(bool) & rows["late"].notna()]
    return [
        {
            "group": name,
            "train_size": int(size),
            "runs": len(own),
            "kept": est.share(int((own["late"] >= level).sum()), len(own)),
            "late": plain(float(own["late"].mean())),
        }
        for size, own in known.groupby("train_size", sort=True)
    ]


def fit(frames: Frames, options: dict[str, Any], seed: int) -> est.Result:
    """The transition in the size of the training set, per group of options.groups (see selection.group) and per ratio.

    options: groups, each one budget and one run a seed and size; ratios, name → [one, other]; level, high, low
    (validation accuracies); earlier (a share of the budget). Left out, and counted in the note: runs that did not reach
    their budget, and runs from another network whose first evaluation is below `high`.
    Estimates per group: place (size, in examples), place_share (over all pairs), slope (of the logistic, missing where
    a step fits best), width (ratio of the sizes at which nine tenths and a tenth of the seeds keep it), fall (ratio of
    the sizes that keep `high` and that still reach `low`), place_earlier and budget_ratio (the place at the earlier
    end, and the whole over it), middling_share (of the runs that end from `low` on and below `high`). Per ratio:
    place_ratio and log_place_ratio. Points: one record per run. Cells: one per group and size.
    Raises RegrokError naming an option that is no accuracy or share, and a ratio of groups that there are not.
    """
    settings = option(options, DEFAULTS)
    for key in ("level", "high", "low", "earlier"):
        if not 0 < settings[key] <= 1:
            raise RegrokError(f"options.{key} = {settings[key]:g}: should be above 0 and at most 1")
    curves = curve_of(frames.curves)
    estimates: dict[str, est.Estimate] = {}
    points: list[dict[str, Any]] = []
    cells: list[dict[str, Any]] = []
    located: dict[str, Found | str] = {}
    counts: dict[str, int] = {}
    for name, chosen in grouped(frames.runs, frames.experiments, settings["groups"]).items():
        rows = measured(chosen, curves, settings)
        found, located[name] = of_group(rows, settings, name)
        counts[name] = found["place"].n
        estimates |= {f"{name}.{key}": value for key, value in found.items()}
        cells += cells_of(rows, name, settings["level"])
        points += [
            {"group": name}
            | {
                key: plain(run[key])
                for key in ("run_id", "seed", "train_size", "weight_decay", "max_steps")
            }
            | {"late": plain(run["late"]), "late_earlier": plain(run["late_earlier"])}
            | {"began_below": bool(run["began_below"])}
            for run in rows.to_dict("records")
        ]
    for name, (one, other) in settings["ratios"].items():
        if unknown := {one, other} - set(located):
            known = ", ".join(located)
            raise RegrokError(f"options.ratios.{name}: no group '{min(unknown)}'; groups: {known}")
        both = apart(located[one], located[other], counts[one] + counts[other])
        estimates |= dict(
            zip((f"{name}.place_ratio", f"{name}.log_place_ratio"), both, strict=True)
        )
    return {"estimates": estimates, "points": points, "cells": cells}

"""A retrained build beside the released one: cell by cell and claim by claim, with what moved and by how much.

A retrain on another machine gives other numbers in the last digits, and training amplifies them: what must agree is
what seeds leave undecided. So a difference is measured in standard errors of the two sets of runs, and the tolerance
is the number of them that chance exceeds once in a hundred retrains, whichever of the many rows it hits (Bonferroni;
Student's t, since the spread between seeds is itself estimated).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from regrok.laws.parts.selection import plain
from regrok.runs.frames import Frames
from regrok.study.columns import NAMING
from regrok.study.words import OUT_OF_SCOPE

FALSE_ALARM = 0.01
"""Chance that a retrain in which nothing changed has any row beyond the tolerance."""

QUANTITIES = {
    "T_mem": "step",
    "T_grok": "step",
    "V_mem": "",
    "V_final": "",
}
"""What of a cell is compared, with units; all are positive, and compared by their logarithms."""

CENSORED = ("T_mem", "T_grok")
"""Of a run without the event, the step until which it was watched stands in: a least value of the time."""

LEAST_SPREAD = 1e-3
"""Least standard deviation of a log between seeds that is believed: cells of one seed tell none."""

MOVED = "moved"
FEEDS = "feeds on a moved cell"
CHANGED = "verdict changed"
ADDED = "not released"
GONE = "not in this build"
SAME = ""


@dataclass(frozen=True)
class Comparison:
    """What `compare` found."""

    cells: pd.DataFrame
    """One row per cell and quantity: cell, experiments, settings, quantity, unit, fresh, released (geometric means),
    n_fresh, n_released, change (fresh over released − 1), errors (difference in standard errors), tolerance (standard
    errors beyond which it has moved), status."""
    claims: pd.DataFrame
    """One row per claim: id, statement, place, verdicts, values, intervals, errors, tolerance, moved_cells,
    status."""

    @property
    def moved_cells(self) -> list[str]:
        """Cells with a row that moved."""
        return list(dict.fromkeys(self.cells.loc[self.cells["status"] == MOVED, "cell"]))

    @property
    def flagged_claims(self) -> list[str]:
        """Claims whose estimate moved, whose verdict changed or that feed on a moved cell."""
        return list(self.claims.loc[self.claims["status"].isin([MOVED, CHANGED, FEEDS]), "id"])


def compare(
    fresh: Frames,
    fresh_ledger: Mapping[str, Any],
    released: Frames,
    released_ledger: Mapping[str, Any],
) -> Comparison:
    """Lay a build beside the released one. Cells and claims that only one of them has are listed, not flagged."""
    rows = cell_rows(fresh, released)
    both = [row for row in rows if row["errors"] is not None]
    entries = claim_rows(fresh_ledger, released_ledger)
    judged = [entry for entry in entries if entry["errors"] is not None]
    tail = FALSE_ALARM / 2 / max(1, len(both) + len(judged))
    for row in both:
        row["tolerance"] = float(stats.t.isf(tail, row.pop("freedom")))
        row["status"] = MOVED if row["errors"] > row["tolerance"] else SAME
    for entry in judged:
        entry["tolerance"] = float(stats.norm.isf(tail))
    moved = {row["cell"] for row in both if row["status"] == MOVED}
    # Moved first, the farthest on top.
    rows.sort(key=lambda row: (row["status"] != MOVED, -(row["errors"] or 0.0), row["cell"]))
    for entry in entries:
        if entry["status"] in (ADDED, GONE):
            continue
        feeding = {
            cell
            for frames in (fresh, released)
            for cell in _cells_of(frames, entry["experiments"])
            if cell in moved
        }
        entry["moved_cells"] = sorted(feeding)
        if entry["errors"] is not None and entry["errors"] > entry["tolerance"]:
            entry["status"] = MOVED
        elif entry["fresh_verdict"] != entry["released_verdict"]:
            entry["status"] = CHANGED
        elif feeding:
            entry["status"] = FEEDS
    return Comparison(pd.DataFrame(rows), pd.DataFrame(entries))


# Cells ------------------------------------------------------------------------------------------------------------


def cell_rows(fresh: Frames, released: Frames) -> list[dict[str, Any]]:
    """One record per cell and quantity, with `errors` where both sides have it."""
    sides = {"fresh": _logs(fresh.runs), "released": _logs(released.runs)}
    spreads = {name: typical_spread(sides, name) for name in QUANTITIES}
    described = _described(fresh) | _described(released)
    names = _served(fresh, released)
    rows = []
    for cell in sorted(described):
        for quantity, unit in QUANTITIES.items():
            here = {side: logs.get(cell, {}).get(quantity) for side, logs in sides.items()}
            if here["fresh"] is None and here["released"] is None:
                continue
            row: dict[str, Any] = {
                "cell": cell,
                "experiments": names.get(cell, []),
                "settings": described[cell],
                "quantity": quantity,
                "unit": unit,
                "change": None,
                "errors": None,
                "tolerance": None,
            }
            for side, values in here.items():
                values = np.empty(0) if values is None else values
                row[side] = float(np.exp(values.mean())) if values.size else None
                row[f"n_{side}"] = values.size
            row["status"] = SAME
            one, other = here["fresh"], here["released"]
            if one is None:
                row["status"] = GONE
            elif other is None:
                row["status"] = ADDED
            elif one.size and other.size:
                difference = float(one.mean() - other.mean())
                row["change"] = math.expm1(difference)
                typical, row["freedom"] = spreads[quantity]
                row["errors"] = abs(difference) / standard_error(one, other, typical)
            # Else one side has the quantity in no run, as V_mem where nothing memorised; the time's row says so.
            rows.append(row)
    return rows


def _logs(runs: pd.DataFrame) -> dict[str, dict[str, np.ndarray]]:
    """Cell → quantity → logarithms over its runs; a run without the quantity takes no part."""
    columns = {}
    for name in QUANTITIES:
        values = runs[name].astype(float)
        if name in CENSORED:
            values = values.fillna(runs["steps"].astype(float))
        columns[name] = np.log(values.where(values > 0))
    logs = pd.DataFrame(columns).assign(cell=runs["cell"])
    return {
        str(cell): {name: rows[name].dropna().to_numpy() for name in QUANTITIES}
        for cell, rows in logs.groupby("cell", sort=True)
    }


def typical_spread(sides: Mapping[str, Mapping[str, Any]], quantity: str) -> tuple[float, float]:
    """Standard deviation of the log between seeds that is typical of a cell, and its degrees of freedom.

    The median over cells and sides of the variance, each first divided by the median that its few seeds would give
    were the true variance one. A median, so that a cell in which one seed did not grok does not hide what others did;
    it knows about half as much as the sum of all degrees of freedom.
    """
    variances, freedom = [], 0
    for logs in sides.values():
        for cell in logs.values():
            if (df := cell[quantity].size - 1) > 0:
                median = stats.chi2.ppf(0.5, df) / df
                variances.append(float(cell[quantity].var(ddof=1)) / median)
                freedom += df
    if not variances:
        return LEAST_SPREAD, 1.0
    return max(LEAST_SPREAD, math.sqrt(np.median(variances))), max(1.0, freedom / 2)


def standard_error(one: np.ndarray, other: np.ndarray, typical: float) -> float:
    """Of the difference of two means. Each side's standard deviation is its own or the typical one if that is larger.

    Three seeds that agree by chance would otherwise turn any difference into many standard errors.
    """

    def variance(values: np.ndarray) -> float:
        own = float(values.std(ddof=1)) if values.size > 1 else 0.0
        return max(own, typical) ** 2 / values.size

    return math.sqrt(variance(one) + variance(other))


def _served(*sides: Frames) -> dict[str, list[str]]:
    """Cell → the experiments that it serves on either side."""
    members = pd.concat([frames.experiments for frames in sides])
    return {
        str(cell): sorted(rows["experiment"].unique()) for cell, rows in members.groupby("cell")
    }


def _described(frames: Frames) -> dict[str, dict[str, Any]]:
    """Cell → its settings, without those that all cells share."""
    firsts = frames.runs.drop_duplicates("cell").set_index("cell")
    columns = [c for c in NAMING if c in firsts and firsts[c].nunique(dropna=False) > 1]
    return {
        str(cell): {c: plain(row[c]) for c in columns if pd.notna(row[c])}
        for cell, row in firsts.iterrows()
    }


def _cells_of(frames: Frames, experiments: list[str]) -> set[str]:
    members = frames.experiments
    return set(members.loc[members["experiment"].isin(experiments), "cell"])


# Claims -----------------------------------------------------------------------------------------------------------


def claim_rows(fresh: Mapping[str, Any], released: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One record per claim; `errors` is null where a side has no interval, and then the verdict alone decides."""
    ours = {entry["id"]: entry for entry in fresh["claims"]}
    theirs = {entry["id"]: entry for entry in released["claims"]}
    rows = []
    for name in [*ours, *(name for name in theirs if name not in ours)]:
        one, other = ours.get(name), theirs.get(name)
        either: Mapping[str, Any] = one or other or {}
        row = {
            "id": name,
            "statement": either["statement"],
            "arxiv": either["arxiv"],
            "place": either["place"],
            "published": either["published_text"],
            "unit": either["unit"],
            "experiments": sorted(
                {*(one or either)["experiments"], *(other or either)["experiments"]}
            ),
            "errors": None,
            "tolerance": None,
            "moved_cells": [],
            "status": SAME if one and other else ADDED if one else GONE,
        }
        for side, entry in (("fresh", one), ("released", other)):
            row[f"{side}_verdict"] = entry["verdict"] if entry else None
            for key in ("value", "low", "high"):
                row[f"{side}_{key}"] = entry[key] if entry else None
        if one and other and one["verdict"] != OUT_OF_SCOPE:
            row["errors"] = estimates_apart(one, other)
        rows.append(row)
    return rows


def estimates_apart(one: Mapping[str, Any], other: Mapping[str, Any]) -> float | None:
    """The difference of two estimates in standard errors; null when an interval is unknown or a point.

    An interval's arm that faces the other estimate gives the standard error, since intervals need not be symmetric.
    """
    if one["value"] is None or other["value"] is None:
        return None
    if one["value"] == other["value"]:
        return 0.0
    lower, upper = sorted((one, other), key=lambda estimate: estimate["value"])
    if lower["high"] is None or upper["low"] is None:
        return None
    quantile = float(stats.norm.ppf(0.5 + (one["level"] or 0.95) / 2))
    arms = ((lower["high"] - lower["value"]) / quantile, (upper["value"] - upper["low"]) / quantile)
    error = math.hypot(*arms)
    difference = upper["value"] - lower["value"]
    # A count has no interval to speak of, and other seeds may give another count: its verdict decides.
    return difference / error if error > 0 else None

"""Every run's curves, thinned to what a screen shows, in one script a study and scale.

A browser that opens a page from disk reads no file beside it but scripts, so the curves are scripts that hand their
content to a function of the page, and are asked for when a reader chooses a run.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from regrok.released.thin import EVENTS

if TYPE_CHECKING:
    import pandas as pd

POINTS = 140
"""A run with at most this many logged points keeps all of them; a longer one keeps about as many."""
BUCKETS = 32
"""Stretches of a longer run, of each of which the extremes are kept."""
EARLY = 40
"""Points of a longer run that are spread over the logarithm of the step."""

COLUMNS = {
    "train_accuracy": 4,
    "validation_accuracy": 4,
    "train_loss": None,
    "validation_loss": None,
    "V": None,
}
"""What is kept of a curve → decimals; None: `DIGITS` significant digits."""
DIGITS = 4
EXTREMES = ("validation_accuracy", "train_loss", "V")
"""Columns whose least and greatest value of each stretch are kept, so that no spike is lost."""


def chosen(curve: pd.DataFrame, marked: set[int]) -> np.ndarray:
    """Which rows of one run's curve, sorted by step, are kept.

    marked: steps that are kept whatever else is, such as T_mem and T_grok.
    """
    n = len(curve)
    if n <= POINTS:
        return np.arange(n)
    steps = curve["step"].to_numpy()
    kept = {0, n - 1, *np.flatnonzero(np.isin(steps, list(marked)))}
    edges = np.linspace(0, n, BUCKETS + 1).astype(int)
    for name in EXTREMES:
        values = curve[name].to_numpy(dtype=float)
        for first, last in pairwise(edges):
            part = values[first:last]
            if np.isfinite(part).any():
                kept |= {first + int(np.nanargmin(part)), first + int(np.nanargmax(part))}
    spread = np.geomspace(1, n, EARLY).astype(int) - 1
    return np.array(sorted({int(i) for i in kept} | {int(i) for i in spread}))


def packed(curves: pd.DataFrame, runs: pd.DataFrame) -> dict[str, dict[str, list[Any]]]:
    """Run → its thinned curve: a list for `step` and for each of `COLUMNS`; null for what was not measured.

    curves: one row per run and logged step. runs: with run_id and the columns that name a logged step.
    """
    named = [column for column in EVENTS if column in runs]
    marks = runs.set_index("run_id")[named]
    found = {}
    for name, curve in curves.groupby("run_id", sort=True):
        curve = curve.sort_values("step", ignore_index=True)
        marked = {int(step) for step in marks.loc[name].dropna()} if name in marks.index else set()
        part = curve.iloc[chosen(curve, marked)]
        made: dict[str, list[Any]] = {"step": [int(step) for step in part["step"]]}
        for column, decimals in COLUMNS.items():
            made[column] = [_rounded(x, decimals) for x in part[column]]
        found[str(name)] = made
    return found


def _rounded(x: float, decimals: int | None) -> float | int | None:
    if not math.isfinite(x):
        return None
    made = float(f"{x:.{DIGITS}g}") if decimals is None else round(float(x), decimals)
    return int(made) if made == int(made) and abs(made) < 1e15 else made


def script(key: str, content: Mapping[str, Any]) -> str:
    """A script that hands `content` to the page under `key`."""
    return f"regrok.take({json.dumps(key)},{_json(content)});\n"


def assigned(name: str, content: Any) -> str:
    """A script that makes `content` known to the page as `regrok.<name>`."""
    return f"window.regrok=window.regrok||{{}};regrok.{name}={_json(content)};\n"


def _json(content: Any) -> str:
    return json.dumps(content, separators=(",", ":"), ensure_ascii=False, allow_nan=False)

"""How a measured quantity goes with a setting: its power, over runs in cells (arXiv 2603.13331, figure 3b: V_mem on p).

The laws of times have their own module, `scaling`; this one asks of any column whether it rises or falls.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from regrok.laws.parts import cell_slope
from regrok.laws.parts import estimate as est
from regrok.laws.parts.selection import cell_settings, conditions, distinct, plain, within
from regrok.runs.frames import Frames
from regrok.study.defaults import option

DEFAULTS: dict[str, Any] = {"factor": None, "columns": [], "within": {}}
REFERS: dict[str, Any] = {"factor": "columns", "columns": "quantities", "within": "limits"}
NEEDS: dict[str, Any] = {"options": ["factor", "columns"]}
ESTIMATES: dict[str, list[str]] = {"columns": ["slope", "exponent"]}


def fit(frames: Frames, options: dict[str, Any], seed: int) -> est.Result:
    """Slope of each column on the factor, and of their logarithms, with t intervals from each cell's spread.

    options: factor (a numeric setting), columns (measured ones), within. Estimates per column: slope, and exponent over
    the runs where column and factor are positive. Points: one record per run. Cells: mean and standard deviation.
    """
    settings = option(options, DEFAULTS)
    factor, columns = settings["factor"], list(settings["columns"])
    runs = distinct(within(frames.runs, settings["within"])).reset_index(drop=True)
    cells, x = conditions(runs), runs[factor].to_numpy(float)
    estimates = {}
    for column in columns:
        y = runs[column].to_numpy(float)
        for key, known in (
            ("slope", np.isfinite(x) & np.isfinite(y)),
            ("exponent", np.isfinite(x) & np.isfinite(y) & (x > 0) & (y > 0)),
        ):
            a, b = (np.log(v[known]) if key == "exponent" else v[known] for v in (x, y))
            left_out = f"{(~known).sum()} of {known.size} runs left out" if not known.all() else ""
            made = cell_slope.slope(a, b, cells[known], note=left_out)
            estimates[f"{column}.{key}"] = made
    shown = ("run_id", "cell", "seed", factor, *columns)
    points = [{c: plain(run[c]) for c in shown} for run in runs.to_dict("records")]
    means = [
        cell_settings(rows)
        | {"runs": len(rows)}
        | {c: plain(float(rows[c].mean())) for c in columns}
        | {f"{c}_sd": plain(float(rows[c].std(ddof=1))) for c in columns}
        for _, rows in runs.groupby("cell", sort=True)
    ]
    return {"estimates": estimates, "points": points, "cells": means}

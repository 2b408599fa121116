"""The same runs as another logging grid would have shown them.

A run that is logged every 200 steps shows a crossing at the first multiple of 200 after it, and the norm there. That
moves V_mem, which falls fast just then, and so T_esc_th and their correlation with the delay: two studies that log
differently are laid side by side on the coarser grid.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from regrok.laws.parts.selection import curve_of
from regrok.runs.frames import Frames


def rounded_up(steps: pd.Series, every: pd.Series) -> pd.Series:
    """The first multiple of `every` at or after each step; the step itself where `every` is missing.

    >>> rounded_up(pd.Series([825.0, 800.0, 825.0]), pd.Series([200.0, 200.0, float("nan")])).tolist()
    [1000.0, 800.0, 825.0]
    """
    steps = steps.astype(float)
    return (np.ceil(steps / every) * every).where(every.notna(), steps)


def norm_at(curves: Mapping[str, pd.DataFrame], run_ids: pd.Series, steps: pd.Series) -> np.ndarray:
    """V of each run at a step: (n,), NaN where the step is NaN or beyond the run's curve.

    Between two logged points V is drawn as an exponential, as it contracts; where the step was logged it is V itself.
    """
    found = np.full(len(run_ids), np.nan)
    for i, (run_id, step) in enumerate(zip(run_ids, steps.astype(float), strict=True)):
        curve = curves.get(str(run_id))
        if curve is None or not np.isfinite(step):
            continue
        logged = curve["step"].to_numpy(float)
        exact = np.searchsorted(logged, step)
        if exact < logged.size and logged[exact] == step:
            found[i] = curve["V"].iloc[exact]
        elif 0 < exact < logged.size:
            around = curve["V"].iloc[exact - 1 : exact + 1].to_numpy(float)
            if (around > 0).all():
                found[i] = np.exp(np.interp(step, logged[exact - 1 : exact + 1], np.log(around)))
    return found


def grid_of(frames: Frames, grids: Mapping[str, int]) -> pd.Series:
    """Each run's logging grid in steps: the finest of its experiments', NaN for a run of none that has one."""
    members = frames.experiments
    steps = members["experiment"].map(dict(grids)).astype(float)
    finest = steps.groupby(members["run_id"]).min()
    return frames.runs["run_id"].map(finest).astype(float)


def on_grid(frames: Frames, grids: Mapping[str, int]) -> Frames:
    """The frames with T_mem, T_grok, delay, V_mem and V_grok as logged every so many steps.

    grids: experiment → steps between two logs. A crossing is rounded up to its run's grid and lies between the grid's
    two steps; a run of no experiment with a grid stays as it is. V_final and the outcome stay: a run ended where it
    ended.
    """
    every = grid_of(frames, grids)
    coarse = every.notna()
    runs = frames.runs.copy()
    curves = curve_of(frames.curves) if coarse.any() else {}
    for event, norm in (("T_mem", "V_mem"), ("T_grok", "V_grok")):
        previous = f"{event}_previous"
        known = runs[previous] if previous in runs else runs[f"{event}_99_previous"]
        at = rounded_up(runs[event], every)
        runs[previous] = known.astype(float).where(~coarse, (at - every).clip(lower=0))
        there = pd.Series(norm_at(curves, runs["run_id"], at.where(coarse)), index=runs.index)
        runs[norm] = runs[norm].astype(float).where(~coarse, there)
        runs[event] = at
    runs["delay"] = runs["T_grok"] - runs["T_mem"]
    return Frames(runs, frames.curves, frames.experiments, frames.spectra, frames.probes)

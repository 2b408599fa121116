"""Avalanches of families of networks: one run of every width with one seed, whose sizes give one D(t).

Sizes are of `regrok.probes.cascade`. A family is what an interval is over: s ∝ N^D is one straight line through its
widths, in logarithms, at each step.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from regrok.computations.parts.finite_size import exponent, known_mean
from regrok.errors import RegrokError

Window = tuple[float, float]
"""From and to, as shares of a time: [low·T, high·T)."""

UNMEASURED = "no run of these was measured"
NARROW = "these runs have one number of parameters, over which nothing scales"


@dataclass(frozen=True)
class Families:
    """f families of w widths, at s steps."""

    seeds: np.ndarray
    """(f,)"""
    nodes: np.ndarray
    """(w,) parameters, increasing."""
    steps: np.ndarray
    """(s,) at which some run was measured, increasing."""
    size: np.ndarray
    """(f, w, s) updates of a cascade; NaN where a run was not measured."""
    first: np.ndarray
    """(f, w, s) of these, in the first sweep."""
    grokked: np.ndarray
    """(f, w) T_grok; NaN of a run that did not."""
    memorised: np.ndarray
    """(f, w) T_mem; NaN of a run that did not."""

    @property
    def D(self) -> np.ndarray:
        """(f, s) at equal step; NaN where a width is not known, or there is one width alone."""
        if len(self.nodes) < 2:
            return np.full((len(self.seeds), len(self.steps)), math.nan)
        return exponent(self.size.transpose(0, 2, 1), self.nodes)

    @property
    def transition(self) -> np.ndarray:
        """(f,) median T_grok over the widths, a run that did not grok counting as later than any; NaN if that is it."""
        return middle(self.grokked)

    @property
    def learned(self) -> np.ndarray:
        """(f,) the same of T_mem."""
        return middle(self.memorised)

    def that_never_grok(self) -> Families:
        """Those of which no run did."""
        chosen = np.isnan(self.grokked).all(axis=1)
        names = ("seeds", "size", "first", "grokked", "memorised")
        return replace(self, **{name: getattr(self, name)[chosen] for name in names})


def middle(times: np.ndarray) -> np.ndarray:
    """(f,) medians of times (f, w), NaN counting as later than any; NaN if that is it.

    >>> middle(np.array([[100.0, 300.0, np.nan], [100.0, np.nan, np.nan]]))
    array([300.,  nan])
    """
    if not times.size:
        return np.full(len(times), np.nan)
    found = np.median(np.where(np.isnan(times), np.inf, times), axis=1)
    return np.where(np.isfinite(found), found, np.nan)


def families(rows: pd.DataFrame, table: pd.DataFrame) -> Families:
    """The families of a group. rows: its runs; table: what the probe measured, of these runs and others.

    A run that was not measured is not there. Raises RegrokError where two runs have one seed and one number of
    parameters, of which a family could have but one.
    """
    measured = table[table["run_id"].isin(rows["run_id"])].dropna(subset=["nodes"])
    of_run = measured.groupby("run_id", sort=False)["nodes"].first()
    rows = rows[rows["run_id"].isin(of_run.index)]
    rows = rows.assign(nodes=rows["run_id"].map(of_run))
    twice = rows[rows.duplicated(["seed", "nodes"])]
    if len(twice):
        run = twice.iloc[0]
        raise RegrokError(
            f"group: two runs have seed {run['seed']} and {run['nodes']:.0f} parameters, {run['run_id']} and another; "
            "a family has one of each width: make two groups of them"
        )
    seeds, nodes = (np.sort(rows[name].unique()) for name in ("seed", "nodes"))
    steps = np.sort(measured["step"].unique())
    size, first = np.full((2, len(seeds), len(nodes), len(steps)), np.nan)
    grokked, memorised = np.full((2, len(seeds), len(nodes)), np.nan)
    states = dict(iter(measured.groupby("run_id", sort=False)))
    for run in rows.to_dict("records"):
        i, j = np.searchsorted(seeds, run["seed"]), np.searchsorted(nodes, run["nodes"])
        own = states[run["run_id"]]
        at = np.searchsorted(steps, own["step"])
        size[i, j, at], first[i, j, at] = own["size"], own["first"]
        grokked[i, j], memorised[i, j] = run["T_grok"], run["T_mem"]
    return Families(
        seeds, nodes.astype(float), steps.astype(float), size, first, grokked, memorised
    )


def inside(steps: np.ndarray, event: np.ndarray, window: Window) -> np.ndarray:
    """(…, s) which steps lie in a window of each event (…,); none of an event that is NaN."""
    own = np.asarray(event)[..., None]
    with np.errstate(invalid="ignore"):
        return (steps >= window[0] * own) & (steps < window[1] * own)


def at_equal_step(made: Families, event: np.ndarray, window: Window) -> np.ndarray:
    """(f,) mean D(t) over a window of each family's event (f,)."""
    return known_mean(np.where(inside(made.steps, event, window), made.D, np.nan), axis=-1)


def aligned_sizes(made: Families, window: Window) -> np.ndarray:
    """(f, w) mean size over a window of each run's own T_grok; NaN of a run that did not grok."""
    mask = inside(made.steps, made.grokked, window)
    return known_mean(np.where(mask, made.size, np.nan), axis=-1)


def dated_like(made: Families, other: Families) -> np.ndarray:
    """(f,) when each family makes its transition: its own, else that of the other's of its seed, else their median."""
    theirs = dict(zip(other.seeds.tolist(), other.transition.tolist(), strict=True))
    known = other.transition[np.isfinite(other.transition)]
    usual = float(np.median(known)) if len(known) else math.nan
    found = np.array([theirs.get(seed, math.nan) for seed in made.seeds.tolist()], dtype=float)
    found = np.where(np.isfinite(found), found, usual)
    return np.where(np.isfinite(made.transition), made.transition, found)


def before_event(made: Families, event: np.ndarray, lags: np.ndarray) -> np.ndarray:
    """(f, lags) D at the state nearest to so many steps before each family's event; NaN before the first state."""
    found = np.full((len(made.seeds), len(lags)), np.nan)
    for i, (own, D) in enumerate(zip(event, made.D, strict=True)):
        wanted = own - lags
        if not math.isfinite(own) or not len(made.steps):
            continue
        nearest = np.abs(made.steps - wanted[:, None]).argmin(axis=1)
        there = (wanted >= made.steps[0]) & (wanted <= made.steps[-1])
        found[i] = np.where(there, D[nearest], np.nan)
    return found

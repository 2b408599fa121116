"""The tests of one cell that both sides have run: means by Welch's test, shares by Fisher's."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from regrok.laws.contraction import fit_curve
from regrok.laws.parts import two_samples as two
from regrok.laws.parts.selection import cell_settings

QUANTITIES = {
    "T_mem": "memorised",
    "T_grok": "grokked",
    "delay": "grokked",
    "V_mem": "memorised",
    "V_final": "grokked",
    "rate_loss": "grokked",
}
"""Quantity → what all runs of both sides have to have done for it to be compared."""

SHARES = ("memorised", "grokked")
EVENTS = ("T_mem", "T_grok")

RESOLVED = 0.5
"""Largest standard error, as a share of its mean, of a mean whose logarithm the delta method is trusted with."""

ROUNDINGS = {"T_mem": 1, "T_grok": 1, "delay": 2}
"""Time → how many crossings it is made of, each rounded up to the grid."""


@dataclass(frozen=True)
class Test:
    """One quantity of one cell, ours against theirs."""

    quantity: str
    ours: two.Sample | tuple[int, int]
    """A sample, or of a share how many runs of how many."""
    theirs: two.Sample | tuple[int, int]
    p: float
    contrast: two.Contrast | None = None
    """Of the logarithms; None for a share, and where a mean is not positive."""
    difference: two.Contrast | None = None
    """Of the means themselves, where one of them is not positive."""


@dataclass(frozen=True)
class Cell:
    """A cell that both sides have run."""

    settings: Mapping[str, Any]
    runs: int
    released_runs: int
    tests: list[Test]
    grokked: tuple[int, int]
    """How many of ours and of theirs grokked."""

    @property
    def unfinished(self) -> bool:
        """Whether a run of either side did not grok, so that its times are not compared."""
        return self.grokked[0] < self.runs or self.grokked[1] < self.released_runs


def rate_losses(runs: pd.DataFrame, curves: Mapping[str, pd.DataFrame], every: float) -> np.ndarray:
    """1 − r per step of each run's contraction after T_mem, seen every so many steps: (n,), NaN without a fit."""
    found = []
    for run in runs[["run_id", "T_mem"]].itertuples():
        curve = curves.get(str(run.run_id))
        fitted = None
        if curve is not None and np.isfinite(run.T_mem):
            shown = curve[(curve["step"] >= run.T_mem) & (curve["step"] % every == 0)]
            fitted = fit_curve(shown["step"].to_numpy(float), shown["V"].to_numpy(float))
        found.append(fitted["rate_loss"] if fitted else math.nan)
    return np.array(found)


def compare_means(quantity: str, ours: np.ndarray, theirs: two.Sample, every: float) -> Test | None:
    """The test of one quantity; None with fewer than two runs on a side, or with a mean that is not resolved.

    A time that is read on a grid scatters by the rounding alone: a standard deviation below that (0, where all runs
    show the same step) is raised to it on both sides, since otherwise one grid step would be infinitely significant.
    """
    if ours.size < 2 or theirs.n < 2 or not np.isfinite(ours).all():
        return None
    least = every * math.sqrt(ROUNDINGS.get(quantity, 0) / 12)
    a, b = two.sample(ours).at_least(least), theirs.at_least(least)
    if min(a.mean, b.mean) > 0:
        if any(x.sd > RESOLVED * x.mean * math.sqrt(x.n) for x in (a, b)):
            return None
        contrast = two.log_ratio(a, b)
        return Test(quantity, two.sample(ours), theirs, contrast.p, contrast=contrast)
    contrast = two.difference(a, b)
    return Test(quantity, two.sample(ours), theirs, contrast.p, difference=contrast)


def compare_shares(quantity: str, ours: tuple[int, int], theirs: tuple[int, int]) -> Test | None:
    """Fisher's exact test of two shares; None where all or none of both sides did it, which could not differ."""
    if ours[0] + theirs[0] in (0, ours[1] + theirs[1]):
        return None
    table = [[did, n - did] for did, n in (ours, theirs)]
    return Test(quantity, ours, theirs, float(stats.fisher_exact(table)[1]))


def compare_cell(
    runs: pd.DataFrame, row: Mapping[str, Any], curves: Mapping[str, pd.DataFrame], every: float
) -> Cell:
    """One published cell and our runs of it, as read on the published grid."""
    n, released = len(runs), int(row["runs"])
    counted = {s: int(runs[e].notna().sum()) for s, e in zip(SHARES, EVENTS, strict=True)}
    # A run of ours that was stopped before their budget says nothing of what it would have done by then.
    same_budget = bool((runs["max_steps"] >= row.get("max_steps", 0)).all())
    tests = [
        compare_shares(share, (counted[share], n), (int(row[share]), released))
        for share in SHARES
        if share in row and (same_budget or counted[share] == n)
    ]
    for quantity, needs in QUANTITIES.items():
        complete = counted[needs] == n and row.get(needs) == released
        if complete and f"{quantity}_sd" in row:
            theirs = two.Sample(released, float(row[quantity]), float(row[f"{quantity}_sd"]))
            values = (
                rate_losses(runs, curves, every)
                if quantity == "rate_loss"
                else runs[quantity].to_numpy(float)
            )
            tests.append(compare_means(quantity, values, theirs, every))
    grokked = (counted["grokked"], int(row.get("grokked", released)))
    made = [test for test in tests if test is not None]
    return Cell(cell_settings(runs), n, released, made, grokked)

"""How well a signal of a bench foresees, with intervals: over seeds within cells, over cells, over pairs of cells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pandas as pd

from regrok.laws.parts import estimate as est
from regrok.laws.parts.alarms import Tried
from regrok.laws.parts.bench import Watched
from regrok.laws.parts.detectors import Judged, held_out, late
from regrok.laws.parts.folds import Fold

DIFFERENCE = (-1.0, 1.0)
MEAN_OF_CELLS = "mean of the means of held-out cells, Student's interval over cells"
AGREEING = "all cells agree: Wilson's interval, a cell for a run"
OTHERS = {
    "over_waiting": ("waiting", 1.0),
    "over_settings": ("settings", 1.0),
    "under_ceiling": ("validation_loss", -1.0),
}
"""Key of a comparison → the signal that a lead is compared with, and the sign of their difference."""


def over_cells(
    name: str, found: Mapping[str, Judged], bench: list[Watched], clustered: bool
) -> dict[str, est.Estimate]:
    """The estimates of one signal on held-out cells, or pairs of cells, without their prefix.

    found: signal → what it does. clustered: whether the intervals of false alarms and misses are over cells, as a
    detector is silent or not in a whole cell; else they are Wilson's over runs.
    """
    mine = found[name]
    groks, cell = which(bench)
    false, missed = mine.raised[~groks], 1 - mine.warned[groks]
    made = {
        "lead": of_cells(mine.lead[groks], cell[groks], est.SHARE),
        "late_lead": of_cells(mine.late_lead[groks], cell[groks], est.SHARE),
        "steps": of_cells(mine.steps[groks], cell[groks], est.POSITIVE, "steps"),
        "false": share_of_cells(false, cell[~groks]) if clustered else share(false),
        "missed": share_of_cells(missed, cell[groks]) if clustered else share(missed),
        "early": share_of_cells(mine.early[groks], cell[groks], mine.warned[groks]),
    }
    for key, (other, sign) in OTHERS.items():
        if other in found:
            ahead = sign * (mine.lead - found[other].lead)[groks]
            made[key] = of_cells(ahead, cell[groks], DIFFERENCE)
    return made


def over_seeds(
    name: str,
    found: Mapping[str, Judged],
    tried: Mapping[str, list[Tried]],
    folds: list[Fold],
    bench: list[Watched],
    allowed: float,
    draws: tuple[int, int],
) -> dict[str, est.Estimate]:
    """The estimates of one signal on held-out seeds, without their prefix. draws: replicates and seed of resamples."""
    mine = found[name]
    groks, cell = which(bench)
    T_mem = np.array([float(each.run["T_mem"]) for each in bench])
    T_grok = np.array([each.T_grok for each in bench])
    strata = [f"{c}:{half}" for c, half in zip(cell, folds[0].judged, strict=True)]
    words = "mean over runs that grok, bootstrap over seeds within cells that chooses the thresholds again"

    def of(name: str, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        counts = np.apply_along_axis(np.bincount, -1, rows, minlength=len(bench)).astype(float)
        judged = held_out(tried[name], folds, counts, allowed)
        return judged.lead, judged.alarm, counts[..., groks]

    def mean_lead(rows: np.ndarray) -> np.ndarray:
        leads, _, weights = of(name, rows)
        return (weights * leads[..., groks]).sum(-1) / weights.sum(-1)

    def mean_late(rows: np.ndarray) -> np.ndarray:
        leads, when, weights = of(name, rows)
        return (weights * late(leads, when, T_mem)[..., groks]).sum(-1) / weights.sum(-1)

    def mean_steps(rows: np.ndarray) -> np.ndarray:
        _, when, weights = of(name, rows)
        left = np.maximum(T_grok[groks] - when[..., groks], 0.0)
        return (weights * left).sum(-1) / weights.sum(-1)

    def against(other: str, sign: float) -> est.Statistic:
        def difference(rows: np.ndarray) -> np.ndarray:
            mine, _, weights = of(name, rows)
            theirs, _, _ = of(other, rows)
            return sign * (weights * (mine - theirs)[..., groks]).sum(-1) / weights.sum(-1)

        return difference

    def estimated(statistic: est.Statistic, unit: str, bounds: tuple[float, float]) -> est.Estimate:
        return est.bootstrap(statistic, strata, *draws, words, unit, bounds=bounds)

    made = {
        "lead": estimated(mean_lead, "", est.SHARE),
        "late_lead": estimated(mean_late, "", est.SHARE),
        "steps": estimated(mean_steps, "steps", est.POSITIVE),
        "false": share(mine.raised[~groks]),
        "missed": share(1 - mine.warned[groks]),
        "early": share(mine.early[groks][mine.warned[groks] > 0]),
    }
    for key, (other, sign) in OTHERS.items():
        if other in tried:
            made[key] = estimated(against(other, sign), "", DIFFERENCE)
    return made


def which(bench: list[Watched]) -> tuple[np.ndarray, np.ndarray]:
    """Which runs grok, and the cell of each, (runs,)."""
    groks = np.array([each.groks for each in bench], dtype=bool)
    return groks, np.array([each.run["cell"] for each in bench])


def share(held: np.ndarray) -> est.Estimate:
    """Share of runs that are each held out once, with Wilson's interval. held: (runs,) 0 or 1."""
    return est.share(int(held.sum()), len(held))


def of_cells(
    values: np.ndarray, cell: np.ndarray, bounds: tuple[float, float], unit: str = ""
) -> est.Estimate:
    """Mean of the cells' means, Student's interval over cells, clipped to what it can be. values: (runs,)."""
    return _clipped(pd.Series(values).groupby(cell).mean(), len(values), bounds, unit)


def share_of_cells(
    held: np.ndarray, cell: np.ndarray, among: np.ndarray | None = None
) -> est.Estimate:
    """Mean of the cells' shares, Student's interval over cells, clipped.

    held: (runs,) shares of folds; among: those of which `held` is a part, 1 unless given; a cell of none is left out.
    Cells that all have 0, or all 1, show no spread, and yet leave open what another cell has: there the interval is
    Wilson's, with cells in the place of runs.
    """
    of = np.ones(len(held)) if among is None else among
    sums = pd.DataFrame({"held": held, "of": of}).groupby(cell).sum()
    sums = sums[sums["of"] > 0]
    if sums.empty:
        return est.missing("none of the runs has what this is a share of", len(held), MEAN_OF_CELLS)
    shares = sums["held"] / sums["of"]
    if shares.nunique() == 1 and shares.iloc[0] in (0.0, 1.0):
        found = est.share(int(shares.sum()), len(shares))
        return replace(found, n=len(held), estimator=AGREEING, note=f"{len(shares)} cells")
    return _clipped(shares, len(held), est.SHARE, "")


def _clipped(means: pd.Series, n: int, bounds: tuple[float, float], unit: str) -> est.Estimate:
    found = est.mean(means, unit)
    if found.value is None:
        return found
    low, high = (
        None if end is None else float(np.clip(end, *bounds)) for end in (found.low, found.high)
    )
    made = est.estimate(found.value, low, high, n, MEAN_OF_CELLS, unit)
    # Of cells that agree there is no interval: why is said by the mean.
    return made if found.reason is None else est.without_interval(made, found.reason)

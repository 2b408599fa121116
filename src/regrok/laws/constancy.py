"""Is T_grok times a factor one constant? With the runs that did not grok, by the least that their product can be.

Where η, λ or both speed grokking in proportion, T_grok·ηλ is the same number in every cell (arXiv 2603.13331, A7).
Over the runs that finished alone, its mean and spread are those of the cells that finish: the others are the slow ones.
A run stopped at s steps has a product above s·ηλ. That bounds the mean from below, and the coefficient of variation by
the least that any completion of these runs gives; neither has an upper end as long as one run is open.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from regrok.errors import RegrokError
from regrok.laws.parts import estimate as est
from regrok.laws.parts import variation
from regrok.laws.parts.regression import coefficient_of_variation
from regrok.laws.parts.selection import cell_settings, conditions, distinct, plain, within
from regrok.laws.scaling import INVERSE
from regrok.runs.frames import Frames
from regrok.study.defaults import option

DEFAULTS: dict[str, Any] = {"factor": None, "within": {}, "replicates": 2000}
REFERS: dict[str, Any] = {
    "factor": ["weight_decay", "learning_rate", "learning_rate_times_weight_decay"],
    "within": "limits",
}
NEEDS: dict[str, Any] = {"options": ["factor"]}
ESTIMATES: dict[str, list[str]] = {
    "": [
        "mean_at_least",
        "variation_at_least",
        "variation_population_at_least",
        "finished_share",
    ]
}


def least_variation(x: np.ndarray, finished: np.ndarray) -> np.ndarray:
    """The least coefficient of variation of numbers of which those not finished may be x or any more: (..., n) → (...).

    Σc²/(Σc)² is least where every open number below a level m is raised to it, with m = Σc²/Σc over the others: raising
    the lowest k of them, k from none to all, one of these completions is the minimum.

    >>> x, finished = np.array([2.0, 2.0, 1.0]), np.array([True, True, False])
    >>> float(least_variation(x, finished)), float(least_variation(np.array([2.0, 2.0, 5.0]), finished).round(3))
    (0.0, 0.577)
    """
    order = np.argsort(np.where(finished, np.inf, x), axis=-1, kind="stable")
    least = coefficient_of_variation(x)
    for completed in completions(
        np.take_along_axis(x, order, -1), ~np.take_along_axis(finished, order, -1)
    ):
        least = np.fmin(least, coefficient_of_variation(completed))
    return np.asarray(least)


def completions(x: np.ndarray, open_: np.ndarray) -> Iterator[np.ndarray]:
    """The numbers with the lowest k of the open ones raised to their level, k from one to all.

    x, open_: (..., n), the open ones first and from low to high.
    """
    for k in range(1, int(open_.sum(-1).max(initial=0)) + 1):
        raised = open_ & (np.arange(x.shape[-1]) < k)
        fixed = np.where(raised, 0.0, x)
        with np.errstate(all="ignore"):
            level = (fixed**2).sum(-1) / fixed.sum(-1)
        # With all of them open they may all be the largest.
        level = np.where(np.isfinite(level), level, x.max(-1))[..., None]
        yield np.where(raised, np.maximum(x, level), x)


def least_completion(x: np.ndarray, finished: np.ndarray) -> np.ndarray:
    """The completion of least variation, in the order given: (n,) → (n,).

    >>> least_completion(np.array([2.0, 1.0, 2.0]), np.array([True, False, True])).tolist()
    [2.0, 2.0, 2.0]
    """
    order = np.argsort(np.where(finished, np.inf, x), kind="stable")
    found = [x[order], *completions(x[order], ~finished[order])]
    least = min(found, key=lambda each: float(coefficient_of_variation(each)))
    made = np.empty_like(x)
    made[order] = least
    return made


def bounded(
    x: np.ndarray, finished: np.ndarray, cells: np.ndarray, replicates: int, seed: int, note: str
) -> dict[str, est.Estimate]:
    """Both bounds with their intervals. x: (n,) products, of open runs at the step where they were stopped."""

    def bound(found: est.Estimate) -> est.Estimate:
        """What is told with every end that an open run leaves open taken away."""
        if finished.all() or found.value is None:
            return found
        return replace(found, high=None, reason=found.reason if found.low is None else None)

    def of(statistic: Any, name: str) -> est.Estimate:
        found = est.bootstrap(
            statistic,
            cells,
            replicates,
            seed,
            f"{name}, bootstrap over seeds within cells",
            note=note,
            bounds=est.POSITIVE,
        )
        if finished.all() or found.value is None:
            return found
        # Runs without a spread of their own bound nothing less surely: the bound itself is then the lower end.
        low = found.value if found.low is None and found.reason else found.low
        return replace(found, low=low, high=None, reason=None)

    return {
        "mean_at_least": of(lambda i: x[i].mean(-1), "mean, open runs where they were stopped"),
        "variation_at_least": of(
            lambda i: least_variation(x[i], finished[i]),
            "least standard deviation over mean, open runs anywhere above where they were stopped",
        ),
        "variation_population_at_least": bound(
            least_population(x, finished, cells, replicates, seed, note)
        ),
    }


def least_population(
    x: np.ndarray, finished: np.ndarray, cells: np.ndarray, replicates: int, seed: int, note: str
) -> est.Estimate:
    """Coefficient of variation with seeds without end, of the completion that makes it least in these runs."""
    if not x.size or (x <= 0).any():
        return est.missing("no runs, or a product of 0", x.size, variation.ESTIMATOR)
    completed = variation.Cells.of(least_completion(x, finished), cells)
    return variation.population(completed, replicates, seed, note)


def fit(frames: Frames, options: dict[str, Any], seed: int) -> est.Result:
    """Mean and coefficient of variation of T_grok·factor over all runs, those that did not grok by their bounds.

    options: factor (weight_decay, learning_rate or their product), within, replicates. Estimates:
    mean_at_least, variation_at_least, variation_population_at_least (with seeds without end; all three without an upper
    end where a run did not grok) and finished_share. Points: one record per run. Cells: runs, how many grokked, and the
    mean of the bounds.
    """
    settings = option(options, DEFAULTS)
    factor = settings["factor"]
    if factor not in INVERSE:
        raise RegrokError(f"options.factor = {factor!r}; allowed: {', '.join(INVERSE)}")
    runs = distinct(within(frames.runs, settings["within"])).reset_index(drop=True)
    finished = runs["T_grok"].notna()
    time = runs["T_grok"].fillna(runs["steps"]).astype(float)
    runs = runs.assign(product=time * INVERSE[factor](runs), finished=finished)
    given_up = int((~finished & runs["outcome"].isin(["collapsed", "diverged"])).sum())
    open_ = f"{int((~finished).sum())} of {len(runs)} runs did not grok"
    note = open_ + (f", {given_up} of them collapsed or diverged" if given_up else "")
    estimates = bounded(
        runs["product"].to_numpy(float),
        finished.to_numpy(bool),
        conditions(runs),
        settings["replicates"],
        seed,
        note,
    )
    estimates["finished_share"] = est.share(int(finished.sum()), len(runs))
    columns = ("run_id", "cell", "seed", "learning_rate", "weight_decay", "T_grok", "steps")
    points = [
        {c: plain(run[c]) for c in (*columns, "outcome", "product", "finished")}
        for run in runs.to_dict("records")
    ]
    cells = [
        cell_settings(rows)
        | {"runs": len(rows), "grokked": int(rows["finished"].sum())}
        | {"product_at_least": plain(float(rows["product"].mean()))}
        for _, rows in runs.groupby("cell", sort=True)
    ]
    return {"estimates": estimates, "points": points, "cells": cells}

"""How the final learning coefficient grows with the modulus or the width (arXiv 2603.01192, Corollary 5.4, sweeps).

At each value of one of them draws are trained as in `coefficient_history` for one budget, and chains sample the
coefficient at its end. Cells are means over the draws that have generalised; the line is least squares of the cells'
means, each with equal weight, and its interval is over draws within cells. The theory's ½K(3p − 1) has the slopes 1.5·K
in p and ½(3p − 1) in K.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from regrok.computations.parts.arms import arms
from regrok.computations.parts.sampled_states import States, ceiling, protocol
from regrok.errors import RegrokError
from regrok.laws.parts import estimate as est

DEFAULTS: dict[str, Any] = {
    "over": "p",  # or width
    "values": [7.0, 9.0, 11.0],  # of p or of the width
    "p": 11,
    "width": 32,  # K
    "fraction": 0.4,
    "scale": 1.0,
    "learning_rate": 1e-2,
    "decay": 1e-5,
    "batch": 64,
    "budget": 300,
    "draws": 2,
    "level": 0.95,  # accuracy on unseen pairs, at the end, without which a draw does not count
    "step": 5e-4,
    "n_beta": 26.4,
    "localisation": 5.0,
    "chains": 2,
    "burn_in": 20,
    "kept": 50,
    "minibatch": 128,
    "arms": {},  # name → how else it is sampled
}
REFERS: dict[str, Any] = {
    "over": ["p", "width"],
    "values": "numbers",
    "fraction": "positive",
    "scale": "positive",
    "learning_rate": "positive",
    "decay": "number",
    "level": "positive",
    "step": "positive",
    "n_beta": "positive",
    "localisation": "positive",
    "arms": "arms",
}
ESTIMATES: dict[str, list[str]] = {
    "": [
        "R_squared",
        "slope",
        "slope_over_theory",
        "slope_per_neuron",
        "exponent",
        "final_over_ceiling",
        "grokked_share",
        "diverged_share",
    ],
    "arms": [
        "R_squared",
        "slope",
        "slope_over_theory",
        "slope_per_neuron",
        "exponent",
        "final_over_ceiling",
        "grokked_share",
        "diverged_share",
    ],
}

REPLICATES = 1000


def check(options: Mapping[str, Any]) -> None:
    """Raises RegrokError naming an option that nothing grows with."""
    values = options["values"]
    if len(set(values)) < 3 or any(value != int(value) for value in values):
        raise RegrokError(f"options.values = {values}: should be three whole numbers or more")
    for name, changes in options["arms"].items():
        if other := sorted(set(changes) & {"over", "values", "draws", "level", "p", "width"}):
            raise RegrokError(f"options.arms.{name}.{other[0]}: an arm can only sample otherwise")
    for arm in arms(options):
        with arm.named():
            protocol(arm.options)


def compute(options: Mapping[str, Any], seed: int) -> dict[str, Any]:
    """Final coefficients over moduli or widths, and the line through them, however they are sampled.

    options: as `DEFAULTS`; `arms` change how a state is sampled. seed: of draws. Returns {"estimates", "points"},
    estimates under the arm's name too: R² and slope of the line; its slope over the theory's, and over the width where
    the modulus varies; the exponent of a power law; the share of ½·min(K(3p − 2), (n − 1)p) at the largest value; and
    the shares of draws that generalised and of chains that diverged. Points: one an arm, value and draw. Raises
    RegrokError naming an option.
    """
    check(options)
    points: list[dict[str, Any]] = []
    notes: dict[str, str] = {}
    for value in map(int, options["values"]):
        told = {**options, options["over"]: value}
        states = States(told, seed)
        (record,) = states.trained([told["budget"]], kept=[told["budget"]])
        for arm in arms(told):
            found = states.sampled(record, arm.options)
            for draw in range(int(told["draws"])):
                if arm.name not in notes and bool(found.diverged[draw].any()):
                    notes[arm.name] = f"at {value}: {states.refused(record, draw, arm.options)}"
                points.append(
                    {
                        "arm": arm.name,
                        "value": value,
                        "draw": draw,
                        "coefficient": float(found.mean[draw]),
                        "diverged": float(found.diverged[draw].double().mean()),
                        "train": float(record["told"]["train"][draw]),
                        "validation": float(record["told"]["validation"][draw]),
                        "ceiling": ceiling(told["p"], told["width"], told["fraction"]),
                    }
                )
    estimates: dict[str, est.Estimate] = {}
    for arm in arms(options):
        rows = pd.DataFrame([row for row in points if row["arm"] == arm.name])
        made = measured(rows, options, seed)
        made["diverged_share"] = made["diverged_share"].noting(notes.get(arm.name, ""))
        estimates |= arm.estimates(made)
    return {"estimates": estimates, "points": points}


def line(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Slope and R² of least squares of y (..., c) on x (c,)."""
    dx, dy = x - x.mean(), y - y.mean(-1, keepdims=True)
    slope = (dx * dy).sum(-1) / (dx**2).sum()
    off = dy - slope[..., None] * dx
    return slope, 1 - (off**2).sum(-1) / (dy**2).sum(-1)


def measured(rows: pd.DataFrame, options: Mapping[str, Any], seed: int) -> dict[str, est.Estimate]:
    """The estimates of the draws that generalised, whose chains did not diverge."""
    good = rows[(rows.validation >= options["level"]) & rows.coefficient.notna()]
    # A single draw has no spread of its own.
    sizes = good.groupby("value").size()
    good = good[good.value.isin(sizes[sizes >= 2].index)].reset_index(drop=True)
    x, cell = np.unique(good.value.to_numpy(dtype=float), return_inverse=True)
    y = good.coefficient.to_numpy(dtype=float)
    averaging = (np.arange(len(x)) == cell[:, None]) / np.bincount(cell, minlength=len(x))
    width, by_modulus = float(options["width"]), options["over"] == "p"
    theory = 1.5 * width if by_modulus else (3 * float(options["p"]) - 1) / 2

    def fitted(statistic, estimator: str, bounds=est.UNBOUNDED) -> est.Estimate:
        if len(x) < 3:
            why = f"{len(x)} of {rows.value.nunique()} values have two draws that generalised; a line needs three"
            return est.missing(why, len(good), estimator)
        return est.bootstrap(
            lambda chosen: statistic(y[chosen] @ averaging),
            cell,
            REPLICATES,
            seed,
            f"{estimator} of means, bootstrap over draws within values",
            bounds=bounds,
        )

    slope = fitted(lambda means: line(x, means)[0], "least squares")
    last = good[good.value == good.value.max()]
    chains = int(options["chains"]) * len(rows)
    return {
        "R_squared": fitted(lambda means: line(x, means)[1], "R²", (-np.inf, 1.0)),
        "slope": slope,
        "slope_over_theory": fitted(lambda m: line(x, m)[0] / theory, "slope over the theory's"),
        "slope_per_neuron": fitted(lambda m: line(x, m)[0] / width, "slope over K")
        if by_modulus
        else est.missing("the width varies", 0, "slope over K"),
        "exponent": fitted(
            lambda m: line(np.log(x), np.log(np.where(m > 0, m, np.nan)))[0], "log-log slope"
        ),
        "final_over_ceiling": est.mean(last.coefficient / last.ceiling)
        if len(last)
        else est.missing("no draw generalised"),
        "grokked_share": est.share(int((rows.validation >= options["level"]).sum()), len(rows)),
        "diverged_share": est.share(round(float(rows.diverged.mean()) * chains), chains),
    }

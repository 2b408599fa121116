"""Which factor decides whether and when a network groks: depth × width × residual blocks × learning rate.

arXiv 2603.25009 compares a plain MLP of depth 4 with a residual one of depth 8 that is also wider, and reads the
difference as the residual blocks'. In a full factorial each factor is moved with the others held: log T_grok is
regressed on all of them at once as interval-censored times (laws/lifetimes.py), where a run that never grokked or never
memorised counts as later than its budget.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
from statsmodels.stats.proportion import confint_proportions_2indep

from regrok.errors import RegrokError
from regrok.laws import comparison
from regrok.laws.parts import estimate as est
from regrok.laws.parts import lifetimes
from regrok.laws.parts.selection import (
    cell_settings,
    conditions,
    distinct,
    grok_interval,
    group,
    plain,
    watched,
    within,
)
from regrok.laws.regimes import shares
from regrok.runs.frames import Frames
from regrok.study.defaults import option

DEFAULTS: dict[str, Any] = {
    "factors": ["depth", "width", "residual", "learning_rate"],
    "interactions": [["depth", "residual"]],
    "groups": {},
    "ratios": {},
    "within": {},
    "family": "weibull",
    "replicates": 400,
}
REFERS: dict[str, Any] = {
    "factors": "quantities",
    "interactions": "quantities",
    "groups": "groups",
    "ratios": "ratios",
    "within": "limits",
    "family": ["weibull", "log_normal"],
}
ESTIMATES: dict[str, list[str]] = {
    "": [
        "runs",
        "censored",
        "*.time_ratio",
        "*.time_ratio_over_range",
        "*.share_difference",
        "*_*.grokked_share",
        "*_*.memorised_share",
        "*_*.T_grok_restricted_mean",
    ],
    "groups": ["comparison:groups"],
    "ratios": ["comparison:ratios"],
}

FAR = 100.0
"""A time ratio beyond it, or below its inverse, rests on no run: where all runs of a level are censored, the likelihood
has no maximum and the number is where the search stopped. Such an end of an interval is left open."""


class Factor:
    """How a column enters the regression: log2 of a number over its lowest level, 0 or 1 for a yes or no."""

    def __init__(self, runs: pd.DataFrame, name: str):
        if name not in runs:
            raise RegrokError(f"options.factors: runs have no column '{name}'")
        known = runs[name].dropna()
        self.name, self.yes_no = name, known.isin([True, False]).all() and known.dtype != float
        if not self.yes_no and not (pd.api.types.is_numeric_dtype(known) and (known > 0).all()):
            raise RegrokError(
                f"options.factors: '{name}' is neither a positive number nor yes or no"
            )
        self.levels = sorted(known.unique())
        self.unit = "yes over no" if self.yes_no else "per doubling"

    def code(self, level: Any) -> float:
        return float(level) if self.yes_no else math.log2(level / self.levels[0])

    def word(self, level: Any) -> str:
        """The level as a part of an estimate's key: depth_4, residual_yes."""
        return f"{self.name}_{('yes' if level else 'no') if self.yes_no else format(level, 'g')}"

    @property
    def range(self) -> float:
        """Distance in code from the lowest to the highest level."""
        return self.code(self.levels[-1])


class Regression:
    """log T_grok on coded columns, with bootstrap draws of the coefficients over seeds within cells."""

    def __init__(self, runs: pd.DataFrame, x: pd.DataFrame, settings: dict[str, Any], seed: int):
        self.family, self.n = settings["family"], len(runs)
        self.names = list(x)
        interval = grok_interval(runs).to_numpy(float)
        # Later than the end of its budget: see selection.watched.
        lower = np.where(np.isinf(interval[:, 1]), watched(runs), interval[:, 0])
        upper = interval[:, 1]
        self.censored = int(np.isinf(upper).sum())
        self.strata = conditions(runs)
        found = lifetimes.accelerated_failure_time(lower, upper, x, self.family)
        self.reason = next((v.reason for v in found.values() if v.value is None), None)
        self.draws = np.empty((0, len(self.names)))
        if self.reason is not None:
            return
        self.value = np.array([found[name].value for name in self.names])
        # Where the likelihood tells nothing of its error, neither do draws of its flat top.
        self.doubt = next((v.reason for v in found.values() if v.reason is not None), None)
        if self.doubt is not None:
            return
        self.draws = np.full((settings["replicates"], len(self.names)), np.nan)
        values, rng = x.to_numpy(float), np.random.default_rng(seed)
        start = lifetimes.coefficients(lower, upper, values, np.ones(self.n), self.family)
        for k, rows in enumerate(est.resample(self.strata, settings["replicates"], rng)):
            weights = np.bincount(rows, minlength=self.n).astype(float)
            self.draws[k] = lifetimes.coefficients(
                lower, upper, values, weights, self.family, start
            )[:-2]

    def time_ratio(self, weights: dict[str, float], unit: str) -> est.Estimate:
        """exp of a combination of coefficients: by what factor T_grok is longer."""
        estimator = f"interval-censored {self.family.replace('_', '-')} AFT, bootstrap over seeds within cells"
        note = f"{unit}; {self.censored} of {self.n} runs censored"
        if self.reason is not None:
            return est.missing(self.reason, self.n, estimator)
        w = np.array([weights.get(name, 0.0) for name in self.names])
        value = float(self.value @ w)
        if self.doubt is not None:
            log = est.without_interval(
                est.estimate(value, None, None, self.n, estimator), self.doubt
            )
        else:
            strata = np.unique(self.strata).size
            log = est.from_draws(value, self.draws @ w, self.n, strata, estimator)
        if log.value is None or abs(log.value) > math.log(FAR):
            reason = f"beyond a factor of {FAR:g}: too few runs grokked to bound it"
            return est.missing(reason, self.n, estimator)
        low, high = (
            None if end is None or abs(end) > math.log(FAR) else math.exp(end)
            for end in (log.low, log.high)
        )
        made = est.estimate(math.exp(log.value), low, high, self.n, log.estimator, note=note)
        return est.without_interval(made, log.reason) if log.reason else made


def coded(runs: pd.DataFrame, factors: list[Factor], pairs: list[list[str]]) -> pd.DataFrame:
    """Columns of the regression: one per factor, one per pair (their product, named a_x_b)."""
    x = pd.DataFrame({f.name: runs[f.name].map(f.code).astype(float) for f in factors})
    for a, b in pairs:
        x[f"{a}_x_{b}"] = x[a] * x[b]
    return x


def share_difference(runs: pd.DataFrame, factor: Factor) -> est.Estimate:
    """Share that grokked at the highest level less that at the lowest, with Newcombe's interval."""
    low, high = (runs[runs[factor.name] == factor.levels[k]]["T_grok"].notna() for k in (0, -1))
    estimator = "difference of shares, Newcombe's interval"
    bottom, top = confint_proportions_2indep(
        int(high.sum()), len(high), int(low.sum()), len(low), method="newcomb", alpha=1 - est.LEVEL
    )
    note = f"{int(high.sum())} of {len(high)} against {int(low.sum())} of {len(low)}"
    return est.estimate(
        high.mean() - low.mean(), bottom, top, len(low) + len(high), estimator, note=note
    )


def effects(
    runs: pd.DataFrame, factors: list[Factor], settings: dict[str, Any], seed: int
) -> dict[str, est.Estimate]:
    """Time ratios of the main effects and of the interactions; see `fit` for the keys."""
    found: dict[str, est.Estimate] = {}
    by_name = {f.name: f for f in factors}
    pairs = [pair for pair in settings["interactions"] if set(pair) <= set(by_name)]
    main = Regression(runs, coded(runs, factors, []), settings, seed)
    for f in factors:
        found[f"{f.name}.time_ratio"] = main.time_ratio({f.name: 1.0}, f.unit)
        between = " over ".join(f.word(f.levels[k]) for k in (-1, 0))
        found[f"{f.name}.time_ratio_over_range"] = main.time_ratio({f.name: f.range}, between)
    if not pairs:
        return found
    crossed = Regression(runs, coded(runs, factors, pairs), settings, seed)
    for pair in pairs:
        cross = "_x_".join(pair)
        a, b = (by_name[name] for name in pair)
        found[f"{cross}.time_ratio"] = crossed.time_ratio({cross: 1.0}, "ratio of ratios")
        for one, other in ((a, b), (b, a)):
            for level in other.levels:
                found[f"{one.name}.{other.word(level)}.time_ratio"] = crossed.time_ratio(
                    {one.name: 1.0, cross: other.code(level)},
                    f"{one.unit} at {other.word(level)}",
                )
    return found


def fit(frames: Frames, options: dict[str, Any], seed: int) -> est.Result:
    """Time ratios and shares per factor, and the groups that the paper sets side by side.

    options: factors, columns that are positive numbers or yes/no; interactions, pairs of them; within; family
    (weibull or log_normal); replicates; groups and ratios as in `comparison`, of the same runs. Estimates: runs,
    censored; per factor time_ratio (per doubling, or yes over no, the others held), time_ratio_over_range and
    share_difference (highest level less lowest); per pair <a>_x_<b>.time_ratio (ratio of ratios) and
    <a>.<b>_<level>.time_ratio; per level <factor>_<level>.grokked_share, .memorised_share,
    .T_grok_restricted_mean; those of `comparison` per group and ratio. Cells: kind "effect" (one per factor, the
    strongest over its range first), "level" and "cell". Points: one record per run. Runs are never left out.
    """
    runs, experiments = frames.runs, frames.experiments
    settings = option(options, DEFAULTS)
    if settings["family"] not in lifetimes.FAMILIES:
        allowed = ", ".join(lifetimes.FAMILIES)
        raise RegrokError(f"options.family = {settings['family']!r}; allowed: {allowed}")
    runs = distinct(within(runs, settings["within"])).reset_index(drop=True)
    factors = [Factor(runs, name) for name in settings["factors"]]
    factors = [f for f in factors if len(f.levels) > 1]
    n = len(runs)
    # Every effect has an estimate at every scale, if only that it cannot be told.
    effect_names = [*settings["factors"], *map("_x_".join, settings["interactions"])]
    still = est.missing("what it is about does not vary in these runs", n)
    estimates: dict[str, est.Estimate] = {f"{name}.time_ratio": still for name in effect_names}
    estimates |= {
        "runs": est.exact(n, n, "count", "runs"),
        "censored": est.exact(int(runs["T_grok"].isna().sum()), n, "count", "runs"),
    }
    cells: list[dict[str, Any]] = []
    if factors:
        estimates |= effects(runs, factors, settings, seed)
        horizon = comparison.horizons({"all": runs})
    for f in factors:
        estimates[f"{f.name}.share_difference"] = share_difference(runs, f)
        for level in f.levels:
            rows = runs[runs[f.name] == level]
            made = comparison.describe(rows, horizon)
            kept = ("memorised_share", "grokked_share", "T_grok_restricted_mean")
            estimates |= {f"{f.word(level)}.{key}": made[key] for key in kept}
            cells.append(
                {"kind": "level", "factor": f.name, "level": plain(level), "runs": len(rows)}
                | {key: made[key] for key in kept}
            )
    cells += sorted(
        (
            {"kind": "effect", "factor": f.name, "levels": [plain(v) for v in f.levels]}
            | {"time_ratio": estimates[f"{f.name}.time_ratio"]}
            | {"over_range": estimates[f"{f.name}.time_ratio_over_range"]}
            | {"share_difference": estimates[f"{f.name}.share_difference"]}
            for f in factors
        ),
        key=_strength,
    )
    cells += [
        {"kind": "cell", "runs": len(rows)} | cell_settings(rows) | shares(rows)
        for _, rows in runs.groupby("cell", sort=True)
    ]
    parts = {name: group(runs, experiments, chosen) for name, chosen in settings["groups"].items()}
    estimates |= comparison.side_by_side(parts, settings["ratios"], settings["replicates"], seed)
    columns = [
        "run_id",
        "cell",
        "seed",
        *settings["factors"],
        "T_mem",
        "T_grok",
        "steps",
        "outcome",
    ]
    points = [{c: plain(row[c]) for c in columns} for row in runs.to_dict("records")]
    return {"estimates": estimates, "points": points, "cells": cells}


def _strength(effect: dict[str, Any]) -> float:
    ratio = effect["over_range"].value
    return -abs(math.log(ratio)) if ratio else math.inf

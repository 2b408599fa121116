"""How fast decay alone shrinks a network that never learns: V_t = A·r^t + C from step 0 (arXiv 2603.13331, S6, S8).

The paper sets SGD's contraction beside 1 − 2ηλ and asks whether it should be given λ or 2λ for that. Its SGD runs
never memorise, so that the window of `contraction`, which begins at T_mem, does not exist for them; with coupled decay
and a gradient that vanishes, θ shrinks by 1 − η·(decay) a step.
"""

from __future__ import annotations

from typing import Any

import pandas as pd

from regrok.laws.contraction import fit_curve
from regrok.laws.parts import estimate as est
from regrok.laws.parts.selection import curve_of, grouped, plain
from regrok.runs.frames import Frames
from regrok.study.defaults import option

DEFAULTS: dict[str, Any] = {"groups": {}, "weight_decay": 1.0}
REFERS: dict[str, Any] = {"groups": "groups", "weight_decay": "number"}
ESTIMATES: dict[str, list[str]] = {"groups": ["rate_loss", "rate_loss_over_theory", "r_squared"]}


def fit(frames: Frames, options: dict[str, Any], seed: int) -> est.Result:
    """Rates from the first step per group of options.groups, of the runs that never memorised.

    options: groups; weight_decay, the λ of the theory 2ηλ, which a group may have been given twice. Estimates per
    group: rate_loss = 1 − r (per step) and rate_loss_over_theory = (1 − r)/(2ηλ), geometric means over runs, and
    r_squared, a mean. A group without a run that never memorised has none. Points: one record per run.
    """
    settings = option(options, DEFAULTS)
    by_run = curve_of(frames.curves)
    estimates: dict[str, est.Estimate] = {}
    points: list[dict[str, Any]] = []
    for name, rows in grouped(frames.runs, frames.experiments, settings["groups"]).items():
        found = []
        never = rows[rows["T_mem"].isna()]
        for run in never.to_dict("records"):
            curve = by_run.get(run["run_id"])
            curve = None if curve is None else curve[curve["V"].notna()].sort_values("step")
            made = (
                None
                if curve is None
                else fit_curve(curve["step"].to_numpy(float), curve["V"].to_numpy(float))
            )
            if made is None or made["rate_loss"] <= 0:
                continue
            theory = 2 * run["learning_rate"] * settings["weight_decay"]
            found.append(
                {"group": name, "run_id": run["run_id"], "seed": plain(run["seed"])}
                | made
                | {"rate_loss_over_theory": made["rate_loss"] / theory}
            )
        table = pd.DataFrame(found, columns=list(found[0]) if found else ["r_squared"])
        note = f"{len(found)} of {len(never)} runs that never memorised have a falling norm that can be fitted"
        for key, unit in (("rate_loss", "1/step"), ("rate_loss_over_theory", "")):
            estimates[f"{name}.{key}"] = (
                est.mean(table[key], unit, note, log=True)
                if found
                else est.absent("no run here that never memorised and shrank", unit=unit)
            )
        estimates[f"{name}.r_squared"] = est.mean(table["r_squared"], note=note)
        points += found
    return {"estimates": estimates, "points": points, "cells": []}

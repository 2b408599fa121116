"""Which frequencies the token embedding holds: the share of its energy in the five largest (arXiv 2603.25009, Table 8).

The table counts frequency 0, the mean over the residues, among the five; an embedding can put much of its energy there
without any periodic structure, so the share without it stands beside, and both at step 0, where an embedding drawn at
random has five largest frequencies too.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from regrok.laws.parts import estimate as est
from regrok.laws.parts import resolution
from regrok.laws.parts.absence import where_it_memorised
from regrok.laws.parts.selection import grouped, plain
from regrok.runs.frames import Frames
from regrok.study.defaults import option

DEFAULTS: dict[str, Any] = {"groups": {}, "largest": 5}
REFERS: dict[str, Any] = {"groups": "groups"}
ESTIMATES: dict[str, list[str]] = {
    "groups": [
        "top5_share",
        "top5_share_without_constant",
        "constant_share",
        "top5_share_initial",
        "top5_share_not_grokked",
        "delay_mean",
    ]
}
KIND = "embedding_spectrum"


def top_share(power: np.ndarray, largest: int, constant: bool = True) -> float:
    """Share of the energy in the `largest` frequencies. power: (p // 2 + 1,), frequency 0 first.

    Without the constant, frequency 0 is left out above and below the line.
    """
    power = np.asarray(power, float)[0 if constant else 1 :]
    total = power.sum()
    return float(np.sort(power)[-largest:].sum() / total) if total > 0 else np.nan


def spectrum_at(spectra: pd.DataFrame, run_id: str, last: bool) -> tuple[int, np.ndarray] | None:
    """Step and power (p // 2 + 1,) of the run's first or last measured embedding; None where there is none."""
    rows = spectra[spectra["run_id"] == run_id]
    if rows.empty:
        return None
    step = rows["step"].max() if last else rows["step"].min()
    return int(step), rows[rows["step"] == step].sort_values("index")["power"].to_numpy(float)


def of_run(run: dict[str, Any], curve: pd.DataFrame, spectra: pd.DataFrame, largest: int) -> dict:
    """Shares at the end and at step 0, and the largest frequencies at the end, largest first; NaN where unmeasured."""
    found: dict[str, Any] = {
        "top5_share": np.nan,
        "top5_share_without_constant": np.nan,
        "constant_share": np.nan,
        "top5_share_initial": np.nan,
        "frequencies": [],
        "step": None,
    }
    if end := spectrum_at(spectra, run["run_id"], True):
        found["step"], power = end
        found["top5_share"] = top_share(power, largest)
        found["top5_share_without_constant"] = top_share(power, largest, False)
        found["constant_share"] = float(power[0] / power.sum()) if power.sum() > 0 else np.nan
        found["frequencies"] = [int(f) for f in np.argsort(-power, kind="stable")[:largest]]
        start = spectrum_at(spectra, run["run_id"], False)
        if start and start[0] == 0:
            found["top5_share_initial"] = top_share(start[1], largest)
    elif largest == 5 and "top5_share" in curve and curve["top5_share"].notna().any():
        last = curve[curve["top5_share"].notna()].sort_values("step").iloc[-1]
        found |= {"step": int(last["step"]), "top5_share": float(last["top5_share"])}
    return found


def fit(frames: Frames, options: dict[str, Any], seed: int) -> est.Result:
    """Shares of the embedding's energy per group of options.groups (see selection.group), of the runs that grokked.

    options: groups; largest, how many frequencies (5). Estimates per group: top5_share (frequency 0 included),
    top5_share_without_constant, constant_share, top5_share_initial, delay_mean, absent where no run of the group
    memorised; and top5_share_not_grokked of the others. Points: one record per run and group with its largest
    frequencies.
    """
    runs, curves, experiments, spectra = (
        frames.runs,
        frames.curves,
        frames.experiments,
        frames.spectra,
    )
    settings = option(options, DEFAULTS)
    spectra = (
        spectra[spectra["kind"] == KIND] if "kind" in spectra else pd.DataFrame({"run_id": []})
    )
    by_run = dict(iter(curves.groupby("run_id", sort=False)))
    nothing = pd.DataFrame({"step": []})
    estimates: dict[str, est.Estimate] = {}
    points: list[dict[str, Any]] = []
    for name, rows in grouped(runs, experiments, settings["groups"]).items():
        here = [
            {"group": name}
            | {c: plain(run[c]) for c in ("run_id", "cell", "seed", "outcome", "T_grok", "delay")}
            | of_run(run, by_run.get(run["run_id"], nothing), spectra, settings["largest"])
            for run in rows.to_dict("records")
        ]
        table = pd.DataFrame(here, columns=[*here[0]] if here else ["outcome"])
        grokked = table["outcome"] == "grokked"
        for key in (
            "top5_share",
            "top5_share_without_constant",
            "constant_share",
            "top5_share_initial",
        ):
            found = share_mean(table[grokked], key)
            estimates[f"{name}.{key}"] = where_it_memorised(found, name, rows)
        estimates[f"{name}.top5_share_not_grokked"] = share_mean(table[~grokked], "top5_share")
        delay = resolution.mean(rows, "delay")
        estimates[f"{name}.delay_mean"] = where_it_memorised(delay, name, rows)
        points += [{k: v if isinstance(v, list) else plain(v) for k, v in p.items()} for p in here]
    return {"estimates": estimates, "points": points, "cells": []}


def share_mean(table: pd.DataFrame, column: str) -> est.Estimate:
    """Mean over runs with t interval, inside [0, 1]."""
    found = est.mean(table[column].astype(float) if column in table else [])
    low, high = (
        None if end is None else min(max(end, 0.0), 1.0) for end in (found.low, found.high)
    )
    return replace(found, low=low, high=high)

"""Where the law predicts no delay: the sign of log(V_mem/V_final) against the sign of the delay.

arXiv 2603.13331 (A10) finds no delay and a growing norm in sparse parity with abundant data. The same network with
scarce data should grok late; then the law needs the norm to fall after memorisation.
"""

from __future__ import annotations

from typing import Any

import pandas as pd

from regrok.laws.parts import estimate as est
from regrok.laws.parts import resolution
from regrok.laws.parts.selection import grouped, log_norm_ratio, plain
from regrok.runs.frames import Frames
from regrok.study.defaults import option

DEFAULTS: dict[str, Any] = {"groups": {}}
REFERS: dict[str, Any] = {"groups": "groups"}
ESTIMATES: dict[str, list[str]] = {
    "groups": [
        "no_delay_share",
        "inverted_norm_share",
        "sign_agreement_share",
        "delay_mean",
        "log_norm_ratio_mean",
    ]
}


def signs(runs: pd.DataFrame) -> pd.DataFrame:
    """Columns delayed, norm_fell, resolved: booleans per run.

    A run is delayed if it memorised and grokked later, or not at all; not delayed if it generalised no later than
    it memorised (or never memorised by the threshold's measure, but generalised). resolved: one of the two happened.
    """
    memorised, grokked = runs["T_mem"].notna(), runs["T_grok"].notna()
    delayed = memorised & (~grokked | (runs["delay"] > 0))
    return pd.DataFrame(
        {"delayed": delayed, "norm_fell": log_norm_ratio(runs) > 0, "resolved": memorised | grokked}
    )


def fit(frames: Frames, options: dict[str, Any], seed: int) -> est.Result:
    """Shares per group of options.groups (see selection.group).

    Estimates per group: no_delay_share (of all runs), inverted_norm_share (V_final > V_mem, of the runs that
    memorised), sign_agreement_share (of the runs that memorised: delayed exactly when the norm fell),
    delay_mean (runs that reached both), log_norm_ratio_mean. Points: one record per run.
    """
    runs, experiments = frames.runs, frames.experiments
    estimates: dict[str, est.Estimate] = {}
    points = []
    groups = option(options, DEFAULTS)["groups"]
    for name, rows in grouped(runs, experiments, groups).items():
        sign, memorised = signs(rows), rows["T_mem"].notna()
        not_delayed = sign["resolved"] & ~sign["delayed"]
        n_memorised = int(memorised.sum())
        inverted = int((rows["V_final"] > rows["V_mem"])[memorised].sum())
        agree = int((sign["delayed"] == sign["norm_fell"])[memorised].sum())
        of_memorised = f"of {n_memorised} runs that memorised, {len(rows)} in all"
        estimates |= {
            f"{name}.no_delay_share": est.share(int(not_delayed.sum()), len(rows)),
            f"{name}.inverted_norm_share": est.share(
                inverted, n_memorised, f"{inverted} {of_memorised}"
            ),
            f"{name}.sign_agreement_share": est.share(
                agree, n_memorised, f"{agree} {of_memorised}"
            ),
            f"{name}.delay_mean": resolution.mean(rows, "delay"),
            f"{name}.log_norm_ratio_mean": est.mean(log_norm_ratio(rows)),
        }
        ratio = log_norm_ratio(rows)
        points += [
            {"group": name, "log_norm_ratio": plain(ratio[i])}
            | {
                c: plain(run[c])
                for c in ("run_id", "cell", "seed", "n", "train_size", "T_mem", "T_grok")
            }
            | {c: plain(run[c]) for c in ("delay", "V_mem", "V_final", "outcome", "steps")}
            | {"censored": bool(pd.isna(run["T_grok"]))}
            for i, run in rows.iterrows()
        ]
    return {"estimates": estimates, "points": points, "cells": []}

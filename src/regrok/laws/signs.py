"""Where the law predicts no delay, of the runs that can tell: the sign of the delay and that of the norm's fall.

Two readings make counter-examples out of nothing (`parity` has both). A crossing lies between two logged steps, so a
delay is an interval, and one of a single logging step may be none at all: a run is delayed only where its whole
interval lies above zero. And a run stopped before it grokked has neither a delay nor a V_post: it is unresolved, and
counted apart.
"""

from __future__ import annotations

from typing import Any

import pandas as pd

from regrok.laws.parts import estimate as est
from regrok.laws.parts.selection import grouped, log_norm_ratio, plain
from regrok.runs.frames import Frames
from regrok.study.defaults import option

DEFAULTS: dict[str, Any] = {"groups": {}}
REFERS: dict[str, Any] = {"groups": "groups"}
ESTIMATES: dict[str, list[str]] = {
    "groups": [
        "resolved_share",
        "no_delay_share",
        "sign_agreement_share",
        "delay_geometric_mean",
        "norm_ratio_geometric_mean",
    ]
}


def delays(runs: pd.DataFrame) -> pd.DataFrame:
    """Columns lower, upper (steps), resolved, delayed (booleans) per run.

    The delay lies between T_grok_previous − T_mem and T_grok − T_mem_previous, both ends included: a run logged at
    successive steps has [0, two steps]. A run that grokked and never memorised has no lower end and is not delayed.
    Resolved are the runs that grokked.
    """
    resolved = runs["T_grok"].notna()
    memorised = runs["T_mem"].notna()
    lower = (runs["T_grok_previous"] - runs["T_mem"]).where(memorised, float("-inf"))
    upper = (runs["T_grok"] - runs["T_mem_previous"]).where(memorised, 0.0)
    frame = pd.DataFrame({"lower": lower, "upper": upper}, index=runs.index).astype(float)
    return frame.where(resolved).assign(resolved=resolved, delayed=resolved & (lower > 0))


def _group(runs: pd.DataFrame) -> tuple[dict[str, est.Estimate], pd.DataFrame]:
    """Estimates of one group, and its runs with what was read off them."""
    read = delays(runs)
    ratio = log_norm_ratio(runs)
    resolved = read["resolved"]
    both = resolved & ratio.notna()
    n, unresolved = len(runs), int((~resolved).sum())
    apart = f"{unresolved} of {n} runs did not grok: unresolved, not counted" if unresolved else ""

    def share(which: pd.Series, of: pd.Series) -> est.Estimate:
        count, total = int((which & of).sum()), int(of.sum())
        return est.share(count, total, "; ".join(filter(None, [f"{count} of {total}", apart])))

    late = runs["delay"].where(read["delayed"]).dropna().astype(float)
    early = int(resolved.sum()) - len(late)
    left_out = f"{early} resolved runs without a delay left out" if early else ""
    norms = (runs["V_mem"] / runs["V_final"]).where(both).dropna().astype(float)
    found = {
        "resolved_share": est.share(n - unresolved, n),
        "no_delay_share": share(~read["delayed"], resolved),
        "sign_agreement_share": share(read["delayed"] == (ratio > 0), both),
        "delay_geometric_mean": est.mean(
            late, "steps", "; ".join(filter(None, [left_out, apart])), log=True
        ),
        "norm_ratio_geometric_mean": est.mean(norms, note=apart, log=True),
    }
    return found, read.assign(log_norm_ratio=ratio)


def fit(frames: Frames, options: dict[str, Any], seed: int) -> est.Result:
    """Shares and geometric means per group of options.groups (see selection.group).

    Estimates per group: resolved_share (runs that grokked, of all); of those: no_delay_share, sign_agreement_share (of
    the runs that memorised too: delayed exactly where the norm fell), delay_geometric_mean (of the delayed runs, steps)
    and norm_ratio_geometric_mean (V_mem/V_final). Points: one record per run.
    """
    estimates: dict[str, est.Estimate] = {}
    points: list[dict[str, Any]] = []
    groups = option(options, DEFAULTS)["groups"]
    for name, rows in grouped(frames.runs, frames.experiments, groups).items():
        found, read = _group(rows)
        estimates |= {f"{name}.{key}": value for key, value in found.items()}
        shown = ("run_id", "cell", "seed", "T_mem", "T_grok", "V_mem", "V_final", "outcome")
        points += [
            {"group": name}
            | {c: plain(rows.loc[i, c]) for c in shown}
            | {c: plain(each) for c, each in read.loc[i].items()}
            for i in rows.index
        ]
    return {"estimates": estimates, "points": points, "cells": []}

"""What the onset rule and the growth say of a defect that is formed from parameters in single precision.

A training script forms it so, and what is printed is of that. At the start of a run, where gradients move parameters by
less than the rounding of these, the baseline is rounding's: thresholds and growths are then relative to another number.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from regrok.laws.parts import estimate as est
from regrok.laws.parts.lead_scaling import beyond


def in_single(
    runs: pd.DataFrame, settings: dict[str, Any], no_grok: str, all_grok: str
) -> dict[str, est.Estimate]:
    """Of one group: the share of runs that grok whose onset precedes it, their mean lead less the printed one, the
    growth of all runs as a geometric mean, and the share of runs that do not grok which have an onset.

    runs: a row each, T_grok and onset_single, steps, and growth_single. settings: lead_mean, lead_ends and lead_runs
    (`lead_scaling.beyond`). no_grok, all_grok: why there is nothing to say of runs that grok, or of others.
    """
    grokked, others = runs[runs["T_grok"].notna()], runs[runs["T_grok"].isna()]
    leads = (grokked["T_grok"] - grokked["onset_single"]).dropna()
    missed = len(grokked) - len(leads)
    note = f"{missed} runs grok without an onset" if missed else ""
    alarms = int(others["onset_single"].notna().sum())
    printed = settings["lead_mean"], settings["lead_ends"], settings["lead_runs"]
    return {
        "precedes_single": (
            est.share(int((leads > 0).sum()), len(grokked)) if len(grokked) else est.absent(no_grok)
        ),
        "lead_beyond_single": beyond(leads, *printed).noting(note),
        "growth_single": est.mean(runs["growth_single"].dropna(), "", log=True),
        "alarms_single": est.share(alarms, len(others)) if len(others) else est.absent(all_grok),
    }


def every_growth(runs: pd.DataFrame, column: str) -> np.ndarray:
    """(n,) the growths of a group's runs, in the precision that a column is of, of those that have one."""
    return runs[column].dropna().to_numpy() if len(runs) else np.array([])

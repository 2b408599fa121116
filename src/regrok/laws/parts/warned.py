"""What the onset rule and the growth say of a defect that is formed in one precision, double or single.

A training script forms it from parameters in single precision, and what is printed is of that. At the start of a run,
where gradients move parameters by less than the rounding of these, the baseline is rounding's: thresholds and growths
are then relative to another number.
"""

from __future__ import annotations

from typing import Any

import pandas as pd

from regrok.laws.parts import estimate as est
from regrok.laws.parts import growths
from regrok.laws.parts.lead_scaling import beyond

NO_GROK, ALL_GROK = "none of these runs grokked", "all of these runs grokked"


def in_precision(
    runs: pd.DataFrame, suffix: str, settings: dict[str, Any]
) -> dict[str, est.Estimate]:
    """Of one group: the share of runs that grok whose onset precedes it, their mean lead less the printed one, the
    growth of all runs as a geometric mean, and the share of runs that do not grok which have an onset.

    runs: a row each, T_grok, and onset and growth with the suffix of a precision, which the keys have as well: none is
    double, _single is single. settings: lead_mean, lead_ends and lead_runs (`lead_scaling.beyond`).
    """
    onset, growth = f"onset{suffix}", f"growth{suffix}"
    grokked, others = runs[runs["T_grok"].notna()], runs[runs["T_grok"].isna()]
    leads = (grokked["T_grok"] - grokked[onset]).dropna()
    missed = len(grokked) - len(leads)
    printed = settings["lead_mean"], settings["lead_ends"], settings["lead_runs"]
    lead_beyond = beyond(leads, *printed).noting(note_of(missed))
    return {
        f"precedes{suffix}": share(grokked, leads > 0, NO_GROK),
        f"lead_beyond{suffix}": lead_beyond,
        f"growth{suffix}": est.mean(pd.Series(growths.known(runs, growth)), "", log=True),
        f"alarms{suffix}": share(others, others[onset].notna(), ALL_GROK),
    }


def note_of(missed: int) -> str:
    """What is said of runs that grok and have no lead."""
    return f"{missed} runs grok without an onset" if missed else ""


def share(runs: pd.DataFrame, which: pd.Series, otherwise: str) -> est.Estimate:
    """The share of runs of which something holds; absent, with the reason, where there are none."""
    return est.share(int(which.sum()), len(runs)) if len(runs) else est.absent(otherwise)

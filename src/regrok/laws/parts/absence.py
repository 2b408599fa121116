"""Quantities of runs that do not exist here: where nothing memorised, no number of seeds brings a delay."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd

from regrok.laws.parts import estimate as est


def none_memorised(rows: pd.DataFrame) -> bool:
    """Whether there are runs, and none of them memorised."""
    return len(rows) > 0 and not rows["T_mem"].notna().any()


def where_it_memorised(found: est.Estimate, name: str, rows: pd.DataFrame) -> est.Estimate:
    """The estimate; one without a value is absent where none of its group's runs memorised.

    A run that memorised and did not grok may still do so in a longer budget: that is missing, not absent.
    """
    if found.value is not None or not none_memorised(rows):
        return found
    which = f"none of the {len(rows)} runs of {name} memorised"
    return replace(found, reason=which, absent=which)

"""What is estimated of a signal on a bench, and the order in which figures and tables show the signals."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

SPLITS = ("seeds", "pairs", "cells")
"""How runs are held out (law `early_warning`)."""
KEYS = (
    *("lead", "late_lead", "steps", "false", "missed", "early"),
    *("over_waiting", "over_settings", "under_ceiling"),
)
"""What each of them tells of a signal."""
LEAD = ".pairs_lead"
"""What ends the key of a signal's lead on held-out pairs of cells, among the estimates of law `early_warning`."""


def by_lead(fit: str, estimates: Mapping[str, Mapping[str, Any]]) -> dict[str, float | None]:
    """Signal → its lead on held-out pairs of cells, the largest first, of equal ones by name; those without come last.

    estimates: of a fit, their keys with its name.

    >>> by_lead("bench", {f"bench.{s}.pairs_lead": {"value": v} for s, v in (("c", None), ("b", 0.5), ("a", 0.5))})
    {'a': 0.5, 'b': 0.5, 'c': None}
    """
    leads = {
        key.removeprefix(f"{fit}.").removesuffix(LEAD): found["value"]
        for key, found in estimates.items()
        if key.endswith(LEAD)
    }

    def order(signal: str) -> tuple[bool, float, str]:
        lead = leads[signal]
        return lead is None, -(lead or 0.0), signal

    return {signal: leads[signal] for signal in sorted(leads, key=order)}

"""The commutator defect over its first values, rising (arXiv 2602.16967, 2602.16746).

The printed onset is 10 times the median of the first three values; here the multiple is the threshold that is chosen.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from regrok.signals.parts.history import History

READS: dict[str, Any] = {"probes": ["commutator_defect"]}
COST: dict[str, float] = {}
FIRST = 3
"""Values that the baseline is the median of, as printed."""


def score(history: History, steps: np.ndarray, learned: Any) -> np.ndarray:
    """(n,) ln of the last defect over the baseline; NaN until there is one."""
    rows = history.rows("commutator_defect")
    if len(rows["step"]) < FIRST:
        return np.full(len(steps), np.nan)
    baseline = np.median(rows["defect"][:FIRST])
    ratio = np.log(history.at(steps, "defect", "commutator_defect") / baseline)
    return np.where(steps >= rows["step"][FIRST - 1], ratio, np.nan)

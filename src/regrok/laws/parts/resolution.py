"""How finely a time is known: a crossing lies between two logged points, and no statistic of it is surer than that.

Where every run of a cell crossed at the same logged step, their spread is zero and so is the width of an interval made
from it; the runs may still differ by all that lies between two logged points. What this leaves open of a statistic is
its `floor`: an interval that is narrower gives way to it (see `estimate.estimate`).
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from regrok.laws.parts import estimate as est

Ends = tuple[np.ndarray, np.ndarray]
"""(n,) steps each: a time lies above the first and is at most the second."""


def ends(rows: pd.DataFrame, column: str, time: pd.Series) -> Ends:
    """Between which steps the runs' times lie. time: (n,) steps of column T_mem, T_grok or delay, one per row.

    A run without the event was watched to its time and has no other; so has one whose previous logged step is not
    known. A delay may lie below zero.
    """
    upper = time.to_numpy(float)

    def known(name: str, otherwise: np.ndarray) -> np.ndarray:
        # Frames that no law has read yet have the lower ends by threshold alone; events are those of .99.
        column = name if name in rows else name.replace("_previous", "_99_previous")
        if column not in rows:
            return otherwise
        there = rows[column].to_numpy(float)
        return np.where(np.isfinite(there), there, otherwise)

    if column == "delay":
        T_mem, T_grok = rows["T_mem"].to_numpy(float), rows["T_grok"].to_numpy(float)
        above = T_mem - known("T_mem_previous", T_mem)
        below = T_grok - known("T_grok_previous", T_grok)
        seen = np.isfinite(T_grok)
        return np.where(seen, upper - below, upper), np.where(seen, upper + above, upper)
    seen = rows[column].notna().to_numpy() if column in rows else np.zeros(len(rows), bool)
    return np.where(seen, known(f"{column}_previous", upper), upper), upper


def floor(statistic: est.Statistic, time: np.ndarray, between: Ends) -> tuple[float, float]:
    """Least and largest value of a statistic when every time moves between its ends, to first order.

    statistic: (..., n) times → (...). Exact for a statistic that is linear in the times, such as a mean or a slope.
    What is not finite counts as no movement.
    """
    one_moved = np.eye(time.size, dtype=bool)
    with np.errstate(all="ignore"):
        value = statistic(time)
        moves = np.stack([statistic(np.where(one_moved, end, time)) - value for end in between])
    moves = np.where(np.isfinite(moves), moves, 0.0)
    return (
        float(value + np.minimum(moves.min(0), 0.0).sum()),
        float(value + np.maximum(moves.max(0), 0.0).sum()),
    )


def unresolved(time: np.ndarray, between: Ends, cells: np.ndarray) -> bool:
    """Whether no cell's times differ by more than their logging: their spread tells nothing of the seeds'."""
    table = pd.DataFrame({"cell": cells, "low": between[0], "time": time, "high": between[1]})
    by_cell = table.groupby("cell")
    spread = by_cell["time"].max() - by_cell["time"].min()
    step = (table["high"] - table["low"]).groupby(table["cell"]).max()
    return bool((spread <= step).all())


def mean(rows: pd.DataFrame, column: str) -> est.Estimate:
    """Mean of T_mem, T_grok or delay (steps) over the runs that have it, with Student's t interval."""
    known = rows[rows[column].notna()]
    between = ends(known, column, known[column])
    return est.mean(
        known[column], "steps", floor=(between[0].mean(), between[1].mean()) if len(known) else None
    )

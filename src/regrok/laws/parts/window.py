"""The contraction of V over a window after memorising, of which a delay is forecast (arXiv 2603.13331, A11)."""

from __future__ import annotations

import numpy as np
import pandas as pd


def contraction(
    curve: pd.DataFrame, T_mem: float, time_scale: float, window: float
) -> tuple[float, float]:
    """log(V_mem/V) over the window after T_mem per elapsed 1/(2ηλ): 1 if weight decay acts alone; and its end.

    The window is `window`/(ηλ) steps, to the first logged step at or after its end. NaN if the run ends before, or V
    vanishes, which has no logarithm.
    """
    curve = curve[curve["V"].notna()]
    after = curve[curve["step"] >= T_mem + 2 * window * time_scale]
    start = curve[curve["step"] == T_mem]
    if after.empty or start.empty:
        return np.nan, np.nan
    end, V_end = float(after["step"].iloc[0]), float(after["V"].iloc[0])
    V_mem, elapsed = float(start["V"].iloc[0]), (end - T_mem) / time_scale
    if min(V_mem, V_end, elapsed) <= 0:
        return np.nan, np.nan
    return float(np.log(V_mem / V_end) / elapsed), end

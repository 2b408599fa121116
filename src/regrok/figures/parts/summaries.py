"""Medians, shares and their intervals as figures draw them."""

from __future__ import annotations

import numpy as np
import pandas as pd

RESAMPLES = 2000

CENSORED = frozenset({"T_mem", "T_grok", "delay", "T_escape"})
"""Columns where NaN means "not within the budget" rather than "not known"."""


def median_interval(values: np.ndarray, level: float = 0.95) -> tuple[float, float, float]:
    """Median and its percentile bootstrap interval over runs; NaN counts as later than everything seen.

    A censored run (NaN) crossed later than its budget, if ever, so it takes part as +∞: dropping it would pull the
    median down. An end or a median beyond the budgets comes back as inf. Fixed seed. Empty input gives NaN.
    """
    values = np.sort(np.where(np.isnan(values), np.inf, np.asarray(values, dtype=float)))
    n = values.size
    if n == 0:
        return np.nan, np.nan, np.nan
    middle = lambda s: 0.5 * (s[..., (n - 1) // 2] + s[..., n // 2])  # noqa: E731
    rng = np.random.default_rng(20260326)
    resampled = np.sort(values[rng.integers(0, n, size=(RESAMPLES, n))], axis=1)
    medians = np.sort(middle(resampled))
    # Order statistics, since interpolating next to an infinity gives NaN.
    low = medians[int(np.floor((1 - level) / 2 * (RESAMPLES - 1)))]
    high = medians[int(np.ceil((1 + level) / 2 * (RESAMPLES - 1)))]
    return float(middle(values)), float(low), float(high)


def medians(runs: pd.DataFrame, by: str, column: str) -> pd.DataFrame:
    """One row per value of `by`: median, low, high, n; sorted by `by`. Times treat NaN as censored, V leaves it out."""
    rows = []
    for value, group in runs.groupby(by, sort=True):
        values = group[column].to_numpy(float)
        values = values if column in CENSORED else values[~np.isnan(values)]
        median, low, high = median_interval(values)
        rows.append({by: value, "median": median, "low": low, "high": high, "n": len(values)})
    return pd.DataFrame(rows, columns=[by, "median", "low", "high", "n"])


def wilson(successes: int, n: int, z: float = 1.959964) -> tuple[float, float]:
    """Wilson's score interval of a share; (0, 1) without observations."""
    if n == 0:
        return 0.0, 1.0
    share = successes / n
    centre = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2)) / (1 + z**2 / n)
    return max(0.0, centre - half), min(1.0, centre + half)


def kaplan_meier(times: np.ndarray, seen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Steps and share still not grokked, as a staircase from (0, 1) to the last time; ties fall together."""
    order = np.argsort(times, kind="stable")
    times, seen = np.asarray(times, float)[order], np.asarray(seen, bool)[order]
    steps, share = [0.0], [1.0]
    for time in np.unique(times):
        at_risk = (times >= time).sum()
        events = ((times == time) & seen).sum()
        steps.append(float(time))
        share.append(share[-1] * (1 - events / at_risk))
    return np.array(steps), np.array(share)


def line(x: np.ndarray, y: np.ndarray) -> tuple[float, float, float]:
    """Least-squares slope, intercept and R² of y on x; NaN with fewer than three points or one x."""
    x, y = np.asarray(x, float), np.asarray(y, float)
    keep = np.isfinite(x) & np.isfinite(y)
    x, y = x[keep], y[keep]
    if x.size < 3 or np.ptp(x) == 0:
        return np.nan, np.nan, np.nan
    slope, intercept = np.polyfit(x, y, 1)
    residual = y - slope * x - intercept
    total = ((y - y.mean()) ** 2).sum()
    return (
        float(slope),
        float(intercept),
        float(1 - (residual**2).sum() / total) if total else np.nan,
    )

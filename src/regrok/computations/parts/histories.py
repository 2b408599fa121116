"""What the learning coefficient does while a network groks: its peak, before against after, and what it adds.

Histories come as two frames. `points`: one row a draw and sampled step, with draw, step, coefficients (a list, one a
chain, NaN where it diverged), loss, norm (‖θ‖²), train and validation (accuracies). `times`: one row a draw, with
T_mem, T_grok and T_rise, NaN where the run did not get there.
"""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from regrok.computations.parts import needed
from regrok.laws.parts import estimate as est

KEYS = [
    "grokked_share",
    "peak_before_share",
    "peak_before_rise_share",
    "peak_over_final",
    "peak_step_over_T_grok",
    "lower_after_share",
    "lower_at_end_share",
    "before_over_after",
    "final",
    "final_over_ceiling",
    "T_mem",
    "T_grok",
    "T_grok_over_T_mem",
    "correlation",
    "partial_correlation",
    "explained_by_loss_and_norm",
    "explained_with_coefficient",
    "diverged_share",
]
REPLICATES = 400


def peak(chains: np.ndarray) -> tuple[int, float]:
    """Which point has the largest mean over chains, and a value of the peak that the choice does not favour.

    chains: (points, C). A maximum of noisy values is too large, so that for each chain the point is chosen by the
    others and valued by itself; with one chain that cannot be done. Points with a chain that diverged are left out;
    (−1, NaN) where none is left.
    """
    means = chains.mean(1)
    known = np.flatnonzero(np.isfinite(means))
    if not known.size:
        return -1, math.nan
    at = int(known[means[known].argmax()])
    count = chains.shape[1]
    if count == 1:
        return at, float(means[at])
    others = (chains.sum(1, keepdims=True) - chains)[known] / (count - 1)
    return at, float(chains[known][others.argmax(0), np.arange(count)].mean())


def of_draw(rows: pd.DataFrame, times: pd.Series) -> dict[str, float]:
    """Of one draw that grokked: its peak and its level before and after T_grok."""
    rows = rows.sort_values("step")
    chains = np.array(rows.coefficients.tolist(), dtype=float)
    steps, means = rows.step.to_numpy(dtype=float), chains.mean(1)
    at, height = peak(chains)
    step = steps[at] if at >= 0 else math.nan
    before = means[(steps >= times.T_mem) & (steps < times.T_grok)]
    after = means[steps >= times.T_grok]
    levels = [
        float(x[np.isfinite(x)].mean()) if np.isfinite(x).any() else math.nan
        for x in (before, after)
    ]
    last = means[steps < times.T_grok]
    return {
        "peak_step": step,
        "peak_over_final": height / float(means[-1]) if means[-1] > 0 else math.nan,
        "final": float(means[-1]),
        "before": levels[0],
        "after": levels[1],
        "last_before": float(last[-1]) if len(last) else math.nan,
    }


def told(
    points: pd.DataFrame, times: pd.DataFrame, ceiling: float, seed: int
) -> dict[str, est.Estimate]:
    """The estimates `KEYS`, of peaks and levels over the draws that grokked. ceiling: `final` is told over it too."""
    grokked = times[times.T_grok.notna()]
    each = pd.DataFrame(
        [
            {"draw": t.draw, **of_draw(points[points.draw == t.draw], t)}
            for t in grokked.itertuples()
        ],
        columns=["draw", "peak_step", "peak_over_final", "final", "before", "after", "last_before"],
        dtype=float,
    )
    T_grok, T_rise = (grokked[key].to_numpy(dtype=float) for key in ("T_grok", "T_rise"))
    none, all_points = "no draw grokked in time", points.coefficients.explode().astype(float)
    peaked = np.isfinite(each.peak_step.to_numpy(dtype=float))
    levelled = np.isfinite(each.before.to_numpy()) & np.isfinite(each.after.to_numpy())

    def share(true: np.ndarray, asked: np.ndarray) -> est.Estimate:
        return est.share(int((true & asked).sum()), int(asked.sum()))

    def mean(values: np.ndarray, words: str = "") -> est.Estimate:
        return needed.mean(list(np.asarray(values, dtype=float)), none, words)

    last, final = each.last_before.to_numpy(), each.final.to_numpy()
    lower = each.after.to_numpy() < each.before.to_numpy()
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(each.after > 0, each.before / each.after, math.nan)
    return {
        "grokked_share": est.share(len(grokked), len(times)),
        "peak_before_share": share(each.peak_step.to_numpy() < T_grok, peaked),
        "peak_before_rise_share": share(each.peak_step.to_numpy() < T_rise, peaked),
        "peak_over_final": mean(each.peak_over_final, "peaks chosen by other chains"),
        "peak_step_over_T_grok": mean(each.peak_step.to_numpy() / T_grok),
        "lower_after_share": share(lower, levelled),
        "lower_at_end_share": share(final < last, np.isfinite(final) & np.isfinite(last)),
        "before_over_after": mean(ratio),
        "final": mean(each.final),
        "final_over_ceiling": mean(each.final / ceiling),
        "T_mem": mean(times.T_mem),
        "T_grok": mean(times.T_grok),
        "T_grok_over_T_mem": mean(times.T_grok / times.T_mem),
        "diverged_share": est.share(int(all_points.isna().sum()), len(all_points)),
        **added(points, times, seed),
    }


def added(points: pd.DataFrame, times: pd.DataFrame, seed: int) -> dict[str, est.Estimate]:
    """What the coefficient says of the validation accuracy beside loss and norm, from T_mem on, intervals over draws.

    All are turned into ranks over draws and steps, so that no scale matters. The plain correlation; the partial one,
    that of what a linear fit on loss and norm leaves of either; and the share of the variance of the accuracy that loss
    and norm explain, without and with the coefficient.
    """
    memorised = points.merge(times[["draw", "T_mem"]], on="draw")
    rows = memorised[memorised.step >= memorised.T_mem].copy()
    rows["coefficient"] = [float(np.mean(chains)) for chains in rows.coefficients]
    rows = rows.dropna(subset=["coefficient"])
    columns = rows[["coefficient", "validation", "loss", "norm"]].to_numpy(dtype=float)
    draws = rows.draw.to_numpy()

    def ranked(chosen: np.ndarray) -> np.ndarray:
        return np.asarray(rankdata(columns[chosen], axis=0))

    def estimated(statistic, name: str, bounds: tuple[float, float]) -> est.Estimate:
        if len(rows) < 6 or len(np.unique(draws)) < 2:
            return est.missing("too few memorised points", len(rows), name)
        return est.cluster_bootstrap(
            lambda chosen: statistic(ranked(chosen)), draws, REPLICATES, seed, name, bounds=bounds
        )

    ends = "of ranks, bootstrap over draws"
    return {
        "correlation": estimated(
            lambda x: correlation(x[:, 0], x[:, 1]), f"correlation {ends}", est.CORRELATION
        ),
        "partial_correlation": estimated(partial, f"partial correlation {ends}", est.CORRELATION),
        "explained_by_loss_and_norm": estimated(
            lambda x: explained(x[:, 1], x[:, 2:]), f"share of variance {ends}", est.SHARE
        ),
        "explained_with_coefficient": estimated(
            lambda x: explained(x[:, 1], x[:, [0, 2, 3]]), f"share of variance {ends}", est.SHARE
        ),
    }


def left(y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """What least squares on the columns of x and a constant leaves of y."""
    design = np.column_stack([np.ones(len(y)), x])
    return np.asarray(y - design @ np.linalg.lstsq(design, y, rcond=None)[0])


def correlation(x: np.ndarray, y: np.ndarray) -> float:
    """Pearson's; NaN where one of them does not vary, but for rounding."""
    x, y = x - x.mean(), y - y.mean()
    sizes = math.sqrt(float((x * x).sum() * (y * y).sum()))
    return float((x * y).sum() / sizes) if sizes > 1e-9 * len(x) else math.nan


def partial(columns: np.ndarray) -> float:
    """Correlation of the first two columns given the others."""
    given = columns[:, 2:]
    return correlation(left(columns[:, 0], given), left(columns[:, 1], given))


def explained(y: np.ndarray, x: np.ndarray) -> float:
    """R² of least squares on the columns of x and a constant; NaN where y does not vary."""
    total = float(((y - y.mean()) ** 2).sum())
    return 1 - float((left(y, x) ** 2).sum()) / total if total else math.nan

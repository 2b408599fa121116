"""Escape and contraction: does V fall exponentially after T_mem, and at the rate that the theory says?

Content of Figure 1 of arXiv 2603.13331. experiments: the default point. fits: the contraction fit, for the fitted
rate, asymptote and amplitude of each run. options: none.
"""

from __future__ import annotations

import numpy as np

from regrok import latex
from regrok.figures.parts.blank import nothing
from regrok.figures.parts.captions import caption
from regrok.figures.parts.panels import reference
from regrok.figures.parts.shown import median_run, points_of
from regrok.figures.parts.style import (
    BLACK,
    BLUE,
    DASHES,
    HALF_HEIGHT,
    HALF_WIDTH,
    VERMILION,
    decades,
    label,
    log_scale,
    plain_ticks,
    thousands,
)
from regrok.figures.parts.summaries import MEDIANS, median

DEFAULTS: dict[str, object] = {}


def fitted_points(fits) -> dict[str, dict]:
    """run_id → fitted A, rate, C of its contraction, of the runs that could be fitted."""
    points = points_of(fits, "contraction")
    if not points.empty:
        points = points.dropna(subset=["A", "rate", "C"])
    return {point["run_id"]: point for point in points.to_dict("records")}


def draw(shown, fits, options, style):
    """(a) one run with fit and theory; (b) fitted rate per seed."""
    runs = shown.of(0)
    points = fitted_points(fits)
    figure, (a, b) = style.panels(1, 2, HALF_HEIGHT, HALF_WIDTH)
    fitted = runs[runs.run_id.isin(points)].sort_values("seed")
    fitted_run(a, shown, fitted, points)
    rate_words = rates(b, fitted, points)
    body = (
        r"(a) Squared norm $V$ of one run (the median delay) from $T_{\mathrm{mem}}$ on, the fitted $A r^t + C$, and "
        r"the theory's contraction to zero, $V_{\mathrm{mem}}(1-2\eta\lambda)^t$. "
        rf"(b) Fitted rate of each seed ({rate_words}) against the theory's. Line and band "
        rf"there are {MEDIANS}."
    )
    words = (
        "Two panels: the squared norm of one run with its exponential fit, and the fitted contraction rate by seed "
        "beside the theoretical rate."
    )
    return figure, caption("Escape and contraction of the norm", body, runs), words


def fitted_run(ax, shown, fitted, points) -> None:
    """The fitted run with the median delay: measured V, A·r^t + C, and V_mem (1 − 2ηλ)^t."""
    label(ax, "step", "V")
    chosen = median_run(fitted)
    if chosen is None:
        nothing(ax, "no run could be fitted")
        return
    point = points[chosen.run_id]
    line = shown.curve(chosen.run_id)
    line = line[line.step >= chosen.T_mem]
    since = (line.step - chosen.T_mem).to_numpy(float)
    theory = chosen.V_mem * (1 - 2 * chosen.learning_rate * chosen.weight_decay) ** since
    fit = point["A"] * point["rate"] ** since + point["C"]
    ax.plot(line.step, line.V, color=BLACK, marker="o", ms=1.8, lw=0, label="measured")
    ax.plot(line.step, fit, color=BLUE, label="$A r^t + C$")
    ax.plot(line.step, theory, color=VERMILION, ls=DASHES[1], label="theory")
    log_scale(ax, "y")
    decades(ax, "y")
    lowest = line.V.min()
    if lowest > 0:
        ax.set_ylim(bottom=lowest * 0.5)
    ax.legend(loc="upper right", handlelength=1.2)
    thousands(ax, "x", 3)


def rates(ax, fitted, points) -> str:
    """Fitted rate by seed, median with band, theory as a line; returns the median in TeX."""
    label(ax, "seed", "rate")
    if fitted.empty:
        nothing(ax, "no run could be fitted")
        return "none could be fitted"
    fitted = fitted.assign(rate=[float(points[i]["rate"]) for i in fitted.run_id])
    middle, low, high = median(fitted, "rate")
    if np.isfinite(low) and np.isfinite(high):
        ax.axhspan(low, high, color=BLUE, alpha=0.15, lw=0)
    ax.axhline(middle, color=BLUE, lw=0.9)
    ax.plot(fitted.seed, fitted.rate, color=BLUE, marker="o", lw=0)
    for value in (1 - 2 * fitted.learning_rate * fitted.weight_decay).unique():
        reference(ax, value, "theory $1-2\\eta\\lambda$")
    ax.margins(y=0.25)
    seed_ticks(ax, fitted)
    return told(middle, low, high, fine=True)


def told(middle: float, low: float, high: float, fine: bool = False) -> str:
    """A median with its interval in TeX; fine: with the digits that the interval allows."""
    if np.isnan(low):
        return f"median {latex.number(middle)}, without an interval"
    half = (high - low) / 2 if fine else None
    return f"median {latex.number(middle, half_width=half)}, interval {latex.interval(low, high)}"


def seed_ticks(ax, runs) -> None:
    """A tick a seed, or every second where they are many."""
    plain_ticks(ax, "x", runs.seed.unique(), 6, 0.15)

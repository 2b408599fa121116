"""Panels that several figures share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.transforms import ScaledTranslation, Transform

from regrok.figures.parts.blank import drawn, legend
from regrok.figures.parts.shown import runs_of, value_of
from regrok.figures.parts.style import (
    BLACK,
    BLUE,
    DASHES,
    GREY,
    MARKERS,
    VERMILION,
    log_scale,
    short_number,
)
from regrok.figures.parts.summaries import medians

LEAST = 1e-9
"""What stands for 0 where values are compared in ratio."""

BESIDE = -4 / 72
"""Inches by which run points stand to the left of their median, so that its bar does not hide them."""


def run_points(ax: Axes, x: np.ndarray, y: np.ndarray, colour: str = BLUE, **options) -> None:
    """Every run a small translucent point, just left of where the median of its cell is drawn."""
    look = {"s": 9, "alpha": 0.5, "linewidths": 0, "zorder": 2, **options}
    ax.scatter(x, y, color=colour, transform=beside(ax), **look)
    # A transform of its own takes no part in autoscaling: an invisible twin does.
    ax.plot(x, y, ls="")
    ax.margins(x=0.09)


def unfinished_points(ax: Axes, x: np.ndarray, steps: np.ndarray, colour: str = BLUE) -> None:
    """Every run that ended without the event an open triangle at its last step: its time lies above."""
    ax.scatter(
        x, steps, s=13, marker="^", fc="white", ec=colour, lw=0.8, zorder=2, transform=beside(ax)
    )
    ax.plot(x, steps, ls="")


def beside(ax: Axes) -> Transform:
    """Data coordinates, `BESIDE` to the side."""
    return ax.transData + ScaledTranslation(BESIDE, 0, ax.figure.dpi_scale_trans)


def median_points(
    ax: Axes, runs: pd.DataFrame, by: str, column: str, transform=None, colour: str = BLACK
) -> pd.DataFrame:
    """Medians per value of `by` with their 95 % interval. transform: (value of by) → (x, factor on y)."""
    table = medians(runs, by, column)
    table = table[np.isfinite(table["median"])]
    for row in table.itertuples(index=False):
        value = getattr(row, by) if by.isidentifier() else row[0]
        x, factor = transform(value) if transform else (value, 1.0)
        high = row.high if np.isfinite(row.high) else row.median
        ax.errorbar(
            x,
            row.median * factor,
            yerr=[[(row.median - row.low) * factor], [(high - row.median) * factor]],
            fmt="o",
            ms=3.6,
            mfc="white",
            mec=colour,
            ecolor=colour,
            elinewidth=0.9,
            capsize=2,
            capthick=0.8,
            zorder=4,
        )
        if np.isinf(row.high):
            # The interval's end lies beyond the budget: an arrow, not a bar that pretends to end.
            ax.annotate(
                "",
                (x, high * factor),
                (0, 11),
                textcoords="offset points",
                arrowprops={"arrowstyle": "<-", "lw": 0.8, "color": colour},
            )
    return table


def accuracy_curves(
    ax: Axes,
    shown,
    runs: pd.DataFrame,
    by: str,
    values: Sequence[float],
    colours: Sequence,
    sign: str,
) -> dict[str, str]:
    """Validation accuracy of the first seed at each value, with dotted train accuracy; log steps.

    Returns run_id → colour of the runs that are drawn.
    """
    shown_runs = {}
    for i, value in enumerate(values):
        chosen = runs[runs[by] == value].sort_values("seed")
        if chosen.empty:
            continue
        curve = shown.curve(chosen.iloc[0].run_id)
        shown_runs[str(chosen.iloc[0].run_id)] = colours[i]
        curve = curve[curve.step > 0]
        full = curve.dropna(subset=["validation_accuracy"])
        ax.plot(
            full.step,
            full.validation_accuracy,
            color=colours[i],
            ls=DASHES[i % len(DASHES)],
            # The sign once: the row above the axes is short.
            label=(f"{sign}$=" if i == 0 else "$") + short_number(value).strip("$") + "$",
        )
        train = curve.dropna(subset=["train_accuracy"])
        ax.plot(train.step, train.train_accuracy, color=colours[i], lw=0.6, ls=":", alpha=0.8)
    log_scale(ax, "x")
    ax.set_ylim(-0.02, 1.04)
    ax.set_xlabel("step")
    ax.set_ylabel("accuracy")
    # Above the axes: curves that generalise late leave no corner free.
    legend(
        ax,
        loc="lower right",
        bbox_to_anchor=(1.02, 1.0),
        ncols=max(1, len(values)),
        fontsize=7,
        handlelength=0.5,
        handletextpad=0.2,
        columnspacing=0.4,
        borderaxespad=0,
    )
    return shown_runs


def nearest(present: Sequence[float], wanted: Sequence[float]) -> list[float]:
    """The values that were run next to each wanted one in ratio, in order and each once; 0 is below all others."""
    values = np.asarray(present, float)
    places = np.log(values + LEAST)
    return sorted({float(values[np.argmin(np.abs(places - np.log(w + LEAST)))]) for w in wanted})


def spread(present: Sequence[float]) -> list[float]:
    """The first, the middle and the last of the values that were run: whose curves are drawn where none is named."""
    return [present[0], present[len(present) // 2], present[-1]]


def scaling_line(
    ax: Axes, fits: Mapping, response: str, x: Sequence[float] | np.ndarray, factor: float = 1.0
) -> None:
    """The least-squares line of a figure's `scaling` fit from x[0] to x[-1], with its R²; the text quotes the same.

    factor: units of the fit's x per unit of the axis.
    """
    slope, intercept, r_squared = (
        value_of(fits, "scaling", f"{response}.{key}")
        for key in ("slope", "intercept", "r_squared")
    )
    if not np.isfinite([slope, intercept]).all():
        return
    ends = np.array([x[0], x[-1]], float)
    ax.plot(ends, slope * factor * ends + intercept, color=VERMILION, ls=DASHES[1], zorder=1)
    # Through two runs any line is perfect.
    if np.isfinite(r_squared) and runs_of(fits, "scaling", f"{response}.r_squared") > 2:
        words = f"OLS: $R^2={r_squared:.3f}$"
        ax.text(0.05, 0.97, words, transform=ax.transAxes, va="top", color=VERMILION, fontsize=7)


def identity_line(ax: Axes) -> None:
    """y = x, dotted, over what the axes show; captions name it. Over nothing there is no line."""
    if not drawn(ax):
        return
    low = min(ax.get_xlim()[0], ax.get_ylim()[0])
    high = max(ax.get_xlim()[1], ax.get_ylim()[1])
    ax.plot([low, high], [low, high], color=GREY, lw=0.8, ls=DASHES[2], zorder=1)


def arm_look(index: int, colours: Sequence[str]) -> dict:
    """Colour, marker and dash of the index-th arm."""
    return {
        "color": colours[index % len(colours)],
        "marker": MARKERS[index % len(MARKERS)],
        "ls": DASHES[index % len(DASHES)],
    }


def reference(ax: Axes, y: float, text: str, colour: str = VERMILION) -> None:
    """A horizontal line at a predicted value, named at its right end."""
    ax.axhline(y, color=colour, lw=0.9, ls=DASHES[1], zorder=1)
    ax.text(
        0.98,
        y,
        text,
        transform=ax.get_yaxis_transform(),
        ha="right",
        va="bottom",
        fontsize=7,
        color=colour,
    )

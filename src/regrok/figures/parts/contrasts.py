"""Panels that set groups of runs side by side, with the runs that did not grok in sight."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from regrok.figures.parts.blank import NOTHING, nothing
from regrok.figures.parts.style import (
    BLACK,
    BLUE,
    DASHES,
    GREY,
    WORDS,
    decades,
    label,
    log_scale,
    plain_ticks,
)
from regrok.figures.parts.summaries import MEDIANS, median, medians
from regrok.laws.parts.estimate import share


def by_group(
    ax: Axes, groups: Mapping[str, pd.DataFrame], colours: Sequence[str], column: str = "delay"
) -> None:
    """Every run of each group, the group's median with its interval, and what did not grok, at the end of its budget.

    groups: label → runs, left to right. A triangle is a run that memorised and did not grok, a cross one that never
    memorised; over each group stands how many of its runs grokked.
    """
    for place, runs in enumerate(groups.values()):
        if runs.empty:
            continue
        colour = colours[place % len(colours)]
        order = runs.sort_values("seed").reset_index(drop=True)
        x = place + np.linspace(-0.22, 0.06, len(order)) if len(order) > 1 else np.array([place])
        seen = order[column].notna()
        ax.scatter(x[seen], order[column][seen], s=11, color=colour, alpha=0.6, linewidths=0)
        left = order.steps - order.T_mem.fillna(0) if column == "delay" else order.steps
        memorised = order.T_mem.notna() & ~seen
        ax.scatter(x[memorised], left[memorised], s=13, marker="^", fc="white", ec=colour, lw=0.8)
        never = order.T_mem.isna() & ~seen
        ax.scatter(x[never], order.max_steps[never], s=13, marker="x", color=colour, lw=0.9)
        middle, low, high = median(order, column)
        if np.isfinite(middle):
            top = high if np.isfinite(high) else middle
            ends = [[middle - low], [top - middle]]
            look: dict[str, Any] = {
                "fmt": "o",
                "ms": 3.6,
                "mfc": "white",
                "color": BLACK,
                "capsize": 2,
            }
            ax.errorbar(place + 0.22, middle, yerr=ends, elinewidth=0.9, zorder=4, **look)
            if np.isinf(high):
                arrow = {"arrowstyle": "<-", "lw": 0.8}
                ax.annotate(
                    "", (place + 0.22, top), (0, 11), textcoords="offset points", arrowprops=arrow
                )
        count = f"{int(seen.sum())}/{len(order)}"
        where = ax.get_xaxis_transform()
        ax.text(place, 1.0, count, transform=where, ha="center", va="bottom", fontsize=7)
    if all(runs.empty for runs in groups.values()):
        ax.set_ylabel(WORDS.get(column, column))
        nothing(ax, "no run here")
        return
    ax.set_xticks(range(len(groups)), list(groups))
    ax.set_xlim(-0.12 * len(groups) - 0.35, len(groups) - 0.5)  # clear of the panel's letter
    log_scale(ax, "y")
    decades(ax, "y")
    ax.set_ylabel(WORDS.get(column, column))


SERIES = ("o", "s", "D", "v", "P", "X")
"""Markers of several series in one panel, without the triangle, which is a run that did not grok."""

BY_GROUP = (
    r"dots are runs, triangles runs that memorised and did not grok, crosses runs that never memorised (both at the "
    rf"end of their budget); open circles are {MEDIANS}, in which the triangles count as censored and the crosses have "
    r"no delay (arrow: the end lies beyond the budget); above, how many grokked"
)
"""What `by_group` shows, for captions."""


def against(
    ax: Axes, runs: pd.DataFrame, by: str, column: str, look: Mapping, shift: float = 1.0
) -> None:
    """Runs and medians with intervals against a setting on a log axis; triangles and crosses as in `by_group`.

    shift: factor on x that keeps several series apart.
    """
    colour, marker = look["color"], look["marker"]
    seen = runs[column].notna()
    x = runs[by] * shift
    ax.scatter(
        x[seen], runs[column][seen], s=9, color=colour, marker=marker, alpha=0.45, linewidths=0
    )
    end = runs.steps - runs.T_mem if column == "delay" else runs.steps
    memorised = runs.T_mem.notna() & ~seen
    ax.scatter(x[memorised], end[memorised], s=12, marker="^", fc="white", ec=colour, lw=0.7)
    never = runs.T_mem.isna() & ~seen
    ax.scatter(x[never], runs.max_steps[never], s=12, marker="x", color=colour, lw=0.8)
    table = medians(runs, by, column)
    table = table[np.isfinite(table["median"])]
    top = table["high"].where(np.isfinite(table["high"]), table["median"])
    ends = np.array([table["median"] - table["low"], top - table["median"]])
    ax.errorbar(
        table[by] * shift,
        table["median"],
        yerr=ends,
        mfc="white",
        capsize=1.5,
        elinewidth=0.8,
        lw=0.9,
        label=look.get("label"),
        **{k: v for k, v in look.items() if k != "label"},
    )


def shares_against(ax: Axes, runs: pd.DataFrame, by: str, legend: bool = True) -> None:
    """Shares of runs that memorised and that grokked at each value of a setting, with Wilson intervals."""
    for column, colour, marker, dash, name, shift in (
        ("T_mem", GREY, "s", DASHES[1], "memorised", 0.94),
        ("T_grok", BLUE, "o", "-", "grokked", 1.06),
    ):
        counts = runs.groupby(by)[column].agg(["count", "size"])
        found = [share(int(k), int(n)) for k, n in counts.to_numpy()]
        value = np.array([each.value for each in found])
        ends = np.array([(each.low, each.high) for each in found]).T
        ax.errorbar(
            counts.index * shift,
            value,
            yerr=np.abs(ends - value),
            color=colour,
            marker=marker,
            ls=dash,
            lw=0.9,
            capsize=1.5,
            elinewidth=0.8,
            label=name,
        )
    log_scale(ax, "x")
    plain_ticks(ax, "x", np.sort(runs[by].unique()), 9)
    ax.set_ylim(-0.04, 1.08)
    if legend:
        ax.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=2)
    label(ax, by, "fraction of runs")


def forest(ax: Axes, rows: Sequence[tuple[str, Mapping | None]], words: str) -> None:
    """Ratios with their intervals on a log axis, one a line, and a line at 1. An unknown end is an arrow.

    rows: (label, estimate), from the top; an estimate without value leaves its line empty and says so.
    """
    if not rows:
        ax.set_xlabel(words)
        nothing(ax, "no estimate")
        return
    places = np.arange(len(rows))[::-1]
    for place, (_, found) in zip(places, rows, strict=True):
        if found is None or found["value"] is None:
            where = ax.get_yaxis_transform()
            ax.text(
                0.5,
                place,
                "no estimate",
                transform=where,
                ha="center",
                va="center",
                fontsize=7,
                gid=NOTHING,
            )
            continue
        value = found["value"]
        low, high = (value if found[end] is None else found[end] for end in ("low", "high"))
        look: dict[str, Any] = {
            "fmt": "o",
            "ms": 3.6,
            "color": BLACK,
            "mfc": "white",
            "capsize": 2,
            "elinewidth": 0.9,
        }
        ax.errorbar(value, place, xerr=[[max(value - low, 0)], [max(high - value, 0)]], **look)
        for end, way in (("low", -12), ("high", 12)):
            if found[end] is None and (found["low"] is not None or found["high"] is not None):
                arrow = {"arrowstyle": "<-", "lw": 0.8}
                ax.annotate(
                    "", (value, place), (way, 0), textcoords="offset points", arrowprops=arrow
                )
    ax.axvline(1, color=GREY, lw=0.8, ls=DASHES[2], zorder=1)
    ax.set_yticks(places, [name for name, _ in rows])
    ax.set_ylim(-0.6, len(rows) - 0.4)
    log_scale(ax, "x")
    if ax.get_xscale() == "log":
        low, high = ax.get_xlim()
        steps = (1, 1.5, 2, 3, 5, 7) if high < 5 * low else (1, 2, 5) if high < 100 * low else (1,)
        values = [m * 10.0**e for e in range(-6, 7) for m in steps]
        plain_ticks(ax, "x", [v for v in values if low <= v <= high])
        ax.set_xlim(low, high)
    ax.set_xlabel(words)

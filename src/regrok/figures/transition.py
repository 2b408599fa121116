"""Late accuracy over the size of the training set, and the size at which half of the seeds keep or reach it.

Content of Figures 4 and 7 of arXiv 2309.02390 and of its App. A.2, from grokked networks and from scratch on one axis.

experiments: the runs that are drawn. fits: one of law `transition`, whose groups are the series. options: names, group
→ words of the legend.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from regrok import latex
from regrok.figures.parts.blank import nothing
from regrok.figures.parts.captions import caption
from regrok.figures.parts.contrasts import SERIES
from regrok.figures.parts.style import (
    BLUE,
    DASHES,
    GREEN,
    GREY,
    PURPLE,
    SKY,
    VERMILION,
    log_scale,
    plain_ticks,
)

DEFAULTS: dict[str, object] = {"names": {}}
NEEDS: dict[str, object] = {"fits": ["transition"]}

COLOURS = (SKY, BLUE, GREEN, VERMILION, PURPLE)
SHIFT = 0.018
"""By what share of a size one series stands beside the next, so that equal values do not hide each other."""


def draw(shown, fits, options, style):
    """(a) late accuracy of every run, its mean per size; (b) the place of each series at the whole and half budget."""
    name, made = next((name, fit) for name, fit in fits.items() if fit["law"] == "transition")
    points = pd.DataFrame(made["points"], columns=["group", "train_size", "late", "began_below"])
    points = points[points.late.notna() & ~points.began_below.astype(bool)]
    groups = list(made["options"]["groups"])
    level = made["options"].get("level", 0.7)
    figure, (a, b) = style.panels(1, 2, 2.0, width_ratios=[1.45, 1])
    looks = {
        group: {
            "color": COLOURS[i % len(COLOURS)],
            "marker": SERIES[i % len(SERIES)],
            "ls": DASHES[i % len(DASHES)],
        }
        for i, group in enumerate(groups)
    }
    for i, group in enumerate(groups):
        own = points[points.group == group].astype({"train_size": float, "late": float})
        if own.empty:
            continue
        x = own.train_size * (1 + SHIFT * (i - (len(groups) - 1) / 2))
        look = looks[group]
        a.scatter(x, own.late, s=8, color=look["color"], marker=look["marker"], alpha=0.5, lw=0)
        mean = own.groupby("train_size").late.mean()
        words = options["names"].get(group, group.replace("_", " "))
        a.plot(mean.index, mean, color=look["color"], ls=look["ls"], lw=0.9, label=words)
    a.axhline(level, color=GREY, lw=0.6, ls=DASHES[2], zorder=0)
    log_scale(a, "x")
    plain_ticks(a, "x", sorted(points.train_size.unique()), 6)
    a.set_ylim(-0.04, 1.08)
    a.set_xlabel("training pairs")
    a.set_ylabel("late validation accuracy")
    # Beneath both panels: curves that rise at different sizes leave no corner free.
    figure.legend(*a.get_legend_handles_labels(), loc="outside lower center", ncols=4)
    places(b, made["estimates"], name, groups, looks, options["names"])
    return (
        figure,
        caption(
            "The transition over the size of the training set", body(made, level), shown.together()
        ),
        (
            "Two panels: validation accuracy at the end of the budget against the number of training pairs, for "
            "networks that start grokked at several weight decays and for networks from scratch; and the size at which "
            "half of the seeds keep or reach the level, with intervals."
        ),
    )


def places(ax, estimates, name: str, groups: list[str], looks, names) -> None:
    """One line a group: the place with its interval, and open beneath it that at the earlier end."""
    rows = np.arange(len(groups))[::-1]
    for row, group in zip(rows, groups, strict=True):
        for key, shift, face in (("place", 0.1, None), ("place_earlier", -0.16, "white")):
            found = estimates.get(f"{name}.{group}.{key}")
            if found is None or found["value"] is None:
                continue
            value = found["value"]
            ends = [value if found[end] is None else found[end] for end in ("low", "high")]
            ax.errorbar(
                value,
                row + shift,
                xerr=[[value - ends[0]], [ends[1] - value]],
                color=looks[group]["color"],
                marker=looks[group]["marker"],
                ms=4,
                mfc=face or looks[group]["color"],
                elinewidth=0.9,
                capsize=2,
            )
    log_scale(ax, "x")
    if ax.get_xscale() != "log":
        ax.set_xlabel("place (training pairs)")
        nothing(ax, "no place within the sizes tried")
        return
    low, high = ax.get_xlim()
    plain_ticks(
        ax, "x", [v for v in (200, 300, 500, 700, 1000, 1500, 2000, 3000) if low <= v <= high]
    )
    ax.set_xlim(low, high)
    ax.set_yticks(rows, [names.get(group, group.replace("_", " ")) for group in groups], fontsize=7)
    ax.set_ylim(-0.6, len(groups) - 0.4)
    ax.set_xlabel("place (training pairs)")


def body(made, level: float) -> str:
    """What both panels show."""
    budgets = sorted({point["max_steps"] for point in made["points"] if point["max_steps"]})
    steps = latex.listing(pd.Series(budgets)) if budgets else ""
    earlier = made["options"].get("earlier", 0.5)
    return (
        r"(a) Validation accuracy, the median over the last tenth of the budget"
        rf"{f' of {steps} steps' if steps else ''}, over the number of training pairs: points are runs, lines means "
        rf"over seeds; dotted: the level of {latex.exact(level)}. (b) The size at which half of the seeds are at or "
        r"above the level, with its 95\,\% interval by profile likelihood, which is never narrower than the sizes "
        rf"tried; open: the same at {latex.exact(earlier)} of the budget. A series without a mark has no place within "
        r"its sizes."
    )

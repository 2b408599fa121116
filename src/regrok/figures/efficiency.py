"""The norm that one training loss needs, over the size of the training set: content of Figure 3 of arXiv 2309.02390.

experiments: the runs that are drawn. fits: one of law `efficiency`, whose groups are the series. options: names, group
→ words of the legend.
"""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from regrok.figures.parts.blank import legend
from regrok.figures.parts.captions import caption
from regrok.figures.parts.contrasts import SERIES
from regrok.figures.parts.style import (
    BLUE,
    DASHES,
    GREEN,
    GREY,
    VERMILION,
    decades,
    log_scale,
    plain_ticks,
)

DEFAULTS: dict[str, object] = {"names": {}}
NEEDS: dict[str, object] = {"fits": ["efficiency"]}

COLOURS = (VERMILION, BLUE, GREEN)


def draw(shown, fits, options, style):
    """(a) norm against loss, as the decays trace it; (b) the norm at the middle loss of its series against the size."""
    name, made = next((name, fit) for name, fit in fits.items() if fit["law"] == "efficiency")
    points = pd.DataFrame(
        made["points"], columns=["group", "used", "train_size", "norm", "loss", "seed"]
    )
    points = points[points.used.astype(bool)].astype(
        {"norm": float, "loss": float, "train_size": float}
    )
    figure, (a, b) = style.panels(1, 2, 1.9)
    middle = math.exp(float(np.log(points.loss).mean())) if len(points) else math.nan
    for i, group in enumerate(made["options"]["groups"]):
        own = points[points.group == group]
        colour, marker = COLOURS[i % len(COLOURS)], SERIES[i % len(SERIES)]
        words = options["names"].get(group, group.replace("_", " "))
        look = {"color": colour, "marker": marker, "s": 9, "alpha": 0.55, "lw": 0}
        a.scatter(own.loss, own.norm, label=words, **look)
        exponent, gamma = (
            value(made, f"{name}.{group}.{key}") for key in ("exponent", "loss_exponent")
        )
        if not np.isfinite([exponent, gamma]).all():
            continue
        at_middle = own.norm * (own.loss / middle) ** -gamma
        b.scatter(own.train_size, at_middle, **look)
        found = made["estimates"][f"{name}.{group}.exponent"]
        dash = {"color": colour, "ls": DASHES[i % len(DASHES)]}
        line(b, own.train_size, at_middle, found, dash, words)
    for ax in (a, b):
        log_scale(ax, "xy")
        ax.set_ylabel(r"norm $\Vert\theta\Vert$")
        decades(ax, "y")
    decades(a, "x")
    plain_ticks(b, "x", sorted(points.train_size.unique()), 5)
    a.set_xlabel("training loss (nat)")
    b.set_xlabel("training pairs")
    b.set_ylabel(r"norm $\Vert\theta\Vert$ at one loss")
    legend(a, loc="best")
    legend(b, loc="best", fontsize=7)
    crossing(b, made, name, points)
    body = (
        r"(a) Norm and training loss of every run, both medians over the last tenth of its budget; at each size "
        r"several $\lambda$ trace the one against the other. (b) The same norms at the mean log loss of all runs, by "
        r"each series' exponent of the loss, against the number of training pairs; the lines have the exponents of "
        r"the size in the legend, with 95\,\% $t$ intervals over seeds. Dotted, where there is one: the size of equal "
        r"norm. Runs that do not fit their training set at the end, or have not generalised where labels are true, "
        r"are left out."
    )
    words = (
        "Two panels on log axes: parameter norm against training loss, and the norm at one loss against the number of "
        "training pairs, for random and for true labels."
    )
    return figure, caption("Efficiency of the two circuits", body, shown.together()), words


def value(made, key: str) -> float:
    """An estimate's value; NaN where there is none."""
    found = made["estimates"][key]["value"]
    return math.nan if found is None else found


def line(ax, size: pd.Series, norm: pd.Series, found, look, words: str) -> None:
    """The power law through the middle of the points, named with its exponent and interval."""
    exponent = found["value"]
    ends = [found[end] for end in ("low", "high")]
    said = "" if None in ends else f" [{ends[0]:.2f}, {ends[1]:.2f}]"
    x, y = (float(np.log(each).mean()) for each in (size, norm))
    span = np.array([size.min(), size.max()])
    label = f"{words}: {exponent:.2f}{said}".replace("-", "−")
    ax.plot(span, np.exp(y + exponent * (np.log(span) - x)), lw=1.0, label=label, **look)


def crossing(ax, made, name: str, points: pd.DataFrame) -> None:
    """A dotted line at each ratio's size of equal norm, where the axis shows it."""
    for ratio in made["options"].get("ratios", {}):
        at = value(made, f"{name}.{ratio}.crossing")
        if len(points) and points.train_size.min() <= at <= points.train_size.max():
            ax.axvline(at, color=GREY, lw=0.8, ls=DASHES[2], zorder=0)

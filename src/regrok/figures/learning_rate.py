"""Is T_grok inversely proportional to η? Content of Figure 4 of arXiv 2603.13331.

experiments: the η sweep, then (when it runs at this scale) the η × λ grid. fits: the scaling fit in η. options: none.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import seaborn as sns

from regrok.figures.parts import panels, slingshots
from regrok.figures.parts.captions import caption
from regrok.figures.parts.style import (
    HALF_HEIGHT,
    HALF_WIDTH,
    LIGHT,
    from_zero,
    label,
    short_number,
    thousands,
)
from regrok.figures.parts.summaries import MEDIANS, medians

DEFAULTS: dict[str, object] = {}


def heat_map(ax, joint: pd.DataFrame) -> None:
    """Median T_grok·ηλ in every cell of the grid over how many of its runs grokked; light: beyond the budget."""
    joint = joint.drop_duplicates("run_id").copy()
    times = {
        eta: medians(cells, "weight_decay", "T_grok").set_index("weight_decay")["median"]
        for eta, cells in joint.groupby("learning_rate")
    }
    median = pd.DataFrame(times).T.sort_index(ascending=False).sort_index(axis=1)
    median = median.mul(median.index, axis=0).mul(median.columns, axis=1)
    median = median.replace(np.inf, np.nan)  # beyond the budget
    known = median.to_numpy()[np.isfinite(median.to_numpy())]
    ends = (known.min(), known.max()) if known.size else (0, 1)
    counts = joint.groupby(["learning_rate", "weight_decay"]).T_grok.agg(["count", "size"])
    words = median.astype(object)
    for eta in median.index:
        for lam in median.columns:
            if (eta, lam) in counts.index:
                k, n = counts.loc[(eta, lam)]
                value = median.loc[eta, lam]
                words.loc[eta, lam] = (f"{value:.3g}\n" if value == value else "") + f"{k}/{n}"
            else:
                words.loc[eta, lam] = ""
    ax.set_facecolor(LIGHT)
    sns.heatmap(
        median,
        ax=ax,
        annot=words.to_numpy(),
        fmt="",
        cmap="crest",
        cbar=False,
        vmin=ends[0],
        vmax=ends[1],
        annot_kws={"size": 7, "linespacing": 0.95},
        linewidths=0.8,
        linecolor="white",
    )
    # seaborn writes no text into empty cells; the count belongs there too.
    for i, eta in enumerate(median.index):
        for j, lam in enumerate(median.columns):
            if pd.isna(median.loc[eta, lam]):
                ax.text(j + 0.5, i + 0.5, words.loc[eta, lam], ha="center", va="center", size=7)
    ax.set_xticklabels([short_number(v) for v in median.columns], rotation=0)
    ax.set_yticklabels([short_number(v) for v in median.index], rotation=0)
    label(ax, "weight_decay", "learning_rate")
    ax.tick_params(length=0)


def draw(shown, fits, options, style):
    """(a) T_grok against 1/η; (b) T·ηλ over the grid."""
    runs = shown.of(0).copy()
    joint = pd.concat([runs, shown.of(1)], ignore_index=True).drop_duplicates("run_id")
    figure, (a, b) = style.panels(1, 2, HALF_HEIGHT, HALF_WIDTH)
    grokked, unfinished = runs[runs.T_grok.notna()], runs[runs.T_grok.isna()]

    fell = slingshots.falls(fits)
    panels.run_points(a, 1 / grokked.learning_rate, grokked.T_grok)
    panels.unfinished_points(a, 1 / unfinished.learning_rate, unfinished.steps)
    slingshots.mark(a, grokked, 1 / grokked.learning_rate, grokked.T_grok, fell)
    panels.median_points(a, runs, "learning_rate", "T_grok", lambda v: (1 / v, 1.0))
    panels.scaling_line(a, fits, "T_grok", [0, 1.05 / runs.learning_rate.min()])
    a.set_xlim(left=0)
    from_zero(a)
    a.set_ylim(top=1.15 * a.get_ylim()[1])  # the fit's words stand above the points
    label(a, "$1/\\eta$", "T_grok")
    thousands(a, "x", 2)
    thousands(a, "y")

    heat_map(b, joint)

    body = (
        r"(a) $T_{\mathrm{grok}}$ against $1/\eta$: dots are runs, open circles "
        rf"{MEDIANS} (arrow: the end lies beyond the budget), dashed the least-squares line. (b) "
        r"Median $T_{\mathrm{grok}}\,\eta\lambda$ of each cell over how many of "
        r"its runs grokked; grey: the median lies beyond the budget."
        + (
            r" A triangle in (a) is a run that ended without grokking, at its last step; the line is without it."
            if len(unfinished)
            else ""
        )
        + slingshots.sentence(fits, runs, "in (a) the runs")
    )
    words = (
        "Two panels: grokking time against inverse learning rate, and a heat map over learning rate "
        "and weight decay."
    )
    return figure, caption("Grokking time against learning rate", body, joint), words

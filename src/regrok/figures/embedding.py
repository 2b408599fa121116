"""Which frequencies the token embedding holds: content of Figure 7 of arXiv 2603.25009.

experiments: runs with the observable embedding_spectrum. fits: law `embedding`, whose groups are drawn. options: none.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from regrok.figures.norm_at_grok import name_of
from regrok.figures.parts.blank import drawn, legend, nothing
from regrok.figures.parts.captions import caption
from regrok.figures.parts.shown import median_run, points_of
from regrok.figures.parts.style import BLACK, BLUE, GREY, MARKERS, ORANGE, VERMILION

DEFAULTS: dict[str, object] = {}

COLOURS = (BLUE, ORANGE, VERMILION)
KINDS = (
    ("top5_share", "five largest"),
    ("top5_share_without_constant", "without 0"),
    ("top5_share_initial", "at step 0"),
)


def draw(shown, fits, options, style):
    """One panel of shares per frequency for each group; the last has the share of the five largest."""
    points = points_of(fits, "embedding")
    if points.empty:
        points = pd.DataFrame(columns=["group", "run_id", "outcome", "delay"])
    points = points[points.run_id.isin(shown.together().run_id)]
    groups = list(dict.fromkeys(points.group))
    figure, axes = style.panels(1, len(groups) + 1, 1.9, width_ratios=[1] * len(groups) + [1.25])
    seeds = []
    for k, (ax, group) in enumerate(zip(axes, groups, strict=False)):
        own = shown.together().merge(points.loc[points.group == group, ["run_id"]], on="run_id")
        chosen = median_run(own)
        chosen = own.sort_values("run_id").iloc[0] if chosen is None else chosen
        seeds.append(f"{chosen.seed}")
        table = shown.spectrum(chosen.run_id, "embedding_spectrum")
        if not table.empty:
            last, first = table.iloc[-1], table.iloc[0]
            largest = set(last.sort_values(ascending=False).index[:5])
            colours = [COLOURS[k % 3] if f in largest else GREY for f in last.index]
            ax.bar(last.index, last, 0.9, color=colours)
            ax.step(first.index, first, where="mid", color=BLACK, lw=0.7)
        else:
            nothing(ax, "embedding_spectrum\nwas not measured")
        ax.set_title(f"{ax.get_title(loc='left')} {name_of(group)}", fontsize=7)
        ax.set_xlabel("frequency")
        if k == 0:
            ax.set_ylabel("share of the embedding's energy")
    ax = axes[len(groups)]
    for k, group in enumerate(groups):
        own = points[(points.group == group) & (points.outcome == "grokked")]
        for j, (key, _) in enumerate(KINDS):
            x = j + 0.24 * (k - (len(groups) - 1) / 2)
            values = own[key].astype(float).dropna() if key in own else pd.Series(dtype=float)
            look = {"color": COLOURS[k % 3], "marker": MARKERS[k], "linewidths": 0, "alpha": 0.6}
            name = name_of(group) if j == 0 else None
            ax.scatter(np.full(len(values), x - 0.05), values, s=10, label=name, **look)
            for fit, content in fits.items():
                found = content["estimates"].get(f"{fit}.{group}.{key}")
                if found and found["value"] is not None and found["low"] is not None:
                    ends = [[found["value"] - found["low"]], [found["high"] - found["value"]]]
                    bar = {"fmt": "_", "color": BLACK, "ms": 5, "capsize": 1.5, "elinewidth": 0.8}
                    ax.errorbar(x + 0.05, found["value"], yerr=ends, **bar)
    ax.set_xticks(range(len(KINDS)), [words.replace(" ", "\n", 1) for _, words in KINDS])
    ax.set_ylim(0, 1.02)
    ax.set_ylabel("share of energy")
    if not drawn(ax):
        nothing(ax, "no run that grokked has\na measured embedding_spectrum")
    legend(ax, loc="lower left", fontsize=7)
    body = (
        r"Share of the token embedding's energy at each frequency of the residues (0 is their mean), at the end of the "
        rf"run with the median delay (seeds {', '.join(seeds)}); the five largest are coloured, the black line is "
        r"step 0. Last panel: the share of the five largest, with frequency 0 as published and without it, and at step "
        r"0; marks are runs that grokked, bars means with 95\,\% $t$ intervals over seeds."
    )
    words = "Spectra of the token embedding after grokking, by network, and the share of the five largest frequencies."
    return figure, caption("Spectrum of the embedding", body, shown.together()), words

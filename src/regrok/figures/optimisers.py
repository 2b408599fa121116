"""SGD against AdamW as published, with train accuracy beside: content of Figures S1 and S3 of arXiv 2603.13331.

experiments: the arms (optimiser and weight-decay convention). options: none.
"""

from __future__ import annotations

import numpy as np

from regrok.figures.parts.captions import caption
from regrok.figures.parts.panels import arm_look
from regrok.figures.parts.style import (
    BLACK,
    BLUE,
    GREEN,
    GREY,
    OUTCOME_LOOK,
    PURPLE,
    VERMILION,
    label,
    log_scale,
    thousands,
)
from regrok.laws.parts.estimate import share as share_of

DEFAULTS: dict[str, object] = {}

COLOURS = (BLUE, VERMILION, GREEN, PURPLE, BLACK)
LINE = 0.42
"""Of a bar's place: what a line of the legend above the bars takes."""


def draw(shown, fits, options, style):
    """(a) V, (b) train accuracy and (c) validation accuracy of every run by arm; (d) outcomes per arm."""
    runs = shown.of(0)
    arms = shown.arms(0)
    figure, (a, b, c, d) = style.panels(1, 4, 2.0, width_ratios=[1, 1, 1, 0.9])
    for i, arm in enumerate(arms):
        look = {k: v for k, v in arm_look(i, COLOURS).items() if k != "marker"}
        for j, run in enumerate(runs[runs.arm == arm].sort_values("seed").itertuples()):
            curve = shown.curve(run.run_id)
            name = arm if j == 0 else None
            a.plot(curve.step, np.maximum(curve.V, 1e-12), lw=0.8, label=name, **look)
            for ax, column in ((b, "train_accuracy"), (c, "validation_accuracy")):
                known = curve.dropna(subset=[column])
                ax.plot(known.step, known[column], lw=0.8, **look)
    log_scale(a, "y")
    figure.legend(
        *a.get_legend_handles_labels(), loc="outside lower center", ncols=max(len(arms), 1)
    )
    label(a, "step", "V")
    for ax, column in ((b, "train_accuracy"), (c, "validation_accuracy")):
        ax.set_ylim(-0.03, 1.04)
        label(ax, "step", column)
    last = runs.groupby("arm").steps.max().min()
    for ax in (a, b, c):
        ax.set_xlim(0, max(last, runs.T_grok.fillna(0).max() * 1.2, 1))
        thousands(ax, "x")

    places = np.arange(len(arms))[::-1]
    left = np.zeros(len(arms))
    for outcome, (colour, _, hatch) in OUTCOME_LOOK.items():
        share = np.array([runs[runs.arm == arm].outcome.eq(outcome).mean() for arm in arms])
        if share.any():
            d.barh(
                places,
                share,
                0.5,
                left=left,
                color=colour,
                hatch=hatch,
                edgecolor="white",
                lw=0.4,
                label=outcome,
            )
        left = left + share
    for place, arm in zip(places, arms, strict=True):
        grokked = runs[runs.arm == arm].outcome.eq("grokked")
        found = share_of(int(grokked.sum()), len(grokked))
        value, low, high = np.array([found.value, found.low, found.high], float)
        d.errorbar(
            value,
            place - 0.36,
            xerr=[[value - low], [high - value]],
            fmt="|",
            color=BLACK,
            ms=4,
            capsize=1.5,
            elinewidth=0.8,
        )
    d.set_yticks(places, arms)
    d.set_xlim(0, 1)
    told = len(d.get_legend_handles_labels()[1])
    d.set_ylim(-0.7, len(arms) - 0.4 + LINE * told)
    d.set_xlabel("share of runs")
    d.legend(loc="upper right", handlelength=1.2)
    d.spines["left"].set_color(GREY)

    body = (
        r"(a) Squared norm, (b) train accuracy and (c) validation accuracy of every run, one line a seed, by optimiser "
        r"and weight-decay convention. (d) Outcomes of each arm; the black bar under it is the Wilson 95\,\% "
        r"interval of "
        r"the share that grokked. Read (b) before (c): a run that never memorised says nothing about a delay."
    )
    words = (
        "Four panels comparing optimisers: squared norm, train accuracy and validation accuracy over steps, and "
        "stacked bars of outcomes."
    )
    return figure, caption("SGD and AdamW as published", body, runs), words

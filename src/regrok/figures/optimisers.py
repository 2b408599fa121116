"""SGD against AdamW as published, with train accuracy beside: content of Figures S1 and S3 of arXiv 2603.13331.

experiments: the arms (optimiser and weight-decay convention). options: none.
"""

from __future__ import annotations

import numpy as np

from regrok.figures.parts.blank import legend
from regrok.figures.parts.captions import caption
from regrok.figures.parts.panels import arm_look
from regrok.figures.parts.style import (
    BLACK,
    BLUE,
    GREEN,
    GREY,
    HALF_HEIGHT,
    HALF_WIDTH,
    OUTCOME_LOOK,
    PURPLE,
    VERMILION,
    label,
    thousands,
)
from regrok.laws.parts.estimate import share as share_of

DEFAULTS: dict[str, object] = {}

COLOURS = (BLUE, VERMILION, GREEN, PURPLE, BLACK)
LINE = 0.42
"""Of a bar's place: what a line of the legend above the bars takes."""


def draw(shown, fits, options, style):
    """(a) train accuracy of every run by arm; (b) outcomes per arm."""
    runs = shown.of(0)
    arms = shown.arms(0)
    figure, (a, b) = style.panels(1, 2, HALF_HEIGHT, HALF_WIDTH)
    for i, arm in enumerate(arms):
        look = {k: v for k, v in arm_look(i, COLOURS).items() if k != "marker"}
        for j, run in enumerate(runs[runs.arm == arm].sort_values("seed").itertuples()):
            known = shown.curve(run.run_id).dropna(subset=["train_accuracy"])
            name = arm if j == 0 else None
            a.plot(known.step, known.train_accuracy, lw=0.8, label=name, **look)
    # Arms that learn lie at the top, those that do not at the bottom.
    look = {"frameon": True, "facecolor": "white", "edgecolor": "none", "framealpha": 0.9}
    legend(a, loc="center right", handlelength=1.2, **look)
    a.set_ylim(-0.03, 1.04)
    label(a, "step", "train_accuracy")
    last = runs.groupby("arm").steps.max().min()
    a.set_xlim(0, max(last, runs.T_grok.fillna(0).max() * 1.2, 1))
    thousands(a, "x", 3)

    places = np.arange(len(arms))[::-1]
    left = np.zeros(len(arms))
    for outcome, (colour, _, hatch) in OUTCOME_LOOK.items():
        share = np.array([runs[runs.arm == arm].outcome.eq(outcome).mean() for arm in arms])
        if share.any():
            b.barh(
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
        b.errorbar(
            value,
            place - 0.36,
            xerr=[[value - low], [high - value]],
            fmt="|",
            color=BLACK,
            ms=4,
            capsize=1.5,
            elinewidth=0.8,
        )
    b.set_yticks(places, arms)
    b.set_xlim(0, 1)
    told = len(b.get_legend_handles_labels()[1])
    b.set_ylim(-0.7, len(arms) - 0.4 + LINE * told)
    b.set_xlabel("share of runs")
    b.legend(loc="upper right", handlelength=1.2)
    b.spines["left"].set_color(GREY)

    body = (
        r"(a) Train accuracy of every run, one line a seed, by optimiser and weight-decay convention. "
        r"(b) Outcomes of each arm; the black bar under it is the Wilson 95\,\% interval of the share that grokked. "
        r"A run that never memorised says nothing about a delay."
    )
    words = (
        "Two panels comparing optimisers: train accuracy over steps, and stacked bars of outcomes."
    )
    return figure, caption("SGD and AdamW as published", body, runs), words

"""Which λ grok at all, and when: shares with Wilson intervals, and Kaplan–Meier curves of T_grok.

experiments: the λ sweep. options: none.
"""

from __future__ import annotations

import numpy as np

from regrok.figures.parts.captions import caption
from regrok.figures.parts.contrasts import shares_against
from regrok.figures.parts.style import (
    DASHES,
    HALF_HEIGHT,
    HALF_WIDTH,
    VERMILION,
    label,
    log_scale,
    plain_ticks,
)
from regrok.laws.parts import lifetimes
from regrok.laws.parts.selection import duration

DEFAULTS: dict[str, object] = {}


def draw(shown, fits, options, style):
    """(a) shares memorised and grokked per λ; (b) share not yet grokked against step, one staircase per λ."""
    runs = shown.of(0)
    values = np.sort(runs.weight_decay.unique())
    figure, (a, b) = style.panels(1, 2, HALF_HEIGHT, HALF_WIDTH)

    shares_against(a, runs, "weight_decay", legend=False)
    plain_ticks(a, "x", values, 9, 0.21)

    for i, (colour, value) in enumerate(zip(style.ramp(len(values)), values, strict=True)):
        cell = runs[runs.weight_decay == value]
        times, seen = duration(cell, "T_grok")
        fitted = lifetimes.kaplan_meier(times, seen)
        survival = fitted.survival_function_.iloc[:, 0]
        b.step(
            np.maximum(survival.index, 1),
            survival,
            where="post",
            color=colour,
            ls=DASHES[i % len(DASHES)],
        )
        cut = times[~seen]
        if cut.size:
            left = fitted.survival_function_at_times(cut)
            b.plot(cut, left, "|", color=VERMILION, ms=5, mew=0.8)
    log_scale(b, "x")
    b.set_xlim(left=max(100, np.nanmin([runs.T_grok.min(), runs.steps.min()]) * 0.5))
    b.set_ylim(-0.04, 1.08)
    label(b, "step", "share not yet grokked")

    body = (
        r"(a) Share of the seeds that memorised (squares) and that grokked (dots) within the budget at each $\lambda$; "
        r"bars are Wilson 95\,\% intervals. (b) Kaplan--Meier curves of $T_{\mathrm{grok}}$, darker for larger "
        r"$\lambda$; vertical ticks mark runs that "
        r"ended without grokking and are censored there."
    )
    words = (
        "Two panels: the share of runs that memorise and grok against weight decay, and survival curves of "
        "grokking time, one per weight decay."
    )
    return figure, caption("Regimes of weight decay", body, runs), words

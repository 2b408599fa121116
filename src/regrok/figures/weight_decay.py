"""Is T_grok inversely proportional to λ? Content of Figure 2 of arXiv 2603.13331.

experiments: the λ sweep. fits: the scaling fit in λ, whose limits choose the cells of (a). options: curves, the λ
whose accuracy is drawn (those nearest in the sweep are taken); narrow, without (c) and half as wide, to stand beside
another figure.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from regrok import latex
from regrok.figures.parts import panels, slingshots
from regrok.figures.parts.blank import nothing
from regrok.figures.parts.captions import caption
from regrok.figures.parts.style import (
    BLUE,
    GREY,
    HALF_HEIGHT,
    HALF_WIDTH,
    VERMILION,
    decades,
    from_zero,
    label,
    log_scale,
    plain_ticks,
    short_number,
    thousands,
)
from regrok.figures.parts.summaries import MEDIANS

DEFAULTS: dict[str, Any] = {"curves": None, "narrow": False}
REFERS: dict[str, Any] = {"curves": "numbers"}


def fit_range(fits) -> tuple[float, float]:
    """The λ that the figure's scaling fit is limited to; all positive ones without a limit."""
    for content in fits.values():
        limits = content["options"].get("within", {}).get("weight_decay")
        if content["law"] == "scaling" and limits:
            return limits[0], limits[1]
    return np.nextafter(0, 1), np.inf


def accuracies(ax, shown, runs, curves, fell) -> None:
    """Accuracy curves at three λ, those nearest to `curves`, with a tick where a run came undone."""
    present = sorted(runs.weight_decay.unique())
    values = panels.nearest(present, curves or panels.spread(present))
    colours = [GREY, BLUE, VERMILION]
    lines = panels.accuracy_curves(ax, shown, runs, "weight_decay", values, colours, "$\\lambda$")
    for run_id, colour in lines.items():
        slingshots.tick(ax, fell.get(run_id), colour)


def draw(shown, fits, options, style):
    """(a) T_grok against 1/λ with the least-squares line; (b) λ·T_grok against λ; (c) accuracy curves."""
    runs = shown.of(0)
    low, high = fit_range(fits)
    fitted = runs[runs.weight_decay.between(low, high)]
    grokked = fitted[fitted.T_grok.notna()]
    if options["narrow"]:
        figure, (a, b) = style.panels(1, 2, HALF_HEIGHT, HALF_WIDTH)
    else:
        figure, (a, b, c) = style.panels(1, 3, 1.85)

    if fitted.empty:
        between = (
            f" from {short_number(low)} to {short_number(high)}" if np.isfinite(high) else " > 0"
        )
        nothing(a, f"no run with $\\lambda${between}")
    fell = slingshots.falls(fits)
    panels.run_points(a, 1 / grokked.weight_decay, grokked.T_grok)
    slingshots.mark(a, grokked, 1 / grokked.weight_decay, grokked.T_grok, fell)
    unfinished = fitted[fitted.T_grok.isna()]
    panels.unfinished_points(a, 1 / unfinished.weight_decay, unfinished.steps)
    panels.median_points(a, fitted, "weight_decay", "T_grok", lambda v: (1 / v, 1.0))
    label(a, "$1/\\lambda$", "T_grok")
    if not fitted.empty:
        panels.scaling_line(a, fits, "T_grok", [0, 1.08 / fitted.weight_decay.min()])
        a.set_xlim(left=0)
        from_zero(a)
        a.set_ylim(top=1.15 * a.get_ylim()[1])  # the fit's words stand above the points
        thousands(a, "y")

    every = runs[runs.T_grok.notna()]
    product = every.T_grok * every.weight_decay
    panels.run_points(b, every.weight_decay, product)
    slingshots.mark(b, every, every.weight_decay, product, fell)
    decayed = runs[runs.weight_decay > 0]
    panels.median_points(b, decayed, "weight_decay", "T_grok", lambda v: (v, v))
    log_scale(b, "xy")
    decades(b, "y")
    plain_ticks(b, "x", every.weight_decay, 6, 0.21 if options["narrow"] else 0.065)
    label(b, "weight_decay", "$\\lambda\\, T_{\\mathrm{grok}}$ (steps)")

    if not options["narrow"]:
        accuracies(c, shown, runs, options["curves"], fell)

    first = (
        rf"each dot is a run, open circles are {MEDIANS}, the dashed line is the least-squares line through the "
        rf"{latex.exact(len(grokked))} grokked runs with $\lambda$ from {latex.exact(fitted.weight_decay.min())} to "
        rf"{latex.exact(fitted.weight_decay.max())}."
    )
    if len(unfinished):
        first += (
            rf" A triangle is one of {latex.exact(len(unfinished))} that ended without grokking, at its last step; the "
            r"line is without them, the medians are not."
        )
    if fitted.empty:
        first = r"empty, since no run has a $\lambda$ in the range of the fit."
    body = (
        rf"(a) $T_{{\mathrm{{grok}}}}$ against $1/\lambda$: {first} "
        r"(b) $\lambda\,T_{\mathrm{grok}}$, which a pure inverse law would keep level."
    )
    words = (
        "Grokking time against inverse weight decay with a straight-line fit, and their product against weight decay "
        "on log axes"
    )
    where = "in (a) and (b) the runs"
    if not options["narrow"]:
        body += (
            r" (c) Validation (lines) and train accuracy (thin dotted) of the first seed at three "
            r"values of $\lambda$."
        )
        words += "; accuracy curves at three weight decays"
        where += ", at the top of (c) the step at which it first did"
    body += slingshots.sentence(fits, runs, where)
    words += "."
    return figure, caption("Grokking time against weight decay", body, runs), words

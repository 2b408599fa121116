"""What generalisation takes: decay, data by kind of training, learning rates, outliers (Figures 1 and 2 of 2201.02177).

experiments: the runs with and without decay, of which curves are drawn; then those that the fits read. fits: fits of
law `reach` over the share of the data, over η and over outliers. options: none.
"""

from __future__ import annotations

from typing import Any

from regrok.figures.parts import panels
from regrok.figures.parts.blank import nothing
from regrok.figures.parts.captions import caption
from regrok.figures.parts.style import BLACK, BLUE, GREY, VERMILION, label, log_scale, plain_ticks

DEFAULTS: dict[str, object] = {}
NEEDS: dict[str, Any] = {"fits": ["reach"]}

FACTORS = ("train_fraction", "learning_rate", "outliers")
HALF = 0.5
ROOM = 2.5
"""Numbers of outliers nearer to the one before than this factor leave no room for a label."""


def fit_over(fits, factor: str) -> tuple[str, dict[str, Any]]:
    """Name and content of the first fit of law `reach` over a factor; empty where there is none."""
    for name, made in fits.items():
        if made["law"] == "reach" and made["options"].get("factor", FACTORS[0]) == factor:
            return name, made
    return "", {"estimates": {}, "cells": [], "options": {"groups": {}}}


def draw(shown, fits, options, style):
    """(a) accuracy with and without decay; (b) data needed per arm; shares that generalise over (c) η, (d) outliers."""
    figure, (a, b, c, d) = style.panels(2, 2, 1.6)
    runs = shown.of(0).drop_duplicates("run_id")
    present = sorted(runs.weight_decay.unique(), reverse=True)
    panels.accuracy_curves(
        a, shown, runs, "weight_decay", present, [BLUE, VERMILION, GREY], "$\\lambda$"
    )
    _needed(b, *fit_over(fits, "train_fraction"))
    for ax, factor in ((c, "learning_rate"), (d, "outliers")):
        _shares(ax, fit_over(fits, factor)[1]["cells"], factor)
    label(c, "learning_rate", "share that generalises")
    label(d, "outliers", "share that generalises")
    body = (
        r"(a) Validation (lines) and train accuracy (thin dotted) of the first seed with and without decay. (b) The "
        r"least share of the equations from which on most runs generalise within their budget: between the last "
        r"value that fails and the first that does not, widened by what few seeds leave open (95\,\% interval; arrow: "
        r"no value tried bounds it). (c, d) Share of the runs that generalise within their budget, with Wilson 95\,\% "
        r"intervals, over the learning rate and over the number of training equations with random results."
    )
    words = (
        "Four panels: accuracy curves with and without weight decay, data needed by kind of training, and shares of "
        "runs that generalise over learning rates and over outliers."
    )
    return figure, caption("What generalisation takes", body, shown.together()), words


def _needed(ax, name: str, made) -> None:
    """One line per group that has runs: the interval of its least share, in per cent."""
    groups = list(made["options"].get("groups", {}))
    found = [(group, made["estimates"].get(f"{name}.{group}.least", {})) for group in groups]
    found = [(group, each) for group, each in found if each.get("value") is not None]
    ax.set_xlabel("data needed (% of the equations)")
    if not found:
        nothing(ax, "no run here")
        return
    for y, (_, each) in enumerate(found):
        value = 100 * each["value"]
        low, high = (value if each[k] is None else 100 * each[k] for k in ("low", "high"))
        ax.errorbar(
            value, y, xerr=[[value - low], [high - value]], fmt="o", ms=3.6, mfc="white",
            color=BLACK, capsize=2, elinewidth=1.6,
        )  # fmt: skip
        for end, way in (("low", -12), ("high", 12)):
            if each[end] is None:
                arrow = {"arrowstyle": "<-", "lw": 0.8}
                ax.annotate("", (value, y), (way, 0), textcoords="offset points", arrowprops=arrow)
    ax.set_yticks(range(len(found)), [group.replace("_", " ") for group, _ in found])
    ax.set_ylim(len(found) - 0.5, -0.5)
    ax.margins(x=0.15)


def _shares(ax, cells, factor: str) -> None:
    """Shares that generalise over a factor, 0 drawn in its place on a scale that is logarithmic beyond."""
    if not cells:
        nothing(ax, "no run here")
        return
    x = [cell[factor] for cell in cells]
    share = [cell["share"] for cell in cells]
    value = [each["value"] for each in share]
    ends = [[v - each["low"] for v, each in zip(value, share, strict=True)]]
    ends.append([each["high"] - v for v, each in zip(value, share, strict=True)])
    ax.errorbar(x, value, yerr=ends, color=BLUE, marker="o", lw=0.9, capsize=1.5, elinewidth=0.8)
    ax.axhline(HALF, color=GREY, lw=0.7, ls=":")
    ax.set_ylim(-0.04, 1.08)
    if min(x) > 0:
        log_scale(ax, "x")
        plain_ticks(ax, "x", x, 9)
    else:
        least = min((v for v in x if v > 0), default=1.0)
        ax.set_xscale("symlog", linthresh=least, linscale=0.5)
        ax.set_xlim(-0.15 * least, 1.6 * max(x) or 1.0)
        named = [v for v, before in zip(x, [-1, *x], strict=False) if v >= ROOM * before]
        ax.set_xticks(x, [f"{v:g}" if v in named else "" for v in x])
        ax.minorticks_off()

"""The RMS norm of the parameters and where on it grokking happens: content of Figure 6 and Table 7 of arXiv 2603.25009.

experiments: those of the configurations. fits: law `norm_at_grok`, whose groups are drawn. options: none.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from regrok.figures.parts.captions import caption
from regrok.figures.parts.shown import points_of, value_of
from regrok.figures.parts.style import (
    BLACK,
    BLUE,
    GREEN,
    GREY,
    LIGHT,
    MARKERS,
    ORANGE,
    PURPLE,
    SKY,
    VERMILION,
    decades,
    label,
    log_scale,
)

DEFAULTS: dict[str, object] = {}

COLOURS = (GREY, BLUE, SKY, VERMILION, ORANGE, PURPLE, GREEN)
RMS = "RMS norm $\\sqrt{V/P}$"


def name_of(group: str) -> str:
    """mlp_gelu → MLP GELU: the group's name as a label."""
    words = {"mlp": "MLP", "gelu": "GELU", "relu": "ReLU", "optimum": "best $\\lambda$"}
    return " ".join(words.get(word, word) for word in group.split("_"))


def draw(shown, fits, options, style):
    """(a) RMS norm against step, T_grok marked; (b) at T_grok by configuration; (c) delay against it."""
    runs = shown.together().set_index("run_id")
    points = points_of(fits, "norm_at_grok")
    if points.empty:
        points = pd.DataFrame(columns=["group", "run_id", "rms_grok", "delay", "configuration"])
    points = points[points.run_id.isin(runs.index)]
    groups = list(dict.fromkeys(points.group))
    figure, (a, b, c) = style.panels(1, 3, 2.2, width_ratios=[1.25, 1, 1])
    for k, group in enumerate(groups):
        colour, marker = COLOURS[k % len(COLOURS)], MARKERS[k % len(MARKERS)]
        own = points[points.group == group]
        for one in own.itertuples():
            curve = shown.curve(one.run_id)
            curve = curve[curve.step > 0]
            rms = np.sqrt(curve.V / runs.parameters[one.run_id])
            a.plot(curve.step, rms, color=colour, lw=0.6, alpha=0.6)
        known = own.dropna(subset=["rms_grok"]).astype({"rms_grok": float, "delay": float})
        look = {"color": colour, "marker": marker, "linewidths": 0}
        times = runs.T_grok.reindex(known.run_id)
        a.scatter(times, known.rms_grok, s=14, zorder=4, label=name_of(group), **look)
        place = len(groups) - 1 - k
        b.scatter(known.rms_grok, np.full(len(known), place), s=10, alpha=0.6, **look)
        for fit, content in fits.items():
            found = content["estimates"].get(f"{fit}.{group}.rms_grok_mean")
            if found and found["value"] is not None and found["low"] is not None:
                ends = [[found["value"] - found["low"]], [found["high"] - found["value"]]]
                look_b = {"fmt": "|", "color": BLACK, "ms": 7, "capsize": 2, "elinewidth": 0.9}
                b.errorbar(found["value"], place - 0.25, xerr=ends, **look_b)
        positive = known[known.delay > 0]
        c.scatter(positive.rms_grok, positive.delay, s=12, **look)
    mean = value_of(fits, "norm_at_grok", "rms_grok_mean")
    spread = value_of(fits, "norm_at_grok", "rms_grok_cv")
    for ax in (b, c):
        if np.isfinite([mean, spread]).all():
            ax.axvspan(
                mean * (1 - spread), mean * (1 + spread), color=LIGHT, alpha=0.6, lw=0, zorder=0
            )
            ax.axvline(mean, color=GREY, lw=0.8, zorder=0)
    log_scale(a, "xy")
    decades(a, "y")
    a.set_xlabel("step")
    a.set_ylabel(RMS)
    b.set_yticks(range(len(groups)), [name_of(group) for group in reversed(groups)])
    b.tick_params(axis="y", labelsize=7)
    b.set_ylim(-0.6, len(groups) - 0.4)
    b.set_xlim(left=0)
    b.set_xlabel("RMS norm at $T_{\\mathrm{grok}}$")
    log_scale(c, "y")
    decades(c, "y")
    label(c, "RMS norm at $T_{\\mathrm{grok}}$", "delay")
    if groups:
        figure.legend(*a.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    body = (
        r"(a) RMS norm of all parameters against step, one line a seed; the mark is $T_{\mathrm{grok}}$. (b) The norm "
        r"there: marks are runs, the bar beneath the mean with its 95\,\% $t$ interval; the grey line and band are the "
        r"mean of the means of the networks of one width and their standard deviation. (c) Delay against that norm. "
        r"Runs that did not grok have no such norm: they have a line in (a) alone."
    )
    words = (
        "Three panels: parameter norm over steps with the point of grokking marked, the norm at grokking by "
        "configuration, and delay against that norm."
    )
    return figure, caption("The norm at which networks grok", body, shown.together()), words

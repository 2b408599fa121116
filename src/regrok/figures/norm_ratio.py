"""The cleaner lever on the norm ratio: the init scale moves V_mem while η, λ and p stay.

experiments: the init-scale sweep. fits: the scaling fit in T_esc_th. options: none.
"""

from __future__ import annotations

import numpy as np

from regrok import latex
from regrok.figures.parts import panels
from regrok.figures.parts.captions import caption
from regrok.figures.parts.style import (
    DASHES,
    GREY,
    HALF_HEIGHT,
    HALF_WIDTH,
    VERMILION,
    from_zero,
    label,
    log_scale,
    thousands,
)
from regrok.figures.parts.summaries import medians
from regrok.laws.parts.selection import escape_theory, log_norm_ratio

DEFAULTS: dict[str, object] = {}


def draw(shown, fits, options, style):
    """(a) V_mem and V_final against init scale; (b) delay against log(V_mem/V_final) with the theory's line."""
    runs = shown.of(0).copy()
    runs["log_ratio"] = log_norm_ratio(runs)
    runs["T_esc_th"] = escape_theory(runs)
    figure, (a, b) = style.panels(1, 2, HALF_HEIGHT, HALF_WIDTH)

    for column, colour, marker in (("V_mem", VERMILION, "o"), ("V_final", GREY, "s")):
        known = runs.dropna(subset=[column])
        panels.run_points(a, known.init_scale, known[column], colour, marker=marker)
        middle = medians(known, "init_scale", column)
        a.plot(
            middle["init_scale"],
            middle["median"],
            color=colour,
            marker=marker,
            mfc="white",
            ls=DASHES[0 if column == "V_mem" else 1],
            label={"V_mem": "$V_{\\mathrm{mem}}$", "V_final": "$V_{\\mathrm{final}}$"}[column],
        )
    log_scale(a, "y")
    a.legend(loc="best")
    label(a, "init_scale", "V")

    known = runs.dropna(subset=["delay", "log_ratio"])
    scales = sorted(runs.init_scale.unique())
    for i, (colour, scale) in enumerate(zip(style.ramp(len(scales)), scales, strict=True)):
        cell = known[known.init_scale == scale]
        b.scatter(
            cell.log_ratio,
            cell.delay,
            s=12,
            color=colour,
            marker=("o", "s", "^", "D", "v", "P")[i % 6],
            linewidths=0,
        )
    if not known.empty:
        x = np.array([0, known.log_ratio.max() * 1.05])
        theory = 1 / (2 * known.learning_rate * known.weight_decay).median()
        # η and λ are the sweep's own constants, so T_esc_th is the log ratio in other units.
        panels.scaling_line(b, fits, "delay", x, theory)
        b.plot(x, theory * x, color=GREY, ls=DASHES[2])
    from_zero(b)
    label(b, "$\\log(V_{\\mathrm{mem}}/V_{\\mathrm{final}})$", "delay")
    thousands(b, "y")

    censored = int(runs.T_grok.isna().sum())
    body = (
        r"(a) $V_{\mathrm{mem}}$ and $V_{\mathrm{final}}$ against the factor on the initial weights: dots are "
        r"runs, open "
        r"marks medians. (b) Delay against the log norm ratio, one mark a run, darker for a larger factor, with the "
        r"least-squares line (dashed) and the theory's $\log(V_{\mathrm{mem}}/V_{\mathrm{final}})/(2\eta\lambda)$ "
        r"(dotted). The scatter of the marks is the whole sample."
    )
    if censored:
        body += (
            rf" In (b) {latex.count(censored, 'run')} without a delay {'is' if censored == 1 else 'are'} left out: the "
            r"norm at the end is not yet that of a network that has grokked."
        )
    words = (
        "Two panels: squared norms at memorisation and at the end against init scale, and delay against the log of "
        "their ratio with fitted and theoretical lines."
    )
    return figure, caption("Init scale as a lever on the norm ratio", body, runs), words

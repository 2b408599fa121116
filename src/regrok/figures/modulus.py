"""The norm ratio as modulus p moves it: content of Figure 3 of arXiv 2603.13331.

experiments: the modulus sweep. fits: the scaling fit in T_esc_th. options: none.
"""

from __future__ import annotations

import numpy as np

from regrok.figures.parts import panels
from regrok.figures.parts.captions import caption
from regrok.figures.parts.style import (
    HALF_HEIGHT,
    HALF_WIDTH,
    from_zero,
    label,
    plain_ticks,
    thousands,
)
from regrok.figures.parts.summaries import MEDIANS
from regrok.laws.parts.selection import escape_theory

DEFAULTS: dict[str, object] = {}


def draw(shown, fits, options, style):
    """(a) delay against p; (b) delay against T_esc_th."""
    runs = shown.of(0).copy()
    runs["T_esc_th"] = escape_theory(runs)
    figure, (a, b) = style.panels(1, 2, HALF_HEIGHT, HALF_WIDTH)
    moduli = sorted(runs.p.unique())

    known = runs.dropna(subset=["delay"])
    panels.run_points(a, known.p, known.delay)
    panels.median_points(a, runs, "p", "delay")
    label(a, "p", "delay")
    from_zero(a)
    thousands(a, "y")
    plain_ticks(a, "x", moduli, least=0.2)

    known = runs.dropna(subset=["delay", "T_esc_th"])
    for colour, p in zip(style.ramp(len(moduli)), moduli, strict=True):
        cell = known[known.p == p]
        b.scatter(cell.T_esc_th, cell.delay, s=9, color=colour, linewidths=0)
    if not known.empty:
        panels.scaling_line(b, fits, "delay", [known.T_esc_th.min(), known.T_esc_th.max()])
    label(b, "T_esc_th", "delay")
    panels.identity_line(b)
    thousands(b, "x", 3)
    thousands(b, "y")
    b.set_ylim(
        top=b.get_ylim()[1] + 0.14 * np.ptp(b.get_ylim())
    )  # the fit's words stand above the points

    body = (
        rf"(a) Delay against $p$: dots are runs, open circles {MEDIANS}. (b) Delay against the theory's "
        r"$T_{\mathrm{esc}}=\log(V_{\mathrm{mem}}/V_{\mathrm{final}})/(2\eta\lambda)$, darker for larger $p$, with the "
        r"least-squares line (dashed) and $y=x$ (dotted)."
    )
    words = "Two panels: delay against modulus, and delay against theoretical escape time."
    return figure, caption("Modulus sweep and norm ratio", body, runs), words

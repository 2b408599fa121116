"""D(t) of avalanches while transformers learn modular addition, at equal step and counted back (2604.16431).

experiments: runs that grok, those without weight decay, those of less data. fits: a fit of law `avalanches` with the
groups addition, control and less and the pair apart.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from regrok.figures.parts.blank import nothing
from regrok.figures.parts.captions import caption
from regrok.figures.parts.shown import points_of, value_of
from regrok.figures.parts.style import BLACK, BLUE, DASHES, GREEN, GREY, VERMILION

DEFAULTS: dict[str, object] = {}
NEEDS: dict[str, object] = {"fits": ["avalanches"]}

GROUPS = {
    "addition": ("groks", BLUE, DASHES[0]),
    "control": (r"does not, $\lambda=0$", VERMILION, DASHES[1]),
    "less": ("does not, less data", GREEN, DASHES[3]),
}


def draw(shown, fits, options, style):
    """(a) D over steps; (b) over steps before each family's transition."""
    runs = pd.concat([shown.of(i) for i in range(3)]).drop_duplicates("run_id")
    points = points_of(fits, "avalanches")
    figure, (a, b) = style.panels(1, 2, 2.3)
    curves(a, points, "step")
    event = value_of(fits, "avalanches", "addition.T_grok")
    if np.isfinite(event):
        look = {"color": BLACK, "lw": 0.8, "ls": DASHES[2], "zorder": 1}
        a.axvline(event, label=r"$T_{\mathrm{grok}}$", **look)
    a.set(xlabel="step", ylabel="$D$")
    a.legend(loc="best")
    curves(b, points, "lag")
    parted = value_of(fits, "avalanches", "apart.half_gap")
    if np.isfinite(parted) and parted > 0:
        b.axvline(parted, color=BLACK, lw=0.8, ls=DASHES[2], zorder=1)
    b.invert_xaxis()
    b.set(xlabel=r"steps before $T_{\mathrm{grok}}$", ylabel="$D$")
    body = (
        r"(a) The exponent $D$ of avalanches in the number of parameters, at equal step: mean over families, with one "
        r"run of every width and one seed, and its interval. Blue: runs that grok; vertical line: the step at which "
        r"they do, the geometric mean over families of the median over widths. Vermilion: runs of the same seeds "
        r"without weight decay; green: with it, on less data, which they memorise. (b) The same, counted back from "
        r"each family's own transition, or from that of the family of its seed, as far as all are; vertical line: "
        r"half of the gap at the transition between the first two. Dotted: $D=1$."
    )
    words = (
        "Two panels: curves of the exponent D with bands, of families that grok and of two kinds that do not, over "
        "steps and over steps before the transition, with a dotted line at 1."
    )
    return figure, caption("Avalanches of gradients on modular addition", body, runs), words


def curves(ax, points: pd.DataFrame, kind: str) -> None:
    """The lines of both groups, with bands where an interval is known."""
    ax.axhline(1.0, color=GREY, lw=0.6, ls=DASHES[2], zorder=0)
    mine = points[points["kind"] == kind] if len(points) else points
    if mine.empty:
        nothing(ax, "no family was measured")
        return
    for group, (words, colour, dash) in GROUPS.items():
        line = mine[mine["group"] == group].sort_values("at")
        if line.empty:
            continue
        # Where all families are: the mean of some of them is another line.
        line = line[line["families"] == line["families"].max()]
        line = line.astype({"D": float, "low": float, "high": float})
        ax.plot(line["at"], line["D"], color=colour, ls=dash, label=words, zorder=3)
        ax.fill_between(line["at"], line["low"], line["high"], color=colour, alpha=0.15, lw=0)

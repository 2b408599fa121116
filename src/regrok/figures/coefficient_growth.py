"""The final learning coefficient over the modulus and over the width, and what of a known one the estimator sees.

experiments: none. computations: two by coefficient_growth, one over p and one over the width; one by
localised_coefficient.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from regrok import latex
from regrok.errors import RegrokError
from regrok.figures.parts.shown import computed
from regrok.figures.parts.style import BLACK, DASHES, MARKERS, from_zero, log_scale

DEFAULTS: dict[str, object] = {}
NEEDS: dict[str, object] = {"computations": ["coefficient_growth", "localised_coefficient"]}

WHOLE = "all"
AXES = {"p": "modulus $p$", "width": "width $K$"}


def draw(shown, fits, options, style):
    """(a), (b) final coefficients with the lines through their means; (c) share of half the rank over γ."""
    grown = {
        made["options"]["over"]: made
        for made in fits.values()
        if made.get("compute") == "coefficient_growth"
    }
    if set(grown) != set(AXES):
        raise RegrokError(
            "computations: one by coefficient_growth over p and one over width are needed; list both"
        )
    figure, axes = style.panels(1, 3, 1.9)
    for ax, (over, words) in zip(axes, AXES.items(), strict=False):
        line(ax, grown[over], style)
        ax.set(xlabel=words, ylabel=r"final $\hat\lambda$")
        from_zero(ax)
        ax.legend(loc="center right")
    known = computed(fits, "localised_coefficient")[1]
    points = pd.DataFrame(known["points"])
    points = points[points.arm == WHOLE]
    values = sorted(points.n_beta.unique())
    for i, (n_beta, colour) in enumerate(zip(values, style.ramp(len(values)), strict=True)):
        rows = points[points.n_beta == n_beta].sort_values("localisation")
        look = {"marker": MARKERS[i % len(MARKERS)], "ms": 2.4, "lw": 0.9, "color": colour}
        axes[2].plot(rows.localisation, rows.share, label=rf"{n_beta:g}", **look)
    log_scale(axes[2], "x")
    axes[2].set(xlabel=r"localisation $\gamma$", ylabel="of half the rank", ylim=(0, 1.6))
    axes[2].legend(loc="upper right", ncols=2, title=r"$n\beta$", title_fontsize=7)
    return figure, caption(grown, known["options"]), description()


def line(ax, made, style) -> None:
    """Every draw that generalised, and least squares through the means of the protocols."""
    points = pd.DataFrame(made["points"])
    points = points[points.validation >= made["options"]["level"]]
    points = points.assign(coefficient=points.coefficient.astype(float)).dropna(
        subset=["coefficient"]
    )
    arms = [WHOLE, *made["options"]["arms"]]
    for i, (arm, colour) in enumerate(zip(arms, style.ramp(len(arms)), strict=True)):
        rows = points[points.arm == arm]
        words = "default" if arm == WHOLE else str(arm).replace("_", " ")
        look = {"ls": "none", "marker": MARKERS[i % len(MARKERS)], "ms": 3.0, "alpha": 0.6}
        ax.plot(rows.value, rows.coefficient, color=colour, label=words, **look)
        means = rows.groupby("value").coefficient.mean()
        if len(means) > 1:
            slope, level = np.polyfit(means.index, means, 1)
            ends = np.array([means.index.min(), means.index.max()])
            ax.plot(ends, slope * ends + level, color=BLACK, lw=0.7, ls=DASHES[1])


def caption(grown, known) -> str:
    """What is drawn, with the constants."""
    one, other = (grown[over]["options"] for over in AXES)
    draws = latex.count(int(one["draws"]), "draw")
    return (
        r"\textbf{The final learning coefficient grows with modulus and width.} (a)~Over the modulus, "
        rf"$K={one['width']}$; (b)~over the width, $p={other['p']}$: {draws} each, those that generalised; dashed: "
        rf"least squares of their means. (c)~Of a network of ${4 * known['p']}$ neurons that adds modulo "
        rf"${known['p']}$ exactly, the share of half its Hessian's rank that the localised estimator sees, by exact "
        r"curvatures. Networks are trained within the computations, and no run enters this figure."
    )


def description() -> str:
    """The figure for who cannot see it."""
    return (
        "Three panels. Left and middle: sampled learning coefficients of trained networks over the modulus and over "
        "the width, with dashed lines through their means. Right: the share of half the rank of a known Hessian that "
        "the estimator sees, falling with the localisation, a line for each inverse temperature."
    )

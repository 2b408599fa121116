"""The learning coefficient while a network groks, with its accuracies, and what other protocols make of it.

experiments: none. computations: one by coefficient_history.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from regrok import latex
from regrok.figures.parts.shown import computed
from regrok.figures.parts.style import BLACK, BLUE, DASHES, MARKERS, VERMILION, log_scale

DEFAULTS: dict[str, object] = {}
NEEDS: dict[str, object] = {"computations": ["coefficient_history"]}

WHOLE = "all"
ACCURACIES = {"train": ("train", VERMILION, DASHES[1]), "validation": ("unseen", BLUE, DASHES[0])}
MARKS = {"T_mem": (VERMILION, "T_mem"), "T_grok": (BLUE, "T_grok")}


def draw(shown, fits, options, style):
    """(a) accuracies and (b) coefficients of all draws over the step; (c) coefficients over the end's, by protocol."""
    made = computed(fits, "coefficient_history")[1]
    told, points = made["options"], pd.DataFrame(made["points"])
    sampled = points[points.kind == "point"].copy()
    # A chain that diverged has no value, and neither has its point.
    sampled["coefficient"] = [
        np.nan if None in chains else float(np.mean(chains)) for chains in sampled.coefficients
    ]
    own = {
        kind: points[(points.arm == WHOLE) & (points.kind == kind)] for kind in ("curve", "times")
    }
    figure, axes = style.panels(1, 3, 1.9)
    for column, (words, colour, dash) in ACCURACIES.items():
        for i, (_, rows) in enumerate(own["curve"].groupby("draw")):
            label = words if i == 0 else None
            axes[0].plot(rows.step, rows[column], color=colour, ls=dash, lw=0.8, label=label)
    axes[0].set(ylabel="accuracy", ylim=(-0.03, 1.2))
    axes[0].legend(loc="upper left", ncols=2, columnspacing=0.8)
    mine = sampled[sampled.arm == WHOLE]
    draws = sorted(mine.draw.unique())
    for i, (one, colour) in enumerate(zip(draws, style.ramp(len(draws)), strict=True)):
        rows = mine[mine.draw == one]
        marker = MARKERS[i % len(MARKERS)]
        axes[1].plot(rows.step, rows.coefficient, color=colour, marker=marker, ms=2.2, lw=0.8)
    for column, (colour, _) in MARKS.items():
        for at in own["times"][column].dropna().astype(float):
            axes[1].axvline(at, color=colour, lw=0.5, ls=DASHES[2], zorder=0)
    axes[1].set_ylabel(r"coefficient $\hat\lambda$")
    relative(axes[2], sampled, style)
    positive = mine[mine.coefficient > 0]
    if not positive.empty:
        # A peak is a few per cent high; states that are no minima may be far below 0, and are left out.
        low, high = float(positive.coefficient.min()), float(positive.coefficient.max())
        axes[1].set_ylim(low - 0.1 * (high - low), high + 0.1 * (high - low))
    for ax in axes:
        log_scale(ax, "x")
        ax.set_xlabel("step")
    return figure, caption(told), description()


def relative(ax, sampled: pd.DataFrame, style) -> None:
    """Means over draws of the coefficient over that at the end, a line for each protocol."""
    arms = list(dict.fromkeys(sampled.arm))
    for i, (arm, colour) in enumerate(zip(arms, style.ramp(len(arms)), strict=True)):
        mean = sampled[sampled.arm == arm].groupby("step").coefficient.mean()
        if mean.notna().any() and mean.iloc[-1] > 0:
            words = "default" if arm == WHOLE else str(arm).replace("_", " ")
            look = {"marker": MARKERS[i % len(MARKERS)], "ms": 2.2, "lw": 0.9, "color": colour}
            ax.plot(mean.index, mean / mean.iloc[-1], label=words, **look)
    ax.axhline(1.0, color=BLACK, lw=0.6, ls=DASHES[2], zorder=0)
    ax.set(ylabel=r"$\hat\lambda$ / $\hat\lambda$ at the end", ylim=(0.0, 1.7))
    ax.legend(loc="lower right")


def caption(told) -> str:
    """What is drawn, with the constants."""
    draws = latex.count(int(told["draws"]), "draw")
    return (
        rf"\textbf{{The learning coefficient while a network groks.}} $p={told['p']}$, $K={told['width']}$, Adam with "
        rf"a learning rate of {latex.exact(told['learning_rate'])}, {draws}. (a)~Accuracies. (b)~Coefficient of each "
        rf"draw, by {told['chains']} chains of {latex.exact(told['kept'])} draws each with "
        rf"$n\beta={latex.exact(told['n_beta'])}$ and $\gamma={latex.exact(told['localisation'])}$; dotted: "
        r"$T_{\mathrm{mem}}$ (red) and $T_{\mathrm{grok}}$ (blue) of each draw. Values below zero, of states that are "
        r"no minima, are not shown. (c)~Means over draws by protocol, over the value at the end. Networks are trained "
        r"within the computation, and no run enters this figure."
    )


def description() -> str:
    """The figure for who cannot see it."""
    return (
        "Three panels over the step, on log axes. Left: accuracies on training and on unseen pairs. Middle: the "
        "sampled learning coefficient of each draw, with dotted lines where draws have memorised and where they "
        "generalise. Right: the coefficient over its value at the end, a line for each protocol."
    )

"""D(t) of avalanches while networks learn exclusive or, in line and in shadow, and the avalanches of noise behind it.

experiments: none. computations: one by xor_cascades, one by cascade_null.
"""

from __future__ import annotations

import pandas as pd

from regrok import latex
from regrok.figures.parts.shown import computed, framed
from regrok.figures.parts.style import BLACK, BLUE, DASHES, GREY, MARKERS, VERMILION, log_scale

DEFAULTS: dict[str, object] = {}
NEEDS: dict[str, object] = {"computations": ["xor_cascades", "cascade_null"]}

ARMS = {"all": ("in line", VERMILION, DASHES[1]), "shadow": ("in shadow", BLUE, DASHES[0])}
KINDS = {
    "barabasi_albert": "Barabási–Albert",
    "random": "random",
    "regular": "regular",
    "ring": "ring",
    "small_world": "small world",
}


NOISE = ("topology", "nodes", "size", "first")
CURVE = ("kind", "arm", "epoch", "value", "low", "high")
"""Columns of the points, which there may be none of."""


def draw(shown, fits, options, style):
    """(a) D over epochs, with its interval; (b) mean updates of noise over N, in all and in the first sweep."""
    told, points = (computed(fits, "xor_cascades")[1][key] for key in ("options", "points"))
    noise = framed(computed(fits, "cascade_null")[1]["points"], NOISE)
    frame = framed(points, CURVE)
    figure, axes = style.panels(1, 2, 1.95, width_ratios=[1.35, 1])
    curves = frame[frame.kind == "curve"]
    for arm, (words, colour, dash) in ARMS.items():
        line = curves[curves.arm == arm].astype({"value": float, "low": float, "high": float})
        axes[0].plot(line.epoch, line.value, color=colour, ls=dash, label=words)
        axes[0].fill_between(line.epoch, line.low, line.high, color=colour, alpha=0.15, lw=0)
    learned = frame[(frame.kind == "learned") & (frame.arm == "shadow")].epoch.dropna()
    level = axes[0].get_ylim()
    axes[0].plot(
        learned,
        [level[0]] * len(learned),
        ls="none",
        marker="|",
        ms=7,
        color=BLACK,
        label="learned",
        clip_on=False,
    )
    axes[0].axhline(1.0, color=GREY, lw=0.6, ls=DASHES[2], zorder=0)
    axes[0].set(xlabel="epoch", ylabel="$D$", ylim=level)
    axes[0].legend(loc="lower right")
    for (kind, words), marker, colour in zip(
        KINDS.items(), MARKERS, style.ramp(len(KINDS)), strict=False
    ):
        rows = noise[noise.topology == kind].sort_values("nodes")
        if len(rows):
            axes[1].plot(rows.nodes, rows["size"], color=colour, marker=marker, ms=2.8, label=words)
    rows = noise[noise.topology == next(iter(noise.topology), None)].sort_values("nodes")
    axes[1].plot(rows.nodes, rows["first"], color=GREY, ls=DASHES[2], label="first sweep")
    log_scale(axes[1], "xy")
    axes[1].set(xlabel="parameters $N$", ylabel="updates")
    axes[1].legend(loc="upper left")
    return figure, caption(told, noise), description()


def caption(told, noise: pd.DataFrame) -> str:
    """What is drawn, with the constants."""
    kind = rf"\texttt{{{latex.escape(str(told['activation']))}}}"
    return (
        r"\textbf{Avalanches of gradients.} (a)~The exponent $D$ of the largest avalanche over "
        rf"{latex.count(int(told['seeds']), 'network')} of a width in the number of parameters, over "
        rf"{latex.count(len(told['widths']), 'width')} of networks with {kind} that learn exclusive or, with its "
        rf"interval over {latex.count(int(told['groups']), 'repeat')}; in line, steps go along what the cascade has "
        r"left of the gradient, and in shadow they do not. Strokes: the mean epoch from which on all samples are "
        r"right, one a width. (b)~Mean number of updates of Gaussian noise over the number of nodes, on "
        rf"{latex.count(noise.topology.nunique(), 'kind')} of graph, and the updates of the first sweep alone. "
        r"Networks are trained within the computation, and no run enters this figure."
    )


def description() -> str:
    """The figure for who cannot see it."""
    return (
        "Left: two curves of the exponent D over epochs with bands, in line and in shadow, a dotted line at 1 and "
        "strokes where each width has learned. Right: on log axes the updates of noise over the number of nodes, one "
        "line a kind of graph, all of slope about 1, above a dotted line for the first sweep."
    )

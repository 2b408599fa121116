"""How far a network's tangent kernel has turned, beside its accuracies, from starts of several sizes.

experiments: none. computations: one by kernel_drift.
"""

from __future__ import annotations

from regrok import latex
from regrok.figures.parts.shown import computed, framed
from regrok.figures.parts.style import (
    BLACK,
    BLUE,
    DASHES,
    VERMILION,
    from_zero,
    log_scale,
    plain_ticks,
)

DEFAULTS: dict[str, object] = {}
NEEDS: dict[str, object] = {"computations": ["kernel_drift"]}

CURVES = {
    "train": ("train", VERMILION, DASHES[1]),
    "unseen": ("unseen", BLUE, DASHES[0]),
    "centred": ("drift", BLACK, DASHES[2]),
}
TIMES = {
    "T_mem": (r"$T_{\mathrm{mem}}$", VERMILION, "v"),
    "T_grok": (r"$T_{\mathrm{grok}}$", BLUE, "o"),
}

COLUMNS = ("kind", "step", "scale", "centred", *CURVES, *TIMES)
"""Of the points, which there may be none of."""


def draw(shown, fits, options, style):
    """(a) one draw at the default scale; (b) its drift from every scale; (c) times of all draws over the scale."""
    made = computed(fits, "kernel_drift")[1]
    told, points = made["options"], framed(made["points"], COLUMNS)
    curves = points[(points.kind == "curve") & (points.step > 0)]
    runs = points[points.kind == "run"]
    figure, axes = style.panels(1, 3, 1.85)
    own = curves[curves.scale == told["scale"]]
    for column, (words, colour, dash) in CURVES.items():
        axes[0].plot(own.step, own[column], color=colour, ls=dash, label=words)
    axes[0].set_ylabel("accuracy, drift")
    scales = sorted(told["scales"])
    for scale, colour in zip(scales, style.ramp(len(scales)), strict=True):
        line = curves[curves.scale == scale]
        axes[1].plot(line.step, line.centred, color=colour, label=f"{scale:g}")
    axes[1].set_ylabel("drift")
    look = {"title": "scale of the start", "title_fontsize": 7, "ncols": 2}
    axes[1].legend(loc="upper left", columnspacing=0.8, **look)
    axes[0].legend(loc="upper center", ncols=3, columnspacing=0.8)
    axes[0].set_ylim(-0.03, 1.25)
    for ax in axes[:2]:
        log_scale(ax, "x")
        ax.set_xlabel("step")
    from_zero(axes[1])
    axes[1].set_ylim(top=1.3 * axes[1].get_ylim()[1])  # room for the legend
    for column, (words, colour, marker) in TIMES.items():
        known = runs[runs[column].astype(float) > 0]
        look = {"ls": "none", "marker": marker, "ms": 3.0, "alpha": 0.6, "color": colour}
        axes[2].plot(known.scale, known[column].astype(float), label=words, **look)
    log_scale(axes[2], "xy")
    plain_ticks(axes[2], "x", scales)
    axes[2].set(xlabel="scale of the start", ylabel="step")
    axes[2].legend(loc="upper left")
    return figure, caption(told), description()


def caption(told) -> str:
    """What is drawn, with the constants."""
    draws = latex.count(int(told["draws"]), "draw")
    return (
        rf"\textbf{{The tangent kernel turns while a network learns to add.}} $p={told['p']}$, ${told['width']}p$ "
        rf"neurons, "
        r"normalised gradient descent. Drift: 1 minus the cosine between the empirical tangent kernel of the first "
        r"output "
        r"on all pairs and that at the start, both centred. (a)~Accuracy on training and on unseen pairs, and drift, "
        r"of "
        rf"one draw whose weights start with a standard deviation of {latex.exact(told['scale'])}. (b)~Drift of the "
        rf"same "
        rf"draw from starts of other sizes. (c)~First steps with {latex.exact(told['level'])} of the training pairs "
        rf"right, "
        rf"and with as many of the unseen ones, for good, of {draws}; a run that does not get there has no point. "
        rf"Networks "
        r"are trained within the computation, and no run enters this figure."
    )


def description() -> str:
    """The figure for who cannot see it."""
    return (
        "Three panels with steps on log axes. Left: accuracy on training pairs, accuracy on unseen pairs and the drift "
        "of the centred tangent kernel of one network. Middle: the drift from starts of several sizes. Right: times of "
        "memorising and of generalising over the size of the start."
    )

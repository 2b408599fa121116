"""What a penalty does to a network that has memorised: unseen pairs and the margin on training pairs over the steps.

experiments: none. computations: two by penalties; the one of the larger learning rate fills (a) and (b), the other (c).
"""

from __future__ import annotations

from regrok.errors import RegrokError
from regrok.figures.parts.shown import framed
from regrok.figures.parts.style import (
    BLACK,
    BLUE,
    DASHES,
    GREEN,
    VERMILION,
    log_scale,
    short_number,
)

DEFAULTS: dict[str, object] = {}
NEEDS: dict[str, object] = {"computations": ["penalties"]}

COMPUTE = "penalties"
PLAIN = "plain"
NORMS = {"none": "none", "linf": r"$\|\theta\|_\infty$", "l2": r"$\|\theta\|^2/2$"}
COLUMNS = ("kind", "arm", "step", "unseen", "margin_over_p")
"""Of the points, which there may be none of."""


def draw(shown, fits, options, style):
    """(a) accuracy on unseen pairs; (b) margin of a draw under each penalty; (c) that with a smaller step."""
    made = [each for each in fits.values() if each.get("compute") == COMPUTE]
    if len(made) != 2:
        raise RegrokError(
            f"computations: two by {COMPUTE} are needed, with two learning rates; there are {len(made)}"
        )
    large, small = sorted(made, key=lambda each: -each["options"]["learning_rate"])
    figure, axes = style.panels(1, 3, 1.85)
    lines(axes[0], large, "unseen")
    lines(axes[1], large, "margin_over_p")
    lines(axes[2], small, "margin_over_p")
    axes[0].set(ylabel="accuracy on unseen pairs", ylim=(-0.03, 1.03))
    for ax in axes[1:]:
        ax.axhline(0, color=BLACK, lw=0.6)
        ax.set_ylabel("margin over $p$")
    for ax, each in zip(axes, (large, large, small), strict=True):
        ax.set_title(rf"$\eta={each['options']['learning_rate']:g}$", loc="right")
        log_scale(ax, "x")
        ax.set_xlabel("step")
    axes[1].legend(loc="upper left", title="penalty", title_fontsize=7)
    axes[2].legend(loc="upper left", title="penalty", title_fontsize=7)
    return figure, caption(large["options"], small["options"]), description()


def lines(ax, made, column: str) -> None:
    """One line a penalty: the first draw's."""
    points = framed(made["points"], COLUMNS)
    curves = points[(points.kind == "curve") & (points.step > 0)]
    colours = (BLACK, BLUE, GREEN, VERMILION)
    for i, (arm, told) in enumerate(arms(made["options"]).items()):
        line = curves[curves.arm == arm].sort_values("step")
        look = {"color": colours[i % len(colours)], "ls": DASHES[i % len(DASHES)]}
        ax.plot(line.step, line[column].astype(float), label=named(told), **look)


def arms(options) -> dict[str, dict[str, object]]:
    """Arm → penalty and weight, that of the computation itself first."""
    own = {key: options[key] for key in ("penalty", "weight")}
    return {PLAIN: own, **{arm: {**own, **changes} for arm, changes in options["arms"].items()}}


def named(told) -> str:
    """The penalty and its weight, for a legend."""
    norm = NORMS[told["penalty"]]
    return norm if told["penalty"] == "none" else f"{short_number(told['weight'])} {norm}"


def caption(large, small) -> str:
    """What is drawn, with the constants."""
    first = rf"$p={large['p']}$ under each penalty with the published step, $\eta={large['learning_rate']:g}$"
    second = rf"a draw at $p={small['p']}$ with $\eta={small['learning_rate']:g}$"
    return (
        r"\textbf{A penalty whose step is longer than the largest weight holds training where it is.} "
        rf"Networks of ${large['width']}p$ neurons, normalised gradient descent. One draw at {first}: (a)~accuracy on "
        r"unseen pairs, (b)~margin on training pairs over the third power of the largest weight and over $p$. "
        rf"(c)~The margin of {second}. Networks are trained within the computation, and no run enters this figure."
    )


def description() -> str:
    """The figure for who cannot see it."""
    return (
        "Three panels with steps on log axes and one line for each penalty. Left: accuracy on unseen pairs. Middle: "
        "the margin on training pairs, which stands still under a penalty. Right: the margin with a tenth of the "
        "step, which rises under the penalty."
    )

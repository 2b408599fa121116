"""Two circuits that compete: losses and strengths over time, of the whole model and without each of its ingredients.

experiments: none. computations: one by circuits. options: arms, name → heading of those that get a column; all of them,
by their names, where it is empty.
"""

from __future__ import annotations

import math

import pandas as pd

from regrok import latex
from regrok.errors import RegrokError
from regrok.figures.parts.shown import computed
from regrok.figures.parts.style import BLACK, BLUE, DASHES, VERMILION, from_zero

DEFAULTS: dict[str, object] = {"arms": {}}
NEEDS: dict[str, object] = {"computations": ["circuits"]}

WHOLE = "all"
LOSSES = {
    "train_loss": ("train", VERMILION, DASHES[1]),
    "test_loss": ("test", BLUE, DASHES[0]),
}
STRENGTHS = {
    "w_m": ("$w_m$", VERMILION, DASHES[1]),
    "w_g": ("$w_g$", BLUE, DASHES[0]),
}


def draw(shown, fits, options, style):
    """Above losses, below strengths, against time; the whole model first, then a narrower column an arm."""
    name, made = computed(fits, "circuits")
    points, told = pd.DataFrame(made["points"]), made["options"]
    if absent := [arm for arm in options["arms"] if arm not in told["arms"]]:
        known = ", ".join(told["arms"])
        raise RegrokError(f"options.arms: {name} has no arm '{absent[0]}'; it has {known}")
    headings = options["arms"] or {arm: arm.replace("_", " ") for arm in told["arms"]}
    columns = {WHOLE: "whole model", **headings}
    figure, axes = style.panels(
        2,
        len(columns),
        1.55,
        sharex=True,
        sharey="row",
        width_ratios=[1.5, *(1 for _ in headings)],
    )
    for i, (arm, heading) in enumerate(columns.items()):
        one = points[points.arm == arm]
        above, below = axes[i], axes[len(columns) + i]
        above.set_title(f"{above.get_title(loc='left')} {heading}", fontsize=7)
        lines(above, one, LOSSES)
        chance = math.log({**told, **told["arms"].get(arm, {})}["q"])
        above.axhline(chance, color=BLACK, lw=0.6, ls=DASHES[2], zorder=0)
        lines(below, one, STRENGTHS)
        mark(above, {key: at(made, name, arm, key) for key in ("T_mem", "T_grok")})
    for ax, words in ((axes[0], "loss (nat)"), (axes[len(columns)], "strength")):
        ax.set_ylabel(words)
        ax.legend(loc="upper left" if ax is not axes[0] else "center left")
        from_zero(ax)
    for ax in axes[len(columns) :]:
        ax.set_xscale("log")
    figure.supxlabel("time (steps × step size)", fontsize=8)
    return figure, caption(made, name, told, headings), description(headings)


def lines(ax, one: pd.DataFrame, looks) -> None:
    """One line a column of the points; the point at time 0 has no place on a log axis."""
    one = one[one.time > 0]
    for column, (words, colour, dash) in looks.items():
        ax.plot(one.time, one[column], color=colour, ls=dash, label=words)


def at(made, name: str, arm: str, key: str) -> float:
    """An estimate's value for an arm or the whole; NaN where there is none."""
    value = made["estimates"][f"{name}.{key}" if arm == WHOLE else f"{name}.{arm}.{key}"]["value"]
    return math.nan if value is None else value


def mark(ax, times: dict[str, float]) -> None:
    """Triangles on the time axis where train and test data become right."""
    for (_, colour, _), time in zip(LOSSES.values(), times.values(), strict=True):
        if math.isfinite(time):
            ax.plot(time, 0, marker="^", color=colour, clip_on=False, zorder=3)


def caption(made, name: str, told, headings) -> str:
    """What is drawn, with the constants and the numbers that it shows."""
    ratio = made["estimates"][f"{name}.ratio"]
    constants = (
        rf"$P_g={latex.exact(told['P_g'])}$, $P_m={latex.exact(told['P_m'])}$, "
        rf"$\kappa={latex.exact(told['kappa'])}$, $\alpha={latex.exact(told['alpha'])}$, $q={told['q']}$"
    )
    ends = (
        f"At the end the generalising circuit is {latex.estimate(ratio, bounds=False)} times as strong as the other. "
        if ratio["value"] is not None
        else ""
    )
    arms = "; ".join(latex.escape(words) for words in headings.values())
    return (
        r"\textbf{Two circuits that compete.} Loss (above) and strength of the memorising and the generalising "
        rf"circuit, $w_m$ and $w_g$ (below), against time in a gradient flow with {constants}, for the whole model "
        rf"and for variants ({arms}). "
        rf"Triangles, coloured as the lines: the right output becomes more probable than {latex.exact(told['level'])} "
        rf"on training and on test data; dotted: chance, $\log q$. {ends}"
        r"Each line is one solution of a differential equation; no run enters this figure."
    )


def description(headings) -> str:
    """The figure for who cannot see it."""
    variants = ", ".join(headings.values())
    return (
        "Columns of two panels, losses above and strengths of a memorising and a generalising circuit below, against "
        f"time on a log axis: the whole model{', ' if variants else ''}{latex.escape(variants)}."
    )

"""Ridge regression: losses over time, and both times against λ and against ν² with their proven bounds.

experiments: none. computations: one by ridge_regression.
"""

from __future__ import annotations

import pandas as pd

from regrok import latex
from regrok.figures.parts.shown import computed
from regrok.figures.parts.style import BLACK, BLUE, DASHES, VERMILION, log_scale

DEFAULTS: dict[str, object] = {}
NEEDS: dict[str, object] = {"computations": ["ridge_regression"]}

WHOLE = "all"
LOSSES = {
    "train_loss": ("train", VERMILION, DASHES[1]),
    "population_loss": ("population", BLUE, DASHES[0]),
}
TIMES = {"t1": ("$t_1$", VERMILION, "v"), "t2": ("$t_2$", BLUE, "o")}
LEVERS = {"weight_decay": r"weight decay $\lambda$", "variance": r"variance of the start $\nu^2$"}


def draw(shown, fits, options, style):
    """Losses of the first draw; then each draw's two times over either lever, with the bounds as lines."""
    name, made = computed(fits, "ridge_regression")
    told = made["options"]
    points = pd.DataFrame(made["points"])
    points = points[points.arm == WHOLE]
    figure, axes = style.panels(1, 3, 1.85, width_ratios=[1.15, 1, 1])
    losses(axes[0], points[points.kind == "curve"], told["level"])
    times = points[points.kind == "time"]
    for ax, lever in zip(axes[1:], LEVERS, strict=True):
        over(ax, times, lever, told)
    axes[1].set_ylabel("step")
    axes[1].legend(loc="upper right")
    axes[2].sharey(axes[1])
    return figure, caption(told, times, name), description(told)


def losses(ax, curve: pd.DataFrame, level: float) -> None:
    """Both losses of one draw, and the level at which they count."""
    curve = curve[curve.step > 0]
    for column, (words, colour, dash) in LOSSES.items():
        ax.plot(curve.step, curve[column], color=colour, ls=dash, label=words)
    ax.axhline(level, color=BLACK, lw=0.6, ls=DASHES[2], zorder=0)
    log_scale(ax, "x")
    log_scale(ax, "y")
    ax.set_ylim(bottom=max(level / 100, float(curve[[*LOSSES]].min().min()) / 2))
    ax.set(xlabel="step", ylabel="loss")
    ax.legend(loc="lower left")


def over(ax, times: pd.DataFrame, lever: str, told) -> None:
    """Both times of every draw over one lever, the other at its default; lines are the bounds' means over draws."""
    other = "variance" if lever == "weight_decay" else "weight_decay"
    asked = [told[lever], *told[f"{lever}s"]]
    rows = times[(times[other] == told[other]) & times[lever].isin(asked)]
    for column, (words, colour, marker) in TIMES.items():
        known = rows[rows[column] > 0]
        ax.plot(
            known[lever],
            known[column],
            ls="none",
            marker=marker,
            ms=2.5,
            color=colour,
            alpha=0.5,
            label=words,
        )
        bound = rows.groupby(lever)[f"{column}_bound"].mean()
        bound = bound[bound > 0]
        ax.plot(bound.index, bound, color=colour, lw=0.8, ls=DASHES[2])
    log_scale(ax, "x")
    log_scale(ax, "y")
    ax.set_xlabel(LEVERS[lever])


def caption(told, times: pd.DataFrame, name: str) -> str:
    """What is drawn, with the constants."""
    kind = "Gaussian features" if told["features"] == "gaussian" else "random ReLU features"
    draws = times.draw.nunique()
    return (
        rf"\textbf{{Ridge regression, where both times are proven.}} (a)~Training and population loss of one draw with "
        rf"{kind}, $n={told['n']}$ examples and $m={told['m']}$ features, $\eta={latex.exact(told['learning_rate'])}$, "
        rf"$\lambda={latex.exact(told['weight_decay'])}$; dotted: $\varepsilon={latex.exact(told['level'])}$. "
        rf"(b),~(c)~The last step $t_1$ with a training loss of $\varepsilon$ or more and the first step $t_2$ with a "
        rf"population loss of $\varepsilon$ or less, of {latex.count(draws, 'draw')}, exactly, over $\lambda$ and over "
        r"the variance of the start. Dotted in the same colours: the printed upper bound of $t_1$ and lower bound of "
        r"$t_2$, where it is positive. Both are computed, and no run enters this figure."
    )


def description(told) -> str:
    """The figure for who cannot see it."""
    return (
        "Three panels on log axes. Left: the training loss falls below its level long before the population loss. "
        "Middle and right: two groups of points, times of memorising and generalising, over weight decay and over the "
        "variance of the start, with dotted bounds."
    )

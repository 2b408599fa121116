"""A specification curve: how D changes with learning under every choice, in order, and which choices each one is.

experiments: none. computations: one by xor_choices.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from regrok import latex
from regrok.figures.parts.shown import computed
from regrok.figures.parts.style import BLUE, DASHES, GREY, VERMILION

DEFAULTS: dict[str, object] = {}
NEEDS: dict[str, object] = {"computations": ["xor_choices"]}

FACTORS = {
    "activation": "activation",
    "start": "start",
    "order": "order",
    "statistic": "statistic",
    "pooling": "pooling",
    "cut": "parted by",
    "steps": "steps",
    "placed": "placed",
    "quantile": "quantile",
    "alpha": r"$\alpha$",
    "attach": "$m$",
    "sweeps": "sweeps",
    "topology": "graph",
    "threshold": r"$\tau$ of",
}
WORDS = {
    "fixed": "printed epoch",
    "median": "median learning",
    "own": "own learning",
    "in_line": "in line",
    "in_shadow": "in shadow",
    "in_order": "in order",
    "barabasi_albert": "B.–Albert",
    "small_world": "small world",
    "per_epoch": "per epoch",
    "epoch": "each epoch",
    "start": "the first",
}


def draw(shown, fits, options, style):
    """Differences in ascending order above; below, a row for each value of a choice, with a stroke where it is made."""
    made = computed(fits, "xor_choices")[1]
    rows = pd.DataFrame(made["points"])
    rows = rows.astype({"rise": float}).dropna(subset=["rise"]).sort_values("rise", kind="stable")
    levels = [
        (factor, value)
        for factor in FACTORS
        if factor in rows and rows[factor].nunique() > 1
        for value in sorted(rows[factor].unique(), key=str)
    ]
    height = max(2.5, 0.08 * len(levels))
    figure, axes = style.panels(2, 1, height, sharex=True, height_ratios=[1, 2.9])
    at = np.arange(len(rows))
    told = made["options"]
    printed = told["printed_after"] - told["printed_before"]
    colours = np.where(rows.rise > 0, BLUE, VERMILION)
    axes[0].scatter(at, rows.rise, s=1.5, c=colours, linewidths=0)
    axes[0].axhline(0.0, color=GREY, lw=0.6)
    axes[0].axhline(printed, color=GREY, lw=0.8, ls=DASHES[1], label="printed")
    axes[0].set_ylabel("$D$ after less before")
    axes[0].legend(loc="upper left")
    names = []
    for place, (factor, value) in enumerate(levels):
        where = at[(rows[factor] == value).to_numpy()]
        axes[1].scatter(
            where, np.full(len(where), -place), s=9, marker="|", c=colours[where], linewidths=0.4
        )
        names.append(f"{FACTORS[factor]}: {word(value)}")
    axes[1].set_yticks([-place for place in range(len(levels))], names, fontsize=7)
    axes[1].set(xlabel="choices, in the order of the difference")
    axes[1].tick_params(axis="y", length=0)
    axes[1].margins(y=0.03)
    return figure, caption(made, rows, printed), description()


def word(value) -> str:
    """A choice as it stands beside its row."""
    return WORDS.get(value, str(value)) if isinstance(value, str) else f"{value:g}"


def caption(made, rows: pd.DataFrame, printed: float) -> str:
    """What is drawn, with the constants."""
    told = made["options"]
    return (
        r"\textbf{One quantity under every choice.} Above: $D$ after the transition less $D$ before, of one sample of "
        rf"{latex.count(int(told['seeds']), 'network')} of each of {latex.count(len(told['widths']), 'width')}, under "
        rf"{latex.exact(len(rows))} choices in ascending order; dashed: the printed difference, "
        rf"{latex.exact(printed)}. Below: which choices each of them makes, blue where $D$ rises and red where it "
        r"falls. Activation, start, order, statistic, pooling and what parts before from after are left open and are "
        r"varied all together, with the quantile and $\alpha$, which are called robust, in a parallel order; the rest "
        r"one at a time. Networks are trained within the computation, and no run enters this figure."
    )


def description() -> str:
    """The figure for who cannot see it."""
    return (
        "Above, an ascending curve of differences of D, one point a choice, with a line at zero and a dashed one at "
        "the printed difference. Below, rows of strokes, one row for each value of each choice."
    )

"""A panel without anything to draw says so: what is missing is read in the figure, not guessed from an empty frame."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from regrok.figures.parts.style import GREY

NOTHING = "nothing"
"""Mark (`gid`) of the words that stand for what is missing."""

UNSAID = "nothing to show"
"""What a panel says that has nothing and no name on its axes."""

LOOK: dict[str, Any] = {
    "ha": "center",
    "va": "center",
    "color": GREY,
    "fontsize": 7,
    "zorder": 9,
    "bbox": {"facecolor": "white", "edgecolor": "none", "pad": 2},
}


def nothing(ax: Axes, words: str) -> None:
    """Write in the middle of an empty panel what is missing. Its scales would be made up, so they go."""
    ax.set_xticks([])
    ax.set_yticks([])
    ax.minorticks_off()
    ax.text(0.5, 0.5, words, transform=ax.transAxes, gid=NOTHING, **LOOK)


def drawn(ax: Axes) -> bool:
    """Whether something has a place on both axes; lines across the panel, as at y = 1, have one on a single axis."""
    return bool(np.isfinite(ax.dataLim.get_points()).all())


def said(ax: Axes) -> bool:
    """Whether words in the panel say what is missing."""
    return any(text.get_gid() == NOTHING for text in ax.texts)


def say_where_blank(figure: Figure) -> None:
    """Every panel that has nothing says so: what it would have had, unless it gives a reason of its own."""
    for ax in figure.axes:
        if drawn(ax):
            continue
        if not said(ax):
            what = ax.get_ylabel() or ax.get_xlabel()
            nothing(ax, f"no value of\n{what}" if what else UNSAID)
        if names := ax.get_legend():
            names.remove()


def legend(ax: Axes, **options) -> None:
    """The panel's legend, where something in it has a name."""
    if ax.get_legend_handles_labels()[0]:
        ax.legend(**options)

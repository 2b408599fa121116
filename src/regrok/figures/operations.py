"""Steps to generalise by operation and share of the data: content of Figure 2, right, of arXiv 2201.02177.

experiments: those whose runs are counted. fits: fits of law `operations` whose groups are operations. options: none.
"""

from __future__ import annotations

from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.patches import Rectangle

from regrok.figures.parts.blank import nothing
from regrok.figures.parts.captions import caption
from regrok.figures.parts.shown import cells_of
from regrok.figures.parts.style import LIGHT, short_number
from regrok.tables.parts.operations import rows, shares, short

DEFAULTS: dict[str, object] = {}
NEEDS: dict[str, Any] = {"fits": ["operations"]}

DARK = 0.55
"""Share of the colours' range beyond which words are white."""


def draw(shown, fits, options, style):
    """One map: a row per operation, a column per share; a cell has its median's colour, the median and its counts."""
    cells = cells_of(fits, "operations")
    grid = rows(cells)
    columns = shares(grid)
    figure, (ax,) = style.panels(1, 1, 0.55 + 0.25 * max(len(grid), 4))
    runs = shown.together()
    body = (
        r"Each cell is an operation at a share of its equations: the median of the first step at 99\,\% of the "
        r"validation set, in colour and in figures, over how many of its runs got there within their budget; the "
        r"counts are the whole sample. Hatched: the median lies beyond the budget. Runs that did not get there count "
        r"in the medians as later than it. From the top: symmetric operations, those that are not, permutations."
    )
    words = "A map of operations by share of the data, each cell with its median time to generalise and its counts."
    named = caption("Operations", body, runs)
    if not grid:
        ax.set_ylabel("operation")
        nothing(ax, "no operation here")
        return figure, named, words
    medians = [cell["T_grok"]["value"] for cell in cells if cell["T_grok"]["value"]]
    low, high = (min(medians), max(medians)) if medians else (1.0, 10.0)
    colours = mpl.colormaps["viridis_r"]
    for y, own in enumerate(grid.values()):
        for x, percent in enumerate(columns):
            if percent in own:
                _cell(ax, x, y, own[percent], (low, max(high, low * 1.01)), colours)
    ax.set_xlim(-0.5, len(columns) - 0.5)
    ax.set_ylim(len(grid) - 0.5, -0.5)
    ax.set_xticks(np.arange(len(columns)), [f"{percent} %" for percent in columns])
    ax.set_yticks(np.arange(len(grid)), [short(name) for name in grid])
    ax.tick_params(length=0)
    ax.set_xlabel("share of the equations in the training set")
    for spine in ax.spines.values():
        spine.set_visible(False)
    if medians:
        scale = mpl.cm.ScalarMappable(mpl.colors.LogNorm(low, max(high, low * 1.01)), colours)
        bar = figure.colorbar(scale, ax=ax, pad=0.015, aspect=30)
        bar.set_label("median $T_{\\mathrm{grok}}$ (steps)")
        bar.outline.set_visible(False)
    return figure, named, words


def _cell(ax, x: int, y: int, cell, ends: tuple[float, float], colours) -> None:
    """One patch with its words."""
    value = cell["T_grok"]["value"]
    look: dict[str, Any] = {"facecolor": "white", "edgecolor": LIGHT, "hatch": "////", "lw": 0.5}
    steps, ink = f"> {short_number(cell['max_steps'])}", "black"
    if value is not None:
        place = float(np.log(value / ends[0]) / np.log(ends[1] / ends[0])) if value > 0 else 0.0
        look = {"facecolor": colours(place), "edgecolor": "white", "lw": 0.8}
        steps, ink = f"{value:,.0f}".replace(",", "\u2009"), "white" if place > DARK else "black"
    ax.add_patch(Rectangle((x - 0.5, y - 0.5), 1, 1, **look))
    # A patch has no part in the data limits, by which a panel without anything is known.
    ax.plot(x, y, ls="")
    box = {"facecolor": "white", "lw": 0, "pad": 0.8, "alpha": 0.85} if value is None else None
    counts = f"{cell['grokked']}/{cell['runs']}"
    ax.text(x, y, f"{steps}\n{counts}", ha="center", va="center", fontsize=7, color=ink, bbox=box)

"""How far the commutator defect grows in double and in single precision, beside the printed ranges (2602.16746).

experiments: runs as in the authors' code that grok, and the control. fits: a fit of law `onset` with the groups default
and control.
"""

from __future__ import annotations

from typing import Any

import pandas as pd

from regrok.figures.defect_onset import along, called, shown_run
from regrok.figures.parts.blank import nothing
from regrok.figures.parts.captions import caption
from regrok.figures.parts.shown import cells_of, points_of
from regrok.figures.parts.style import BLUE, GREY, VERMILION, decades, log_scale

DEFAULTS: dict[str, Any] = {"generalising": [], "control": []}
REFERS: dict[str, Any] = {"generalising": "numbers", "control": "numbers"}
NEEDS: dict[str, Any] = {"fits": ["onset"]}

KINDS = {"default": ("generalising", "groks"), "control": ("control", "does not")}
"""Group of the fit → option with the printed range, and what the axis calls its runs."""

PRECISIONS = (
    ("growth", "double precision", BLUE, "o", -0.12),
    ("growth_single", "single precision", VERMILION, "s", 0.12),
)
"""Column of the fit's cells, what it is called, with its look and place."""


def draw(shown, fits, options, style):
    """(a) The defect of a run that groks and of one that does not; (b) growths of all, in both precisions."""
    points = points_of(fits, "onset")
    cells = pd.DataFrame(cells_of(fits, "onset"))
    word = called(shown_run(points, "default"))
    figure, (a, b) = style.panels(1, 2, 2.0, width_ratios=[1.5, 1])
    along(a, points, cells)
    grown(b, cells, options)
    body = (
        rf"(a) The defect of the first seed of {word} as in the authors' code (blue) and of the control (grey), "
        r"medians over pairs of batches; thin and dashed where parameters and gradients are in single precision. "
        rf"Vertical lines: the step at which the run of {word} memorised, the onset by the printed rule in double "
        r"precision, the step at which it grokked. (b) How far the defect of each run grows beyond its baseline, in "
        r"both precisions, for operations that grok and for those that do not. Shaded: the printed ranges. The whole "
        r"sample."
    )
    words = (
        "Two panels: the commutator defect over the steps of a run that groks and of one that does not, in double and "
        "in single precision, on a logarithmic axis; and how far it grows in each run, in both precisions, beside the "
        "printed ranges."
    )
    return figure, caption("Printed growths of the defect", body, shown.together()), words


def grown(ax, cells: pd.DataFrame, options) -> None:
    """A dot for each run's growth in each precision, by kind of run, over the printed ranges."""
    known = cells[cells["group"].isin(list(KINDS))] if len(cells) else cells
    if known.empty or known["growth"].isna().all():
        nothing(ax, "no run was measured")
        return
    for place, (group, (printed, _)) in enumerate(KINDS.items()):
        if options[printed]:
            ends = [place - 0.4, place + 0.4]
            ax.fill_between(ends, *options[printed], color=GREY, alpha=0.25, lw=0, zorder=1)
        mine = known[known["group"] == group].sort_values(["operation", "seed"])
        # Runs beside each other, so that equal growths do not hide one another.
        apart = (pd.Series(range(len(mine)), dtype=float) / max(len(mine) - 1, 1) - 0.5) * 0.18
        for column, name, colour, marker, aside in PRECISIONS:
            look = {"s": 13, "color": colour, "marker": marker, "alpha": 0.7, "linewidths": 0}
            label = name if place == 0 else None
            y = mine[column].astype(float)
            ax.scatter(place + aside + apart.to_numpy(), y, label=label, zorder=3, **look)
    ax.set_xticks(range(len(KINDS)), [name for _, name in KINDS.values()])
    ax.set_xlim(-0.6, len(KINDS) - 0.4)
    log_scale(ax, "y")
    decades(ax, "y")
    ax.set_ylabel("growth of the defect")
    ax.legend(loc="upper right")

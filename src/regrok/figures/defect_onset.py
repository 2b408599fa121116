"""The commutator defect along a run with its events, and the lead over the time to grokking (2602.16746, 2602.16967).

experiments: runs that grok, others with other learning rates, the control. fits: a fit of law `onset` with the groups
default, sweep and control.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from regrok.figures.parts.blank import nothing
from regrok.figures.parts.captions import caption
from regrok.figures.parts.shown import cells_of, points_of, value_of
from regrok.figures.parts.style import (
    BLACK,
    BLUE,
    DASHES,
    GREY,
    MARKERS,
    ORANGE,
    VERMILION,
    decades,
    log_scale,
    short_number,
    thousands,
)

DEFAULTS: dict[str, object] = {}
NEEDS: dict[str, object] = {"fits": ["onset"]}

EVENTS = {
    "T_mem": (r"$T_{\mathrm{mem}}$", GREY, DASHES[2]),
    "onset": ("onset", VERMILION, DASHES[1]),
    "T_grok": (r"$T_{\mathrm{grok}}$", BLACK, DASHES[0]),
}
COLOURS = (BLUE, ORANGE, VERMILION)
WORDS = {
    "add": "addition",
    "subtract": "subtraction",
    "multiply": "multiplication",
    "a2_b2": "sum of squares",
}
"""Operation → what legend and caption call it."""


def draw(shown, fits, options, style):
    """(a) The defect of one run of each kind over its steps; (b) the lead of every run against its T_grok."""
    runs = pd.concat([shown.of(i) for i in range(3)]).drop_duplicates("run_id")
    points = points_of(fits, "onset")
    cells = pd.DataFrame(cells_of(fits, "onset"))
    word = called(shown_run(points, "default"))
    figure, (a, b) = style.panels(1, 2, 2.0, width_ratios=[1.5, 1])
    along(a, points, cells)
    leads(b, cells, fits)
    body = (
        rf"(a) The defect of the first seed of {word} at the printed learning rate (blue) and of the control (grey), "
        r"medians over pairs of batches; thin and dashed where parameters and gradients are in single precision. "
        rf"Vertical lines: the step at which the run of {word} memorised, the onset by the printed rule, the step at "
        r"which it grokked. (b) The lead, from onset to grokking, against the time to grokking, of the whole sample of "
        r"runs that grok after their onset. Solid: the lead is all of the time; dotted: the lead from one constant "
        r"onset, nearest to these."
    )
    words = (
        "Two panels: the commutator defect over the steps of a run that groks and of one that does not, on a "
        "logarithmic axis; and the lead over the time to grokking on two logarithmic axes, with the line of a constant "
        "onset."
    )
    return figure, caption("The commutator defect as an early warning", body, runs), words


def along(ax, points: pd.DataFrame, cells: pd.DataFrame) -> None:
    """Both precisions' defects over steps, with the events of the run that groks."""
    if points.empty:
        nothing(ax, "no run was measured")
        return
    for group, colour in (("control", GREY), ("default", BLUE)):
        mine = shown_run(points, group)
        if mine.empty:
            continue
        label = "control" if group == "control" else called(mine)
        ax.plot(mine["step"], mine["defect"], color=colour, label=label, zorder=3)
        look = {"color": colour, "lw": 0.7, "ls": DASHES[1], "alpha": 0.7}
        ax.plot(mine["step"], mine["defect_single"], zorder=2, **look)
        if group == "default":
            run = cells[(cells["group"] == group) & (cells["run_id"] == mine["run_id"].iloc[0])]
            for name, (words, shade, dash) in EVENTS.items():
                step = pd.to_numeric(run[name], errors="coerce").iloc[0]
                if np.isfinite(step):
                    ax.axvline(step, color=shade, lw=0.8, ls=dash, zorder=1, label=words)
    log_scale(ax, "y")
    decades(ax, "y")
    thousands(ax, "x")
    ax.set(xlabel="step", ylabel="commutator defect")
    # Above the axes: curves and verticals leave no corner free.
    ax.legend(
        loc="lower right",
        bbox_to_anchor=(1.0, 1.0),
        ncols=5,
        columnspacing=0.7,
        handlelength=1.3,
        borderaxespad=0,
    )


def shown_run(points: pd.DataFrame, group: str) -> pd.DataFrame:
    """The points of the run that stands for a group: of addition, where it has some, else of the first operation."""
    if points.empty:
        return points
    mine = points[points["group"] == group]
    added = mine[mine["operation"] == "add"]
    mine = mine if added.empty else added
    return mine[mine["run_id"] == mine["run_id"].iloc[0]] if len(mine) else mine


def called(run: pd.DataFrame) -> str:
    """The word for the operation of one run's points; addition where there are none."""
    operation = "add" if run.empty else str(run["operation"].iloc[0])
    return WORDS.get(operation, operation)


def leads(ax, cells: pd.DataFrame, fits) -> None:
    """Leads over times to grokking, by learning rate, with the identity and the constant onset."""
    rows = cells[cells["group"] == "sweep"] if len(cells) else cells
    known = rows.dropna(subset=["lead", "T_grok"]) if len(rows) else rows
    known = known[known["lead"] > 0] if len(known) else known
    if known.empty:
        nothing(ax, "no run groks after an onset")
        return
    for i, (rate, some) in enumerate(known.groupby("learning_rate", sort=True)):
        ax.plot(
            some["T_grok"],
            some["lead"],
            ls="none",
            marker=MARKERS[i % len(MARKERS)],
            color=COLOURS[i % len(COLOURS)],
            alpha=0.7,
            label=rf"$\eta=${short_number(rate)}",
        )
    ends = known["T_grok"].astype(float).agg(["min", "max"]).to_numpy()
    t = np.geomspace(ends[0] / 1.15, ends[1] * 1.15, 200)
    ax.plot(t, t, color=GREY, lw=0.8, zorder=1)
    constant = value_of(fits, "onset", "sweep.null_onset")
    if np.isfinite(constant):
        later = t[t > constant * 1.02]
        ax.plot(later, later - constant, color=GREY, lw=0.9, ls=DASHES[2], zorder=1)
    log_scale(ax, "x")
    log_scale(ax, "y")
    ax.set_ylim(float(known["lead"].min()) / 2, float(t[-1]) * 1.3)
    decades(ax, "xy")
    ax.set(xlabel=r"$T_{\mathrm{grok}}$ (steps)", ylabel="lead (steps)")
    ax.legend(loc="upper left")

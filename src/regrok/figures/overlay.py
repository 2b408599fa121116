"""Our runs over the means of the runs that the authors of a paper released, sweep by sweep.

experiments: the sweeps, a panel for each that has runs. fits: the replication fit, whose cells hold the released means.
options: panels, one [experiment, column of the sweep, time, title] each.
"""

from __future__ import annotations

from typing import Any

import pandas as pd

from regrok import latex
from regrok.figures.parts import panels
from regrok.figures.parts.captions import caption
from regrok.figures.parts.style import (
    BLACK,
    BLUE,
    GREY,
    decades,
    from_zero,
    label,
    log_scale,
    plain_ticks,
    thousands,
)
from regrok.laws.parts.selection import duration

DEFAULTS: dict[str, Any] = {"panels": []}
SWEPT = ("weight_decay", "learning_rate")
"""Columns that are swept over decades; others are on linear axes from zero."""


def released(fits, experiment: str, time: str) -> pd.DataFrame:
    """The tests of one time over an experiment's cells, with the released mean and standard deviation of each."""
    tests = [
        test
        for fit in fits.values()
        if fit["law"] == "replication"
        for test in fit["cells"]
        if test["experiment"] == experiment and test["quantity"] == time
    ]
    return pd.DataFrame(tests)


def draw(shown, fits, options, style):
    """A panel a sweep: runs as dots, those that ended without the event as triangles, released means as crosses."""
    # What `only` or the scale leaves out has no panel; the first sweep is there, or the figure is not drawn.
    asked = [panel for panel in options["panels"] if not shown.of(panel[0]).empty]
    figure, axes = style.panels(1, max(len(asked), 1), 2.0)
    drawn, unfinished, compared = [], 0, 0
    for ax, (experiment, column, time, title) in zip(axes, asked, strict=True):
        ax.set_title(f"{ax.get_title(loc='left')} {title}", fontsize=8)
        runs = shown.of(experiment)
        runs = runs[runs[column] > 0] if column in SWEPT else runs
        label(ax, column, time)
        if runs.empty:
            continue
        drawn.append(runs)
        steps, seen = duration(runs, time)
        x = runs.loc[steps.index, column]
        panels.run_points(ax, x[seen], steps[seen])
        panels.unfinished_points(ax, x[~seen], steps[~seen])
        means = steps.groupby(x).mean()[seen.groupby(x).all()]
        ax.plot(means.index, means, color=BLUE, lw=0.9, zorder=2)
        unfinished += int((~seen).sum())
        theirs = released(fits, experiment, time)
        if len(theirs):
            ax.errorbar(
                theirs[column],
                theirs.released_mean,
                yerr=theirs.released_sd,
                fmt="x",
                ms=4.5,
                color=BLACK,
                elinewidth=0.8,
                capsize=2,
                zorder=4,
            )
            compared += len(theirs)
        ax.margins(x=0.12)
        if column in SWEPT:
            log_scale(ax, "xy")
            decades(ax, "xy")
            inverse(ax, theirs, column)
        else:
            from_zero(ax)
            thousands(ax, "y")
            plain_ticks(ax, "x", runs[column].unique(), 5)
    every = pd.concat(drawn) if drawn else shown.together()
    body = (
        r"Dots are our runs, the whole sample, drawn a little to the left; a blue line joins the means of our cells in "
        r"which every run got there. The thin grey line has the slope of an inverse law."
    )
    if compared:
        body += (
            r" Crosses are the means of the released runs with their standard deviations, in the "
            rf"{latex.count(compared, 'cell')} in which every run of both sides got there."
        )
    if unfinished:
        body += (
            rf" A triangle is one of {latex.exact(unfinished)} runs that ended without grokking, at its last step: its "
            r"time lies above."
        )
    words = (
        f"{len(asked)} panels, one a sweep: our runs as dots and a line, released means as crosses."
    )
    return figure, caption("Our runs over the released ones", body, every), words


def inverse(ax, theirs: pd.DataFrame, column: str) -> None:
    """A thin line of slope −1 through the released mean of the largest value."""
    if theirs.empty:
        return
    last = theirs.sort_values(column).iloc[-1]
    first = theirs[column].min()
    ax.plot(
        [first, last[column]],
        [last.released_mean * last[column] / first, last.released_mean],
        color=GREY,
        lw=0.7,
        zorder=1,
    )

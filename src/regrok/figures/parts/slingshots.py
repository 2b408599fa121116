"""Marks of runs that came undone between T_mem and T_grok: slingshots, as the law `slingshots` finds them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
from matplotlib.axes import Axes

from regrok import latex
from regrok.figures.parts.panels import beside
from regrok.figures.parts.style import VERMILION

LAW = "slingshots"
MARKER = "v"
"""A triangle that points down, as the accuracy does; no arm or cell has it in the same panel."""


def falls(fits: Mapping[str, Mapping[str, Any]]) -> dict[str, float]:
    """run_id → the first logged step after T_mem at which a run's train accuracy was below the law's bound.

    Only runs in which it was, before T_grok or the end. Empty where the figure has no such fit.
    """
    return {
        point["run_id"]: float(point["first_fall"])
        for fit in fits.values()
        if fit["law"] == LAW
        for point in fit["points"]
        if point["falls"]
    }


def mark(
    ax: Axes, runs: pd.DataFrame, x: pd.Series, y: pd.Series, fell: Mapping[str, float]
) -> None:
    """An open triangle around the point of each run that fell (`panels.run_points` drew it).

    runs: the run behind each x and y, in axis units.
    """
    chosen = runs["run_id"].isin(fell)
    ax.scatter(
        x[chosen],
        y[chosen],
        s=24,
        marker=MARKER,
        facecolors="none",
        edgecolors=VERMILION,
        linewidths=0.8,
        zorder=3,
        transform=beside(ax),
    )


def tick(ax: Axes, step: float | None, colour: str, y: float = 1.0) -> None:
    """A triangle at a step, its tip at the height y of the axes; none where the run did not fall."""
    if step is None:
        return
    ax.plot(
        [step],
        [y],
        ls="",
        marker=MARKER,
        ms=4.2,
        mfc=colour,
        mec="white",
        mew=0.4,
        transform=ax.get_xaxis_transform(),
        clip_on=False,
        zorder=5,
    )


def sentence(fits: Mapping[str, Mapping[str, Any]], runs: pd.DataFrame, where: str) -> str:
    """What the triangles are, in TeX; empty where the figure has no such fit.

    runs: those that are drawn. where: `in (a) and (b) the runs, …`, which panels show what.
    """
    bounds = [fit["options"].get("accuracy", 0.95) for fit in fits.values() if fit["law"] == LAW]
    if not bounds:
        return ""
    looked = {p["run_id"] for fit in fits.values() if fit["law"] == LAW for p in fit["points"]}
    known = looked & set(runs["run_id"])
    fell = known & set(falls(fits))
    what = (
        rf"the train accuracy fell below {latex.exact(bounds[0])} between $T_{{\mathrm{{mem}}}}$ and "
        r"$T_{\mathrm{grok}}$"
    )
    if not fell:
        return rf" In none of these runs {what}."
    return (
        rf" Triangles mark slingshots: in {latex.exact(len(fell))} of {latex.exact(len(known))} runs that memorised, "
        f"{what}; {where}."
    )

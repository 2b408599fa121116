"""Times to grokking of several operations beside those that are printed, and what choices make of them (2602.16746).

experiments: runs as in the authors' code, runs at the printed setting, choices one at a time. fits: fits of law `onset`
with a group default, of both; one of them is told the printed times. A fit of law `comparison`, whose groups have the
choices in their order.
"""

from __future__ import annotations

import pandas as pd

from regrok.figures.defect_onset import WORDS
from regrok.figures.parts.blank import nothing
from regrok.figures.parts.captions import caption
from regrok.figures.parts.contrasts import BY_GROUP, by_group
from regrok.figures.parts.shown import cells_of
from regrok.figures.parts.style import BLACK, BLUE, VERMILION, thousands

DEFAULTS: dict[str, object] = {}
NEEDS: dict[str, object] = {"fits": ["onset"]}

SETTINGS = (("as printed", BLUE, "s", -0.12), ("as in the code", VERMILION, "o", 0.12))
"""What the runs of the second and the first experiment are called, with their look and place."""


def draw(shown, fits, options, style):
    """(a) T_grok of every run by operation, and the printed means; (b) that of addition, by choice."""
    figure, (a, b) = style.panels(1, 2, 2.0, width_ratios=[1, 1.35])
    by_operation(a, times_of(fits), shown, printed_of(fits))
    choices = shown.of(2)
    groups = {
        arm.replace(" ", "\n", 1): choices[choices["arm"] == arm] for arm in arms_of(fits, shown)
    } or {"": choices}
    by_group(b, groups, [BLUE], "T_grok")
    body = (
        r"(a) The first step with an accuracy of .90 on unseen pairs of each run that groks, at the printed setting "
        r"and as in the authors' code, and the printed means (diamonds). The whole sample. (b) The first with .99, of "
        rf"addition at the printed setting with one choice of the code at a time: {BY_GROUP}."
    )
    words = (
        "Two panels: times to grokking of four operations at the printed setting and as in the authors' code beside "
        "the printed means; and those of addition with one choice of the code at a time."
    )
    return figure, caption("Printed times to grokking", body, shown.together()), words


def times_of(fits) -> pd.DataFrame:
    """run_id, operation and T_grok of the default runs of every fit of law `onset`."""
    table = pd.DataFrame(
        cells_of(fits, "onset"), columns=["group", "run_id", "operation", "T_grok"]
    )
    return table[table["group"] == "default"].drop_duplicates("run_id")


def printed_of(fits) -> dict[str, float]:
    """Operation → the printed steps, as the first fit that is told them has it; empty where none is."""
    told = (fit["options"].get("printed_times") for fit in fits.values())
    return next(filter(None, told), {})


def arms_of(fits, shown) -> list[str]:
    """The choices that have runs, in the order of the comparison's groups; those that it lacks come last."""
    groups = (fit["options"]["groups"] for fit in fits.values() if fit["law"] == "comparison")
    first = [arm for each in groups for group in each.values() for arm in group.get("arms", [])]
    there = shown.arms(2)
    return [arm for arm in dict.fromkeys([*first, *there]) if arm in there]


def by_operation(ax, times: pd.DataFrame, shown, printed) -> None:
    """Dots beside a diamond for each operation of which a time is printed."""
    known = times[times["operation"].isin(list(printed))].dropna(subset=["T_grok"])
    if known.empty:
        nothing(ax, "no run groks")
        return
    place = {operation: i for i, operation in enumerate(printed)}
    for (name, colour, marker, aside), which in zip(SETTINGS, (1, 0), strict=True):
        mine = known[known["run_id"].isin(shown.of(which)["run_id"])]
        x = mine["operation"].map(place) + aside
        look = {"s": 13, "color": colour, "marker": marker, "alpha": 0.7, "linewidths": 0}
        ax.scatter(x, mine["T_grok"].astype(float), label=name, **look)
    look = {"s": 20, "marker": "D", "facecolor": "white", "edgecolor": BLACK, "zorder": 4}
    ax.scatter(range(len(printed)), list(printed.values()), label="printed mean", **look)
    names = [WORDS.get(operation, operation).replace(" of ", " of\n") for operation in printed]
    ax.set_xticks(range(len(printed)), names, rotation=25, ha="right")
    ax.set_xlim(-0.5, len(printed) - 0.5)
    ax.set_ylim(0, 1.35 * max(known["T_grok"].max(), *printed.values()))
    thousands(ax, "y")
    ax.set_ylabel(r"$T_{\mathrm{grok}}$ (steps)")
    ax.legend(loc="upper right", ncols=3, columnspacing=0.5, handlelength=1.0, handletextpad=0.2)

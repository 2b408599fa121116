"""Less data, longer training: content of Figure 1, centre, of arXiv 2201.02177, and the growth from point to point.

experiments: the sweep over the share of the data. fits: a fit of law `data_growth`. options: published, the printed
growth per percentage point, as a factor.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from regrok.figures.parts.blank import nothing
from regrok.figures.parts.captions import caption
from regrok.figures.parts.contrasts import against
from regrok.figures.parts.panels import reference
from regrok.figures.parts.shown import cells_of
from regrok.figures.parts.style import BLUE, GREY, WORDS, decades, log_scale
from regrok.figures.parts.summaries import MEDIANS
from regrok.laws.data_growth import percent

DEFAULTS: dict[str, Any] = {"published": None}
REFERS: dict[str, Any] = {"published": "number"}
NEEDS: dict[str, Any] = {"fits": ["data_growth"]}

SHARE = "share of the equations in the training set (%)"


def draw(shown, fits, options, style):
    """(a) T_mem and T_grok against the share; (b) the factor on T_grok per percentage point less."""
    runs = shown.of(0).drop_duplicates("run_id")
    runs = runs.assign(percent=percent(runs))
    figure, (a, b) = style.panels(1, 2, 1.85)
    for column, colour, marker, name in (
        ("T_mem", GREY, "s", "$T_{\\mathrm{mem}}$"),
        ("T_grok", BLUE, "o", "$T_{\\mathrm{grok}}$"),
    ):
        look = {"color": colour, "marker": marker, "label": name}
        against(a, runs, "percent", column, look)
    log_scale(a, "y")
    decades(a, "y")
    a.set_xlabel(SHARE)
    a.set_ylabel("steps to 99 %")
    a.legend(loc="upper right")
    cells = cells_of(fits, "data_growth")
    steps = list(_steps(cells))
    for x, found in steps:
        low, high = (found["value"] if found[k] is None else found[k] for k in ("low", "high"))
        ends = [[found["value"] - low], [high - found["value"]]]
        style_of: dict[str, Any] = {
            "fmt": "o",
            "ms": 3.6,
            "mfc": "white",
            "color": BLUE,
            "capsize": 2,
        }
        b.errorbar(x, found["value"], yerr=ends, elinewidth=0.9, **style_of)
        if found["high"] is None and found["low"] is not None:
            arrow = {"arrowstyle": "<-", "lw": 0.8, "color": BLUE}
            b.annotate("", (x, high), (0, 11), textcoords="offset points", arrowprops=arrow)
    if steps:
        reference(b, 1.0, "no growth", GREY)
        if options["published"] is not None:
            reference(b, options["published"], "as printed")
        b.margins(x=0.12, y=0.15)
    else:
        nothing(b, "no two neighbours with runs that grok")
    b.set_xlabel(SHARE)
    b.set_ylabel(f"factor on {WORDS['T_grok'].split(' ')[0]} per point less")
    body = (
        rf"(a) Steps to 99\,\% of the training and of the validation set: dots are runs, open marks {MEDIANS}; "
        r"triangles are runs that memorised and did not generalise, crosses those that never memorised, both at the "
        r"end of their budget. (b) The factor by which the time to 99\,\% of the validation set grows for each "
        r"percentage point less, between neighbouring shares, with the exact rank interval of a shift of the "
        r"logarithms, in which unfinished runs are as late as they may be (arrow: no upper end)."
    )
    words = (
        "Two panels: steps to memorise and to generalise against the share of the data, and the factor of growth per "
        "percentage point between neighbouring shares."
    )
    return figure, caption("Less data, longer training", body, runs), words


def _steps(cells):
    """Middle of two neighbouring shares and the growth between them, where there is a value."""
    for less, more in pairwise(cells):
        found = more["growth"]
        if less["group"] == more["group"] and found is not None and found["value"] is not None:
            yield float(np.mean([less["percent"], more["percent"]])), found

"""The delay told at memorisation time against the delay that came, cell by cell held out.

experiments: those of the forecast. fits: the forecast fit. options: published, the printed error as a share.
"""

from __future__ import annotations

from typing import Any

from regrok import latex
from regrok.figures.parts.blank import nothing
from regrok.figures.parts.captions import caption
from regrok.figures.parts.panels import identity_line
from regrok.figures.parts.shown import estimates, points_of
from regrok.figures.parts.style import (
    BLACK,
    BLUE,
    DASHES,
    GREY,
    HALF_HEIGHT,
    HALF_WIDTH,
    VERMILION,
    decades,
    label,
    log_scale,
)

DEFAULTS: dict[str, Any] = {"published": None}
REFERS: dict[str, Any] = {"published": "number"}

PREDICTORS = {
    "mape": ("our forecast", BLUE),
    "mape_time_scale": ("multiple of $1/(2\\eta\\lambda)$", GREY),
    "mape_norm_law": ("$\\log(V_{\\mathrm{mem}}/V^*)$", GREY),
    "mape_escape_theory": ("$T_{\\mathrm{esc}}$ (needs the end)", GREY),
}


def draw(shown, fits, options, style):
    """(a) predicted against observed delay, one dot a run; (b) mean absolute error of each predictor."""
    points = points_of(fits, "forecast")
    known = points.dropna(subset=["forecast", "delay"]) if "forecast" in points else points
    figure, (a, b) = style.panels(1, 2, HALF_HEIGHT, HALF_WIDTH)

    if not known.empty:
        products = (known.learning_rate * known.weight_decay).round(12)
        values = sorted(products.unique())
        shown_colours = dict(zip(values, style.ramp(len(values)), strict=True))
        a.scatter(
            known.delay,
            known.forecast,
            s=10,
            c=[shown_colours[value] for value in products],
            linewidths=0,
            alpha=0.8,
        )
        log_scale(a, "xy")
        decades(a, "xy")
    else:
        nothing(a, "no run that groks has a forecast")
    label(a, "observed delay (steps)", "forecast delay (steps)")
    identity_line(a)

    errors(b, fits, options["published"])

    ids = set(known.run_id) if len(known) else set()
    runs = shown.together()
    runs = runs[runs.run_id.isin(ids)] if ids else runs
    cells = known.cell.nunique() if len(known) else 0
    body = (
        rf"(a) Forecast against observed delay of {latex.exact(len(known))} runs in {latex.exact(cells)} cells, "
        r"each cell "
        r"forecast by a calibration that has not seen it; darker for larger $\eta\lambda$, dotted $y=x$. (b) Mean "
        r"absolute error with its 95\,\% bootstrap interval over cells; grey bars are simpler predictors, the last of "
        r"which needs the end of the run and is no forecast."
    )
    words = (
        "Two panels: forecast against observed delay on log axes, and bars of mean absolute percentage error for "
        "four predictors."
    )
    return figure, caption("The delay forecast at memorisation", body, runs), words


def errors(ax, fits, published: float | None) -> None:
    """A bar of the mean absolute error of each predictor with its interval, and the printed error as a line."""
    fit = next((name for name, made in fits.items() if made["law"] == "forecast"), "")
    found = estimates(fits)
    known = {key: found[f"{fit}.{key}"] for key in PREDICTORS if f"{fit}.{key}" in found}
    ax.set_xlabel("mean absolute error (%)")
    if all(one["value"] is None for one in known.values()):
        nothing(ax, "no forecast, no error")
        return
    for place, (key, one) in enumerate(reversed(known.items())):
        if one["value"] is None:
            continue
        value, colour = 100 * one["value"], PREDICTORS[key][1]
        ax.barh(place - 0.2, value, 0.4, color=colour, alpha=0.8, edgecolor="none")
        if one["low"] is not None and one["high"] is not None:
            ends = [[value - 100 * one["low"]], [100 * one["high"] - value]]
            ax.errorbar(value, place - 0.2, xerr=ends, fmt="none", ecolor=BLACK, capsize=2)
    # Over the bars: beside them there is no room.
    for place, key in enumerate(reversed(known)):
        ax.text(
            0.02, place + 0.06, PREDICTORS[key][0], transform=ax.get_yaxis_transform(), fontsize=7
        )
    ax.set_yticks([])
    ax.set_ylim(-0.6, len(known) - 0.4)
    if published is not None:
        line = 100 * published
        ax.axvline(line, color=VERMILION, ls=DASHES[1], lw=0.9)
        look = {"color": VERMILION, "fontsize": 7, "ha": "center", "va": "bottom"}
        ax.text(line, 1.01, "published", transform=ax.get_xaxis_transform(), **look)
    # Last: the axis reaches to the printed error, however small ours are.
    ax.set_xlim(left=0)

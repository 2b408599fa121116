"""What leaving censored runs out does to an exponent: simulation with a planted one.

experiments: none. fits: the censoring_bias fit. options: none.
"""

from __future__ import annotations

from regrok import latex
from regrok.errors import RegrokError
from regrok.figures.parts.blank import nothing
from regrok.figures.parts.shown import points_of
from regrok.figures.parts.style import BLACK, BLUE, DASHES, GREEN, MARKERS, VERMILION, label

DEFAULTS: dict[str, object] = {}

NUMBERS = dict.fromkeys(("censored", "exponent", "low", "high"), float)

ESTIMATORS = {
    "survival": ("survival fit (ours)", BLUE),
    "finished_runs": ("least squares, finished runs only", VERMILION),
    "budget_as_time": ("least squares, budget taken as $T_{\\mathrm{grok}}$", GREEN),
}


def draw(shown, fits, options, style):
    """Estimated exponent against the share of censored runs, one line an estimator, with intervals."""
    points = points_of(fits, "censoring_bias")
    if points.empty:
        raise RegrokError(
            "figure censoring: its fit has no points; list a censoring_bias fit under `fits`"
        )
    planted, n = points.planted.iloc[0], int(points.n.max())
    points = points.dropna(subset=["exponent"]).astype(NUMBERS)
    figure, (ax,) = style.panels(1, 1, 1.9)
    for i, (name, (words, colour)) in enumerate(ESTIMATORS.items()):
        one = points[points.estimator == name].sort_values("censored")
        x = 100 * one.censored + 0.6 * (i - 1)
        ax.errorbar(
            x,
            one.exponent,
            yerr=[one.exponent - one.low, one.high - one.exponent],
            color=colour,
            marker=MARKERS[i],
            ls=DASHES[i],
            capsize=2,
            elinewidth=0.8,
            label=words,
        )
    ax.axhline(planted, color=BLACK, lw=0.7, ls=DASHES[2], label="planted")
    ax.legend(loc="upper left")
    label(ax, "censored runs (%)", "estimated exponent of $\\lambda$")
    if points.empty:
        nothing(ax, "no exponent could be estimated")
    body = (
        rf"\textbf{{What censoring does to an exponent.}} Exponent of $\lambda$ estimated from "
        rf"$n={latex.exact(n)}$ simulated "
        rf"runs with a planted exponent of {latex.number(planted)}, against the share of runs that "
        r"the budget "
        r"cuts off; bars are 95\,\% intervals. Least squares that drops or misreads censored runs is pulled "
        r"towards zero; "
        r"the survival fit is not. No training run enters this figure."
    )
    words = "One panel: estimated exponent against the share of censored runs for three estimators."
    return figure, body, words

"""The baseline and depth: content of Figures 1 and 2 of arXiv 2603.25009, and the factorial that they lack.

experiments: the baseline, the published depths, the factorial. fits: the factorial's. options: none.
"""

from __future__ import annotations

from regrok import latex
from regrok.figures.parts.blank import legend
from regrok.figures.parts.captions import caption
from regrok.figures.parts.contrasts import BY_GROUP, SERIES, against, by_group, forest
from regrok.figures.parts.shown import estimates, median_run
from regrok.figures.parts.style import (
    BLUE,
    DASHES,
    GREEN,
    GREY,
    PURPLE,
    VERMILION,
    decades,
    label,
    log_scale,
    plain_ticks,
    short_number,
)

DEFAULTS: dict[str, object] = {}

WORDS = {
    "depth": "depth, per doubling",
    "width": "width, per doubling",
    "residual": "residual blocks",
    "learning_rate": "$\\eta$, per doubling",
    "depth_x_residual": "depth × residual",
}


def draw(shown, fits, options, style):
    """(a) accuracies of the baseline; (b) delay per published depth; (c) T_grok over depth; (d) time ratios."""
    baseline, published, crossed = (shown.of(i) for i in range(3))
    figure, (a, b, c, d) = style.panels(2, 2, 1.55)

    chosen = median_run(baseline)
    chosen = baseline.sort_values("run_id").iloc[0] if chosen is None else chosen
    for run_id in baseline.run_id:
        curve = shown.curve(run_id)
        curve = curve[curve.step > 0]
        own = run_id == chosen.run_id
        for column, colour, dash in (
            ("train_accuracy", GREY, DASHES[1]),
            ("validation_accuracy", BLUE, "-"),
        ):
            known = curve.dropna(subset=[column])
            name = column.removesuffix("_accuracy") if own else None
            thick = {"lw": 1.2, "alpha": 1.0} if own else {"lw": 0.5, "alpha": 0.45}
            a.plot(known.step, known[column], color=colour, ls=dash, label=name, **thick)
    log_scale(a, "x")
    a.set_ylim(-0.02, 1.04)
    label(a, "step", "accuracy")
    a.legend(loc="center", bbox_to_anchor=(0.55, 0.72))

    arms = {arm: published[published.arm == arm] for arm in shown.arms(1)}
    by_group(b, {arm.replace(", ", ",\n"): runs for arm, runs in arms.items()}, [BLUE])

    rates = sorted(crossed.learning_rate.unique()) if len(crossed) else []
    series = [(r, eta) for r in (False, True) for eta in rates]
    for k, (residual, eta) in enumerate(series):
        chosen_runs = crossed[crossed.residual.eq(residual) & (crossed.learning_rate == eta)]
        chosen_runs = chosen_runs.drop_duplicates("run_id")
        look = {
            "color": (VERMILION, PURPLE, GREEN, BLUE)[(2 * residual + k % 2) % 4],
            "marker": SERIES[k % len(SERIES)],
            "ls": "-" if residual else DASHES[1],
            "label": f"{'residual' if residual else 'plain'}, $\\eta=${short_number(eta)}",
        }
        if len(chosen_runs):
            against(c, chosen_runs, "depth", "T_grok", look, 1 + 0.04 * (k - 1.5))
    log_scale(c, "xy")
    decades(c, "y")
    if len(crossed):
        plain_ticks(c, "x", crossed.depth.unique())
        legend(c, loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=2, fontsize=7)
    label(c, "depth", "T_grok")

    found = estimates(fits)
    prefix = next((name for name, fit in fits.items() if fit["law"] == "factorial"), "")
    rows = [
        (words, found[f"{prefix}.{key}.time_ratio"])
        for key, words in WORDS.items()
        if f"{prefix}.{key}.time_ratio" in found
    ]
    forest(d, rows, "factor on $T_{\\mathrm{grok}}$")

    both = shown.together()
    censored = int(crossed.drop_duplicates("run_id").T_grok.isna().sum()) if len(crossed) else 0
    body = (
        rf"(a) Train and validation accuracy of the baseline: strong lines are the run with the median delay (seed "
        rf"{chosen.seed}), thin ones the other seeds. (b) Delay of the published networks: {BY_GROUP}. (c) "
        r"$T_{\mathrm{grok}}$ over depth in the factorial, widths together, in the same signs. (d) By what factor "
        r"$T_{\mathrm{grok}}$ is longer per doubling of a number or with residual blocks, the other factors held: "
        r"interval-censored Weibull fit with 95\,\% bootstrap intervals over seeds. The last line is the ratio of two "
        r"depth effects, residual over plain."
    )
    if censored:
        body += (
            rf" Of the factorial's runs {latex.count(censored)} {'is' if censored == 1 else 'are'} censored at the end "
            r"of the budget."
        )
    words = (
        "Four panels: accuracy curves of the baseline MLP, delays of the published depths by seed, grokking time over "
        "depth for plain and residual networks, and the factor on grokking time of each setting with intervals."
    )
    return figure, caption("Depth, width, residual blocks and learning rate", body, both), words

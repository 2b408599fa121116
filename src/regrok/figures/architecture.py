"""MLP against transformer: content of Figure 3 and part C of arXiv 2603.25009, and a search of matched budget.

experiments: the published contrast, each at its own best λ, the two searches. fits: comparisons with a ratio
transformer_over_mlp and the search; each gives lines of (d). options: none.
"""

from __future__ import annotations

import pandas as pd

from regrok.figures.parts.blank import legend
from regrok.figures.parts.captions import caption
from regrok.figures.parts.contrasts import BY_GROUP, by_group, forest
from regrok.figures.parts.panels import identity_line
from regrok.figures.parts.style import BLUE, DASHES, VERMILION, decades, label, log_scale

DEFAULTS: dict[str, object] = {}

LOOKS = {"mlp": (BLUE, "MLP", "-"), "transformer": (VERMILION, "transformer", DASHES[1])}
NAMES = {
    "architecture": "published",
    "own_optimum": "own best $\\lambda$",
    "search": "matched search",
}


def reported(shown, fits) -> pd.DataFrame:
    """The runs that the search's fit reports: at the chosen points, of seeds that chose nothing."""
    ids = [p["run_id"] for fit in fits.values() if fit["law"] == "search" for p in fit["points"]]
    runs = shown.together()
    return runs[runs.run_id.isin(ids)]


def draw(shown, fits, options, style):
    """(a) validation accuracy; (b) delay by seed in three contrasts; (c) T_grok against T_mem; (d) ratios of delays."""
    runs = shown.of(0).drop_duplicates("run_id")
    figure, (a, b, c, d) = style.panels(2, 2, 1.55)
    for model, (colour, name, dash) in LOOKS.items():
        for k, run_id in enumerate(runs[runs.model == model].run_id):
            curve = shown.curve(run_id).dropna(subset=["validation_accuracy"])
            curve = curve[curve.step > 0]
            a.plot(
                curve.step,
                curve.validation_accuracy,
                color=colour,
                ls=dash,
                lw=0.8,
                alpha=0.8,
                label=name if k == 0 else None,
            )
    log_scale(a, "x")
    a.set_ylim(-0.02, 1.04)
    label(a, "step", "validation_accuracy")
    legend(a, loc="upper left")

    contrasts = {"printed": runs, "own $\\lambda$": shown.of(1), "search": reported(shown, fits)}
    groups, colours = {}, []
    for name, part in contrasts.items():
        for model, (colour, short, _) in LOOKS.items():
            chosen = part[part.model == model] if len(part) else part
            if len(chosen):
                short = "TF" if model == "transformer" else short
                groups[f"{short}\n{name}"] = chosen.drop_duplicates("run_id")
                colours.append(colour)
    by_group(b, groups, colours or [BLUE])
    b.tick_params(axis="x", labelsize=7)

    for model, (colour, name, _) in LOOKS.items():
        known = runs[(runs.model == model) & runs.T_mem.notna()]
        grokked = known[known.T_grok.notna()]
        marker = "o" if model == "mlp" else "s"
        c.scatter(
            grokked.T_mem, grokked.T_grok, s=14, color=colour, marker=marker, lw=0, label=name
        )
        cut = known[known.T_grok.isna()]
        c.scatter(cut.T_mem, cut.steps, s=14, marker="^", fc="white", ec=colour, lw=0.8)
    log_scale(c, "xy")
    identity_line(c)
    decades(c, "xy")
    label(c, "T_mem", "T_grok")
    legend(c, loc="best")

    rows = []
    for fit, content in fits.items():
        for key, words in (("delay_ratio", "means"), ("delay_restricted_ratio", "restricted")):
            found = content["estimates"].get(f"{fit}.transformer_over_mlp.{key}")
            if found is not None:
                rows.append((f"{NAMES.get(fit, fit)}, {words}", found))
    forest(d, rows, "delay, transformer / MLP")
    d.tick_params(axis="y", labelsize=7)

    body = (
        r"(a) Validation accuracy at the published settings, one line a seed. (b) Delay at the published settings, "
        r"with each architecture at its published best $\lambda$, and at the best point of a search of equal size, on "
        rf"seeds that did not choose it (TF: transformer): {BY_GROUP}. (c) $T_{{\mathrm{{grok}}}}$ against "
        r"$T_{\mathrm{mem}}$ at the published settings; dotted: no delay. (d) Ratio of delays with 95\,\% intervals: "
        r"of the means over the runs that grok, as published, and of means restricted to the common budget, in which "
        r"all runs that memorise count (arrow: a bound)."
    )
    words = (
        "Four panels comparing MLP and transformer: accuracy curves, delays by seed in three contrasts, grokking time "
        "against memorising time, and ratios of delays with intervals."
    )
    return figure, caption("MLP and transformer", body, shown.together()), words

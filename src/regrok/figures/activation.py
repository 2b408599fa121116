"""Activations: content of Figure 4 of arXiv 2603.25009, and activation by weight decay.

experiments: sweep A, sweep B, activation × λ. fits: comparisons with ratios over GELU, and the interaction. options:
none.
"""

from __future__ import annotations

from regrok.figures.parts.blank import legend
from regrok.figures.parts.captions import caption
from regrok.figures.parts.contrasts import BY_GROUP, SERIES, against, by_group, forest
from regrok.figures.parts.style import (
    BLUE,
    DASHES,
    ORANGE,
    PURPLE,
    decades,
    label,
    log_scale,
    plain_ticks,
    short_number,
)

DEFAULTS: dict[str, object] = {}

COLOURS = {"gelu": BLUE, "relu": ORANGE, "tanh": PURPLE}
NAMES = {"gelu": "GELU", "relu": "ReLU", "tanh": "tanh"}


def rows_of(fits) -> list:
    """Lines of the forest: both sweeps' restricted ratios, then those at each λ of the interaction."""
    rows = []
    for fit, content in fits.items():
        for key, found in content["estimates"].items():
            parts = key.removeprefix(f"{fit}.").split(".", 1)
            if "_over_" not in parts[0] or not key.endswith(".T_grok_restricted_ratio"):
                continue
            name = NAMES.get(parts[0].split("_over_")[0], parts[0])
            where = parts[1].removesuffix("T_grok_restricted_ratio").strip(".")
            if where:
                value = float(where.removeprefix("at_"))
                where = f"$\\lambda=${short_number(value)}"
            else:
                where = {"activation_a": "sweep A", "activation_b": "sweep B"}.get(fit, fit)
            rows.append((f"{name}, {where}", found))
    return rows


def draw(shown, fits, options, style):
    """(a) sweep A and (b) sweep B by seed; (c) delay against λ; (d) ratios over GELU."""
    figure, (a, b, c, d) = style.panels(2, 2, 1.5)
    for ax, part, name in ((a, shown.of(0), "sweep A"), (b, shown.of(1), "sweep B")):
        present = [x for x in COLOURS if len(part) and part.activation.eq(x).any()]
        groups = {NAMES[x]: part[part.activation == x].drop_duplicates("run_id") for x in present}
        by_group(ax, groups, [COLOURS[x] for x in present] or [BLUE])
        ax.set_xlabel(name)
    crossed = shown.of(2)
    for k, (activation, colour) in enumerate(COLOURS.items()):
        part = crossed[crossed.activation == activation] if len(crossed) else crossed
        if len(part):
            dash = DASHES[k]
            look = {"color": colour, "marker": SERIES[k], "ls": dash, "label": NAMES[activation]}
            against(
                c, part.drop_duplicates("run_id"), "weight_decay", "delay", look, 1 + 0.03 * (k - 1)
            )
    log_scale(c, "xy")
    if len(crossed):
        plain_ticks(c, "x", crossed.weight_decay.unique())
        decades(c, "y")
        legend(c, loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=3)
    label(c, "weight_decay", "delay")
    forest(d, rows_of(fits), "restricted mean $T_{\\mathrm{grok}}$ over GELU's")
    d.tick_params(axis="y", labelsize=7)
    body = (
        rf"(a, b) Delay in the two published sweeps: {BY_GROUP}. (c) Delay against $\lambda$ where nothing else "
        r"moves, in the same signs. (d) Mean $T_{\mathrm{grok}}$, restricted to the smallest budget so that every run "
        r"counts, over GELU's, with 95\,\% bootstrap intervals over seeds (arrow: a bound, since no run of one of the "
        r"two grokked)."
    )
    words = (
        "Four panels on activations: delays in both published sweeps by seed, delay against weight decay, and ratios "
        "over GELU with intervals."
    )
    return figure, caption("Activations", body, shown.together()), words

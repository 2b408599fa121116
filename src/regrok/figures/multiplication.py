"""Multiplication by architecture and by activation: content of Figure 8 and Tables 9 and 10 of arXiv 2603.25009.

experiments: by architecture, by activation. fits: comparisons of multiplication, then of addition, each with the ratios
transformer_over_mlp or relu_over_gelu, tanh_over_gelu. options: none.
"""

from __future__ import annotations

from regrok.figures.activation import COLOURS, NAMES
from regrok.figures.architecture import LOOKS
from regrok.figures.parts.captions import caption
from regrok.figures.parts.contrasts import BY_GROUP, by_group, forest
from regrok.figures.parts.style import BLUE

DEFAULTS: dict[str, object] = {}

RATIOS = {
    "transformer_over_mlp": "transformer / MLP",
    "relu_over_gelu": "ReLU / GELU",
    "tanh_over_gelu": "tanh / GELU",
}


def draw(shown, fits, options, style):
    """(a) delays by architecture and (b) by activation; (c) ratios, beside those of addition."""
    figure, (a, b, c) = style.panels(1, 3, 1.95, width_ratios=[0.75, 1, 1.15])
    runs = shown.of(0).drop_duplicates("run_id")
    groups = {name: runs[runs.model == model] for model, (_, name, _) in LOOKS.items()}
    by_group(a, groups, [colour for colour, _, _ in LOOKS.values()])
    runs = shown.of(1).drop_duplicates("run_id")
    present = [x for x in COLOURS if len(runs) and runs.activation.eq(x).any()]
    groups = {NAMES[x]: runs[runs.activation == x] for x in present}
    by_group(b, groups, [COLOURS[x] for x in present] or [BLUE])
    b.set_ylabel("")
    rows = []
    for ratio, words in RATIOS.items():
        for fit, content in fits.items():
            found = content["estimates"].get(f"{fit}.{ratio}.T_grok_restricted_ratio")
            if found is not None:
                sign = "$a\\cdot b$" if "multiplication" in fit else "$a+b$"
                rows.append((f"{words}, {sign}", found))
    forest(c, rows, "ratio of restricted means")
    c.tick_params(axis="y", labelsize=7)
    body = (
        rf"Delay for multiplication without zeros (a) by architecture and (b) by activation: {BY_GROUP}. (c) Ratios of "
        r"mean $T_{\mathrm{grok}}$ restricted to the smallest budget, for multiplication and addition, "
        r"with 95\,\% bootstrap intervals over seeds (arrow: a bound)."
    )
    words = "Three panels: delays for multiplication by architecture and by activation, and ratios with intervals."
    return figure, caption("Multiplication", body, shown.together()), words

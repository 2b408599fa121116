"""In which range of λ each architecture groks, and how fast: content of Figure 5 of arXiv 2603.25009.

experiments: the λ sweep of the MLP, that of the transformer. fits: law `regimes` for the windows and law `scaling`
for the slopes, the MLP's first. options: none.
"""

from __future__ import annotations

from regrok.figures.parts.blank import nothing
from regrok.figures.parts.captions import caption
from regrok.figures.parts.contrasts import against, shares_against
from regrok.figures.parts.style import (
    BLUE,
    LIGHT,
    VERMILION,
    decades,
    label,
    log_scale,
    plain_ticks,
)
from regrok.figures.parts.summaries import MEDIANS

DEFAULTS: dict[str, object] = {}

NAMES = ("MLP", "transformer")
COLOURS = (BLUE, VERMILION)


def of_law(fits, law: str, place: int):
    """The estimates of the place-th fit of a law, their keys without the fit's name; empty where there is none."""
    chosen = [(name, fit) for name, fit in fits.items() if fit["law"] == law]
    if place >= len(chosen):
        return {}
    name, fit = chosen[place]
    return {key.removeprefix(f"{name}."): found for key, found in fit["estimates"].items()}


def draw(shown, fits, options, style):
    """(a, b) shares and (c, d) delays against λ, MLP and transformer, with the window shaded."""
    figure, axes = style.panels(2, 2, 1.5)
    for k, name in enumerate(NAMES):
        runs = shown.of(k).drop_duplicates("run_id")
        top, bottom = axes[k], axes[k + 2]
        if runs.empty:
            nothing(top, f"no run of the {name} here")
            nothing(bottom, f"no run of the {name} here")
            continue
        shares_against(top, runs, "weight_decay", legend=k == 0)
        top.text(0.5, 0.06, name, transform=top.transAxes, color=COLOURS[k], ha="center")
        against(bottom, runs, "weight_decay", "delay", {"color": COLOURS[k], "marker": "os"[k]})
        log_scale(bottom, "xy")
        decades(bottom, "y")
        plain_ticks(bottom, "x", runs.weight_decay.unique(), 9)
        label(bottom, "weight_decay", "delay")
        edges = [of_law(fits, "regimes", k).get(f"window_{end}", {}) for end in ("low", "high")]
        low, high = (edge.get("value") for edge in edges)
        if low is not None and high is not None:
            for ax in (top, bottom):
                ax.axvspan(low / 1.15, high * 1.15, color=LIGHT, alpha=0.45, lw=0, zorder=0)
        slope = of_law(fits, "scaling", k).get("delay.exponent", {})
        if slope.get("value") is not None and slope["n"] > 2:
            ends = ""
            if slope["low"] is not None and slope["high"] is not None:
                ends = f" [{slope['low']:.2f}, {slope['high']:.2f}]"
            words = f"slope {slope['value']:.2f}{ends}".replace("-", "−")
            bottom.text(
                0.03, 0.04, words, transform=bottom.transAxes, ha="left", va="bottom", fontsize=7
            )
    body = (
        r"Columns: MLP under SGD, transformer under AdamW. (a, b) Share of the seeds that memorised and that grokked "
        r"within the budget at each $\lambda$, with Wilson 95\,\% intervals; shaded is the window in which more than "
        r"half grok. (c, d) Delay: dots are runs, triangles runs that memorised and did not grok, crosses runs that "
        r"never memorised, both at the end of their budget; open marks are "
        rf"{MEDIANS}, in which the triangles count as censored and the crosses have no delay; the slope is that of log "
        r"delay on $\log\lambda$ over the published window, with its bootstrap interval."
    )
    words = (
        "Four panels: shares of runs that memorise and grok, and delays, against weight decay, for the MLP and the "
        "transformer, with the window in which most runs grok shaded."
    )
    return figure, caption("Windows of weight decay", body, shown.together()), words

"""Signals on one bench: lead against false alarms over thresholds, and both where nothing was chosen.

experiments: the runs that grok, the runs that do not. fits: one of law `early_warning`.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from regrok.figures.parts.blank import nothing
from regrok.figures.parts.captions import caption
from regrok.figures.parts.shown import points_of
from regrok.figures.parts.style import (
    BLACK,
    BLUE,
    DASHES,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    SKY,
    VERMILION,
)
from regrok.laws.parts.leads import by_lead

DEFAULTS: dict[str, object] = {}
NEEDS: dict[str, object] = {"fits": ["early_warning"]}

REFERENCES = {
    "validation_loss": (BLACK, DASHES[0]),
    "settings": (GREY, DASHES[1]),
    "waiting": (GREY, DASHES[2]),
}
"""The ceiling and the floors, drawn beneath all others."""
COLOURS = (BLUE, VERMILION, GREEN, ORANGE, PURPLE, SKY)


def words_of(signal: str) -> str:
    """A signal's name as the figure and the table write it."""
    return signal.replace("_", " ")


def draw(shown, fits, options, style):
    """(a) lead against false alarms as the threshold moves, on all runs; (b) lead and false alarms on held-out runs."""
    name, made = next((name, fit) for name, fit in fits.items() if fit["law"] == "early_warning")
    points = points_of(fits, "early_warning")
    signals = ranked(name, made)
    figure, (a, b) = style.panels(1, 2, 2.9)
    trade_offs(a, points, signals)
    held_out(b, name, made, signals)
    runs = pd.concat([shown.of(i) for i in range(2)]).drop_duplicates("run_id")
    body = (
        r"A lead is the share of the delay, from $T_{\mathrm{mem}}$ to $T_{\mathrm{grok}}$, that is left at the alarm. "
        r"(a) The largest mean lead over runs that grok at each share of false alarms among runs that do not, as the "
        r"threshold moves, on the whole sample: what no choice of a threshold could better. Black: the validation "
        r"loss; grey: what settings alone tell (dashed), and waiting (dotted). (b) Where the threshold was chosen on "
        r"other runs: mean lead on held-out seeds (filled) and on held-out pairs of cells (open), with 95\,\% "
        r"intervals, and the share of false alarms on held-out pairs of cells (crosses)."
    )
    words = (
        "Two panels: lines of lead over false alarms for every signal; and for every signal two leads with intervals "
        "and a share of false alarms on held-out runs, on one axis from 0 to 1."
    )
    return figure, caption("Signals on one bench", body, runs), words


def ranked(name: str, made) -> list[str]:
    """Signals by their lead on held-out pairs of cells, the largest last, those that could not be asked left out.

    Rows are drawn upwards, so that they are read in the order of the table.
    """
    leads = by_lead(name, made["estimates"])
    return [signal for signal in reversed(leads) if leads[signal] is not None]


def look(signal: str, signals: list[str]) -> dict[str, object]:
    """Colour and dash of a signal's line."""
    if signal in REFERENCES:
        colour, dash = REFERENCES[signal]
        return {"color": colour, "ls": dash, "lw": 1.4, "zorder": 1}
    others = [each for each in signals if each not in REFERENCES]
    place = others.index(signal)
    turn = place // len(COLOURS)
    return {
        "color": COLOURS[place % len(COLOURS)],
        "ls": DASHES[turn % len(DASHES)],
        "lw": 1.0,
        "zorder": 2,
    }


def trade_offs(ax, points: pd.DataFrame, signals: list[str]) -> None:
    """The best lead at each share of false alarms, a line of steps for each signal."""
    if points.empty or not signals:
        nothing(ax, "no signal could be asked")
        return
    for signal in reversed(signals):
        mine = points[points["signal"] == signal].sort_values("false")
        at = np.append(mine["false"].astype(float), 1.0)
        lead = np.append(mine["lead"].astype(float), mine["lead"].astype(float).iloc[-1])
        ax.step(at, lead, where="post", label=words_of(signal), **look(signal, signals))
    ax.set(xlim=(-0.01, 1.01), ylim=(-0.02, 1.02))
    ax.set(xlabel="false alarms (share of runs)", ylabel="lead (share of the delay)")


def held_out(ax, name: str, made, signals: list[str]) -> None:
    """A row a signal: lead on held-out seeds and pairs of cells with intervals, false alarms on the latter."""
    if not signals:
        nothing(ax, "no signal could be asked")
        return
    for row, signal in enumerate(signals):
        colour = look(signal, signals)["color"]
        for key, shift, face in (("seeds_lead", 0.16, colour), ("pairs_lead", -0.16, "white")):
            found = made["estimates"][f"{name}.{signal}.{key}"]
            if found["value"] is None:
                continue
            if found["low"] is not None:
                ax.plot([found["low"], found["high"]], [row + shift] * 2, color=colour, lw=0.9)
            ax.plot(found["value"], row + shift, "o", mfc=face, mec=colour, ms=4, zorder=3)
        false = made["estimates"][f"{name}.{signal}.pairs_false"]["value"]
        if false is not None:
            ax.plot(false, row - 0.16, "x", color=BLACK, ms=4, zorder=4)
    ax.set_yticks(range(len(signals)), [words_of(signal) for signal in signals], fontsize=7)
    for label, signal in zip(ax.get_yticklabels(), signals, strict=True):
        label.set_color(look(signal, signals)["color"])
    ax.set(xlim=(-0.03, 1.03), ylim=(-0.6, len(signals) - 0.4))
    ax.set_xlabel("lead, false alarms (shares)")

"""Sparse parity with abundant and with scarce data: where a delay should be absent and where it should appear.

experiments: abundant data, then scarce data. options: none.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from regrok import latex
from regrok.figures.parts.captions import caption
from regrok.figures.parts.style import (
    BLUE,
    DASHES,
    GREY,
    HALF_HEIGHT,
    HALF_WIDTH,
    MARKERS,
    ORANGE,
    decades,
    label,
    log_scale,
    plain_ticks,
)
from regrok.figures.parts.summaries import MEDIANS, median

DEFAULTS: dict[str, object] = {}

LINEAR = 100
"""Delays below this many steps are drawn linearly: zero and negative ones belong on the axis."""

NARROW = 5
"""Below this ratio of largest to smallest, a logarithmic axis has no decades to label."""


def draw(shown, fits, options, style):
    """(a) delay and (b) V_final/V_mem against training samples."""
    parts = {"abundant": shown.of(0), "scarce": shown.of(1)}
    looks = {"abundant": (BLUE, MARKERS[0]), "scarce": (ORANGE, MARKERS[1])}
    figure, (a, b) = style.panels(1, 2, HALF_HEIGHT, HALF_WIDTH)
    for name, runs in parts.items():
        if runs.empty:
            continue
        colour, marker = looks[name]
        runs = runs.assign(ratio=runs.V_final / runs.V_mem)
        for ax, column in ((a, "delay"), (b, "ratio")):
            ax.scatter(
                runs.train_size * np.exp(0.02 * (runs.seed - runs.seed.mean())),
                runs[column],
                s=9,
                color=colour,
                marker=marker,
                alpha=0.5,
                linewidths=0,
                label=name,
            )
            for size, cell in runs.groupby("train_size"):
                middle, low, high = median(cell, column)
                if np.isfinite(middle):
                    top = high if np.isfinite(high) else middle
                    ax.errorbar(
                        size,
                        middle,
                        yerr=[[middle - low], [top - middle]],
                        fmt=marker,
                        mfc="white",
                        color=colour,
                        capsize=2,
                        elinewidth=0.9,
                    )
    a.axhline(0, color=GREY, lw=0.7, ls=DASHES[2])
    b.axhline(1, color=GREY, lw=0.7, ls=DASHES[2])
    together = pd.concat(parts.values(), ignore_index=True)
    a.set_yscale("symlog", linthresh=LINEAR)
    low, high = np.nanmin([0, together.delay.min()]), np.nanmax([0, together.delay.max()])
    a.set_ylim(1.5 * low - LINEAR, 1.5 * high + LINEAR)
    ratio = (together.V_final / together.V_mem).dropna()
    if len(ratio) and ratio.max() > NARROW * ratio.min():
        log_scale(b, "y")
        decades(b, "y")
    sizes = together.train_size
    for ax in (a, b):
        log_scale(ax, "x")
        if sizes.max() < NARROW * sizes.min():  # a log axis would label every few hundred examples
            ax.set_xlim(sizes.min() / 2, sizes.max() * 2)
            plain_ticks(ax, "x", sizes, least=0.21)
    label(a, "train_size", "delay")
    label(b, "train_size", "$V_{\\mathrm{final}}/V_{\\mathrm{mem}}$")
    a.legend(loc="best")
    silent = int(together.delay.isna().sum())
    without = f"; {latex.count(silent)} without a delay {'has' if silent == 1 else 'have'} no dot"
    without = without if silent else ""
    body = (
        r"(a) Delay and (b) norm ratio $V_{\mathrm{final}}/V_{\mathrm{mem}}$ against the number of training "
        r"samples; dots "
        rf"are runs, open marks {MEDIANS} (a run that memorised and did not grok is censored; one that generalised "
        rf"first has delay 0 there{without}). Dotted: no delay, no change of norm."
    )
    words = "Two panels on sparse parity: delay and norm ratio against training samples."
    return figure, caption("Sparse parity, abundant and scarce data", body, together), words

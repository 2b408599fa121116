"""Does the Fourier residual depend on how many b and classes it averages? Content of Figure S2 of 2603.13331.

experiments: runs with both Fourier observables. fits: the spectral fit. options: none.
"""

from __future__ import annotations

from regrok import latex
from regrok.figures.parts.blank import drawn, nothing
from regrok.figures.parts.captions import caption
from regrok.figures.parts.panels import identity_line
from regrok.figures.parts.style import BLUE, DASHES, ORANGE, label, thousands
from regrok.figures.spectral import gap_panel

DEFAULTS: dict[str, object] = {}


def draw(shown, fits, options, style):
    """(a) both residuals against step; (b) one against the other; (c, d) gap against each."""
    runs = shown.of(0)
    low, high = "fourier_residual_low", "fourier_residual_high"
    figure, (a, b, c, d) = style.panels(1, 4, 1.85)
    for i, run in enumerate(runs.sort_values("seed").itertuples()):
        curve = shown.observed(run.run_id, low, high)
        a.plot(curve.step, curve[high], color=BLUE, lw=0.8, label="high" if i == 0 else None)
        a.plot(
            curve.step,
            curve[low],
            color=ORANGE,
            lw=0.8,
            ls=DASHES[1],
            label="low" if i == 0 else None,
        )
        b.scatter(curve[high], curve[low], s=4, color=BLUE, alpha=0.5, linewidths=0)
    a.legend(loc="best")
    thousands(a, "x", 3)
    label(a, "step", "residual")
    label(b, "$R$, high", "$R$, low")
    identity_line(b)
    for ax in (a, b):
        if not drawn(ax):
            nothing(ax, "not measured at\nboth resolutions")
    sizes = []
    for ax, column, colour in ((c, low, ORANGE), (d, high, BLUE)):
        sizes.append(gap_panel(ax, fits, column.removeprefix("fourier_residual_"), colour))
    c.set_xlabel("$R$, low")
    d.set_xlabel("$R$, high")
    body = (
        r"(a) Residual $R$ at high resolution (all $b$, all classes) and low (three $b$, five classes), one line each. "
        r"(b) One against the other at every snapshot, with $y=x$ (dotted). Validation gap against (c) the low- and "
        rf"(d) the high-resolution residual at {latex.exact(sizes[0])} and {latex.exact(sizes[1])} admitted snapshots, "
        r"with least-squares lines. Lines and dots are the whole sample; the fits' intervals are in the text."
    )
    words = "Four panels comparing Fourier residuals at two resolutions over time, with each other and with the gap."
    return figure, caption("Resolution of the Fourier residual", body, runs), words

"""Fourier residual against validation gap: content of Figures 5 and S2 of arXiv 2603.13331.

experiments: the default point with Fourier observables. fits: the spectral fit, for (b) and (c). Its R leaves out
a fixed set of frequencies K*; the R of (a) is training time's, the power outside the frequencies above 1 % of the
peak. options: none.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from regrok import latex
from regrok.figures.parts.blank import drawn, nothing
from regrok.figures.parts.captions import caption
from regrok.figures.parts.shown import median_run, points_of, value_of
from regrok.figures.parts.style import (
    BLUE,
    DASHES,
    VERMILION,
    label,
    thousands,
)

DEFAULTS: dict[str, object] = {}


def gap_points(fits, resolution: str) -> pd.DataFrame:
    """residual and gap of the snapshots that enter the fit at this resolution (`high` or `low`)."""
    points = points_of(fits, "spectral")
    if points.empty:
        return pd.DataFrame({"residual": [], "gap": []})
    return points[(points.resolution == resolution) & points.used]


def gap_panel(ax, fits, resolution: str, colour: str = BLUE) -> int:
    """Gap against R with the fit's least-squares line and R²; returns how many snapshots."""
    points = gap_points(fits, resolution)
    ax.scatter(points.residual, points.gap, s=9, color=colour, alpha=0.6, linewidths=0)
    slope, intercept, r_squared = (
        value_of(fits, "spectral", f"{resolution}.{key}")
        for key in ("slope", "intercept", "r_squared")
    )
    if np.isfinite(slope):
        x = np.array([points.residual.min(), points.residual.max()])
        ax.plot(x, slope * x + intercept, color=VERMILION, ls=DASHES[1])
        words = f"OLS: $R^2={r_squared:.3f}$"
        ax.text(0.05, 0.97, words, transform=ax.transAxes, va="top", color=VERMILION, fontsize=7)
    if points.empty:
        nothing(ax, "no snapshot\nis admitted")
    label(ax, "residual", "gap")
    return len(points)


def draw(shown, fits, options, style):
    """(a) R against step; gap against R, (b) at the finest resolution and (c) at the other; (d) spectrum over time."""
    runs = shown.of(0)
    column = "fourier_residual_high"
    if column not in shown.curves:
        column = "fourier_residual_low"
    kind = column.replace("fourier_residual", "fourier")
    figure, (a, b, c, d) = style.panels(1, 4, 1.7)

    ordered = runs.sort_values("seed")
    for colour, run in zip(style.ramp(len(ordered)), ordered.itertuples(), strict=True):
        known = shown.observed(run.run_id, column)
        a.plot(known.step, known[column], color=colour, lw=0.9)
        if run.T_grok == run.T_grok:
            a.axvline(run.T_grok, color=colour, lw=0.5, ls=DASHES[2])
    label(a, "step", "residual")
    snapshots = [gap_panel(ax, fits, name) for ax, name in ((b, "high"), (c, "low"))]
    b.set_xlabel("$R$, high resolution")
    c.set_xlabel("$R$, low resolution")

    chosen = median_run(runs)
    spectrum = shown.spectrum(chosen.run_id, kind) if chosen is not None else pd.DataFrame()
    if not spectrum.empty:
        peak = spectrum.max(axis=1)
        share = spectrum.div(peak.where(peak > 0), axis=0).fillna(0).clip(lower=1e-4)
        d.pcolormesh(
            spectrum.index,
            spectrum.columns,
            np.log10(share.T.to_numpy()),
            cmap="cividis",
            shading="nearest",
            rasterized=True,
            vmin=-4,
            vmax=0,
        )
        if chosen is not None and pd.notna(chosen.T_grok):
            d.axvline(chosen.T_grok, color="white", lw=0.8, ls=DASHES[2])
    label(d, "step", "frequency")
    for ax in (a, d):
        thousands(ax, "x", 3)
    missing = {a: f"{column}\nwas not measured", d: f"no spectrum {kind}"}
    for ax, words_there in missing.items():
        if not drawn(ax):
            nothing(ax, words_there)

    resolution = "all $b$ and classes" if kind == "fourier_high" else "few $b$ and classes"
    body = (
        rf"(a) Fourier residual $R$ of the logits (averaged over {resolution}), one line a seed, dotted at "
        r"$T_{\mathrm{grok}}$. Validation gap against $R$ (b) at high resolution (all $b$, all classes) and (c) at "
        rf"low (three $b$, five classes), at the {latex.exact(snapshots[0])} and {latex.exact(snapshots[1])} snapshots "
        r"that the published rule admits ($R$ there outside a fixed set $K^*$ that holds the power after grokking), "
        r"with least-squares lines; snapshots of one run are not independent. (d) Power over frequencies of the run "
        r"with the median delay, as powers of ten of each step's peak (bright: the peak). Lines and dots are the whole "
        r"sample."
    )
    words = (
        "Four panels on the spectrum of the logits: residual over time, validation gap against residual at two "
        "resolutions, and a heat map of power."
    )
    return figure, caption("Spectral collapse", body, runs), words

"""Fourier residual against validation gap: content of Figure 5 of arXiv 2603.13331.

experiments: the default point with Fourier observables. options: none. The rules are the paper's (A.3): scatter
points are snapshots before T_grok − 500 with R ≥ 0.03; the gap is the validation loss minus the mean of the last five
logged after T_grok + 2,000 (or, on a shorter tail, of the last five of the run).
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from regrok import latex
from regrok.figures.captions import caption
from regrok.figures.shown import median_run
from regrok.figures.style import BLUE, DASHES, GREY, VERMILION, label, thousands
from regrok.figures.summaries import line

BEFORE_GROK = 500
LEAST_RESIDUAL = 0.03
SETTLED_AFTER = 2_000
LAST = 5


def gap_points(shown, runs: pd.DataFrame, column: str) -> pd.DataFrame:
    """run_id, step, R, gap of every snapshot that the paper's rule admits."""
    found = []
    for run in runs.dropna(subset=["T_grok"]).itertuples():
        curve = shown.curve(run.run_id)
        if column not in curve:
            continue
        losses = curve.dropna(subset=["validation_loss"])
        settled = losses[losses.step >= run.T_grok + SETTLED_AFTER]
        floor = (settled if len(settled) >= LAST else losses).validation_loss.tail(LAST).mean()
        snapshots = curve.dropna(subset=[column, "validation_loss"])
        snapshots = snapshots[
            (snapshots.step < run.T_grok - BEFORE_GROK) & (snapshots[column] >= LEAST_RESIDUAL)
        ]
        found.append(
            pd.DataFrame(
                {
                    "run_id": run.run_id,
                    "step": snapshots.step,
                    "R": snapshots[column],
                    "gap": snapshots.validation_loss - floor,
                }
            )
        )
    columns = ["run_id", "step", "R", "gap"]
    return pd.concat(found, ignore_index=True) if found else pd.DataFrame(columns=columns)


def gap_panel(ax, points: pd.DataFrame, colour: str = BLUE) -> float:
    """Gap against R with its least-squares line; returns R²."""
    ax.scatter(points.R, points.gap, s=9, color=colour, alpha=0.6, linewidths=0)
    slope, intercept, r_squared = line(points.R, points.gap)
    if np.isfinite(slope):
        x = np.array([points.R.min(), points.R.max()])
        ax.plot(x, slope * x + intercept, color=VERMILION, ls=DASHES[1])
        ax.text(
            0.05, 0.95, f"OLS: $R^2={r_squared:.3f}$", transform=ax.transAxes, va="top", color=VERMILION
        )
    label(ax, "residual", "gap")
    return r_squared


def draw(shown, fits, options, style):
    """R against step; gap against R; R after T_grok; spectrum over time; largest logit; cumulative energy."""
    runs = shown.of(0)
    column = "fourier_residual_high"
    if column not in shown.curves:
        column = "fourier_residual_low"
    kind = column.replace("fourier_residual", "fourier")
    points = gap_points(shown, runs, column)
    figure, (a, b, c, d, e, f) = style.panels(2, 3, 2.0)

    ordered = runs.sort_values("seed")
    for colour, run in zip(style.ramp(len(ordered)), ordered.itertuples(), strict=True):
        curve = shown.curve(run.run_id)
        known = curve.dropna(subset=[column])
        a.plot(known.step, known[column], color=colour, lw=0.9)
        if run.T_grok == run.T_grok:
            a.axvline(run.T_grok, color=colour, lw=0.5, ls=DASHES[2])
            after = known[known.step >= run.T_grok]
            c.plot(after.step - run.T_grok, after[column], color=colour, lw=0.9)
        if "logit_max" in curve:
            logits = curve.dropna(subset=["logit_max"])
            e.plot(logits.step, logits.logit_max, color=colour, lw=0.9)
        spectrum = shown.spectrum(run.run_id, kind)
        if not spectrum.empty:
            power = np.sort(spectrum.iloc[-1].to_numpy(float))[::-1]
            f.plot(np.arange(1, power.size + 1), np.cumsum(power) / power.sum(), color=colour, lw=0.9)
    label(a, "step", "residual")
    gap_panel(b, points)
    c.set_yscale("log")
    label(c, "steps after $T_{\\mathrm{grok}}$", "residual")
    label(e, "step", "logit_max")
    f.axhline(0.99, color=GREY, ls=DASHES[2], lw=0.8)
    f.set_ylim(top=1.02)
    f.set_xscale("log")
    label(f, "frequencies, strongest first", "cumulative energy")

    chosen = median_run(runs)
    spectrum = shown.spectrum(chosen.run_id, kind) if chosen is not None else pd.DataFrame()
    if not spectrum.empty:
        share = spectrum.div(spectrum.max(axis=1), axis=0).clip(lower=1e-4)
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
        if chosen.T_grok == chosen.T_grok:
            d.axvline(chosen.T_grok, color="white", lw=0.8, ls=DASHES[2])
    label(d, "step", "frequency")
    for ax in (a, c, d, e):
        thousands(ax, "x")

    resolution = "all $b$ and classes" if kind == "fourier_high" else "few $b$ and classes"
    body = (
        rf"(a) Fourier residual $R$ of the logits (averaged over {resolution}), one line a seed, dotted at "
        r"$T_{\mathrm{grok}}$. (b) Validation gap against $R$ at the "
        rf"{latex.exact(len(points))} snapshots that the published rule admits, with the least-squares line; snapshots of "
        r"one run are not independent. (c) $R$ after $T_{\mathrm{grok}}$. (d) Power over frequencies of the run with the "
        r"median delay, as powers of ten of each step's peak (bright: the peak). (e) Largest logit. (f) Cumulative "
        r"energy of each run's last spectrum. Lines are single runs: their spread is the whole sample."
    )
    words = (
        "Six panels on the spectrum of the logits: residual over time, validation gap against residual, residual "
        "after grokking, a heat map of power, the largest logit, and cumulative energy."
    )
    return figure, caption("Spectral collapse", body, runs), words

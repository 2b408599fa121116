"""The norm ratio as modulus p moves it: content of Figure 3 of arXiv 2603.13331.

experiments: the modulus sweep. fits: the scaling fit in T_esc_th. options: curves, the p whose accuracy is drawn;
support_energy, the share of spectral energy that defines the Fourier support (only with measured spectra).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from regrok import latex
from regrok.figures.parts import panels
from regrok.figures.parts.captions import caption
from regrok.figures.parts.style import (
    BLUE,
    DASHES,
    GREY,
    VERMILION,
    from_zero,
    label,
    plain_ticks,
    thousands,
)
from regrok.figures.parts.summaries import MEDIANS
from regrok.laws.parts import regression
from regrok.laws.parts.selection import escape_theory, log_norm_ratio

DEFAULTS: dict[str, Any] = {"curves": None, "support_energy": 0.99}
REFERS: dict[str, Any] = {"curves": "numbers"}


def support(shown, runs, energy: float) -> dict[int, list[int]]:
    """p → size of the smallest set of frequencies with `energy` of each run's last spectrum."""
    sizes: dict[int, list[int]] = {}
    for run in runs.itertuples():
        spectrum = shown.spectrum(run.run_id, "fourier_high")
        if spectrum.empty or run.T_grok != run.T_grok:
            continue
        power = np.sort(spectrum.iloc[-1].to_numpy(float))[::-1]
        if not power.sum() > 0:
            continue
        share = np.cumsum(power) / power.sum()
        sizes.setdefault(int(run.p), []).append(int(np.searchsorted(share, energy) + 1))
    return sizes


def draw(shown, fits, options, style):
    """delay, V_mem and T_mem against p; delay against T_esc_th; Fourier support where measured; accuracy curves."""
    runs = shown.of(0).copy()
    runs["T_esc_th"] = escape_theory(runs)
    sizes = support(shown, runs, options["support_energy"])
    figure, axes = style.panels(2, 3, 1.55)
    a, b, c, d, e, f = axes
    moduli = sorted(runs.p.unique())

    for ax, column in ((a, "delay"), (b, "V_mem"), (e, "T_mem")):
        known = runs.dropna(subset=[column])
        panels.run_points(ax, known.p, known[column])
        panels.median_points(ax, runs, "p", column)
        label(ax, "p", column)
        from_zero(ax)
        thousands(ax, "y")
        plain_ticks(ax, "x", moduli)
        ax.tick_params(axis="x", labelsize=7)
    known = runs[["p", "V_mem"]].dropna().to_numpy(float)
    if len(known) > 2 and len(moduli) > 1:
        slope, intercept = regression.slope(*known.T), regression.intercept(*known.T)
        x = np.array([min(moduli), max(moduli)])
        b.plot(x, slope * x + intercept, color=VERMILION, ls=DASHES[1])

    known = runs.dropna(subset=["delay", "T_esc_th"])
    for colour, p in zip(style.ramp(len(moduli)), moduli, strict=True):
        cell = known[known.p == p]
        c.scatter(cell.T_esc_th, cell.delay, s=9, color=colour, linewidths=0)
    if not known.empty:
        panels.scaling_line(c, fits, "delay", [known.T_esc_th.min(), known.T_esc_th.max()])
    label(c, "T_esc_th", "delay")
    panels.identity_line(c)
    thousands(c, "x")
    thousands(c, "y")

    if sizes:
        for p, found in sizes.items():
            panels.run_points(d, np.full(len(found), p), np.array(found, float))
            d.plot(p, np.median(found), "o", mfc="white", mec="black", ms=3.6)
        label(d, "p", "Fourier support $K$")
        from_zero(d)
        plain_ticks(d, "x", moduli)
    else:
        ratio = log_norm_ratio(runs)
        panels.run_points(d, ratio[runs.delay.notna()], runs.delay[runs.delay.notna()])
        label(d, "$\\log(V_{\\mathrm{mem}}/V_{\\mathrm{final}})$", "delay")
        thousands(d, "y")
        from_zero(d)

    wanted = options["curves"] or panels.spread(moduli)
    values = sorted({moduli[int(np.argmin(np.abs(np.array(moduli) - w)))] for w in wanted})
    panels.accuracy_curves(f, shown, runs, "p", values, [GREY, BLUE, VERMILION], "$p$")

    fourth = (
        rf"(d) Number of frequencies that hold {latex.exact(100 * options['support_energy'])}\,\% of the "
        r"last spectrum's power"
        if sizes
        else r"(d) Delay against the log norm ratio"
    )
    body = (
        r"(a) Delay, (b) $V_{\mathrm{mem}}$ with its least-squares line and (e) $T_{\mathrm{mem}}$ against $p$: dots "
        rf"are runs, open circles {MEDIANS}. (c) Delay against the theory's "
        r"$T_{\mathrm{esc}}=\log(V_{\mathrm{mem}}/V_{\mathrm{final}})/(2\eta\lambda)$, darker for larger $p$, with the "
        rf"least-squares line (dashed) and $y=x$ (dotted). {fourth}. (f) Validation (lines) and train accuracy "
        r"(thin dotted) of the first "
        r"seed at three moduli."
    )
    words = (
        "Six panels: delay, norm at memorisation and memorisation time against modulus, delay against theoretical "
        "escape time, one spectral or norm-ratio panel, and accuracy curves."
    )
    return figure, caption("Modulus sweep and norm ratio", body, runs), words

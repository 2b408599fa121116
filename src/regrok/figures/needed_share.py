"""The share of all pairs that a kernel and a trained network need: what either leaves, and the share over p.

experiments: none. computations: one by kernel_shares on pairs, one by network_shares.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from regrok import latex
from regrok.figures.parts.shown import computed
from regrok.figures.parts.style import (
    BLACK,
    BLUE,
    DASHES,
    MARKERS,
    VERMILION,
    log_scale,
    plain_ticks,
)

DEFAULTS: dict[str, object] = {}
NEEDS: dict[str, object] = {"computations": ["kernel_shares", "network_shares"]}

WHOLE = "all"
LEARNERS = {
    "kernel_needed_share": ("kernel", VERMILION, "v"),
    "needed_share": ("network", BLUE, "o"),
}


def draw(shown, fits, options, style):
    """(a) the kernel's loss, (b) the network's errors, both over the share; (c) the share that either needs, over p."""
    kernel, network = (computed(fits, f"{kind}_shares")[1] for kind in ("kernel", "network"))
    losses, runs = (pd.DataFrame(made["points"]) for made in (kernel, network))
    losses = losses[(losses.arm == WHOLE) & (losses.kind == "loss")]
    figure, axes = style.panels(1, 3, 1.9)
    over(axes[0], losses, "loss", style)
    axes[0].set_ylabel("loss / null predictor's")
    errors = runs[runs.kind == "run"]
    over(axes[1], errors, "error", style)
    # The kernel's errors hardly differ between moduli; those at the largest stand for all.
    largest = errors[errors.p == errors.p.max()].groupby("share").kernel_error.mean()
    axes[1].plot(largest.index, largest, color=VERMILION, ls=DASHES[2], label="kernel")
    axes[1].set_ylabel("errors, of all pairs")
    for ax in axes[:2]:
        ax.axhline(0.5, color=BLACK, lw=0.6, ls=DASHES[2], zorder=0)
        ax.set(xlabel="share in training", xlim=(0, 1), ylim=(0, 1.25))
        ax.legend(loc="upper right", ncols=2, columnspacing=0.8)
    needs(axes[2], runs[runs.kind == "needed"])
    return figure, caption(kernel["options"], network["options"], losses), description()


def over(ax, rows: pd.DataFrame, column: str, style) -> None:
    """Means over draws of a column over the share, a line for each modulus."""
    moduli = sorted(rows.p.unique())
    for i, (p, colour) in enumerate(zip(moduli, style.ramp(len(moduli)), strict=True)):
        mean = rows[rows.p == p].groupby("share")[column].mean()
        marker = MARKERS[i % len(MARKERS)]
        ax.plot(mean.index, mean, color=colour, marker=marker, ms=2.4, lw=0.9, label=f"$p={p:g}$")


def needs(ax, rows: pd.DataFrame) -> None:
    """Each draw's needed share over p, and the slope that the theorem's bound has, through the network's mean."""
    for column, (words, colour, marker) in LEARNERS.items():
        known = rows.dropna(subset=[column])
        if not known.empty:
            look = {"ls": "none", "marker": marker, "ms": 3.0, "alpha": 0.6, "color": colour}
            ax.plot(known.p, known[column].astype(float), label=words, **look)
    known = rows.dropna(subset=["needed_share"])
    if not known.empty:
        p = np.array(sorted(known.p.unique()), dtype=float)
        logs = np.log(known.needed_share.astype(float)) + np.log(known.p.astype(float)) / 3
        line = np.exp(logs.mean()) * p ** (-1 / 3)
        ax.plot(p, line, color=BLACK, lw=0.7, ls=DASHES[1], label="$p^{-1/3}$")
    log_scale(ax, "xy")
    plain_ticks(ax, "x", rows.p.unique())
    low = float(rows[[*LEARNERS]].astype(float).min().min())
    ax.set_ylim(min(0.2, 0.8 * low) if np.isfinite(low) else 0.2, 1.0)
    plain_ticks(ax, "y", [0.1, 0.2, 0.3, 0.5, 0.7, 1.0])
    ax.set(xlabel="modulus $p$", ylabel="needed share")
    ax.legend(loc="lower left")


def caption(kernel, network, losses: pd.DataFrame) -> str:
    """What is drawn, with the constants."""
    draws = latex.count(int(kernel["draws"]), "draw"), latex.count(int(network["draws"]), "draw")
    return (
        r"\textbf{A kernel needs a constant share of all pairs; does a trained network?} (a)~Mean square over all "
        r"pairs, "
        r"seen and unseen, of the ridgeless predictor of the expected tangent kernel, over that of the null predictor; "
        rf"means of {draws[0]} of training sets. (b)~Share of all pairs that a network of ${network['width']}p$ "
        rf"neurons "
        rf"has wrong after at most {latex.exact(network['budget'])} steps of normalised gradient descent, means of "
        rf"{draws[1]}; "
        rf"red: the kernel on the same pairs at $p={max(network['moduli'])}$. Dotted: one half. (c)~The share at "
        rf"which one half "
        r"of all pairs is wrong, of every draw; dashed: the slope of the theorem's bound, through the network's mean. "
        r"Networks are trained within the computation, and no run enters this figure."
    )


def description() -> str:
    """The figure for who cannot see it."""
    return (
        "Three panels. Left: the kernel's loss over the share in training, one line for each modulus, with a dotted "
        "line "
        "at one half. Middle: the errors of trained networks over the share, with the kernel's dotted. Right: the "
        "share "
        "that kernel and network need, over the modulus on log axes, with a dashed line of slope minus one third."
    )

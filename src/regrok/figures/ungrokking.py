"""Accuracy over time of networks that had generalised and train on a part of their data: 2309.02390, Figures 4 and 7.

experiments: the runs that start from grokked networks. fits: one of law `recovery`, which says what was lost and when
it came back. options: panels, the most sizes that are shown.
"""

from __future__ import annotations

import numpy as np

from regrok import latex
from regrok.figures.parts.captions import caption
from regrok.figures.parts.shown import estimates, points_of
from regrok.figures.parts.style import DASHES, GREY, short_number, thousands
from regrok.laws.parts.selection import curve_of

DEFAULTS: dict[str, object] = {"panels": 8}
NEEDS: dict[str, object] = {"fits": ["recovery"]}

COLUMNS = 4
LEVEL = 0.9


def draw(shown, fits, options, style):
    """A panel a size, every run a line coloured by λ, a triangle where generalisation was regained for good."""
    runs = shown.of(0)
    sizes = chosen(sorted(runs.train_size.unique()), options["panels"])
    decays = sorted(runs.weight_decay.unique())
    colours = dict(zip(decays, style.ramp(len(decays)), strict=True))
    dashes = {decay: DASHES[i % len(DASHES)] for i, decay in enumerate(decays)}
    columns = min(COLUMNS, len(sizes))
    rows = -(-len(sizes) // columns)
    figure, axes = style.panels(rows, columns, 1.25, sharex=True, sharey=True)
    curves = curve_of(shown.curves[shown.curves.run_id.isin(runs.run_id)])
    told = points_of(fits, "recovery")
    told = told.drop_duplicates("run_id").set_index("run_id") if len(told) else told
    for ax, size in zip(axes, sizes, strict=False):
        one = runs[runs.train_size == size].sort_values(["weight_decay", "seed"])
        share = size / (one.train_size + one.validation_size).iloc[0]
        ax.set_title(
            f"{ax.get_title(loc='left')} $D'={int(size)}$ ({100 * share:.0f}%)", fontsize=7
        )
        named = set()
        for run in one.itertuples():
            curve = curves[run.run_id].sort_values("step")
            curve = curve[curve.validation_examples == run.validation_size]
            name = None if run.weight_decay in named else run.weight_decay
            named.add(run.weight_decay)
            ax.plot(
                curve.step,
                curve.validation_accuracy,
                color=colours[run.weight_decay],
                ls=dashes[run.weight_decay],
                lw=0.7,
                alpha=0.85,
                label=None if name is None else f"$\\lambda={short_number(name).strip('$')}$",
            )
            mark(ax, told, run.run_id, colours[run.weight_decay])
        ax.axhline(LEVEL, color=GREY, lw=0.6, ls=DASHES[2], zorder=0)
        ax.set_ylim(-0.03, 1.06)
        thousands(ax, "x", 3)
    for ax in axes[len(sizes) :]:
        ax.remove()
    for i, ax in enumerate(axes[: len(sizes)]):
        ax.tick_params(labelbottom=i + columns >= len(sizes))
        if i % columns == 0:
            ax.set_ylabel("validation accuracy")
        if i + columns >= len(sizes):
            ax.set_xlabel("step on the subset")
    axes[0].legend(loc="lower right", bbox_to_anchor=(1.0, 0.06))
    words = (
        "Panels of validation accuracy against step, one for each size of the subset, with every run a line: at small "
        "sizes accuracy falls from one and stays low, at large sizes it stays high."
    )
    return figure, caption("Ungrokking over time", body(fits), runs), words


def chosen(sizes: list[float], most: int) -> list[float]:
    """At most so many of the sizes, the ends among them."""
    if len(sizes) <= most:
        return sizes
    return [sizes[i] for i in np.unique(np.linspace(0, len(sizes) - 1, most).round().astype(int))]


def mark(ax, told, run_id: str, colour) -> None:
    """A triangle at the level where the run came back."""
    if run_id in told.index and np.isfinite(float(told.regained.loc[run_id] or np.nan)):
        ax.plot(
            told.regained.loc[run_id],
            LEVEL,
            marker="^",
            ms=4,
            color=colour,
            mec="white",
            mew=0.4,
            zorder=4,
        )


def body(fits) -> str:
    """What the panels show, and how many runs lost it and came back."""
    found = estimates(fits)
    name = next((name for name, fit in fits.items() if fit["law"] == "recovery"), "")
    counts = []
    for key, words in (
        ("lost_share", "lost what they had"),
        ("regained_share", "of these regained it"),
    ):
        share = found.get(f"{name}.all.{key}")
        if share is not None and share["value"] is not None:
            counts.append(f"{round(share['value'] * share['n'])} of {share['n']} {words}")
    said = f" In all, {latex.escape('; '.join(counts))}." if counts else ""
    return (
        r"Validation accuracy on all other pairs of networks that know the whole table and train on $D'$ of its pairs "
        r"from step 0 on; each line is one run, darker for larger $\lambda$. Dotted: the level of .90 below which "
        r"generalisation counts as lost after 1,000 steps; triangles: it is regained for as long, and dips that are "
        rf"shorter are neither.{said} Lines are single runs; shares with their intervals are in the text."
    )

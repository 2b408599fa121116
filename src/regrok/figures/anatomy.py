"""One run from start to end: accuracies, V, T_mem, T_grok and the delay between them.

experiments: the default point. options: none.
"""

from __future__ import annotations

from regrok import latex
from regrok.figures.parts import slingshots
from regrok.figures.parts.captions import caption
from regrok.figures.parts.shown import median_run
from regrok.figures.parts.style import (
    BLACK,
    BLUE,
    DASHES,
    GREY,
    HALF_HEIGHT,
    HALF_WIDTH,
    VERMILION,
    label,
    log_scale,
    thousands,
)

DEFAULTS: dict[str, object] = {}


def draw(shown, fits, options, style):
    """(a) accuracies against step with both times marked; (b) V of the same run and of the other seeds."""
    runs = shown.of(0)
    chosen = median_run(runs)
    if chosen is None:
        chosen = runs.sort_values("run_id").iloc[0]
    curve = shown.curve(chosen.run_id)
    figure, (left, right) = style.panels(1, 2, HALF_HEIGHT, HALF_WIDTH)

    for column, colour, dash, name, y in (
        ("train_accuracy", GREY, DASHES[1], "train", 0.58),
        ("validation_accuracy", BLUE, "-", "validation", 0.46),
    ):
        known = curve.dropna(subset=[column])
        left.plot(known.step, known[column], color=colour, ls=dash)
        # Beside the lines there is no room for a legend's.
        place = {"transform": left.transAxes, "ha": "right", "fontsize": 7, "zorder": 5}
        back = {"facecolor": "white", "edgecolor": "none", "pad": 0.6}
        left.text(0.99, y, name, color=colour, bbox=back, **place)
    left.set_ylim(-0.02, 1.16)
    left.set_yticks([0, 0.25, 0.5, 0.75, 1])
    label(left, "step", "accuracy")
    for ax in (left, right):
        for time in (chosen.T_mem, chosen.T_grok):
            if time == time:
                ax.axvline(time, color=BLACK, lw=0.6, ls=DASHES[2])
    if chosen.delay == chosen.delay and chosen.delay > 0:
        left.annotate(
            "",
            (chosen.T_grok, 1.09),
            (chosen.T_mem, 1.09),
            arrowprops={"arrowstyle": "<->", "lw": 0.8, "shrinkA": 0, "shrinkB": 0},
        )
        left.text((chosen.T_mem + chosen.T_grok) / 2, 1.095, "delay", ha="center", va="bottom")
    fell = slingshots.falls(fits)
    for ax in (left, right):
        slingshots.tick(ax, fell.get(chosen.run_id), BLACK, 0.04)

    for other in runs.run_id[runs.run_id != chosen.run_id]:
        line = shown.curve(other)
        right.plot(line.step, line.V, color=GREY, lw=0.5, alpha=0.6)
    right.plot(curve.step, curve.V, color=VERMILION, label="this run")
    right.plot([], [], color=GREY, lw=0.5, label="other seeds")
    log_scale(right, "y")
    label(right, "step", "V")
    right.legend(loc="upper right", handlelength=1.2)
    for ax in (left, right):
        thousands(ax, "x", 3)
        ax.set_xlim(left=0)

    times = (
        f"memorised at step {latex.exact(chosen.T_mem)}"
        if chosen.T_mem == chosen.T_mem
        else "did not memorise"
    )
    times += (
        f" and grokked at step {latex.exact(chosen.T_grok)}"
        if chosen.T_grok == chosen.T_grok
        else " and did not grok in its budget"
    )
    body = (
        rf"(a) Train (dashed) and validation accuracy of the run with the median delay (seed {chosen.seed}), which "
        rf"{times} (dotted). "
        r"(b) Squared norm $V$ of the same run and of the other seeds; each line is one run, so the spread of the "
        r"lines is the whole sample, not an interval."
        + slingshots.sentence(
            fits,
            runs,
            "in this run at the step of the triangle"
            if chosen.run_id in fell
            else "not in this run",
        )
    )
    words = (
        f"Two line plots of one run, seed {chosen.seed}: accuracy against step, and squared parameter norm "
        "against step on a log axis with the other seeds behind it."
    )
    return figure, caption("Anatomy of a run", body, runs), words

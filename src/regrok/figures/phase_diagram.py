"""What each optimiser does over a grid of η and λ: the outcome of every cell.

experiments: the grid, one arm per optimiser; further experiments add arms. options: none.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.patches import Patch, Rectangle

from regrok.figures.parts.captions import caption
from regrok.figures.parts.style import OUTCOME_LOOK, WORDS, short_number
from regrok.measures.events import OUTCOMES

DEFAULTS: dict[str, object] = {}

MOST_COLUMNS = 4


def cells(runs: pd.DataFrame) -> pd.DataFrame:
    """One row per (η, λ): the commonest outcome, how many runs had it, and n. Ties go to the better outcome."""
    rows = []
    for (eta, lam), cell in runs.groupby(["learning_rate", "weight_decay"]):
        counts = cell.outcome.value_counts()
        best = max(OUTCOMES, key=lambda o: (counts.get(o, 0), -OUTCOMES.index(o)))
        rows.append({"eta": eta, "lam": lam, "outcome": best, "k": counts[best], "n": len(cell)})
    return pd.DataFrame(rows)


def draw(shown, fits, options, style):
    """One map per arm; each cell has the colour, hatch and letter of its commonest outcome and its count."""
    parts = [shown.of(i) for i in range(len(shown.order))]
    runs = pd.concat([part for part in parts if not part.empty], ignore_index=True)
    arms = list(dict.fromkeys(arm for i in range(len(parts)) for arm in shown.arms(i)))
    columns = min(len(arms), MOST_COLUMNS)
    rows = -(-len(arms) // columns)
    figure, axes = style.panels(rows, columns, 1.6)
    for spare in axes[len(arms) :]:
        spare.remove()
    for ax, arm in zip(axes, arms, strict=False):
        table = cells(runs[runs.arm == arm].drop_duplicates("run_id"))
        etas, lams = sorted(table.eta.unique()), sorted(table.lam.unique())
        between = "\n" if len(etas) < 3 else " "  # low cells have room for one line
        for cell in table.itertuples():
            colour, letter, hatch = OUTCOME_LOOK[cell.outcome]
            x, y = lams.index(cell.lam), etas.index(cell.eta)
            ax.add_patch(
                Rectangle(
                    (x - 0.5, y - 0.5),
                    1,
                    1,
                    facecolor=colour,
                    hatch=hatch,
                    edgecolor="white",
                    lw=0.8,
                )
            )
            ax.text(
                x,
                y,
                f"{letter}{between}{cell.k}/{cell.n}",
                ha="center",
                va="center",
                fontsize=7,
                bbox={"facecolor": "white", "alpha": 0.8, "lw": 0, "pad": 0.8},
            )
        ax.set_xlim(-0.5, len(lams) - 0.5)
        ax.set_ylim(-0.5, len(etas) - 0.5)
        ax.set_xticks(np.arange(len(lams)), [short_number(v) for v in lams])
        ax.set_yticks(np.arange(len(etas)), [short_number(v) for v in etas])
        ax.tick_params(length=0, labelsize=7)
        ax.set_title(f"{ax.get_title(loc='left')} {arm}" if len(arms) > 1 else arm, fontsize=7)
        ax.set_xlabel(WORDS["weight_decay"])
        if ax.get_subplotspec().is_first_col():
            ax.set_ylabel(WORDS["learning_rate"])
        for spine in ax.spines.values():
            spine.set_visible(False)
    present = [o for o in OUTCOMES if runs.outcome.eq(o).any()]
    figure.legend(
        handles=[
            Patch(
                facecolor=OUTCOME_LOOK[o][0],
                hatch=OUTCOME_LOOK[o][2],
                edgecolor="white",
                label=f"{OUTCOME_LOOK[o][1]}: {o}",
            )
            for o in present
        ],
        loc="outside lower center",
        ncols=len(present),
    )
    body = (
        r"Each cell is one pair $(\eta,\lambda)$ of one optimiser, with the commonest outcome of its runs and how "
        r"many of "
        r"them had it: the counts are the whole sample. A cell without a patch was not run."
    )
    words = "Maps of outcomes over learning rate and weight decay, one per optimiser, with letters and counts in cells."
    return figure, caption("Outcomes by optimiser", body, runs), words

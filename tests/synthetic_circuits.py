"""Made-up curves of runs that train to their budget, paper F's above all: thresholds in the size, recoveries, norms.

Sizes are shares of all pairs: below a seventh a grokked network loses what it had, up to a fifth it comes back in the
last third of the budget, and from scratch a quarter is needed; the seeds' thresholds differ by a few per cent. Without
weight decay nothing is generalised. Never shown as results.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from regrok.study.run import Run

LOST, BACK, SCRATCH = 0.14, 0.20, 0.27
"""Shares of all pairs: lost for good below the first, lost for a while below the second; needed from scratch."""


def of_circuits(run: Run) -> bool:
    """Whether it is one of paper F's or C's: they train to their budget, or on the whole table, and do not warm up."""
    own = run.protocol.stop == "budget" or run.task.validation_size == 0
    return own and not run.optimiser.warmup_steps


def circuit_curve(run: Run, rng: np.random.Generator) -> pd.DataFrame:
    """The run's curve; rng: its own."""
    every, budget = run.protocol.log_every, run.protocol.max_steps
    points = min(budget // every, 160)
    step = every * np.unique(np.linspace(0, budget / every, points + 1).round()).astype(int)
    share = run.task.train_size / (run.task.train_size + run.task.validation_size)
    random, lam = run.task.labels == "random", run.optimiser.weight_decay
    own = 1 + 0.04 * (run.seed % 5 - 2)
    train = np.ones(step.size) if run.start else np.clip(step / (0.05 * budget), 0.01, 1)
    late = step > 0.05 * budget
    if run.task.validation_size == 0:
        validation = np.full(step.size, np.nan)
    elif run.start is not None:
        gone = late & (share < BACK * own) & ((share < LOST * own) | (step < 0.66 * budget))
        validation = np.where(gone, 0.08, 1.0)
    elif random:
        validation = np.full(step.size, 1 / run.task.p)
    else:
        enough = share > SCRATCH * own and lam > 0
        validation = np.where(enough & (step > 0.3 * budget), 1.0, 0.1)
    # The norm that a loss needs: with the square root of the size where it is learned by heart.
    loss = 1e-3 * max(lam, 1e-6) ** 1.5 * (share if random else 1.0) * np.exp(rng.normal(0, 0.02))
    norm = (
        30 * loss**-0.05 * ((share / LOST) ** 0.5 if random else 1.0) * np.exp(rng.normal(0, 0.01))
    )
    settled = np.exp(-8 * step / budget)
    return pd.DataFrame(
        {
            "step": step,
            "train_loss": loss * (1 + 3000 * settled),
            "train_accuracy": train,
            "train_examples": run.task.train_size,
            "validation_loss": np.where(np.isnan(validation), np.nan, 9 * (1.001 - validation)),
            "validation_accuracy": validation,
            "validation_examples": run.task.validation_size,
            "V": (norm * (1 + settled)) ** 2,
        }
    )

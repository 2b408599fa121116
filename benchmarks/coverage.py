"""Prints how often each kind of interval holds the truth: `python -m benchmarks.coverage [KIND …] [--studies N]`.

Studies are drawn at the designs that intervals decide verdicts at (benchmarks/drawn.py): 3, 5 and 10 runs a cell, and
none, a fifth or half of the runs censored at their budget where the interval keeps censored runs. A line is a row of a
Markdown table.
"""

from __future__ import annotations

import argparse
import math
from typing import NamedTuple

import numpy as np

from benchmarks import clustered, drawn
from regrok.laws.parts import regression

RUNS = (3, 5, 10)
CENSORED = (0.0, 0.2, 0.5)


class Kind(NamedTuple):
    draw: drawn.Draw
    """runs a cell, share censored, generator → estimate and truth."""
    censored: bool = False
    """Whether the interval keeps censored runs."""
    cost: int = 1
    """By how much fewer studies are drawn."""


KINDS = {
    "mean, t": Kind(drawn.mean(False)),
    "geometric mean, t": Kind(drawn.mean(True)),
    "share, Wilson": Kind(drawn.share),
    "slope S2, bootstrap": Kind(drawn.over_cells("S2", lambda d: d.slope, False, regression.slope)),
    "slope S2, t over cells": Kind(drawn.of_cells("S2", lambda d: d.slope, False)),
    "exponent S2, bootstrap": Kind(
        drawn.over_cells("S2", lambda d: d.exponent, True, regression.slope)
    ),
    "exponent S2, t over cells": Kind(drawn.of_cells("S2", lambda d: d.exponent, True)),
    "exponent S5A, bootstrap": Kind(
        drawn.over_cells("S5A", lambda d: d.exponent, True, regression.slope)
    ),
    "exponent S5A, t over cells": Kind(drawn.of_cells("S5A", lambda d: d.exponent, True)),
    "R² S2, bootstrap": Kind(
        drawn.over_cells("S2", lambda d: d.r_squared, False, regression.r_squared)
    ),
    "R² S5A, bootstrap": Kind(
        drawn.over_cells("S5A", lambda d: d.r_squared, False, regression.r_squared)
    ),
    "R² S2, population": Kind(drawn.population("S2")),
    "R² S5A, population": Kind(drawn.population("S5A")),
    "R² S5A laptop, population": Kind(drawn.population("S5A, laptop")),
    "Pearson r S3, bootstrap": Kind(drawn.pearson),
    "Pearson r S3, population": Kind(drawn.population_s3),
    "slope S3, bootstrap": Kind(drawn.slope_s3(False)),
    "slope S3, t over cells": Kind(drawn.slope_s3(True)),
    "variation S5A laptop, bootstrap": Kind(drawn.variation("S5A, laptop", False)),
    "variation S5A laptop, population": Kind(drawn.variation("S5A, laptop", True)),
    "variation S5A, population": Kind(drawn.variation("S5A", True)),
    "variation S2, population": Kind(drawn.variation("S2", True)),
    "variation at least, bootstrap": Kind(drawn.at_least("variation_at_least")),
    "variation at least, population": Kind(drawn.at_least("variation_population_at_least")),
    "mean at least, bootstrap": Kind(drawn.at_least("mean_at_least")),
    "mean norm, bootstrap": Kind(drawn.between_configurations("rms_grok_mean")),
    "variation of norms, bootstrap": Kind(drawn.between_configurations("rms_grok_cv")),
    "variation of norms, population": Kind(drawn.between_configurations("rms_grok_cv_population")),
    "ratio of means, Welch": Kind(drawn.ratio),
    "ratio of spreads, F": Kind(drawn.spread_ratio),
    "restricted mean, log-odds": Kind(drawn.restricted_mean, True),
    "restricted ratio, bootstrap": Kind(drawn.restricted_ratio(True), True, 4),
    "restricted ratio, log-odds": Kind(drawn.restricted_ratio(False), True, 4),
    "median, order statistics": Kind(drawn.median, True),
    "exponent S2, survival": Kind(drawn.survival, True, 4),
    "exponent of η, jackknife over cells": Kind(clustered.exponent("log_learning_rate"), True, 4),
    "exponent of λ, jackknife over cells": Kind(clustered.exponent("log_weight_decay"), True, 4),
    "exponent of log ratio, jackknife over cells": Kind(
        clustered.exponent("log_log_norm_ratio"), True, 4
    ),
    "slope S4, jackknife over runs": Kind(clustered.line("slope")),
    "R² S4, jackknife over runs": Kind(clustered.line("r_squared")),
    "error of the forecast, refitted": Kind(clustered.forecast(False), cost=4),
    "error of the forecast, every lever": Kind(clustered.forecast(True), cost=4),
}


class Kept(NamedTuple):
    """Shares of the studies that have an interval, and how many of all have none."""

    held: float
    above: float
    """The whole interval lies above the truth."""
    below: float
    without: float


def coverage(kind: Kind, n: int, censored: float, studies: int, seed: int = 0) -> Kept:
    """How often the interval of `studies` studies of n runs a cell holds the truth; an end that is open holds it."""
    rng = np.random.default_rng([seed, n, round(100 * censored)])
    made = [kind.draw(n, censored, rng) for _ in range(studies)]
    told = [(e, t) for e, t in made if e.value is not None and (e.low, e.high) != (None, None)]
    above = sum(e.low is not None and e.low > truth for e, truth in told)
    below = sum(e.high is not None and e.high < truth for e, truth in told)
    number = max(len(told), 1)
    held = 1 - (above + below) / number if told else math.nan
    return Kept(held, above / number, below / number, 1 - len(told) / studies)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.coverage", description=__doc__)
    parser.add_argument(
        "kinds", nargs="*", metavar="KIND", help="words that its name holds; all by default"
    )
    parser.add_argument("--studies", type=int, default=1000, help="that are drawn of each")
    arguments = parser.parse_args()
    chosen = {
        name: kind
        for name, kind in KINDS.items()
        if not arguments.kinds or any(word in name for word in arguments.kinds)
    }
    if not chosen:
        parser.error(f"no kind holds {' or '.join(arguments.kinds)}; there are {', '.join(KINDS)}")
    print(
        "| interval | runs a cell | censored | holds the truth | above it | below it | without an interval |"
    )
    print("|---|---|---|---|---|---|---|")
    for name, kind in chosen.items():
        for n in RUNS:
            for censored in CENSORED if kind.censored else (0.0,):
                kept = coverage(kind, n, censored, arguments.studies // kind.cost)
                shown = " | ".join(f"{share:.3f}" for share in kept)
                print(f"| {name} | {n} | {censored:.0%} | {shown} |", flush=True)


if __name__ == "__main__":
    main()

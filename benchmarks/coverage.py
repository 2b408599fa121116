"""Prints how often each kind of interval holds the truth: `python -m benchmarks.coverage [KIND …] [--studies N]`.

Studies are drawn at the designs that intervals decide verdicts at (tests/designs.py): lognormal times with the means
and spreads that were found, 3, 5 and 10 runs a cell, and none, a fifth or half of the runs censored at their budget
where the interval keeps censored runs. A line is a row of a Markdown table.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from designs import DESIGNS, Design
from planted import make_run
from regrok.laws import comparison, with_previous
from regrok.laws.parts import cell_slope, lifetimes, r_squared, regression
from regrok.laws.parts import estimate as est

RUNS = (3, 5, 10)
CENSORED = (0.0, 0.2, 0.5)
REPLICATES = 400
SLOW, FAST = (
    Design(*(np.array([v]) for v in cell)) for cell in ((2e-4, 36560, 11306), (1e-3, 1825, 102))
)
"""One cell of the sweep of η with much spread, and one with little."""
SHARES = (0.1, 0.3, 0.5, 0.7, 0.9)
S3_LOG_MEANS = np.array(
    [
        [7.382, 7.585],
        [7.374, 7.45],
        [7.259, 7.059],
        [7.225, 7.016],
        [7.223, 6.819],
        [7.032, 6.71],
        [6.97, 6.408],
    ]
)
"""The sweep of p: mean log escape time and log delay of each cell."""
S3_COVARIANCE = np.array([[0.0063, 0.0039], [0.0039, 0.052]])
"""Of the two within a cell."""

Drawn = tuple[est.Estimate, float]
"""An estimate of one study and the truth."""
Draw = Callable[[int, float, np.random.Generator], Drawn]


class Kind(NamedTuple):
    draw: Draw
    """runs a cell, share censored, generator → estimate and truth."""
    censored: bool = False
    """Whether the interval keeps censored runs."""
    cost: int = 1
    """By how much fewer studies are drawn."""


def seed_of(rng: np.random.Generator) -> int:
    return int(rng.integers(2**31))


def mean(log: bool) -> Draw:
    def draw(n: int, _: float, rng: np.random.Generator) -> Drawn:
        truth = math.exp(SLOW.log_mean[0]) if log else SLOW.mean[0]
        return est.mean(SLOW.draw(n, rng), log=log), truth

    return draw


def share(n: int, _: float, rng: np.random.Generator) -> Drawn:
    truth = SHARES[rng.integers(len(SHARES))]
    return est.share(int(rng.binomial(n, truth)), n), truth


def over_cells(
    design: str, truth: Callable[[Design], float], log: bool, statistic: Callable
) -> Draw:
    """A statistic of factor and time as the law `scaling` makes it: bootstrap over seeds within cells."""

    def draw(n: int, _: float, rng: np.random.Generator) -> Drawn:
        d = DESIGNS[design]
        t, groups = d.draw(n, rng), d.groups(n)
        x = (np.log(d.factor) if log else d.inverse)[groups]
        y = np.log(t) if log else t
        made = est.bootstrap(lambda i: statistic(x[i], y[i]), groups, REPLICATES, seed_of(rng), "")
        return made, truth(d)

    return draw


def of_cells(design: str, truth: Callable[[Design], float], log: bool) -> Draw:
    def draw(n: int, _: float, rng: np.random.Generator) -> Drawn:
        d = DESIGNS[design]
        t, groups = d.draw(n, rng), d.groups(n)
        x = (np.log(d.factor) if log else d.inverse)[groups]
        return cell_slope.slope(x, np.log(t) if log else t, groups), truth(d)

    return draw


def population(design: str) -> Draw:
    def draw(n: int, _: float, rng: np.random.Generator) -> Drawn:
        d = DESIGNS[design]
        t, groups = d.draw(n, rng), d.groups(n)
        found, _ = r_squared.population(d.inverse[groups], t, groups, REPLICATES, seed_of(rng))
        return found, d.r_squared

    return draw


def s3(n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Escape times, delays and cells of a sweep of p; both are drawn."""
    k = len(S3_LOG_MEANS)
    noise = rng.multivariate_normal([0, 0], S3_COVARIANCE, (k, n))
    x, y = np.exp(np.moveaxis(S3_LOG_MEANS[:, None] + noise, 2, 0)).reshape(2, -1)
    return x, y, np.repeat(np.arange(k), n)


def s3_correlation() -> float:
    """With seeds without end: moments of the lognormal distribution."""
    m = np.exp(S3_LOG_MEANS + np.diag(S3_COVARIANCE) / 2)
    inner = np.mean(m[:, :, None] * m[:, None, :] * np.expm1(S3_COVARIANCE), axis=0)
    total = inner + np.cov(m.T, bias=True)
    return float(total[0, 1] / math.sqrt(total[0, 0] * total[1, 1]))


def pearson(n: int, _: float, rng: np.random.Generator) -> Drawn:
    x, y, groups = s3(n, rng)
    made = est.bootstrap(
        lambda i: regression.pearson(x[i], y[i]),
        groups,
        REPLICATES,
        seed_of(rng),
        "",
        bounds=est.CORRELATION,
    )
    return made, s3_correlation()


def population_s3(n: int, _: float, rng: np.random.Generator) -> Drawn:
    _, found = r_squared.population(*s3(n, rng), REPLICATES, seed_of(rng))
    return found, s3_correlation()


def variation(n: int, _: float, rng: np.random.Generator) -> Drawn:
    """Standard deviation over mean of the time times the factor, over the cells of the laptop's sweep of η."""
    d = DESIGNS["S5A, laptop"]
    groups = d.groups(n)
    product = d.draw(n, rng) * d.factor[groups]
    made = est.bootstrap(
        lambda i: regression.coefficient_of_variation(product[i]),
        groups, REPLICATES, seed_of(rng), "", bounds=est.POSITIVE,
    )  # fmt: skip
    m = d.mean * d.factor
    return made, math.sqrt(m.var() + ((d.sd * d.factor) ** 2).mean()) / m.mean()


def ratio(n: int, _: float, rng: np.random.Generator) -> Drawn:
    return comparison.ratio(SLOW.draw(n, rng), FAST.draw(n, rng))[0], SLOW.mean[0] / FAST.mean[0]


def spread_ratio(n: int, _: float, rng: np.random.Generator) -> Drawn:
    return comparison.spread_ratio(SLOW.draw(n, rng), FAST.draw(n, rng))[0], SLOW.sd[0] / FAST.sd[0]


def budget(cell: Design, censored: float) -> float:
    """Step by which all but this share of runs have grokked; without censoring beyond any of them."""
    at = stats.norm.ppf(1 - censored) if censored else 6.0
    return float(np.exp(cell.log_mean[0] + at * math.sqrt(cell.log_variance[0])))


def restricted(cell: Design, end: float) -> float:
    """Mean of min(T, end) of a lognormal T."""
    s = math.sqrt(cell.log_variance[0])
    z = (math.log(end) - cell.log_mean[0]) / s
    return float(cell.mean[0] * stats.norm.cdf(z - s) + end * stats.norm.sf(z))


def watched(
    cell: Design, n: int, censored: float, rng: np.random.Generator
) -> tuple[pd.Series, pd.Series]:
    t, end = cell.draw(n, rng), budget(cell, censored)
    return pd.Series(np.minimum(t, end)), pd.Series(t <= end)


def median(n: int, censored: float, rng: np.random.Generator) -> Drawn:
    return lifetimes.median(*watched(SLOW, n, censored, rng)), math.exp(SLOW.log_mean[0])


def restricted_mean(over_seeds: bool) -> Draw:
    def draw(n: int, censored: float, rng: np.random.Generator) -> Drawn:
        time, seen = watched(SLOW, n, censored, rng)
        end = budget(SLOW, censored)
        if over_seeds:
            made = lifetimes.restricted_mean_over_seeds(
                time, seen, np.zeros(n), end, REPLICATES, seed_of(rng)
            )
        else:
            made = lifetimes.restricted_mean(time, seen, end)
        return made, restricted(SLOW, end)

    return draw


def restricted_ratio(n: int, censored: float, rng: np.random.Generator) -> Drawn:
    """Of two groups watched as long as the slower needs, so that the faster has all grokked."""
    end = budget(SLOW, censored)
    rows = [
        make_run(
            T_mem=1,
            delay=t - 1 if t <= end else math.nan,
            seed=seed,
            learning_rate=cell.factor[0],
            steps=min(t + 2000, end),
            max_steps=end,
            log_every=1,
        )
        for cell in (SLOW, FAST)
        for seed, t in enumerate(cell.draw(n, rng))
    ]
    runs = with_previous(pd.DataFrame(rows))
    made, _ = comparison.restricted_ratio(
        runs[:n], runs[n:], "T_grok", end, REPLICATES, seed_of(rng)
    )
    return made, restricted(SLOW, end) / restricted(FAST, end)


def survival(n: int, censored: float, rng: np.random.Generator) -> Drawn:
    """The exponent of λ, every cell with a budget that cuts off the same share."""
    d = DESIGNS["S2"]
    t, groups = d.draw(n, rng), d.groups(n)
    ends = np.exp(
        d.log_mean + (stats.norm.ppf(1 - censored) if censored else 6.0) * np.sqrt(d.log_variance)
    )[groups]
    lower = np.where(t <= ends, t - 25, ends)
    upper = np.where(t <= ends, t, np.inf)
    x = pd.DataFrame({"exponent": np.log(d.factor)[groups]})
    made = lifetimes.accelerated_failure_time(lower, upper, x, "weibull")["exponent"]
    return made, d.exponent


KINDS = {
    "mean, t": Kind(mean(False)),
    "geometric mean, t": Kind(mean(True)),
    "share, Wilson": Kind(share),
    "slope S2, bootstrap": Kind(over_cells("S2", lambda d: d.slope, False, regression.slope)),
    "slope S2, t over cells": Kind(of_cells("S2", lambda d: d.slope, False)),
    "exponent S2, bootstrap": Kind(over_cells("S2", lambda d: d.exponent, True, regression.slope)),
    "exponent S2, t over cells": Kind(of_cells("S2", lambda d: d.exponent, True)),
    "exponent S5A, bootstrap": Kind(
        over_cells("S5A", lambda d: d.exponent, True, regression.slope)
    ),
    "exponent S5A, t over cells": Kind(of_cells("S5A", lambda d: d.exponent, True)),
    "R² S2, bootstrap": Kind(over_cells("S2", lambda d: d.r_squared, False, regression.r_squared)),
    "R² S5A, bootstrap": Kind(
        over_cells("S5A", lambda d: d.r_squared, False, regression.r_squared)
    ),
    "R² S2, population": Kind(population("S2")),
    "R² S5A, population": Kind(population("S5A")),
    "R² S5A laptop, population": Kind(population("S5A, laptop")),
    "Pearson r S3, bootstrap": Kind(pearson),
    "Pearson r S3, population": Kind(population_s3),
    "variation S5A laptop, bootstrap": Kind(variation),
    "ratio of means, Welch": Kind(ratio),
    "ratio of spreads, F": Kind(spread_ratio),
    "restricted mean, normal": Kind(restricted_mean(False), True),
    "restricted mean, bootstrap": Kind(restricted_mean(True), True),
    "restricted ratio, bootstrap": Kind(restricted_ratio, True),
    "median, Kaplan–Meier": Kind(median, True),
    "exponent S2, survival": Kind(survival, True, 4),
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

"""Studies drawn at the designs that intervals decide verdicts at, and their intervals beside the truth.

Log-normal times with the means and spreads that were found (tests/designs.py). A function that draws gets runs a cell,
the share censored and a generator, and gives the estimate of one study and the truth.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from designs import DESIGNS, Design
from planted import make_run
from regrok.laws import comparison, norm_at_grok, with_previous
from regrok.laws.constancy import bounded
from regrok.laws.parts import cell_slope, lifetimes, r_squared, regression, restricted
from regrok.laws.parts import estimate as est
from regrok.laws.parts import variation as parts_variation

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


def s3_moments() -> tuple[float, float, float]:
    """Variance of the escape time, covariance, variance of the delay, of seeds without end (lognormal)."""
    m = np.exp(S3_LOG_MEANS + np.diag(S3_COVARIANCE) / 2)
    inner = np.mean(m[:, :, None] * m[:, None, :] * np.expm1(S3_COVARIANCE), axis=0)
    total = inner + np.cov(m.T, bias=True)
    return float(total[0, 0]), float(total[0, 1]), float(total[1, 1])


def s3_correlation() -> float:
    xx, xy, yy = s3_moments()
    return xy / math.sqrt(xx * yy)


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


def slope_s3(over_cells: bool) -> Draw:
    """The slope of the delay on the escape time, both of which vary within a cell."""

    def draw(n: int, _: float, rng: np.random.Generator) -> Drawn:
        x, y, groups = s3(n, rng)
        made = (
            cell_slope.slope(x, y, groups)
            if over_cells
            else est.bootstrap(
                lambda i: regression.slope(x[i], y[i]), groups, REPLICATES, seed_of(rng), ""
            )
        )
        xx, xy, _ = s3_moments()
        return made, xy / xx

    return draw


def population_s3(n: int, _: float, rng: np.random.Generator) -> Drawn:
    _, found = r_squared.population(*s3(n, rng), REPLICATES, seed_of(rng))
    return found, s3_correlation()


def products(design: str, n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Times times the factor of a sweep, and their cells."""
    d = DESIGNS[design]
    return d.draw(n, rng) * d.factor[d.groups(n)], d.groups(n)


def variation_of(design: str) -> float:
    """Their standard deviation over mean, over all cells with seeds without end."""
    d = DESIGNS[design]
    m = d.mean * d.factor
    return math.sqrt(m.var() + ((d.sd * d.factor) ** 2).mean()) / m.mean()


def variation(design: str, log_normal: bool) -> Draw:
    """Standard deviation over mean of the time times the factor, over the cells of a sweep."""

    def draw(n: int, _: float, rng: np.random.Generator) -> Drawn:
        product, groups = products(design, n, rng)
        if log_normal:
            cells = parts_variation.Cells.of(product, groups)
            made = parts_variation.population(cells, REPLICATES, seed_of(rng))
        else:
            made = est.bootstrap(
                lambda i: regression.coefficient_of_variation(product[i]),
                groups, REPLICATES, seed_of(rng), "", bounds=est.POSITIVE,
            )  # fmt: skip
        return made, variation_of(design)

    return draw


JOINT = Design(
    np.array([0.5, 1.0, 0.5, 1.0, 2.0]),
    np.array([3.0, 1.8, 3.4, 2.1, 11.0]),
    np.array([0.3, 0.2, 0.5, 0.4, 15.0]),
)
"""Cells of a joint grid, one of them slow and erratic, in thousands of steps; their times are watched up to 6."""


def at_least(key: str) -> Draw:
    """A bound by the runs of the joint grid that were stopped: it holds the truth where it does not lie above it."""

    def draw(n: int, _: float, rng: np.random.Generator) -> Drawn:
        t, groups = JOINT.draw(n, rng), JOINT.groups(n)
        factor, seen = JOINT.factor[groups], t <= 6
        x = np.minimum(t, 6) * factor
        made = bounded(x, seen, groups, REPLICATES, seed_of(rng), "")[key]
        m = JOINT.mean * JOINT.factor
        sd = math.sqrt(m.var() + ((JOINT.sd * JOINT.factor) ** 2).mean())
        return made, float(m.mean()) if key.startswith("mean") else sd / float(m.mean())

    return draw


NORMS = Design(
    np.ones(5),
    np.array([0.064, 0.062, 0.055, 0.050, 0.061]),
    np.array([0.002, 0.003, 0.002, 0.002, 0.003]),
)
"""RMS norms at T_grok of five configurations of one width."""


def between_configurations(key: str) -> Draw:
    """The coefficient of variation of the configurations' means."""

    def draw(n: int, _: float, rng: np.random.Generator) -> Drawn:
        label = NORMS.groups(n).astype(str)
        made = norm_at_grok.over_configurations(
            label, NORMS.draw(n, rng), REPLICATES, seed_of(rng)
        )[key]
        m = NORMS.mean
        return made, float(m.mean() if key.endswith("mean") else m.std() / m.mean())

    return draw


def ratio(n: int, _: float, rng: np.random.Generator) -> Drawn:
    return comparison.ratio(SLOW.draw(n, rng), FAST.draw(n, rng))[0], SLOW.mean[0] / FAST.mean[0]


def spread_ratio(n: int, _: float, rng: np.random.Generator) -> Drawn:
    return comparison.spread_ratio(SLOW.draw(n, rng), FAST.draw(n, rng))[0], SLOW.sd[0] / FAST.sd[0]


def budget(cell: Design, censored: float) -> float:
    """Step by which all but this share of runs have grokked; without censoring beyond any of them."""
    at = stats.norm.ppf(1 - censored) if censored else 6.0
    return float(np.exp(cell.log_mean[0] + at * math.sqrt(cell.log_variance[0])))


def restricted_truth(cell: Design, end: float) -> float:
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


def restricted_mean(n: int, censored: float, rng: np.random.Generator) -> Drawn:
    time, seen = watched(SLOW, n, censored, rng)
    end = budget(SLOW, censored)
    return restricted.mean(time, seen, end), restricted_truth(SLOW, end)


def restricted_ratio(bootstrap: bool) -> Draw:
    """Of two groups watched as long as the slower needs, so that the faster has all grokked."""

    def draw(n: int, censored: float, rng: np.random.Generator) -> Drawn:
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
        both = runs[:n], runs[n:], "T_grok", end
        made, _ = (
            comparison.restricted_ratio(*both, REPLICATES, seed_of(rng))
            if bootstrap
            else comparison.budget_ratio(*both)
        )
        return made, restricted_truth(SLOW, end) / restricted_truth(FAST, end)

    return draw


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

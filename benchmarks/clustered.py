"""Studies whose intervals leave out or draw whole clusters: cells of the survival fit and of the forecast, runs of the
spectral line.

Sizes are those of the released runs: exponents and scatter of `survival_within` over 15 cells, two snapshots a run of
`collapse` at the high resolution. What varies from cluster to cluster is drawn as such, since it is what a jackknife
over clusters is for: the law misses each cell by some amount, and each run's gap lies above or below the line.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import pandas as pd

from regrok.laws import collapse
from regrok.laws.forecast import mapes_refitted, refitted
from regrok.laws.parts import estimate as est
from regrok.laws.parts import lifetimes
from regrok.laws.survival import over_cells

LEVERS = ("log_learning_rate", "log_weight_decay", "log_log_norm_ratio")
CELLS = np.log(
    [
        # η, λ, log of the norm ratio: λ alone, η alone, both, and the ratio by modulus and by initial norm
        *[(1e-3, 0.1, 2.0), (1e-3, 0.3, 2.3), (1e-3, 0.5, 2.7), (1e-3, 1.0, 2.7)],
        *[(5e-4, 1.0, 2.0), (7e-4, 1.0, 2.6), (2e-3, 1.0, 2.6)],
        *[(5e-4, 0.5, 2.5), (2e-3, 0.5, 2.8)],
        *[(1e-3, 1.0, 1.4), (1e-3, 1.0, 2.2), (1e-3, 1.0, 3.2), (1e-3, 1.0, 3.3)],
        *[(1e-3, 1.0, 4.3), (1e-3, 1.0, 5.2)],
    ]
)
"""(15, 3) covariates of the cells."""
EXPONENTS = np.array([-1.0, -1.0, 1.0])
MISFIT, SCATTER = 0.15, 0.15
"""Standard deviations of log times: of a cell about the law, of a run about its cell."""

SLOPE, INTERCEPT = 14.0, 1.0
GAP_OF_RUN, GAP_OF_SNAPSHOT = 0.35, 0.5
"""Standard deviations of the gap about its line, in nats: of a run and of a snapshot."""

Drawn = tuple[est.Estimate, float]


def exponent(lever: str) -> Callable[[int, float, np.random.Generator], Drawn]:
    """An exponent of the Weibull fit over cells; censored: share of runs whose budget ends before they grok."""

    def draw(n: int, censored: float, rng: np.random.Generator) -> Drawn:
        made = _exponents(n, censored, int(rng.integers(2**63)))
        return made[lever], float(EXPONENTS[LEVERS.index(lever)])

    return draw


@cache
def _exponents(n: int, censored: float, seed: int) -> dict[str, est.Estimate]:
    """All exponents of one study: rows of the same seeds are of the same studies, each fitted once."""
    rng = np.random.default_rng(seed)
    cells = np.repeat(np.arange(len(CELLS)), n)
    law = CELLS @ EXPONENTS
    misfit = MISFIT * rng.standard_normal(len(CELLS))
    log_t = law[cells] + misfit[cells] + SCATTER * rng.standard_normal(len(cells))
    end = (law + MISFIT * rng.standard_normal(len(CELLS)))[cells] + _late(censored)
    t, ends = np.exp(log_t), np.exp(end)
    lower, upper = np.minimum(t * 0.99, ends), np.where(t <= ends, t, np.inf)
    x = pd.DataFrame(CELLS[cells], columns=list(LEVERS))
    found = lifetimes.accelerated_failure_time(lower, upper, x, "weibull")
    bounds = np.column_stack([lower, upper])
    return over_cells(found, bounds, x.to_numpy(), cells.astype(str), "weibull")


def _late(censored: float) -> float:
    """By how much the log budget lies above the law for this share of runs to be censored."""
    if not censored:
        return 6.0
    spread = float(np.sqrt(2 * MISFIT**2 + SCATTER**2))
    return spread * {0.2: 0.8416, 0.5: 0.0}[censored]


def line(key: str) -> Callable[[int, float, np.random.Generator], Drawn]:
    """The slope of the gap on the Fourier residual, or its R²; n runs of two snapshots each."""

    def draw(n: int, _: float, rng: np.random.Generator) -> Drawn:
        early = rng.uniform(0.25, 0.5, n)
        residual = np.column_stack([early, early - rng.uniform(0.1, 0.25, n)])
        noise = GAP_OF_RUN * rng.standard_normal((n, 1)) + GAP_OF_SNAPSHOT * rng.standard_normal(
            (n, 2)
        )
        gap = INTERCEPT + SLOPE * residual + noise
        used = pd.DataFrame(
            {
                "run_id": np.repeat(np.arange(n), 2).astype(str),
                "residual": residual.ravel(),
                "gap": gap.ravel(),
            }
        )
        return collapse.line(used, 1, 0)[key], SLOPE if key == "slope" else _r_squared()

    return draw


def _r_squared() -> float:
    """R² of the line with infinitely many runs."""
    # early ~ U(0.25, 0.5), the later one lower by U(0.1, 0.25): the variance of both pooled.
    early, drop = 0.25**2 / 12, 0.15**2 / 12
    of_residual = early + drop / 2 + (0.175 / 2) ** 2
    explained = SLOPE**2 * of_residual
    return explained / (explained + GAP_OF_RUN**2 + GAP_OF_SNAPSHOT**2)


FEATURES = ["log_learning_rate", "log_weight_decay", "log_V_mem"]
REFITS = 400


def scored(n: int, rng: np.random.Generator) -> tuple[pd.DataFrame, np.ndarray]:
    """Runs of one study that a forecast is scored on, and the cell of each: the law, its misfit and its scatter."""
    cells = np.repeat(np.arange(len(CELLS)), n)
    log_delay = (CELLS @ EXPONENTS + MISFIT * rng.standard_normal(len(CELLS)))[cells]
    log_delay = log_delay + SCATTER * rng.standard_normal(len(cells))
    log_rate, log_decay, log_ratio = CELLS[cells].T
    rows = {
        "log_learning_rate": log_rate,
        "log_weight_decay": log_decay,
        "log_V_mem": log_ratio + 0.02 * rng.standard_normal(len(cells)),
        "delay": np.exp(log_delay),
        "learning_rate": np.exp(log_rate).round(9),
        "weight_decay": np.exp(log_decay).round(9),
        # What moves the norm at given η and λ.
        "init_scale": np.exp(log_ratio).round(9),
    }
    return pd.DataFrame(rows), cells


@cache
def _error_of_studies(n: int, studies: int = 1000) -> float:
    """The mean error over held-out cells that studies of this design have, each with a predictor of its own."""
    rng = np.random.default_rng(1)
    once = np.ones((1, len(CELLS)), dtype=int)
    drawn = (scored(n, rng) for _ in range(studies))
    return float(np.mean([refitted(rows, cells, FEATURES, once)[0] for rows, cells in drawn]))


def forecast(identified: bool) -> Callable[[int, float, np.random.Generator], Drawn]:
    """The forecast's error on held-out cells, its interval from resamples of cells that fit the predictor again."""

    def draw(n: int, _: float, rng: np.random.Generator) -> Drawn:
        rows, cells = scored(n, rng)
        seed = int(rng.integers(2**31))
        made = mapes_refitted(rows, cells.astype(str), FEATURES, REFITS, seed, "")
        key = "mape_identified" if identified else "mape_refitted"
        return made[key], _error_of_studies(n)

    return draw

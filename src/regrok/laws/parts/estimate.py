"""An estimate with its interval, and how intervals are made: t, Wilson, and the bootstrap over seeds within cells."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, NotRequired, TypedDict

import numpy as np
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from regrok.study.words import LEVEL as LEVEL

UNBOUNDED = (-math.inf, math.inf)
SHARE = (0.0, 1.0)
CORRELATION = (-1.0, 1.0)
POSITIVE = (0.0, math.inf)

NO_SPREAD = "no interval: these {n} agree to the last digit, which does not tell how far others would differ"
FLOORED = "interval as wide as the logging step leaves it open"

ENDS = ("value", "low", "high")
OPTIONAL = ("reason", "absent", "choices")

Statistic = Callable[[np.ndarray], np.ndarray]
Floor = tuple[float, float]
"""What the logging step alone leaves open of a value: see `resolution.floor`."""


@dataclass(frozen=True)
class Estimate:
    """One number of a fit with its interval. Its fields are the keys of an estimate in fits/*.json, in this order."""

    value: float | None
    """null: these runs cannot tell it, and `reason` says why."""
    low: float | None
    """Lower end of the interval; null: not known."""
    high: float | None
    """Upper end of the interval; null: not known."""
    level: float
    """Level of the interval."""
    n: int
    """Runs (or cells, or snapshots) that it rests on."""
    unit: str = ""
    estimator: str = ""
    """How the value and its interval were made."""
    note: str = ""
    """What was left out or assumed."""
    reason: str | None = None
    """Why there is no value, or a value without an interval; null where there are both."""
    absent: str | None = None
    """Which runs there are none of, where more seeds would bring none either: a cell in which nothing memorised."""
    choices: tuple[tuple[float | None, float | None, float | None], ...] | None = None
    """Value, low and high of the same quantity under each choice that the paper leaves open, this one among them."""

    def as_json(self) -> dict[str, Any]:
        """The keys of fits/*.json; `reason`, `absent` and `choices` only where there is one.

        >>> list(missing("no runs").as_json())[-2:], list(exact(3, 3, "count").as_json())[-1]
        (['note', 'reason'], 'note')
        """
        made = {field.name: getattr(self, field.name) for field in fields(self)}
        if self.choices is not None:
            made["choices"] = [dict(zip(ENDS, each, strict=True)) for each in self.choices]
        return {k: v for k, v in made.items() if v is not None or k not in OPTIONAL}

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Estimate:
        """The estimate that a record of fits/*.json holds; other keys, as a ledger's, are left aside."""
        made = {field.name: record[field.name] for field in fields(cls) if field.name in record}
        if made.get("choices") is not None:
            made["choices"] = tuple(tuple(each[k] for k in ENDS) for each in made["choices"])
        return cls(**made)

    def noting(self, *words: str) -> Estimate:
        """The same with more words in its note, those that are empty left out."""
        return replace(self, note="; ".join(filter(None, [self.note, *words])))


class Result(TypedDict):
    """What a law makes of the runs. Estimates may lie within cells too; `json_of` turns all of them into JSON."""

    estimates: dict[str, Estimate]
    """Key, without the fit's name → estimate."""
    points: list[dict[str, Any]]
    """Small records that figures show, one a run or snapshot."""
    cells: list[dict[str, Any]]
    """Small records that figures and tables show, one a cell."""
    variants: NotRequired[dict[str, dict[str, Any]]]
    """Law robustness: reading of the runs → key with the fit's name → estimate as JSON."""


def json_of(value: Any) -> Any:
    """The value with every estimate in it as its JSON record, and with null for every number that is not finite."""
    if isinstance(value, Estimate):
        return value.as_json()
    if isinstance(value, dict):
        return {key: json_of(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [json_of(inner) for inner in value]
    plain = value.item() if isinstance(value, np.generic) else value
    return None if isinstance(plain, float) and not math.isfinite(plain) else plain


def _finite(number: Any) -> float | None:
    return float(number) if number is not None and math.isfinite(number) else None


def estimate(
    value: float | None,
    low: float | None,
    high: float | None,
    n: int,
    estimator: str,
    unit: str = "",
    note: str = "",
    level: float = LEVEL,
    floor: Floor | None = None,
) -> Estimate:
    """One number of a fit; what is not finite becomes null, and the interval holds the value.

    A null `low` or `high` says that this end of the interval is not known. A null value has a `reason`. An interval
    narrower than `floor` is widened to hold that too. One without width is none, and the `reason` says so: runs that
    agree to the last digit do not tell how far others would differ.
    """
    known = _finite(value)
    if known is None:
        reason = note or "the estimate is not finite"
        return Estimate(None, None, None, level, int(n), unit, estimator, note, reason)
    low, high = _finite(low), _finite(high)
    made = Estimate(known, low, high, level, int(n), unit, estimator, note)
    if low is not None and high is not None:
        if floor is not None and high - low < floor[1] - floor[0]:
            made, low, high = made.noting(FLOORED), min(low, floor[0]), max(high, floor[1])
        if math.isclose(low, high, rel_tol=1e-12):
            return without_interval(made, NO_SPREAD.format(n=n))
    return replace(
        made,
        low=None if low is None else min(low, known),
        high=None if high is None else max(high, known),
    )


def without_interval(found: Estimate, reason: str) -> Estimate:
    """The value alone, with the reason why nothing tells how sure it is."""
    return replace(found, low=None, high=None, reason=found.reason or reason)


def choice(found: Estimate, low: float, high: float) -> Estimate:
    """A choice among values tried, whose interval holds those from `low` to `high` too.

    Unlike a measurement it may be sure: where every resample makes the same choice, its interval is that value.
    """
    if found.value is None or (found.low is None and found.reason is None):
        return found
    ends = [end for end in (found.low, found.high, found.value) if end is not None]
    return replace(found, low=min(*ends, low), high=max(*ends, high), reason=None)


def exact(value: float, n: int, estimator: str, unit: str = "", note: str = "") -> Estimate:
    """A count, which has no sampling error: its interval is itself."""
    known = estimate(value, None, None, n, estimator, unit, note)
    return replace(known, low=known.value, high=known.value)


def missing(reason: str, n: int = 0, estimator: str = "", unit: str = "") -> Estimate:
    """A quantity that these runs cannot tell, with the reason."""
    return replace(estimate(None, None, None, n, estimator, unit), reason=reason)


def absent(which: str, n: int = 0, estimator: str = "", unit: str = "") -> Estimate:
    """A quantity of runs that do not exist here, as in a cell in which nothing memorised; `which` says so."""
    return replace(missing(which, n, estimator, unit), absent=which)


def mean(
    values: Any, unit: str = "", note: str = "", log: bool = False, floor: Floor | None = None
) -> Estimate:
    """Mean over runs with Student's t interval; with `log`, the geometric mean of positive values.

    floor: see `estimate`.
    """
    known = np.asarray(values, dtype=float)
    known = known[np.isfinite(known)]
    estimator = "geometric mean, t interval of the logs" if log else "mean, t interval"
    if not known.size:
        return missing("no run has this quantity", 0, estimator, unit)
    if log and (known <= 0).any():
        raise ValueError("a geometric mean needs positive values")
    x = np.log(known) if log else known
    back = np.exp if log else np.asarray
    centre = x.mean()
    if x.size == 1:
        one = "; one run gives no interval"
        return estimate(float(back(centre)), None, None, 1, estimator + one, unit, note)
    half = stats.t.ppf(0.5 + LEVEL / 2, x.size - 1) * x.std(ddof=1) / math.sqrt(x.size)
    low, high = float(back(centre - half)), float(back(centre + half))
    return estimate(float(back(centre)), low, high, x.size, estimator, unit, note, floor=floor)


def share(count: int, n: int, note: str = "") -> Estimate:
    """count / n with Wilson's interval."""
    estimator = "share of runs, Wilson interval"
    if n == 0:
        return missing("no runs", 0, estimator)
    low, high = proportion_confint(count, n, alpha=1 - LEVEL, method="wilson")
    # At 0 and n of n the closed formula leaves rounding noise where the bound is exactly 0 or 1.
    low, high = (0.0 if count == 0 else low), (1.0 if count == n else high)
    return estimate(count / n, low, high, n, estimator, "", note or f"{count} of {n}")


def resample(groups: Any, replicates: int, rng: np.random.Generator) -> np.ndarray:
    """Row indices (replicates, n) drawn with replacement within each group: a bootstrap over the seeds of cells."""
    labels = np.unique(np.asarray(groups), return_inverse=True)[1]
    drawn = np.empty((replicates, labels.size), dtype=np.intp)
    for label in range(labels.max() + 1 if labels.size else 0):
        rows = np.flatnonzero(labels == label)
        drawn[:, rows] = rows[rng.integers(rows.size, size=(replicates, rows.size))]
    return drawn


def widening(n: int, strata: int) -> float:
    """Factor on a percentile interval's arms that makes up for few runs a cell; NaN when no stratum has two.

    The bootstrap's variance misses a factor (m − 1)/m with m runs per stratum, and its quantiles are the normal's
    where Student's are due. Hesterberg (2015), "What Teachers Should Know About the Bootstrap", names both; he asks
    for deeper percentiles, but those of three runs a cell have no tail to go into, so the arms are scaled instead.
    """
    freedom = n - strata
    if freedom < 1:
        return math.nan
    normal = stats.norm.ppf(0.5 + LEVEL / 2)
    student = stats.t.ppf(0.5 + LEVEL / 2, freedom)
    return float(math.sqrt(n / freedom) * student / normal)


def _interval(
    value: float, draws: np.ndarray, factor: float, bounds: tuple[float, float]
) -> tuple[float, float]:
    tails = np.quantile(draws, [0.5 - LEVEL / 2, 0.5 + LEVEL / 2])
    low, high = np.clip(value + factor * (tails - value), *bounds)
    return float(low), float(high)


def bootstrap(
    statistic: Statistic,
    groups: Any,
    replicates: int,
    seed: int,
    estimator: str,
    unit: str = "",
    note: str = "",
    bounds: tuple[float, float] = UNBOUNDED,
    floor: Floor | None = None,
) -> Estimate:
    """A statistic of runs with its widened percentile interval over seeds within cells, clipped to `bounds`.

    `statistic` maps row indices (..., n) to values (...): called once with the rows as they are and once
    with all resamples. A statistic that is not finite on the rows themselves is missing. floor: see `estimate`.
    """
    labels = np.asarray(groups)
    n, strata = labels.size, np.unique(labels).size
    if n == 0:
        return missing("no runs", 0, estimator, unit)
    with np.errstate(all="ignore"):
        value = float(statistic(np.arange(n)))
    if not math.isfinite(value):
        return missing("too few distinct points", n, estimator, unit)
    if math.isnan(widening(n, strata)):
        alone = estimator + "; one run per cell: no interval"
        return estimate(value, None, None, n, alone, unit, note)
    with np.errstate(all="ignore"):
        draws = statistic(resample(labels, replicates, np.random.default_rng(seed)))
    return from_draws(value, draws, n, strata, estimator, unit, note, bounds, floor)


def from_draws(
    value: float,
    draws: np.ndarray,
    n: int,
    strata: int,
    estimator: str,
    unit: str = "",
    note: str = "",
    bounds: tuple[float, float] = UNBOUNDED,
    floor: Floor | None = None,
) -> Estimate:
    """An estimate from its bootstrap draws (replicates,), made of n runs in this many cells; widened, then clipped."""
    finite, factor = draws[np.isfinite(draws)], widening(n, strata)
    if math.isnan(factor) or finite.size < draws.size / 2 or not finite.size:
        return estimate(value, None, None, n, estimator + "; resamples degenerate", unit, note)
    low, high = _interval(value, finite, factor, bounds)
    within = None if floor is None else (max(floor[0], bounds[0]), min(floor[1], bounds[1]))
    return estimate(value, low, high, n, estimator, unit, note, floor=within)


def cluster_bootstrap(
    statistic: Statistic,
    clusters: Any,
    replicates: int,
    seed: int,
    estimator: str,
    unit: str = "",
    note: str = "",
    bounds: tuple[float, float] = UNBOUNDED,
) -> Estimate:
    """A statistic of rows with its widened percentile interval over whole clusters (cells, or runs with many points).

    `statistic` maps one array of row indices to a number; resamples differ in length, so it is called once each.
    """
    _, labels = np.unique(np.asarray(clusters), return_inverse=True)
    n = labels.size
    if n == 0:
        return missing("no points", 0, estimator, unit)
    count = int(labels.max()) + 1
    with np.errstate(all="ignore"):
        value = float(statistic(np.arange(n)))
    if not math.isfinite(value):
        return missing("too few distinct points", n, estimator, unit)
    factor = widening(count, 1)
    if math.isnan(factor):
        return estimate(value, None, None, n, estimator + "; one cluster: no interval", unit, note)
    rng = np.random.default_rng(seed)
    rows = [np.flatnonzero(labels == k) for k in range(count)]
    with np.errstate(all="ignore"):
        draws = np.array(
            [
                float(statistic(np.concatenate([rows[k] for k in rng.integers(count, size=count)])))
                for _ in range(replicates)
            ]
        )
    draws = draws[np.isfinite(draws)]
    if draws.size < replicates / 2:
        return estimate(value, None, None, n, estimator + "; resamples degenerate", unit, note)
    low, high = _interval(value, draws, factor, bounds)
    return estimate(value, low, high, n, estimator, unit, note)

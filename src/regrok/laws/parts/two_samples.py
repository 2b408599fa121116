"""Two samples of which one is known by its count, mean and standard deviation alone.

Welch's test on the logarithm of the ratio of means, or on their difference; several such ratios pooled; the
difference of two estimates by their intervals; Holm's correction. All intervals are at 95 %.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from regrok.laws.parts import estimate as est


@dataclass(frozen=True)
class Sample:
    """A sample by its summary."""

    n: int
    mean: float
    sd: float
    """Standard deviation with n − 1."""

    def at_least(self, sd: float) -> Sample:
        """The same with no less spread than `sd`."""
        return Sample(self.n, self.mean, max(self.sd, sd))


def sample(values: np.ndarray) -> Sample:
    """The summary of at least two values: (n,)."""
    return Sample(values.size, float(values.mean()), float(values.std(ddof=1)))


@dataclass(frozen=True)
class Contrast:
    """A difference, of means or of their logarithms, with its variance and Welch's degrees of freedom."""

    value: float
    variance: float
    freedom: float

    @property
    def half(self) -> float:
        """Half width of the interval."""
        return float(stats.t.ppf(0.5 + est.LEVEL / 2, self.freedom)) * math.sqrt(self.variance)

    @property
    def p(self) -> float:
        """Two-sided p of no difference."""
        if self.variance == 0:
            return 1.0 if self.value == 0 else 0.0
        return float(2 * stats.t.sf(abs(self.value) / math.sqrt(self.variance), self.freedom))


def _welch(value: float, variances: Sequence[float], sizes: Sequence[int]) -> Contrast:
    total = sum(variances)
    parts = sum(v**2 / (n - 1) for v, n in zip(variances, sizes, strict=True))
    return Contrast(value, total, total**2 / parts if parts else math.inf)


def log_ratio(a: Sample, b: Sample) -> Contrast:
    """log(mean a / mean b) by the delta method. Both means are positive, both samples have two values or more."""
    variances = [(x.sd / x.mean) ** 2 / x.n for x in (a, b)]
    return _welch(math.log(a.mean / b.mean), variances, (a.n, b.n))


def difference(a: Sample, b: Sample) -> Contrast:
    """mean a − mean b."""
    return _welch(a.mean - b.mean, [x.sd**2 / x.n for x in (a, b)], (a.n, b.n))


def pooled(contrasts: Sequence[Contrast], weights: Sequence[float]) -> Contrast:
    """The weighted mean of independent contrasts, with Satterthwaite's degrees of freedom.

    Weights from the sample sizes keep the interval's promise; the inverse of variances that few runs tell gives the
    cells that happen to scatter least the largest say.
    """
    share = np.asarray(weights, dtype=float) / sum(weights)
    parts = share**2 * np.array([c.variance for c in contrasts])
    total = float(parts.sum())
    spread = float((parts**2 / np.array([c.freedom for c in contrasts])).sum())
    value = float((share * np.array([c.value for c in contrasts])).sum())
    return Contrast(value, total, total**2 / spread if spread else math.inf)


def ratio_of(contrast: Contrast, n: int, estimator: str, note: str = "") -> est.Estimate:
    """The ratio that a contrast of logarithms stands for."""
    value, half = contrast.value, contrast.half
    low, high = math.exp(value - half), math.exp(value + half)
    return est.estimate(math.exp(value), low, high, n, estimator, "", note)


def of_two_estimates(ours: est.Estimate, theirs: est.Estimate, ratio: bool) -> est.Estimate:
    """Ours minus theirs, or ours over theirs, from the two intervals.

    Each end is as far from the difference as the two arms that lead there are long together, by Pythagoras (Zou and
    Donner 2008, "method of variance estimates recovery"): intervals need not be symmetric. A ratio is taken of
    positive estimates, on their logarithms. Missing where either has no interval, or a ratio an end that is not
    positive.
    """
    estimator = f"{'ratio' if ratio else 'difference'} of two estimates by their intervals"
    n = ours.n + theirs.n
    given = [(e.value, e.low, e.high) for e in (ours, theirs)]
    if ours.value is None:
        return est.missing(ours.reason or "no estimate of ours", n, estimator)
    if any(end is None for each in given for end in each):
        return est.missing("an estimate without an interval", n, estimator)
    known = np.array(given, dtype=float)
    if ratio:
        if (known <= 0).any():
            return est.missing("an interval that reaches zero has no ratio", n, estimator)
        known = np.log(known)
    (a, a_low, a_high), (b, b_low, b_high) = known
    value = a - b
    low = value - math.hypot(a - a_low, b_high - b)
    high = value + math.hypot(a_high - a, b - b_low)
    shown = math.exp if ratio else float
    return est.estimate(shown(value), shown(low), shown(high), n, estimator)


def holm(p: Sequence[float]) -> list[float]:
    """Holm's adjusted p, in the order given.

    >>> holm([0.01, 0.5, 0.03])
    [0.03, 0.5, 0.06]
    """
    order = np.argsort(np.asarray(p, dtype=float), kind="stable")
    adjusted = np.empty(len(p))
    running = 0.0
    for rank, i in enumerate(order):
        running = max(running, min(1.0, (len(p) - rank) * p[i]))
        adjusted[i] = running
    return [float(each) for each in adjusted]

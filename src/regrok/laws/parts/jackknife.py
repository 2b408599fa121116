"""Intervals from leaving out one cluster after another: for few clusters, and estimates too slow or coarse to resample.

Runs of one cell share its settings, snapshots of one run its training, so that neither are independent; what varies
from cluster to cluster does. The variance (G − 1)/G Σ (θ₋ᵍ − θ)² is the linear model's CV3 (MacKinnon, Nielsen and Webb
2023, "Cluster-robust inference: a guide to empirical practice"), with Student's t of G − 1 degrees of freedom or of as
many as the design leaves a coefficient.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from scipy import stats

from regrok.laws.parts import estimate as est

FEWEST = 3
"""Clusters below which t has no use: with two, an interval is 25 standard errors wide."""

LEAST = 1e-9
"""Eigenvalue below which a cluster's leverage is one: without it the rest does not tell the coefficients."""

Map = Callable[[float], float]


@dataclass(frozen=True)
class Scale:
    """Where an estimate is about normal: a map there and back, and what ends become beyond its range."""

    to: Map
    back: Map


IDENTITY = Scale(float, float)
FISHER = Scale(
    lambda r2: math.atanh(min(math.sqrt(max(r2, 0.0)), 1 - 1e-12)),
    lambda z: math.tanh(max(z, 0.0)) ** 2,
)
"""An R² of a line, by Fisher's z of its correlation."""


def clusters(labels: np.ndarray) -> list[np.ndarray]:
    """Per cluster, in the order of the labels, the rows that stay when it is left out: (n,) labels → G index arrays."""
    return [np.flatnonzero(labels != label) for label in np.unique(labels)]


def standard_error(value: float, left_out: np.ndarray) -> float:
    """√((G − 1)/G Σ (θ₋ᵍ − θ)²); left_out: (G,) the estimate without each cluster."""
    G = left_out.size
    return float(math.sqrt((G - 1) / G * ((left_out - value) ** 2).sum()))


def freedom(design: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Degrees of freedom of each coefficient's jackknife error: (k,), at most G − 1.

    Where few clusters carry a coefficient its error is that of few numbers, whatever G is. Satterthwaite's count of
    them for least squares with independent errors (Bell and McCaffrey 2002), which only the design decides: (n, k)
    columns, (n,) labels. NaN where a cluster cannot be left out.
    """
    parts = [np.flatnonzero(labels == label) for label in np.unique(labels)]
    inverse = np.linalg.pinv(design.T @ design)
    hat = design @ inverse @ design.T
    weights = design @ inverse
    carried = np.zeros((len(parts), len(labels), design.shape[1]))
    rest = np.eye(len(labels)) - hat
    for g, rows in enumerate(parts):
        own = rest[np.ix_(rows, rows)]
        if np.linalg.eigvalsh(own)[0] < LEAST:
            return np.full(design.shape[1], np.nan)
        carried[g] = rest[:, rows] @ np.linalg.solve(own, weights[rows])
    found = []
    for j in range(design.shape[1]):
        products = carried[:, :, j] @ carried[:, :, j].T
        found.append(np.trace(products) ** 2 / (products**2).sum())
    return np.minimum(np.array(found), len(parts) - 1)


def with_interval(
    found: est.Estimate,
    centre: float,
    left_out: np.ndarray,
    what: str,
    scale: Scale = IDENTITY,
    free: float | None = None,
) -> est.Estimate:
    """The estimate with t's interval from its values without each cluster; `what` a cluster is, in words.

    centre: the estimate as the left-out ones are computed, which may differ in last digits from found's own value.
    left_out: (G,), NaN where the rest does not tell it: then there is no interval, since what leaving that cluster
    out would change is not known. free: degrees of freedom, G − 1 unless given.
    """
    value = found.value
    if value is None:
        return found
    G, unknown = left_out.size, int((~np.isfinite(left_out)).sum())
    estimator = f"{found.estimator}, jackknife over {G} {what}s"
    found = replace(found, estimator=estimator, low=None, high=None, reason=None)
    if G < FEWEST:
        return est.without_interval(found, f"no interval from {G} {what}s")
    if unknown:
        reason = f"no interval: {unknown} of {G} {what}s cannot be left out, the rest does not tell the estimate"
        return est.without_interval(found, reason)
    at = scale.to(centre)
    error = standard_error(at, np.array([scale.to(float(each)) for each in left_out]))
    half = float(stats.t.ppf(0.5 + est.LEVEL / 2, G - 1 if free is None else free)) * error
    middle = scale.to(value)
    return est.estimate(
        value,
        scale.back(middle - half),
        scale.back(middle + half),
        found.n,
        estimator,
        found.unit,
        found.note,
    )

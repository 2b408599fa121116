"""Draws of the ridge regression of arXiv 2601.19791: features, teacher and start, and their exact times."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from regrok.computations.parts import recursion, relu_features
from regrok.computations.parts.recursion import Recursion
from regrok.errors import RegrokError


@dataclass(frozen=True)
class Times:
    """Exact times and printed bounds of one draw at one λ and ν²; steps."""

    weight_decay: float
    variance: float
    t1: float
    t2: float
    t1_bound: float
    t2_bound: float
    t2_general_bound: float


def check(settings: Mapping[str, Any]) -> None:
    """Raise RegrokError for sizes and lists that the setting does not allow."""
    n, m = settings["n"], settings["m"]
    if n >= m:
        raise RegrokError(f"options.n = {n}: should be below m = {m}, or nothing is left to forget")
    for key in ("weight_decays", "variances"):
        if not settings[key] or min(settings[key]) <= 0:
            raise RegrokError(f"options.{key} = {settings[key]}: should be numbers above 0")


def drawn(settings: Mapping[str, Any], seed: int, i: int) -> tuple[Recursion, float, float]:
    """One draw at the default point, λ_min of its covariance, and the largest ‖φ‖² of its examples."""
    rng = np.random.default_rng([seed, i])
    n, m = settings["n"], settings["m"]
    if settings["features"] == "gaussian":
        features, least = rng.standard_normal((n, m)) / math.sqrt(m), 1 / m
        form: recursion.Form = lambda vectors: vectors / m  # noqa: E731
    else:
        d = settings["d"]
        weights = rng.standard_normal((m, d)) / math.sqrt(d)
        features = relu_features.relu_features(weights, rng.standard_normal((n, d)))
        form, least = relu_features.covariance(weights), relu_features.least_eigenvalue(weights)
    start = math.sqrt(settings["variance"]) * rng.standard_normal(m)
    teacher = rng.standard_normal(m)
    teacher /= np.linalg.norm(teacher)
    rate, decay = settings["learning_rate"], settings["weight_decay"]
    made = Recursion(features, teacher, start, form, rate, decay)
    return made, max(least, 0.0), float((features**2).sum(1).max())


def times(
    settings: Mapping[str, Any], problem: Recursion, least: float, size: float
) -> list[Times]:
    """Times and bounds of one draw, at the default point first, then over λ and over ν²."""
    at = (settings["weight_decay"], settings["variance"])
    over = [(decay, at[1]) for decay in settings["weight_decays"]]
    over += [(at[0], variance) for variance in settings["variances"]]
    n, m = problem.features.shape
    # With ½ a loss of ε is a mean square of 2ε.
    level = settings["level"] * (2 if settings["half"] else 1)
    eta, smallest = problem.rate, float(problem.basis[0][-1] ** 2)
    gaussian = settings["features"] == "gaussian"
    found = []
    for decay, variance in dict.fromkeys([at, *over]):
        one = problem.moved(decay, math.sqrt(variance / at[1]))
        if gaussian:
            early = recursion.memorised_bound_gaussian(
                n, m, eta, smallest, variance, settings["level"]
            )
            late = recursion.generalised_bound_gaussian(
                n, m, eta, decay, variance, settings["level"]
            )
        else:
            norm = float(one.start @ one.start)
            early = recursion.memorised_bound(n, eta, smallest, norm, size, settings["level"])
            late = -math.inf
        general = recursion.generalised_bound(n, m, eta, decay, variance, least, settings["level"])
        late = late if gaussian else general
        t1, t2 = one.memorised(level), one.generalised(level)
        found.append(Times(decay, variance, t1, t2, early, late, general))
    return found


def descended(problem: Recursion, steps: int) -> np.ndarray:
    """(m,) θ after steps of plain gradient descent."""
    theta = problem.start.copy()
    n = len(problem.features)
    for _ in range(steps):
        gradient = problem.features.T @ (problem.features @ (theta - problem.teacher)) / n
        theta = theta - problem.rate * (gradient + problem.decay * theta)
    return theta

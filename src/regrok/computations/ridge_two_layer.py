"""A two-layer ReLU network with a zero teacher: does it generalise late, and when? (arXiv 2601.19791, Figure 4).

    f(x) = Σ_j a_j·max(0, w_jᵀx),   L(θ) = (1/2n)·Σ_i f(x_i)² + (λ/2)·‖θ‖²,   x ~ N(0, I/d),   θ_0 ~ N(0, ν²I),

by gradient descent on both layers in float64. Unlike ridge regression it has no closed recursion, so it is simulated.
t1 is the last step with a training loss of ε or more, t2 the first logged one with a population loss of ε or less. The
population loss is E f(x)² = aᵀKa in closed form, K the arc-cosine kernel of order one (Cho and Saul 2009),

    K_jk = (1/(2πd))·‖w_j‖‖w_k‖·(sin φ + (π − φ)·cos φ).

Losses are means of squares. Steps are logged where they have grown by `growth`, and t2 is known to that.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from regrok.computations.parts import relu_features, slopes
from regrok.errors import RegrokError
from regrok.laws.parts import estimate as est

DEFAULTS: dict[str, Any] = {
    "d": 50,  # inputs
    "n": 50,  # examples
    "m": 1000,  # hidden units
    "learning_rate": 1e-4,  # η
    "weight_decay": 0.05,  # λ of the default point
    "weight_decays": [0.05],  # the λ that exponents are fitted over
    "variance": 1.0,  # ν²
    "level": 0.01,  # ε
    "until": 100.0,  # budget, in units of step size: η × steps at λ = weight_decay, longer in proportion to 1/λ
    "growth": 1.02,  # a step is logged when it has grown by this factor
    "draws": 5,  # of inputs and start
}
REFERS: dict[str, Any] = {
    "learning_rate": "positive",
    "weight_decay": "positive",
    "weight_decays": "numbers",
    "variance": "positive",
    "level": "positive",
    "until": "positive",
}
ESTIMATES: dict[str, list[str]] = {
    "": ["t1", "t2", "t2_over_t1", "delayed_share", "t1_exponent", "t2_exponent", "finished_share"]
}


@dataclass
class Network:
    """Both layers, changed in place: a (m,), W (m, d)."""

    a: np.ndarray
    W: np.ndarray

    def step(self, inputs: np.ndarray, rate: float, decay: float) -> float:
        """One step of gradient descent; the training loss before it. inputs: (n, d)."""
        before = inputs @ self.W.T
        active = np.maximum(before, 0.0)
        out = active @ self.a
        pull = out / len(inputs)
        of_W = ((before > 0) * (pull[:, None] * self.a)).T @ inputs
        of_a = active.T @ pull
        self.a -= rate * (of_a + decay * self.a)
        self.W -= rate * (of_W + decay * self.W)
        return float(out @ pull)

    def population_loss(self) -> float:
        """E f(x)² over x ~ N(0, I/d)."""
        m, d = self.W.shape
        # The covariance of features √(2/m)·relu, for x ~ N(0, I), times m/(2d).
        rows = (slice(i, i + relu_features.ROWS) for i in range(0, m, relu_features.ROWS))
        made = [relu_features.covariance_rows(self.W, part) @ self.a for part in rows]
        return float(self.a @ np.concatenate(made)) * m / (2 * d)


def compute(options: Mapping[str, Any], seed: int) -> dict[str, Any]:
    """Times of every draw at every λ, whether generalising is late, and how the times go with λ.

    options: as `DEFAULTS`. seed: of the draws, which are the same at every λ. Returns {"estimates", "points"}.
    Estimates: t1, t2 (steps) and their ratio at the default λ, geometric means over draws; delayed_share of draws
    with t2 > t1 there; finished_share of all runs that got to t2; exponents in λ, each a mean over draws. Points:
    "time", one a draw and λ, and "curve", losses of the first draw at the default λ. Raises RegrokError where the
    step is too large.
    """
    decays = list(dict.fromkeys([options["weight_decay"], *options["weight_decays"]]))
    points: list[dict[str, Any]] = []
    times = np.full((options["draws"], len(decays), 2), np.nan)
    for i in range(options["draws"]):
        for j, decay in enumerate(decays):
            t1, t2, curve = run(options, decay, np.random.default_rng([seed, i]))
            times[i, j] = t1, t2
            points.append({"kind": "time", "draw": i, "weight_decay": decay, "t1": t1, "t2": t2})
            if i == j == 0:
                points += curve
    return {"estimates": measured(times, decays, options["weight_decays"]), "points": points}


def run(
    options: Mapping[str, Any], decay: float, rng: np.random.Generator
) -> tuple[float, float, list[dict[str, Any]]]:
    """t1 and t2 of one draw at one λ, and its logged losses; NaN for what its budget did not see."""
    n, m, d, rate = options["n"], options["m"], options["d"], options["learning_rate"]
    inputs = rng.standard_normal((n, d)) / math.sqrt(d)
    scale = math.sqrt(options["variance"])
    network = Network(scale * rng.standard_normal(m), scale * rng.standard_normal((m, d)))
    budget = math.ceil(options["until"] / rate * options["weight_decay"] / decay)
    last, due, curve = 0, 1.0, []
    for step in range(budget + 1):
        logged = step == 0 or step >= due
        with np.errstate(all="ignore"):
            population = network.population_loss() if logged else math.inf
            # The training loss is that of the weights before the step.
            train = network.step(inputs, rate, decay)
        if not math.isfinite(train):
            raise RegrokError(f"options.learning_rate = {rate:g}: diverged at step {step}")
        if train >= options["level"]:
            last = step
        if not logged:
            continue
        due = max(step + 1.0, due * options["growth"] if step else 1.0)
        curve.append(
            {"kind": "curve", "step": step, "train_loss": train, "population_loss": population}
        )
        if population <= options["level"] and train < options["level"]:
            return float(last), float(step), curve
    return (float(last) if last < budget else math.nan), math.nan, curve


def measured(
    times: np.ndarray, decays: list[float], fitted: list[float]
) -> dict[str, est.Estimate]:
    """The estimates. times: (draws, λ, 2) t1 and t2, the default λ first; fitted: λ that exponents are taken over."""
    t1, t2 = times[:, 0].T
    both = np.isfinite(t1) & np.isfinite(t2) & (t1 > 0)
    columns = [decays.index(decay) for decay in fitted]

    def mean(values: np.ndarray, unit: str = "") -> est.Estimate:
        return est.mean(values[np.isfinite(values) & (values > 0)], unit, log=True)

    def exponent(which: int) -> est.Estimate:
        each = [slopes.exponent(fitted, draw) for draw in times[:, columns, which]]
        if not np.isfinite(each).all():
            return est.missing(
                "one λ, or a run that did not get there", len(times), "mean of slopes"
            )
        return est.mean(each, note="a slope over λ for each draw")

    # What generalises late, or not within the budget, is delayed.
    late = (t2 > t1) | (np.isfinite(t1) & ~np.isfinite(t2))
    return {
        "t1": mean(t1, "steps"),
        "t2": mean(t2, "steps"),
        "t2_over_t1": mean(t2[both] / t1[both]),
        "delayed_share": est.share(int(late.sum()), len(times)),
        "finished_share": est.share(int(np.isfinite(times[:, :, 1]).sum()), times[:, :, 1].size),
        "t1_exponent": exponent(0),
        "t2_exponent": exponent(1),
    }

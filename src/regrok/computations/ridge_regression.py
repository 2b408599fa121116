"""When ridge regression memorises and when it generalises: exact times against proven bounds (arXiv 2601.19791).

A linear model on m features of n < m examples of a teacher, trained by gradient descent with an L2 penalty from
θ_0 ~ N(0, ν²I). t1 is the last step with a training loss of ε or more, t2 the first with a population loss of c or
less; here ε = c. Every draw of features, teacher and start has its own exact times at each λ and each ν²
(regrok.computations.parts.recursion); draws are the sample that intervals are about.

Losses are means of squares, as the printed bound of t2 takes them; `half` gives both the objective's factor of ½.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from regrok.computations.parts import arms
from regrok.computations.parts.recursion import Recursion
from regrok.computations.parts.ridge_draws import Times, check, descended, drawn, times
from regrok.computations.parts.slopes import exponent, per_log
from regrok.laws.parts import cell_slope
from regrok.laws.parts import estimate as est

DEFAULTS: dict[str, Any] = {
    "features": "gaussian",  # N(0, I/m) · relu: random ReLU features of d inputs
    "d": 100,  # inputs of the ReLU features
    "n": 100,  # examples
    "m": 1000,  # features
    "learning_rate": 1.0,  # η
    "weight_decay": 1e-4,  # λ of the default point
    "variance": 1.0,  # ν² of the default point
    "level": 0.01,  # ε = c
    "weight_decays": [1e-4],  # the λ that exponents are fitted over
    "variances": [1.0],  # the ν² likewise
    "half": False,  # whether losses carry a factor of ½
    "draws": 50,  # of features, teacher and start
    "log_every": 100,  # steps of the logging grid that our own law reads t2 on
    "points": 200,  # steps that are kept of the curves
    "arms": {},  # name → what it changes of the above
}
REFERS: dict[str, Any] = {
    "features": ["gaussian", "relu"],
    "learning_rate": "positive",
    "weight_decay": "positive",
    "variance": "positive",
    "level": "positive",
    "weight_decays": "numbers",
    "variances": "numbers",
    "arms": "arms",
}
ESTIMATES: dict[str, list[str]] = {
    "": [
        "t1",
        "t2",
        "t2_over_t1",
        "largest_t2_over_t1",
        "t1_within_bound",
        "t2_within_bound",
        "t2_within_general_bound",
        "t1_over_bound",
        "t2_over_bound",
        "t2_over_general_bound",
        "t1_exponent",
        "t2_exponent",
        "t2_per_log_variance",
        "law_exponent",
        "law_less_exact",
        "law_exponent_logged",
        "law_logged_less_exact",
        "recursion_error",
    ],
    "arms": [
        "t1",
        "t2",
        "t2_over_t1",
        "largest_t2_over_t1",
        "t1_within_bound",
        "t2_within_bound",
        "t2_within_general_bound",
        "t1_over_bound",
        "t2_over_bound",
        "t2_over_general_bound",
        "t1_exponent",
        "t2_exponent",
        "t2_per_log_variance",
        "law_exponent",
        "law_less_exact",
        "law_exponent_logged",
        "law_logged_less_exact",
        "recursion_error",
    ],
}
STEPS = 200
"""Steps of plain gradient descent that the recursion is checked against."""


def compute(options: Mapping[str, Any], seed: int) -> dict[str, Any]:
    """Times of every draw, whether the bounds hold, and how the times go with λ and ν².

    options: as `DEFAULTS`. seed: of the draws; an arm has the same draws. Returns {"estimates", "points"}. Estimates:
    t1, t2 and their ratio at the default point, and the ratio at the smallest λ (geometric means); the shares of draws
    whose times are within the printed bounds at every λ and ν²; times over bounds at the default point; the exponents
    of t1 and t2 in λ and 2ηλ·dt2/d(log ν²), a mean over draws; law_exponent, of t2 as the project's own scaling law
    reads it from logged runs, each draw at one λ; that less the exact exponent; both again with the logging in the
    interval; and the largest relative difference of the recursion from plain gradient descent. n counts draws. Points:
    "time" (one a draw, λ and ν²) and "curve" (losses of the first draw). Raises RegrokError naming an option that the
    problem has no solution with.
    """

    def of(settings: dict[str, Any]) -> arms.Measured:
        check(settings)
        problems = [drawn(settings, seed, i) for i in range(settings["draws"])]
        found = [times(settings, *each) for each in problems]
        first = problems[0][0]
        made = measured(settings, found) | {"recursion_error": checked(first)}
        return made, records(settings, found, first)

    return arms.over(options, of)


def measured(settings: Mapping[str, Any], found: list[list[Times]]) -> dict[str, est.Estimate]:
    """The estimates over draws; found: per draw its times, the default point first."""
    first = [each[0] for each in found]
    t1, t2 = (np.array([getattr(each, key) for each in first]) for key in ("t1", "t2"))
    smallest = min([settings["weight_decay"], *settings["weight_decays"]])
    extreme = [
        t
        for each in found
        for t in each
        if t.weight_decay == smallest and t.variance == settings["variance"]
    ]
    eta, decay = settings["learning_rate"], settings["weight_decay"]

    def mean(values: Any, unit: str = "", log: bool = True) -> est.Estimate:
        values = np.asarray(values, dtype=float)
        known = values[np.isfinite(values) & ((values > 0) | (not log))]
        lost = values.size - known.size
        note = f"{lost} of {values.size} draws have none" if lost else ""
        return est.mean(known, unit, note, log=log)

    def share(name: str, bound: str, below: bool) -> est.Estimate:
        held = sum(
            all(
                (getattr(t, name) <= getattr(t, bound))
                if below
                else (getattr(t, name) >= getattr(t, bound))
                for t in each
            )
            for each in found
        )
        return est.share(held, len(found), f"at {len(found[0])} pairs of λ and ν² each")

    over_decay = per_draw(settings, found, "weight_decay")
    exact = mean([exponent(*lever(each, "t2")) for each in over_decay], log=False)
    law, with_logging = (logged(settings, found, told) for told in (False, True))
    return {
        "t1": mean(t1, "steps"),
        "t2": mean(t2, "steps"),
        "t2_over_t1": mean(t2 / np.maximum(t1, 1)),
        "largest_t2_over_t1": mean([t.t2 / max(t.t1, 1) for t in extreme]),
        "t1_within_bound": share("t1", "t1_bound", True),
        "t2_within_bound": share("t2", "t2_bound", False),
        "t2_within_general_bound": share("t2", "t2_general_bound", False),
        "t1_over_bound": mean([t.t1 / t.t1_bound for t in first]),
        "t2_over_bound": mean([t.t2 / t.t2_bound for t in first]),
        "t2_over_general_bound": mean([t.t2 / t.t2_general_bound for t in first]),
        "t1_exponent": mean([exponent(*lever(each, "t1")) for each in over_decay], log=False),
        "t2_exponent": exact,
        "t2_per_log_variance": mean(
            [
                2 * eta * decay * per_log(*lever(each, "t2"))
                for each in per_draw(settings, found, "variance")
            ],
            log=False,
        ),
        "law_exponent": law,
        "law_less_exact": shifted(law, exact),
        "law_exponent_logged": with_logging,
        "law_logged_less_exact": shifted(with_logging, exact),
    }


def per_draw(
    settings: Mapping[str, Any], found: list[list[Times]], key: str
) -> list[list[tuple[float, Times]]]:
    """Per draw its times along one lever, with the lever's value, the other at the default point."""
    other = "variance" if key == "weight_decay" else "weight_decay"
    return [
        [
            (getattr(t, key), t)
            for t in each
            if getattr(t, other) == settings[other] and getattr(t, key) in settings[f"{key}s"]
        ]
        for each in found
    ]


def lever(along: list[tuple[float, Times]], name: str) -> tuple[list[float], list[float]]:
    """The lever's values, and the times of this name at them."""
    return [value for value, _ in along], [getattr(t, name) for _, t in along]


def logged(settings: Mapping[str, Any], found: list[list[Times]], told: bool) -> est.Estimate:
    """The exponent of t2 in λ as a law reads it from runs: each draw at one λ, t2 on the logging grid, a cell a λ.

    told: whether the law is told between which logged steps each time lies.
    """
    levels, every = settings["weight_decays"], settings["log_every"]
    x, steps, cells = [], [], []
    for i, along in enumerate(per_draw(settings, found, "weight_decay")):
        decay, time = along[i % len(along)]
        if math.isfinite(time.t2):
            x.append(math.log(decay))
            steps.append(max(math.ceil(time.t2 / every), 1) * every)
            cells.append(levels.index(decay))
    upper = np.array(steps, dtype=float)
    # A time below the first logged step has no lower end in logarithms; half of it stands for that.
    lower = np.where(upper > every, upper - every, upper / 2)
    between = (np.log(lower), np.log(upper)) if told else None
    return cell_slope.slope(
        np.array(x), np.log(upper), np.array(cells), unresolved=False, between=between
    )


def shifted(law: est.Estimate, exact: est.Estimate) -> est.Estimate:
    """The law's exponent less the exact one, whose own error over draws is small beside it."""
    if law.value is None or exact.value is None or law.low is None or law.high is None:
        return est.missing(law.reason or "no interval", law.n, law.estimator)
    by = exact.value
    return est.estimate(
        law.value - by,
        law.low - by,
        law.high - by,
        law.n,
        law.estimator + ", less the exact exponent",
    )


def checked(problem: Recursion) -> est.Estimate:
    """The largest difference of the recursion from plain gradient descent, over the largest weight."""
    plain = descended(problem, STEPS)
    error = float(np.abs(problem.at(STEPS) - plain).max() / np.abs(plain).max())
    return est.exact(error, 1, f"first draw, after {STEPS} steps in float64")


def records(
    settings: Mapping[str, Any], found: list[list[Times]], problem: Recursion
) -> list[dict[str, Any]]:
    """The points of one arm."""
    made: list[dict[str, Any]] = [
        {"kind": "time", "draw": i} | vars(t) for i, each in enumerate(found) for t in each
    ]
    last = found[0][0].t2
    end = 2 * last if math.isfinite(last) else 10 / (problem.rate * problem.decay)
    steps = np.unique(
        np.concatenate([[0], np.geomspace(1, end, settings["points"]).round()])
    ).astype(int)
    factor = 0.5 if settings["half"] else 1.0
    curves = zip(
        steps,
        factor * problem.train_loss(steps),
        factor * problem.population_loss(steps),
        strict=True,
    )
    made += [
        {
            "kind": "curve",
            "step": int(step),
            "train_loss": float(a),
            "population_loss": float(b),
        }
        for step, a, b in curves
    ]
    return made

"""Which penalty a network needs to add modulo p (arXiv 2407.12332, Section 5 and Appendix A).

Networks of the kind of `kernel_drift`, at the published number of pairs, without a penalty and, as arms, with ‖θ‖∞ or
½‖θ‖² of some weight. The arms of a draw have the same pairs and the same start. All train to the end of the budget, so
that they are compared at the same step; a step of fixed length need not settle, so what is told of the end is the
median over the last tenth of the budget.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from regrok.computations.network_shares import published
from regrok.computations.parts import needed
from regrok.computations.parts.arms import arms
from regrok.computations.parts.penalised import (
    PENALTIES,
    Course,
    Penalised,
    Penalty,
    follow,
    of_draws,
)
from regrok.computations.parts.quadratic_network import Pairs, started
from regrok.computations.parts.quadratic_training import logged_steps
from regrok.errors import RegrokError
from regrok.laws.parts import estimate as est

DEFAULTS: dict[str, Any] = {
    "p": 11,
    "draws": 3,  # of training sets and starts
    "width": 8,  # neurons over p
    "scale": 0.1,  # standard deviation of every weight at the start
    "learning_rate": 10.0,  # η of a normalised step
    "budget": 200,  # steps
    "growth": 1.1,  # a step is logged when it has grown by this factor, and in the last tenth of the budget
    "late": 20,  # so many more
    "level": 0.95,  # accuracy that counts as memorising, and as generalising
    "published_factor": 2.0,  # this many times p^(5/3) pairs are in training
    "penalty": "none",  # none, linf (of ‖θ‖∞) or l2 (of ½‖θ‖²)
    "weight": 0.0,  # λ
    "arms": {},  # name → penalty and weight
}
REFERS: dict[str, Any] = {
    "scale": "positive",
    "learning_rate": "positive",
    "growth": "positive",
    "level": "positive",
    "published_factor": "positive",
    "penalty": ["none", "linf", "l2"],
    "arms": "arms",
}
ESTIMATES: dict[str, list[str]] = {
    "": [
        "generalised_share",
        "memorised_share",
        "unseen_accuracy",
        "train_accuracy",
        "T_grok",
        "largest_weight",
        "margin_over_p",
        "drift",
        "late_drift_share",
    ],
    "arms": [
        "generalised_share",
        "memorised_share",
        "unseen_accuracy",
        "train_accuracy",
        "T_grok",
        "largest_weight",
        "margin_over_p",
        "margin_less_plain",
        "drift",
        "drift_less_plain",
        "late_drift_share",
    ],
}
PLAIN = "plain"


def check(settings: Mapping[str, Any]) -> None:
    """Raises RegrokError naming an option that nothing can be trained with."""
    if published(settings, settings["p"]) >= settings["p"] ** 2:
        raise RegrokError(
            f"options.p = {settings['p']}: no pair is left unseen; a larger p has some"
        )
    if settings["growth"] <= 1:
        raise RegrokError(f"options.growth = {settings['growth']:g}: should be above 1")
    if settings["penalty"] not in PENALTIES:
        raise RegrokError(
            f"options.penalty = '{settings['penalty']}': should be one of {', '.join(PENALTIES)}"
        )
    if (settings["penalty"] == "none") != (settings["weight"] == 0) or settings["weight"] < 0:
        raise RegrokError(
            f"options.weight = {settings['weight']:g} with penalty = '{settings['penalty']}': a penalty has a weight "
            "above 0, and none has 0"
        )


def logged(budget: int, growth: float, late: int) -> list[int]:
    """`logged_steps`, and `late` steps at equal distances over the last tenth of the budget."""
    tail = np.linspace(0.9 * budget, budget, late + 1).round().astype(int)
    return sorted({*logged_steps(budget, growth), *(int(step) for step in tail)})


def compute(options: Mapping[str, Any], seed: int) -> dict[str, Any]:
    """Networks without a penalty and with each arm's.

    options: as `DEFAULTS`. seed: of training sets and starts. Returns {"estimates", "points"}. Estimates, of the plain
    network and, by its name, of every arm: the share of draws whose late accuracy on unseen pairs is at least `level`,
    and of those whose accuracy on training pairs ever is; means over draws of both late accuracies, of the first logged
    step at which the unseen one is, of the late ‖θ‖∞ over the start's, of the late margin of the network with weights
    of at most one, over p, of the centred tangent kernel's drift at the end, and of the share of it that comes after
    the pairs were memorised; of an arm also its margin and its drift less the plain network's of the same draw.
    Points: "run", one an arm and draw, and "curve", the first draw of each. Raises RegrokError naming an option, or the
    step at which a run diverged.
    """
    points: list[dict[str, Any]] = []
    for arm in arms(options, PLAIN):
        with arm.named():
            check(arm.options)
            for i in range(arm.options["draws"]):
                points += arm.points(drawn(arm.options, i, seed))
    return {"estimates": measured(options, points), "points": points}


def drawn(settings: Mapping[str, Any], i: int, seed: int) -> list[dict[str, Any]]:
    """What is kept of the training of one draw."""
    p, level = int(settings["p"]), settings["level"]
    order = np.random.default_rng([seed, i]).permutation(p * p)
    pairs = Pairs.first(order, published(settings, p), p)
    network = started(
        p, settings["width"] * p, settings["scale"], np.random.default_rng([seed, i, 1])
    )
    begin = network.largest()
    descent = Penalised(
        network,
        pairs,
        settings["learning_rate"],
        Penalty(settings["penalty"], settings["weight"]),
    )
    steps = logged(settings["budget"], settings["growth"], settings["late"])
    found = follow(descent, steps, level)
    made = [{"kind": "run", "draw": i, **told(found, begin, level)}]
    if i == 0:
        columns = (found.step, found.train, found.unseen, found.largest, found.margin)
        made += [
            {
                "kind": "curve",
                "step": int(s),
                "train": float(a),
                "unseen": float(b),
                "largest": float(c),
                "margin_over_p": float(d),
            }
            for s, a, b, c, d in zip(*columns, strict=True)
        ]
    return made


def told(found: Course, begin: float, level: float) -> dict[str, float]:
    """What is kept of a course. begin: ‖θ‖∞ at its start."""
    return {
        "train_accuracy": found.late(found.train),
        "unseen_accuracy": found.late(found.unseen),
        "T_mem": found.first(found.train, level),
        "T_grok": found.first(found.unseen, level),
        "T_grok_for_good": found.for_good(found.unseen, level),
        "largest_weight": found.late(found.largest) / begin,
        "margin_over_p": found.late(found.margin),
        "drift_at_T_mem": found.drift_at_T_mem,
        "drift": found.drift,
    }


def measured(
    options: Mapping[str, Any], points: Sequence[Mapping[str, Any]]
) -> dict[str, est.Estimate]:
    """The estimates of the points."""
    runs = [row for row in points if row["kind"] == "run"]
    told = arms(options, PLAIN)
    columns = {
        arm.name: {
            key: np.array([row[key] for row in runs if row["arm"] == arm.name], dtype=float)
            for key in next(row for row in runs if row["arm"] == arm.name)
            if key not in ("arm", "kind")
        }
        for arm in told
    }
    level, plain = options["level"], columns[PLAIN]
    unseen = options["p"] ** 2 - published(options, options["p"])
    made: dict[str, est.Estimate] = {}
    for arm in told:
        own = columns[arm.name]
        n = len(own["draw"])
        after = 1 - own["drift_at_T_mem"] / own["drift"]
        right = (0.0, 1.0)
        found = {
            "generalised_share": of_draws(
                int((own["unseen_accuracy"] >= level).sum()), n, "generalise"
            ),
            "memorised_share": of_draws(int(np.isfinite(own["T_mem"]).sum()), n, "memorise"),
            "unseen_accuracy": needed.mean(
                list(own["unseen_accuracy"]), "no run", "", 1 / unseen, right
            ),
            "train_accuracy": needed.mean(
                list(own["train_accuracy"]),
                "no run",
                "",
                1 / published(options, options["p"]),
                right,
            ),
            "T_grok": needed.mean(list(own["T_grok"]), "no run gets there in time"),
            "largest_weight": needed.mean(list(own["largest_weight"]), "no run"),
            "margin_over_p": needed.mean(list(own["margin_over_p"]), "no run"),
            "drift": needed.mean(list(own["drift"]), "no run"),
            "late_drift_share": needed.mean(list(after), "no run memorises in time"),
        }
        if not arm.whole:
            for key in ("margin", "drift"):
                column = "margin_over_p" if key == "margin" else key
                found[f"{key}_less_plain"] = needed.mean(list(own[column] - plain[column]), "none")
        made |= arm.estimates(found)
    return made

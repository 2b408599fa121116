"""Norm at one loss over the size of the training set: planted planes, and what is no circuit left out."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest

from planted import NOTHING, make_run, members
from regrok.errors import RegrokError
from regrok.laws import efficiency, with_previous
from regrok.runs.frames import Frames

BUDGET = 4000
STEP = np.arange(0, BUDGET + 1, 100)
DECAYS = (0.5, 1.0, 2.0)
GROUPS = {"random": {"within": {"labels": "random"}}, "true": {"within": {"labels": "true"}}}
RATIO = {"random_over_true": ["random", "true"]}


def run_of(
    size: int, decay: float, seed: int, norm: float, loss: float, **told: Any
) -> tuple[dict, pd.DataFrame]:
    """A run that comes to a norm and a loss half-way through its budget; before, both are ten times as large."""
    row = make_run(
        seed=seed,
        train_size=size,
        validation_size=3481 - size,
        weight_decay=decay,
        max_steps=BUDGET,
        **{"steps": BUDGET, **told},
    )
    row["cell"] = row["condition"] = f"{row['labels']}-{size}-{decay}"
    row["run_id"] = f"{row['cell']}-{seed}"
    early = np.where(STEP < BUDGET / 2, 10.0, 1.0)
    step = STEP[row["steps"] >= STEP]
    scores = {"train_accuracy": row.get("train_end", 1.0), "train_examples": size}
    curve = pd.DataFrame(
        {"run_id": row["run_id"], "step": step, "V": (early * norm)[: len(step)] ** 2}
    )
    curve = curve.assign(train_loss=(early * loss)[: len(step)], **scores)
    return row, curve.assign(validation_accuracy=row.get("validation_end", 1.0))


def family(
    labels: str,
    sizes: list[int],
    exponent: float,
    gamma: float,
    seeds: int = 3,
    scale: float = 5.0,
    **told: Any,
) -> list[tuple[dict, pd.DataFrame]]:
    """log norm = log scale + exponent·log(D/1000) + gamma·log L, with a little of each seed's own in both."""
    parts = []
    for seed in range(seeds):
        for size in sizes:
            for decay in DECAYS:
                loss = 0.01 * decay**1.5 * (size / 1000) ** (1.0 if labels == "random" else 0.1)
                own = exponent + 0.01 * (seed - 1)
                own_scale = scale * (1 + 0.02 * (seed - 1) * (labels == "random"))
                norm = own_scale * (size / 1000) ** own * loss**gamma
                parts.append(run_of(size, decay, seed, norm, loss, labels=labels, **told))
    return parts


def made(parts: list[tuple[dict, pd.DataFrame]], **options: Any) -> dict[str, Any]:
    runs = with_previous(pd.DataFrame([row for row, _ in parts]))
    curves = pd.concat([curve for _, curve in parts])
    frames = Frames(runs, curves, members(runs), NOTHING)
    return efficiency.fit(frames, {"groups": GROUPS, "ratios": RATIO, **options}, 0)


RANDOM, TRUE = [300, 424, 600, 848], [1400, 1800, 2300]


def test_planted_exponents_are_found_with_an_interval_over_seeds():
    found = made(family("random", RANDOM, 0.5, -0.2) + family("true", TRUE, 0.0, -0.1))["estimates"]
    for key, value in (("random.exponent", 0.5), ("true.exponent", 0.0)):
        assert found[key].value == pytest.approx(value, abs=1e-9)
        assert found[key].low < value < found[key].high < value + 0.03
        assert found[key].n == 3
    assert found["random.loss_exponent"].value == pytest.approx(-0.2)
    # The norm at one loss without a shape in the loss: linear interpolation in logarithms is exact here.
    assert found["random.exponent_level"].value == pytest.approx(0.5)
    assert found["random_over_true.exponent_difference"].value == pytest.approx(0.5)
    assert found["random.fitted_share"].value == 1


def test_the_size_of_equal_norm_is_found():
    """At one loss, 4·(D/1000)^½ meets 3 where D is 562.5."""
    parts = family("random", RANDOM, 0.5, -0.1, scale=4.0) + family(
        "true", TRUE, 0.0, -0.1, scale=3.0
    )
    found = made(parts)["estimates"]
    crossing = found["random_over_true.crossing"]
    assert crossing.value == pytest.approx(562.5, rel=0.02)
    assert crossing.low < 562.5 < crossing.high
    assert found["random_over_true.crossing_share"].value == pytest.approx(crossing.value / 3481)
    flat = made(family("random", RANDOM, -0.2, -0.1) + family("true", TRUE, 0.1, -0.1))["estimates"]
    assert flat["random_over_true.crossing"].value is None


def test_without_a_common_loss_the_other_reading_has_no_value():
    parts = []
    for seed in range(3):
        for k, size in enumerate(RANDOM):
            for decay in DECAYS:
                loss = 10.0 ** (k - 6) * decay**0.1
                parts.append(run_of(size, decay, seed, 5 * loss**-0.1, loss, labels="random"))
    found = made(parts, groups={"random": {}}, ratios={})["estimates"]
    assert found["random.exponent_level"].value is None
    assert found["random.exponent"].value == pytest.approx(0, abs=1e-6)


def test_runs_without_the_circuit_are_left_out_and_counted():
    good = family("random", RANDOM, 0.5, -0.2)
    spoilt = [run_of(700, 2.0, s, 99.0, 3.0, labels="random", train_end=0.6) for s in range(3)]
    spoilt += [run_of(750, 2.0, 0, 99.0, 3.0, labels="random", steps=1000)]
    alone = {"groups": {"random": {}}, "ratios": {}}
    found = made(good + spoilt, **alone)["estimates"]
    clean = made(good, **alone)["estimates"]
    assert found["random.exponent"].value == clean["random.exponent"].value
    assert (found["random.fitted_share"].value, found["random.fitted_share"].n) == (36 / 40, 40)
    assert "4 of 40 runs left out" in found["random.exponent"].note
    late = family("true", TRUE, 0.0, -0.1, validation_end=0.5)
    kept = made(late, groups={"true": {}}, ratios={}, generalised=["true"])["estimates"]
    assert kept["true.exponent"].value is None and kept["true.fitted_share"].value == 0


def test_one_size_or_one_seed_tells_no_exponent_or_no_interval():
    alone = {"groups": {"random": {}}, "ratios": {}}
    one = made(family("random", [600], 0.5, -0.2), **alone)["estimates"]["random.exponent"]
    assert one.value is None and "in no seed" in one.reason
    seed = made(family("random", RANDOM, 0.5, -0.2, seeds=1), **alone)["estimates"][
        "random.exponent"
    ]
    assert seed.value == pytest.approx(0.49) and seed.low is None
    assert math.isfinite(seed.value)


def test_one_decay_does_not_tell_the_size_from_the_loss():
    """Where weight decay leaves one λ that fits, loss and size move together and any exponent would do."""
    parts = [part for part in family("random", RANDOM, 0.5, -0.2) if part[0]["weight_decay"] == 1.0]
    parts += [part for part in family("random", [300], 0.5, -0.2) if part[0]["weight_decay"] != 1.0]
    found = made(parts, groups={"random": {}}, ratios={})["estimates"]["random.exponent"]
    assert found.value is None and "in no seed" in found.reason


def test_a_ratio_of_groups_that_there_are_not_is_refused():
    with pytest.raises(RegrokError, match=r"options\.ratios\.r: no group 'none'"):
        made(family("random", RANDOM, 0.5, -0.2), ratios={"r": ["random", "none"]})

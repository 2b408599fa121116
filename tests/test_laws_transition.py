"""Where networks stop keeping what generalises: planted thresholds, seeds as units, no interval finer than the grid."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest

from planted import NOTHING, make_run, members
from regrok.errors import RegrokError
from regrok.laws import transition, with_previous
from regrok.laws.parts.thresholds import bound, bracket, locate
from regrok.runs.frames import Frames

SIZES = [300, 375, 469, 586, 732, 916, 1145]
PAIRS = 3481
BUDGET = 8000
GROUPS = {"one": {"within": {"weight_decay": 1.0}}, "two": {"within": {"weight_decay": 2.0}}}
RATIO = {"two_over_one": ["two", "one"]}


def run_of(size: int, seed: int, late: float, **told: Any) -> tuple[dict, pd.DataFrame]:
    """A run from a grokked network, and its curve: perfect at first, `late` in the last sixth of the budget."""
    begins = {"T_mem": 0, "delay": 0, "start_run": "parent", **told}
    row = make_run(
        seed=seed,
        train_size=size,
        validation_size=PAIRS - size,
        **{"max_steps": BUDGET, "steps": BUDGET, "p": 59.0, **begins},
    )
    row["cell"] = row["condition"] = f"{size}-{row['weight_decay']}"
    row["run_id"] = f"{row['cell']}-{seed}"
    step = np.arange(0, row["steps"] + 1, 100)
    accuracy = np.where(step < 5 * BUDGET / 6, 1.0, late)
    curve = pd.DataFrame({"run_id": row["run_id"], "step": step, "validation_accuracy": accuracy})
    return row, curve.assign(validation_examples=PAIRS - size)


def made(parts: list[tuple[dict, pd.DataFrame]], **options: Any) -> dict[str, Any]:
    runs = with_previous(pd.DataFrame([row for row, _ in parts]))
    curves = pd.concat([curve for _, curve in parts])
    frames = Frames(runs, curves, members(runs), NOTHING)
    return transition.fit(frames, {"groups": {"one": {}}, **options}, 0)


def sweep(thresholds: list[float], below: float = 0.0, above: float = 1.0, **told: Any):
    return [
        run_of(size, seed, above if size >= threshold else below, **told)
        for seed, threshold in enumerate(thresholds)
        for size in SIZES
    ]


# The estimator ------------------------------------------------------------------------------------------------------


def test_seeds_that_agree_leave_the_interval_between_two_sizes_and_no_slope():
    found = made(sweep([500.0] * 6))["estimates"]
    place = found["one.place"]
    assert place.value == pytest.approx(math.sqrt(469 * 586), rel=0.02)
    assert (place.low, place.high) == pytest.approx((469, 586), rel=1e-6)
    assert "sizes tried" in place.note
    assert found["one.slope"].value is None
    assert "a step fits best" in found["one.slope"].reason
    assert found["one.width"].value == 1 and found["one.width"].high > 1
    assert found["one.fall"].low == 1 and found["one.fall"].high == pytest.approx(586 / 469)
    assert found["one.place_share"].value == pytest.approx(place.value / PAIRS)
    assert "budget 8,000 steps" in place.note


def test_many_seeds_make_no_interval_finer_than_the_grid():
    place = made(sweep([500.0] * 40))["estimates"]["one.place"]
    assert (place.low, place.high) == pytest.approx((469, 586), rel=1e-6)
    rng = np.random.default_rng(0)  # and where they lie in two brackets
    place = made(sweep(list(rng.uniform(480, 720, 40))))["estimates"]["one.place"]
    assert place.high / place.low >= 1.24


def test_a_planted_logistic_is_found_with_its_place_and_slope():
    rng = np.random.default_rng(2)
    sizes, spread = np.log(np.geomspace(100, 2000, 40)), 0.3
    drawn = rng.logistic(math.log(500), spread, 400)
    found = locate([bracket(sizes, sizes >= each) for each in drawn])
    assert found.centre == pytest.approx(math.log(500), abs=0.06)
    assert found.spread == pytest.approx(spread, rel=0.15)
    assert found.spread_low < spread < found.spread_high


@pytest.mark.parametrize(("seeds", "spread"), [(3, 0.25), (4, 0.1), (10, 0.25)])
def test_the_interval_holds_the_planted_place_about_as_often_as_it_says(seeds, spread):
    """Draws at the sizes of the study, places anywhere between them; χ² in place of `bound` would hold 3 in 85 %."""
    rng, sizes, hits = np.random.default_rng(seeds), np.log(SIZES), 0
    for _ in range(40):
        place = rng.uniform(sizes[2], sizes[4])
        drawn = rng.logistic(place, spread, seeds)
        try:
            found = locate([bracket(sizes, sizes >= each) for each in drawn])
        except ValueError:
            continue
        hits += found.low <= place <= found.high
    assert hits >= 35


def test_one_seed_gives_a_place_and_no_interval():
    assert bound(1) == math.inf
    place = made(sweep([500.0]))["estimates"]["one.place"]
    assert place.value == pytest.approx(math.sqrt(469 * 586), rel=0.02)
    assert place.low is None and place.high is None and "one seed" in place.reason


def test_a_seed_that_keeps_a_small_size_and_loses_a_larger_one_widens_its_bracket():
    x = np.log([1.0, 2.0, 4.0, 8.0])
    assert bracket(x, np.array([True, False, False, True])) == (pytest.approx(0), x[2])
    assert bracket(x, np.array([True] * 4)) == (-math.inf, pytest.approx(0))
    assert bracket(x, np.array([False] * 4)) == (x[3], math.inf)


# What is read of a run ----------------------------------------------------------------------------------------------


def test_isolated_dips_are_no_loss_and_a_late_fall_is_one():
    parts = sweep([500.0] * 4)
    for row, curve in parts:
        if row["train_size"] == 732:
            curve.loc[curve["step"] == BUDGET, "validation_accuracy"] = 0.1
            curve.loc[curve["step"] == BUDGET - 300, "validation_accuracy"] = 0.1
    assert made(parts)["estimates"] == made(sweep([500.0] * 4))["estimates"]


def test_the_level_and_the_earlier_end_are_what_is_asked():
    parts = sweep([500.0] * 4, below=0.6)
    assert made(parts)["estimates"]["one.place"].value == pytest.approx(524, rel=0.02)
    nothing = made(parts, level=0.5)["estimates"]["one.place"]
    assert nothing.value is None and "the place lies below them" in nothing.reason
    early = made(parts)["estimates"]["one.place_earlier"]  # at half the budget all were perfect
    assert early.value is None and "at every size tried" in early.reason
    late = made(parts, earlier=0.95)["estimates"]["one.budget_ratio"]
    assert late.value == 1
    assert (late.low, late.high) == pytest.approx((469 / 586, 586 / 469), rel=0.02)


def test_runs_that_ended_early_or_began_below_are_left_out_and_counted():
    parts = sweep([500.0] * 4)
    parts += [run_of(size, 8, 0.0, steps=3000, outcome="diverged") for size in SIZES]
    parts += [run_of(size, 9, 0.0) for size in SIZES]
    for row, curve in parts:
        if row["seed"] == 9:
            curve.loc[curve["step"] < 300, "validation_accuracy"] = 0.85
    found = made(parts)
    place = found["estimates"]["one.place"]
    assert (place.value, place.n) == (made(sweep([500.0] * 4))["estimates"]["one.place"].value, 28)
    assert "7 runs began below" in place.note and "7 of 35 runs ended before" in place.note
    assert sum(cell["runs"] for cell in found["cells"]) == 28


def test_a_run_with_an_initialisation_of_its_own_has_nothing_to_begin_with():
    parts = sweep([800.0] * 4, start_run=None, T_mem=100, delay=math.nan)
    place = made(parts)["estimates"]["one.place"]
    assert place.low <= 732 <= 916 <= place.high and place.n == 28


def test_the_share_that_ends_in_between_is_counted():
    parts = [*sweep([500.0] * 2, below=0.4), run_of(300, 7, 0.9), run_of(300, 8, 0.3)]
    share = made(parts)["estimates"]["one.middling_share"]
    assert (share.value, share.n) == ((6 + 1) / 16, 16)


def test_where_every_run_is_lost_the_place_lies_above():
    place = made(sweep([5000.0] * 4))["estimates"]["one.place"]
    assert place.value is None and "the place lies above them" in place.reason


# Two places ---------------------------------------------------------------------------------------------------------


def test_two_equal_places_have_a_ratio_of_one_that_the_grid_leaves_open():
    parts = sweep([500.0] * 4) + sweep([510.0] * 4, weight_decay=2.0)
    found = made(parts, groups=GROUPS, ratios=RATIO)["estimates"]
    ratio, log = found["two_over_one.place_ratio"], found["two_over_one.log_place_ratio"]
    assert ratio.value == pytest.approx(1)
    assert (ratio.low, ratio.high) == pytest.approx((469 / 586, 586 / 469), rel=0.02)
    assert (math.exp(log.low), math.exp(log.high)) == pytest.approx((ratio.low, ratio.high))


def test_a_planted_ratio_of_places_is_found():
    parts = sweep([400.0] * 4) + sweep([800.0] * 4, weight_decay=2.0)
    ratio = made(parts, groups=GROUPS, ratios=RATIO)["estimates"]["two_over_one.place_ratio"]
    assert ratio.low < 2 < ratio.high and ratio.low > 1.3


def test_a_place_that_is_not_there_has_no_ratio():
    parts = sweep([400.0] * 4) + sweep([8000.0] * 4, weight_decay=2.0)
    ratio = made(parts, groups=GROUPS, ratios=RATIO)["estimates"]["two_over_one.place_ratio"]
    assert ratio.value is None and "lies above" in ratio.reason


def test_what_cannot_be_asked_is_refused():
    parts = sweep([500.0] * 2)
    with pytest.raises(RegrokError, match=r"options\.level = 1\.5"):
        made(parts, level=1.5)
    with pytest.raises(RegrokError, match=r"options\.ratios\.r: no group 'none'"):
        made(parts, ratios={"r": ["one", "none"]})
    with pytest.raises(RegrokError, match=r"options\.groups\.one: two runs of one seed and size"):
        made(parts + sweep([500.0] * 2, weight_decay=2.0))

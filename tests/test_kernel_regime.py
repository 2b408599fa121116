"""Shares that kernels and networks need: planted crossings and exponents, and the computations on small moduli."""

from __future__ import annotations

import math

import numpy as np
import pytest

from regrok.computations import kernel_drift, kernel_shares, network_shares
from regrok.computations.parts import needed, slopes
from regrok.errors import RegrokError

PAIRS = {**kernel_shares.DEFAULTS, "draws": 3}
TRIPLES = {**PAIRS, "examples": "triples", "moduli": [5, 7], "shares": [0.2, 0.5, 0.8]}
NETWORK = {
    **network_shares.DEFAULTS,
    "moduli": [11, 13],
    "shares": [0.5, 0.9],
    "budget": 20,
    "growth": 1.5,
}
DRIFT = {**kernel_drift.DEFAULTS, "budget": 30, "growth": 1.3, "draws": 2}


def test_a_crossing_lies_on_the_line_between_shares():
    assert needed.crossing([0.2, 0.4], [0.9, 0.4]) == pytest.approx(0.36)
    # Without any example everything is lost, so a first share that suffices is shared out from there.
    assert needed.crossing([0.2], [0.0]) == pytest.approx(0.1)
    assert math.isnan(needed.crossing([0.2, 0.9], [0.9, 0.51]))


def test_an_exponent_that_is_planted_is_found():
    moduli = [7, 11, 23]
    assert slopes.exponent(moduli, [2 * p**-0.4 for p in moduli]) == pytest.approx(-0.4)
    for levels, values in ((moduli, [0.5, math.nan, 0.2]), (moduli, [0.5, 0.0, 0.2]), ([7], [0.5])):
        assert math.isnan(slopes.exponent(levels, values))
    assert slopes.per_log(moduli, [3 - 2 * math.log(p) for p in moduli]) == pytest.approx(-2)
    assert math.isnan(slopes.per_log([7], [0.5]))


def test_a_modulus_at_which_some_draw_never_gets_there_is_not_the_smallest():
    shares = np.array([[0.5, 0.2], [0.6, math.nan]])
    found = needed.smallest(shares, [7, 11], "never")
    assert found.value == pytest.approx(0.55) and found.note == "at p = 7"
    nothing = needed.smallest(np.full((2, 2), math.nan), [7, 11], "never")
    assert nothing.value is None and nothing.reason == "never"


def test_draws_that_agree_are_known_to_one_pair():
    found = needed.mean([1.0, 1.0, 1.0], "none", grain=0.01)
    assert (found.low, found.value, found.high) == pytest.approx((0.99, 1.0, 1.01))
    at_one = needed.mean([1.0, 1.0], "none", grain=0.01, bounds=(0.0, 1.0))
    assert (at_one.low, at_one.high) == pytest.approx((0.99, 1.0))
    assert "one pair more or less" in at_one.note
    wide = needed.mean([0.2, 0.6], "none", grain=0.01)
    assert wide.high - wide.low > 1.0
    assert needed.mean([1.0, 1.0], "none").low is None


def test_a_budget_stands_for_unfinished_runs_only_where_it_tells_a_least_slope():
    nan = math.nan
    assert needed.not_before([0.1, 1.0, 3.0], [5.0, 9.0, nan], 20) == [5.0, 9.0, 20.0]
    assert needed.not_before([3.0, 1.0], [nan, 9.0], 20) == [20.0, 9.0]
    kept = needed.not_before([0.1, 1.0, 3.0], [5.0, nan, 9.0], 20)
    assert math.isnan(kept[1]) and math.isnan(needed.not_before([1.0, 2.0], [nan, nan], 20)[0])


def planted(options, share_of_network, share_of_kernel):
    """Points as if runs had needed these shares of p."""
    made = []
    for p in options["moduli"]:
        for i in range(options["draws"]):
            needs = {"needed_share": share_of_network(p), "kernel_needed_share": share_of_kernel(p)}
            needs["unseen_needed_share"] = share_of_network(p) ** 2
            made.append({"kind": "needed", "p": p, "draw": i, **needs})
            run = {"p": p, "draw": i, "train_accuracy": 1.0, "unseen_accuracy": 0.9}
            run |= {"kernel_unseen_accuracy": 0.0, "T_mem": 10.0, "T_grok": 10.0 * (i + 1)}
            made.append({"kind": "published", **run})
    return made


def test_planted_shares_give_their_exponents_and_their_difference():
    options = {**NETWORK, "moduli": [11, 23, 31], "draws": 4}
    points = planted(options, lambda p: p ** (-1 / 3), lambda p: 0.5)
    found = network_shares.measured(options, points)
    assert set(found) == set(network_shares.ESTIMATES[""])
    assert found["needed_share_exponent"].value == pytest.approx(-1 / 3)
    assert found["unseen_needed_share_exponent"].value == pytest.approx(-2 / 3)
    assert found["kernel_needed_share_exponent"].value == pytest.approx(0.0, abs=1e-12)
    assert found["exponent_less_kernel"].value == pytest.approx(-1 / 3)
    assert found["needed_share_over_kernel"].value == pytest.approx(2 * 31 ** (-1 / 3))
    assert found["memorised_share"].value == 1.0
    # T_grok = T_mem is no delay.
    assert found["delayed_share"].value == pytest.approx(3 / 4)


def test_runs_that_never_get_there_leave_no_exponent_and_are_late():
    options = {**NETWORK, "moduli": [11, 23], "draws": 2}
    points = planted(options, lambda p: math.nan, lambda p: 0.5)
    for row in points:
        if row["kind"] == "published":
            row["T_grok"] = math.nan
    found = network_shares.measured(options, points)
    assert found["needed_share_exponent"].value is None
    assert "one half of all pairs is wrong" in found["needed_share_exponent"].reason
    assert found["delayed_share"].value == 1.0
    assert found["kernel_needed_share_exponent"].value == pytest.approx(0.0, abs=1e-12)


def test_what_is_computed_of_pairs():
    made = kernel_shares.compute({**PAIRS, "arms": {"wide": {"output_variance": 4.0}}}, 1)
    names = kernel_shares.ESTIMATES[""]
    assert set(made["estimates"]) == {f"{prefix}{key}" for prefix in ("", "wide.") for key in names}
    assert made["estimates"]["largest_singular_share"].value == 0.0
    rows = [row for row in made["points"] if row["kind"] == "loss" and row["arm"] == "all"]
    assert len(rows) == 2 * 4
    for row in rows:
        # What is seen is interpolated, so that only unseen pairs lose.
        assert row["loss"] == pytest.approx((1 - row["share"]) * row["unseen_loss"], rel=0.02)


def test_the_kernel_on_triples_needs_about_as_much_as_on_pairs():
    found = kernel_shares.compute(TRIPLES, 1)["estimates"]
    assert 0.2 < found["smallest_needed_share"].value < 0.8
    assert found["accuracy_over_chance"].value is None


def test_three_inputs_leave_the_kernel_singular_and_say_so():
    found = kernel_shares.compute({**TRIPLES, "inputs": 3}, 1)["estimates"]
    assert found["singular_from_share"].value in TRIPLES["shares"]
    # p³ triples and 1 + 3(p−1) + 3(p−1)² directions.
    assert found["largest_singular_share"].value == pytest.approx(1 - 127 / 274, abs=0.02)
    assert found["smallest_needed_share"].value is None


def test_networks_are_trained_beside_their_kernel():
    made = network_shares.compute(NETWORK, 3)
    runs = [row for row in made["points"] if row["kind"] == "run"]
    assert len(runs) == 2 * 2 * 2
    for row in runs:
        assert row["n"] == round(row["share"] * row["p"] ** 2) and row["steps"] <= 20
        assert 0 <= row["error"] <= 1 and 0 <= row["kernel_error"] <= 1 - row["share"] + 0.01
    # A start of the same draw and the same pairs: the run is the one that is made alone.
    again = network_shares.drawn(NETWORK, 13, 1, 3)
    assert again[0]["error"] == runs[-2]["error"] and again[0]["n"] == runs[-2]["n"]


def test_a_run_s_drift_is_told_at_its_times():
    made = kernel_drift.compute(DRIFT, 2)
    assert set(made["estimates"]) == set(kernel_drift.ESTIMATES[""])
    runs = [row for row in made["points"] if row["kind"] == "run"]
    assert len(runs) == 3 * 2 and all(0 <= row["drift_at_end"] <= 1 for row in runs)


def test_planted_drift_and_times_give_their_share_and_exponent():
    options = {**kernel_drift.DEFAULTS, "draws": 2}
    points = [
        {
            "kind": "run",
            "scale": scale,
            "draw": i,
            "T_mem": 10.0,
            "T_grok": 1000 * scale**2,
            "drift_at_T_mem": 0.1,
            "drift_at_T_grok": 0.3,
            "drift_at_end": 0.4,
            "centred_at_T_mem": 0.2,
            "centred_at_T_grok": 0.5,
            "centred_at_end": 1.0,
        }
        for scale in options["scales"]
        for i in range(2)
    ]
    found = kernel_drift.measured(options, points)
    assert found["late_drift_share"].value == pytest.approx(0.75)
    assert found["T_grok_exponent"].value == pytest.approx(2.0)
    assert found["T_mem_exponent"].value == pytest.approx(0.0, abs=1e-12)
    assert found["largest_late_drift_share"].value == pytest.approx(0.75)
    assert found["late_centred_drift_share"].value == pytest.approx(0.8)
    assert found["centred_drift_at_T_grok"].value == pytest.approx(0.5)
    for row in points:
        if row["scale"] == max(options["scales"]):
            row["T_grok"] = math.nan
    # Unfinished at the largest scale alone: the budget stands for it, and there was more to come.
    found = kernel_drift.measured({**options, "budget": 30}, points)
    assert 0 < found["T_grok_exponent"].value < 2.0
    assert "2 of 6 runs unfinished" in found["T_grok_exponent"].note
    assert found["largest_late_drift_share"].value is None
    for row in points:
        row["T_grok"] = math.nan
    found = kernel_drift.measured(options, points)
    assert found["late_drift_share"].value is None and found["grokked_share"].value == 0.0


@pytest.mark.parametrize(
    ("module", "options", "words"),
    [
        (
            kernel_shares,
            {**PAIRS, "shares": [0.5, 0.2]},
            "options.shares = [0.5, 0.2]: should ascend",
        ),
        (kernel_shares, {**PAIRS, "inputs": 3}, "options.inputs = 3: pairs have 2"),
        (kernel_shares, {**TRIPLES, "inputs": 4}, "options.inputs = 4: should be 2 or 3"),
        (
            kernel_shares,
            {**PAIRS, "arms": {"odd": {"moduli": []}}},
            "options.arms.odd: options.moduli",
        ),
        (network_shares, {**NETWORK, "moduli": [5]}, "leaves no pair unseen at p = 5"),
        (network_shares, {**NETWORK, "growth": 1.0}, "options.growth = 1: should be above 1"),
        (kernel_drift, {**DRIFT, "scale": 7.0}, "options.scale = 7: should be one of scales"),
        (kernel_drift, {**DRIFT, "p": 5}, "options.p = 5: no pair is left unseen"),
    ],
)
def test_options_that_nothing_can_be_computed_with_are_named(module, options, words):
    with pytest.raises(RegrokError) as refusal:
        module.compute(options, 0)
    assert words in str(refusal.value)

"""The norm at T_grok on planted networks: its spread, and delays at equal norm."""

import math

import pytest

from planted_networks import law_of, make_mlp
from regrok.laws import norm_at_grok

FEW = {"replicates": 200}


def norms(spread, seeds=4):
    rows = []
    for k, width in enumerate((128, 256, 512)):
        for s in range(seeds):
            level = 0.02 * (1 + spread * (k - 1))
            rows.append(make_mlp(10_000 * (k + 1), s, width=width, rms_grok=level * (1 + 0.01 * s)))
    rows.append(make_mlp(math.inf, 9, width=512))
    groups = {f"w{w}": {"within": {"width": w}} for w in (128, 256, 512)}
    ratios = {"wide_over_narrow": ["w512", "w128"]}
    return law_of(norm_at_grok, rows, ["B"] * len(rows), groups=groups, ratios=ratios, **FEW)


def test_the_spread_over_configurations_is_told_from_that_over_seeds():
    found = norms(0.3)["estimates"]
    mean = 0.02 * 1.015
    assert found["rms_grok_mean"].value == pytest.approx(mean)
    # Population standard deviation of 0.7, 1, 1.3.
    assert found["rms_grok_cv"].value == pytest.approx(0.3 * math.sqrt(2 / 3))
    assert found["rms_grok_cv_seeds"].value < 0.02
    # Without what seeds add to a mean of four: the same, a little less.
    alone = found["rms_grok_cv_population"]
    assert 0.99 * found["rms_grok_cv"].value < alone.value < found["rms_grok_cv"].value
    assert alone.low < alone.value < alone.high and "3 configurations" in alone.note
    assert found["rms_grok_cv_runs"].value > found["rms_grok_cv"].value
    assert found["w512.grokked_share"].n == 5
    assert found["w512.rms_grok_mean"].n == 4


def test_delays_at_equal_norm():
    found = norms(0.0)["estimates"]
    assert found["rms_grok_cv"].value == pytest.approx(0, abs=1e-12)
    assert found["wide_over_narrow.rms_ratio"].value == pytest.approx(1)
    assert found["wide_over_narrow.delay_ratio"].value == pytest.approx(3)
    # The run that did not grok counts in the restricted mean: (4·30,000 + 99,000)/5 over 10,000.
    assert found["wide_over_narrow.delay_restricted_ratio"].value == pytest.approx(4.38)


def test_configurations_outside_the_table_do_not_enter_the_spread():
    rows = [make_mlp(1e4, s, width=w, rms_grok=w / 1e4) for w in (128, 256) for s in range(2)]
    groups = {f"w{w}": {"within": {"width": w}} for w in (128, 256)}
    made = law_of(norm_at_grok, rows, ["B"] * 4, groups=groups, configurations=["w256"], **FEW)
    assert made["estimates"]["rms_grok_mean"].value == pytest.approx(0.0256)
    assert made["estimates"]["rms_grok_cv"].value is None
    assert made["estimates"]["rms_grok_cv_population"].reason == "too few cells"
    assert {p["group"] for p in made["points"] if p["configuration"]} == {"w256"}

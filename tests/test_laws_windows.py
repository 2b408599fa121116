"""Windows of weight decay on planted networks, and the slope inside of one."""

import math

import pytest

from planted_networks import law_of, make_mlp
from regrok.laws import regimes, scaling

FEW = {"replicates": 200}


def decay_sweep(counts, seeds=5):
    """`counts` maps λ to how many of the seeds grok, with a delay of 5/λ steps."""
    rows = []
    for lam, grok in counts.items():
        rows += [
            make_mlp(5 / lam if s < grok else math.inf, s, weight_decay=lam) for s in range(seeds)
        ]
    return law_of(regimes, rows, ["B5"] * len(rows), regimes={}, **FEW)["estimates"]


def test_the_window_lies_between_the_values_that_fail():
    found = decay_sweep({1e-4: 0, 5e-4: 0, 1e-3: 5, 2e-3: 5, 5e-3: 5, 1e-2: 0})
    low, high = found["window_low"], found["window_high"]
    assert (low.value, high.value) == (1e-3, 5e-3)
    assert (low.low, high.high) == (1e-3, 5e-3)
    assert "0.0005" in low.note
    assert "0.01" in high.note


def test_an_edge_of_few_runs_is_uncertain_and_one_at_the_end_is_open():
    found = decay_sweep({1e-4: 1, 1e-3: 2, 2e-3: 3, 5e-3: 3}, seeds=3)
    low, high = found["window_low"], found["window_high"]
    assert low.value == 1e-3
    assert low.low <= 1e-3 <= low.high <= 2e-3
    assert low.low < low.high
    assert high.value == 5e-3
    assert high.high is None
    assert "beyond" in high.note


def test_no_window_where_no_value_reaches_half():
    found = decay_sweep({1e-4: 1, 1e-3: 2})
    assert found["window_low"].value is None


def test_the_slope_inside_the_window_of_full_batch_sgd():
    rows = [
        make_mlp(20 / lam * (1 + 0.05 * s), s, weight_decay=lam)
        for lam in (1e-4, 5e-4, 1e-3, 2e-3)
        for s in range(3)
    ]
    made = law_of(
        scaling,
        rows,
        ["B5"] * 12,
        factor="weight_decay",
        within={"weight_decay": [4e-4, 2e-3]},
        **FEW,
    )
    assert made["estimates"]["delay.exponent"].value == pytest.approx(-1)
    assert made["estimates"]["delay.exponent_survival"].value == pytest.approx(-1, abs=0.05)
    assert len(made["points"]) == 9

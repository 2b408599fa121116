"""Groups of planted networks compared: means, restricted means and their ratios."""

import math

import numpy as np
import pandas as pd
import pytest

from planted_networks import BUDGET, frames_of, law_of, make_mlp
from regrok.errors import RegrokError
from regrok.laws import comparison
from regrok.laws.parts import lifetimes
from regrok.laws.parts.selection import distinct, within

FEW = {"replicates": 200}


def activations(*relu):
    rows = [make_mlp(10_000 + 500 * s, s) for s in range(4)]
    rows += [make_mlp(d, s, activation="relu") for s, d in enumerate(relu)]
    groups = {name: {"within": {"activation": name}} for name in ("gelu", "relu")}
    ratios = {"relu_over_gelu": ["relu", "gelu"]}
    made = law_of(comparison, rows, ["B"] * len(rows), groups=groups, ratios=ratios, **FEW)
    return made["estimates"]


def test_a_restricted_mean_keeps_the_runs_that_the_papers_mean_drops():
    found = activations(20_000, 30_000, math.inf, math.inf)
    assert found["relu.delay_mean"].value == 25_000
    mean = found["relu.delay_restricted_mean"]
    # Half at 20,000 and 30,000, half unfinished at the horizon, the 99,000 steps watched after T_mem.
    assert mean.value == pytest.approx((20_000 + 30_000 + 2 * 99_000) / 4)
    assert mean.low < mean.value < mean.high <= 99_000
    assert found["relu_over_gelu.delay_ratio"].value == pytest.approx(25_000 / 10_750)
    assert found["relu_over_gelu.delay_restricted_ratio"].value == pytest.approx(62_000 / 10_750)


def test_a_group_that_never_groks_gives_a_bound_and_no_false_certainty():
    found = activations(math.inf, math.inf, math.inf)
    assert found["relu.delay_mean"].value is None
    mean, ratio = (
        found["relu.delay_restricted_mean"],
        found["relu_over_gelu.delay_restricted_ratio"],
    )
    assert (mean.value, mean.high) == (99_000, None)
    assert ratio.value == pytest.approx(99_000 / 10_750)
    assert ratio.high is None
    assert "bound" in ratio.note


def test_a_run_given_up_before_memorising_counts_to_the_end_of_its_budget():
    rows = [make_mlp(19_000, s) for s in range(2)]
    rows += [make_mlp(math.nan, s, T_mem=math.nan) | {"steps": 30_000} for s in (2, 3)]
    groups = {"all": {}}
    found = law_of(comparison, rows, ["B"] * 4, groups=groups, **FEW)["estimates"]
    assert found["all.T_grok_restricted_mean"].value == (2 * 20_000 + 2 * BUDGET) / 4
    assert found["all.delay_restricted_mean"].n == 2
    assert "2 of 4 runs never memorised" in found["all.delay_restricted_mean"].note


def test_the_area_is_lifelines_restricted_mean():
    rng = np.random.default_rng(3)
    time = rng.integers(1, 30, 40) * 100.0
    seen = rng.random(40) < 0.6
    expected = lifetimes.restricted_mean(pd.Series(time), pd.Series(seen), 2500.0).value
    assert lifetimes.area(time, seen, 2500.0) == pytest.approx(expected)
    order = rng.permutation(40)
    both = lifetimes.area(time[[order, np.arange(40)]], seen[[order, np.arange(40)]], 2500.0)
    assert both == pytest.approx([expected, expected])


def test_a_ratio_of_an_unknown_group_is_refused():
    rows = [make_mlp(10_000)]
    with pytest.raises(RegrokError, match="no group 'relo'"):
        law_of(comparison, rows, ["B"], groups={"gelu": {}}, ratios={"x": ["relo", "gelu"]})


def test_residual_blocks_and_clipping_make_another_run():
    rows = [
        make_mlp(1000.0, residual=r, clip_norm=c) for r in (True, False) for c in (1.0, math.nan)
    ]
    runs, _ = frames_of(rows, ["B"] * 4)
    assert len(distinct(runs)) == 4
    assert within(runs, {"residual": True})["residual"].tolist() == [True, True]
    assert len(within(runs, {"depth": 2})) == 4

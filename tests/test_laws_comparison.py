"""Groups of planted networks compared: means, restricted means and their ratios."""

import math

import numpy as np
import pandas as pd
import pytest
from lifelines.statistics import logrank_test

from planted_networks import BUDGET, frames_of, law_of, make_mlp
from regrok.errors import RegrokError
from regrok.judging.verdicts import verdict
from regrok.laws import comparison
from regrok.laws.parts import lifetimes
from regrok.laws.parts.rank_test import log_rank
from regrok.laws.parts.selection import distinct, within
from regrok.study.predicates import AtLeast
from regrok.study.words import NO_SUCH_RUN, NOT_REPRODUCED

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
    sure = found["relu_over_gelu.delay_budget_ratio"]
    assert (sure.value, sure.high) == (pytest.approx(ratio.value), None)
    # Of three runs that did not, seven in ten may still be those that would have.
    assert 1 < sure.low < 0.5 * ratio.value


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
    fitted = lifetimes.kaplan_meier(pd.Series(time), pd.Series(seen))
    curve = fitted.survival_function_.iloc[:, 0].loc[:2499.0]
    expected = float((curve * np.diff(np.append(curve.index, 2500.0))).sum())
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


def test_where_nothing_memorised_a_ratio_of_delays_is_absent_and_one_of_times_a_bound():
    rows = [make_mlp(10_000 + 500 * s, s) for s in range(3)]
    rows += [make_mlp(math.nan, s, activation="relu", T_mem=math.nan) for s in range(3)]
    groups = {name: {"within": {"activation": name}} for name in ("gelu", "relu")}
    ratios = {"gelu_over_relu": ["gelu", "relu"]}
    found = law_of(comparison, rows, ["B"] * 6, groups=groups, ratios=ratios, **FEW)["estimates"]
    least = AtLeast(kind="at_least", bound=1, direction_only=True)

    def word(key):
        return verdict(least, found[key].as_json(), None, "")[0]

    assert word("gelu_over_relu.delay_ratio") == NO_SUCH_RUN
    assert found["relu.delay_mean"].absent == "none of the 3 runs of relu memorised"
    # GELU groks at a tenth of the budget, ReLU never: GELU is not the slower one.
    assert word("gelu_over_relu.T_grok_restricted_ratio") == NOT_REPRODUCED


def test_runs_that_memorised_and_did_not_grok_are_missing_and_not_absent():
    found = activations(math.inf, math.inf, math.inf)
    assert found["relu.delay_mean"].absent is None
    assert found["relu_over_gelu.delay_ratio"].absent is None


def test_three_runs_against_three_have_no_small_p():
    """lifelines' log-rank says .02 of the most extreme outcome that three against three can have."""
    p = activations(math.inf, math.inf, math.inf)["relu_over_gelu.log_rank_p"]
    # Four GELU runs grok, of three ReLU runs none: one labelling of 35, and no other as extreme.
    assert p.value == pytest.approx(1 / 35)
    time, seen = np.array([1.0, 2, 3, 9, 9, 9]), np.array([1, 1, 1, 0, 0, 0], bool)
    first = np.arange(6) < 3
    assert log_rank(time, seen, first, 0).value == pytest.approx(2 / 20)
    usual = logrank_test(time[:3], time[3:], seen[:3], seen[3:]).p_value
    assert usual < 0.05


def test_the_log_rank_statistic_is_lifelines():
    rng = np.random.default_rng(2)
    time, seen = rng.integers(1, 9, 30) * 100.0, rng.random(30) < 0.7
    first = np.arange(30) < 15
    expected = logrank_test(time[first], time[~first], seen[first], seen[~first]).p_value
    assert log_rank(time, seen, first, 0).value == pytest.approx(expected, abs=0.06)


def test_labels_permuted_at_random_reject_one_true_null_in_twenty():
    rng = np.random.default_rng(5)
    below = 0
    for _ in range(200):
        time = rng.exponential(1000, 8)
        p = log_rank(np.minimum(time, 1500), time < 1500, np.arange(8) < 4, 0).value
        below += p is not None and p <= 0.05
    assert below / 200 < 0.09


def test_diverged_and_collapsed_runs_are_counted_apart():
    rows = [make_mlp(10_000, s) for s in range(2)]
    rows += [make_mlp(math.nan, s, outcome="diverged") for s in (2, 3)]
    rows += [make_mlp(math.nan, 4, outcome="collapsed")]
    found = law_of(comparison, rows, ["B"] * 5, groups={"all": {}}, **FEW)["estimates"]
    assert found["all.grokked_share"].value == 2 / 5
    assert found["all.diverged_share"].value == 2 / 5
    assert found["all.collapsed_share"].value == 1 / 5
    assert found["all.grokked_given_finite_share"].value == pytest.approx(2 / 3)

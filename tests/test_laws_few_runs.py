"""Intervals of few runs, half of them censored, and of a variation: by hand, and honest where a bootstrap was sure."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from planted import fit, make_run
from planted_networks import law_of, make_mlp
from regrok.laws import comparison, constancy, scaling, trend
from regrok.laws.parts import lifetimes, restricted, variation

T2 = stats.t.ppf(0.975, 2)
FACTOR = "learning_rate_times_weight_decay"


def series(*times):
    return pd.Series([float(t) for t in times])


@pytest.mark.parametrize(("n", "rank", "level"), [(3, 1, 0.75), (5, 1, 0.9375), (8, 1, 0.9921875)])
def test_the_median_lies_between_order_statistics(n, rank, level):
    assert lifetimes.order_statistic(n) == (rank, level)
    # The count of runs below the median is binomial.
    assert 1 - 2 * stats.binom.cdf(rank - 1, n, 0.5) == pytest.approx(level)


def test_a_median_of_three_runs_has_no_interval_and_says_why():
    found = lifetimes.median(series(100, 200, 300), series(1, 1, 1) > 0)
    assert (found.value, found.low, found.high) == (200, None, None)
    assert "3 runs lie on one side of the median in 25.0% of studies" in found.reason


def test_a_median_of_five_is_their_range_and_of_ten_the_second_and_ninth():
    five = lifetimes.median(series(5, 1, 4, 2, 3), series(1, 1, 1, 1, 1) > 0)
    assert (five.low, five.value, five.high, five.level) == (1, 3, 5, 0.9375)
    ten = lifetimes.median(series(*range(1, 11)), series(*[1] * 10) > 0)
    assert (ten.low, ten.high, ten.level) == (2, 9, 0.95)


def test_a_censored_run_is_as_early_below_and_as_late_above_as_it_may_be():
    found = lifetimes.median(series(1, 2, 3, 4, 5, 6), pd.Series([False, *[True] * 5]))
    assert (found.low, found.high) == (1, None)


def test_a_restricted_mean_whose_runs_all_came_is_a_mean_with_its_interval_on_the_log():
    times = series(10, 20, 60)
    found = restricted.mean(times, times > 0, 1000.0)
    assert found.value == pytest.approx(30)
    half = T2 * times.std() / math.sqrt(3) / 30
    assert (found.low, found.high) == pytest.approx((30 * math.exp(-half), 30 * math.exp(half)))


def test_where_one_run_is_left_its_interval_is_on_the_log_odds():
    times = series(40, 60, 100)
    found = restricted.mean(times, pd.Series([True, True, False]), 100.0)
    m, se = 200 / 3, np.std([40, 60, 100], ddof=1) / math.sqrt(3)
    odds, half = math.log(m / (100 - m)), T2 * se * 100 / (m * (100 - m))
    expected = [100 / (1 + math.exp(-odds + s * half)) for s in (1, -1)]
    assert [found.low, found.high] == pytest.approx(expected)
    assert 0 < found.low < found.value < found.high < 100


def test_runs_that_agree_near_the_horizon_do_not_make_it_sure():
    # An hour before the end and twice at it: a bootstrap had 99 to 100.
    found = restricted.mean(series(99, 100, 100), pd.Series([True, False, False]), 100.0)
    assert found.low < 90


def test_pseudo_observations_carry_what_was_censored_early():
    """S = 4/5, 8/15, 4/15 after 10, 30, 40, and 34 up to 50."""
    times, seen = series(10, 20, 30, 40, 50), pd.Series([True, False, True, True, False])
    area = restricted.measure(times.to_numpy(), seen.to_numpy(), np.zeros(5), 50.0)
    assert area.value == pytest.approx(34)
    values = restricted.pseudo_values(times.to_numpy(), seen.to_numpy(), 50.0)
    assert area.variance == pytest.approx(values.var(ddof=1) / 5)
    assert values[0] == pytest.approx(10)


def test_a_cell_in_which_nothing_came_lends_no_certainty():
    time, seen = np.array([10.0, 12, 14, 90, 90, 90]), np.array([True] * 3 + [False] * 3)
    alike = restricted.measure(time, seen, np.zeros(6), 90.0)
    assert restricted.measure(time, seen, np.repeat([0, 1], 3), 90.0) == alike
    # With a spread in both they are strata.
    time[3], seen[3] = 50.0, True
    assert restricted.measure(time, seen, np.repeat([0, 1], 3), 90.0).variance < alike.variance


def two_groups(first, second):
    rows = [make_mlp(d, s) for s, d in enumerate(first)]
    rows += [make_mlp(d, s, activation="relu") for s, d in enumerate(second)]
    groups = {name: {"within": {"activation": name}} for name in ("gelu", "relu")}
    ratios = {"relu_over_gelu": ["relu", "gelu"]}
    options = {"groups": groups, "ratios": ratios, "replicates": 200}
    return law_of(comparison, rows, ["B"] * len(rows), **options)["estimates"]


def test_a_ratio_of_restricted_means_is_less_sure_than_the_bootstrap_and_stays_within_the_budget():
    found = two_groups((10_000, 11_000, 12_000), (40_000, 60_000, math.inf))
    old, new = (found[f"relu_over_gelu.T_grok_{k}_ratio"] for k in ("restricted", "budget"))
    assert new.value == pytest.approx(old.value)
    # The bootstrap goes beyond what the budget allows, 100,000 over the first group's mean, and not down far enough.
    assert new.low < old.low and new.high < 100_000 / 11_000 < old.high
    assert found["relu_over_gelu.T_mem_ratio"].value == pytest.approx(1)


def test_of_a_group_that_never_grokked_the_ratio_is_bounded_on_one_side():
    found = two_groups((10_000, 11_000, 12_000), (math.inf,) * 5)
    new, log = (found[f"relu_over_gelu.{k}T_grok_budget_ratio"] for k in ("", "log_"))
    assert new.high is None and 1 < new.low < new.value
    assert log.low == pytest.approx(math.log(new.low))
    turned = two_groups((math.inf,) * 5, (10_000, 11_000, 12_000))[
        "relu_over_gelu.T_grok_budget_ratio"
    ]
    assert turned.low is None and turned.high == pytest.approx(1 / new.low)


def test_a_variation_with_seeds_without_end_has_the_noise_of_its_means_taken_out():
    x, cell = np.array([90.0, 110, 190, 210]), np.array([0, 0, 1, 1])
    found = variation.population(variation.Cells.of(x, cell), 500, 0)
    # Means 100 and 200, variances 200: 2500 − ¼·200/2·2 between, 200 within.
    assert found.value == pytest.approx(math.sqrt(2500 - 50 + 200) / 150)
    assert found.low < found.value < found.high
    means = variation.population(variation.Cells.of(x, cell), 500, 0, inner=False)
    assert means.value == pytest.approx(math.sqrt(2500 - 50) / 150)
    assert means.low < means.value


def test_published_cells_have_the_moments_of_their_log_normal():
    x = np.array([90.0, 100.0, 110.0])
    runs = variation.Cells.of(x, np.zeros(3))
    theirs = variation.Cells.published(np.array([3]), np.array([100.0]), np.array([10.0]))
    assert theirs.variance == pytest.approx(runs.variance)
    assert theirs.log_variance == pytest.approx(runs.log_variance, rel=0.02)
    assert theirs.log_mean == pytest.approx(runs.log_mean, abs=5e-3)


def test_a_variation_needs_two_runs_a_cell_and_a_spread():
    one = variation.population(
        variation.Cells.of(np.array([1.0, 2, 3]), np.array([0, 0, 1])), 50, 0
    )
    assert one.value is None and "1 of 2 cells have one run" in one.reason
    alike = variation.population(variation.Cells.of(np.ones(4), np.array([0, 0, 1, 1])), 50, 0)
    assert (alike.value, alike.low) == (0, None) and "agree to the last digit" in alike.reason


def joint(slow):
    """Products of 1.5 to 2.1 in two cells and, at λ = 2, three runs at these steps; below 0 one stopped there."""
    rows = [
        make_run(200, 25 * round(p / (1e-3 * lam) / 25) - 200, seed=s, weight_decay=lam)
        for lam in (0.5, 1.0)
        for s, p in enumerate((1.5, 1.8, 2.1))
    ]
    return rows + [
        make_run(200, t - 200, seed=s, weight_decay=2.0)
        if t > 0
        else make_run(delay=math.nan, seed=s, weight_decay=2.0, steps=-t)
        for s, t in enumerate(slow)
    ]


def test_constancy_without_open_runs_is_the_laws_own_variation_and_mean():
    rows = joint((900, 950, 1200))
    options = {"factor": FACTOR, "replicates": 300}
    both = fit(constancy, rows, **options)["estimates"]
    whole = fit(scaling, rows, **options, survival=False)["estimates"]
    assert (
        both["variation_population_at_least"].value == whole["T_grok.product_cv_population"].value
    )
    assert both["variation_population_at_least"].high < 1


def test_open_runs_leave_no_upper_end_and_a_lower_one_from_their_least_completion():
    found = fit(constancy, joint((8000, -9000, -4000)), factor=FACTOR, replicates=300)["estimates"]
    spread, old = (found[f"variation_{k}"] for k in ("population_at_least", "at_least"))
    assert spread.high is None and old.high is None
    assert 0 < spread.low < spread.value
    assert constancy.least_completion(np.array([2.0, 1.0, 5.0]), np.array([True, False, True])) == (
        pytest.approx([2, 29 / 7, 5])
    )


def test_a_trend_is_the_power_of_a_column():
    rows = [
        make_run(seed=s, p=p, V_mem=3000 * (97 / p) ** 0.5 * (1 + 0.01 * s))
        for p in (53.0, 97.0, 127.0)
        for s in range(3)
    ]
    made = fit(trend, rows, factor="p", columns=["V_mem"])
    found = made["estimates"]["V_mem.exponent"]
    assert found.value == pytest.approx(-0.5) and found.low < found.value < found.high < 0
    assert made["estimates"]["V_mem.slope"].high < 0
    assert len(made["points"]) == 9 and made["cells"][0]["V_mem_sd"] > 0

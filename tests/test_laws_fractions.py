"""Data and generalisation on planted runs: growth per percentage point, edges between values tried, what lasts."""

import itertools
import math

import numpy as np
import pytest

from planted import fit, make_run
from regrok.errors import RegrokError
from regrok.laws import data_growth, lasting, lateness, operations, reach
from regrok.laws.parts import edges, shift
from regrok.tables.parts.operations import rows as table_rows

ALL = {"all": {}}
PAIRS = 10_000


def make(share, T_grok, seed=0, T_mem=200, budget=50_000, **other):
    """A run on this share of 10,000 pairs; one that would grok beyond the budget is censored there."""
    size = round(share * PAIRS)
    late = not T_grok <= budget
    settings = {"train_size": size, "validation_size": PAIRS - size, "train_fraction": share}
    settings |= {"max_steps": budget, "steps": budget if late else T_grok + 2000} | other
    delay = math.nan if late else T_grok - T_mem
    cell = "-".join(f"{other.get(k, '')}" for k in ("operation", "learning_rate", "outliers"))
    return make_run(T_mem, delay, seed, cell=f"{share}-{cell}", **settings)


def scattered(seed, size=0.1):
    return math.exp(size * np.random.default_rng(seed).normal())


# Growth per percentage point ------------------------------------------------------------------------------------


def sweep(rate, shares=(0.25, 0.27, 0.29, 0.31), seeds=5, budget=50_000, spread=0.1):
    """T_grok = 2,000 steps at 31 %, `rate(percent)` times as long for each point less."""
    rows = []
    for i, share in enumerate(shares):
        base = 2_000 * math.prod(rate(x) for x in range(round(100 * share), 31))
        times = [base * scattered(100 * i + s, spread) for s in range(seeds)]
        rows += [make(share, T, s, budget=budget) for s, T in enumerate(times)]
    return rows


def test_a_growth_of_45_per_cent_a_point_is_found_with_runs_that_never_finished():
    rows = sweep(lambda x: 1.45, seeds=9, budget=20_000, spread=0.3)
    assert sum(math.isnan(row["T_grok"]) for row in rows) >= 3
    made = fit(data_growth, rows, groups=ALL, zones={"near": [25, 27]})
    found = made["estimates"]["all.growth"]
    assert found.value == pytest.approx(1.45, abs=0.06)
    assert found.low < 1.45 < found.high
    assert found.n == len(rows) and "censored" in found.note
    first = made["cells"][0]
    assert (first["percent"], first["runs"]) == (25.0, 9)
    assert first["grokked"] < 9 and first["growth"] is None
    assert made["cells"][3]["growth"].low < 1.45 < made["cells"][3]["growth"].high


def test_unfinished_runs_that_were_dropped_would_hide_the_growth():
    rows = sweep(lambda x: 1.45, seeds=9, budget=15_000, spread=0.4)
    done = [row for row in rows if row["T_grok"] > 0]
    dropped, kept = (
        fit(data_growth, some, groups=ALL)["estimates"]["all.growth"].value for some in (done, rows)
    )
    assert dropped < 1.41 < kept


def test_growth_that_rises_towards_the_threshold_is_curvature_and_a_constant_one_is_none():
    steep = sweep(lambda x: 1.1 + 0.2 * (31 - x), spread=0.05)
    found = fit(data_growth, steep, groups=ALL)["estimates"]
    assert found["all.curvature"].low > 0
    assert found["all.nearest.growth"].low > found["all.farthest.growth"].high
    level = fit(data_growth, sweep(lambda x: 1.3), groups=ALL)["estimates"]
    curvature = level["all.curvature"]
    assert curvature.low < 0 < curvature.high


def test_one_fraction_tells_no_growth_and_says_so():
    made = fit(data_growth, sweep(lambda x: 1.3, shares=(0.3,)), groups=ALL)
    for key in ("growth", "curvature", "nearest.growth"):
        assert made["estimates"][f"all.{key}"].value is None
        assert made["estimates"][f"all.{key}"].reason


def brute_level(m, n, k):
    """How often the k-th smallest and largest difference hold a shift of 0, over all orders of m + n runs."""
    held = total = 0
    for a in itertools.combinations(range(m + n), m):
        b = [r for r in range(m + n) if r not in a]
        differences = sorted(x - y for x in a for y in b)
        held += differences[k - 1] < 0 < differences[-k]
        total += 1
    return held / total


@pytest.mark.parametrize(("m", "n"), [(4, 4), (3, 5), (5, 5)])
def test_the_rank_interval_has_the_level_that_all_orders_of_the_runs_give(m, n):
    k, level = shift.rank_of(m, n)
    assert level == pytest.approx(brute_level(m, n, k))
    assert level >= 0.95 > brute_level(m, n, k + 1)
    assert shift.rank_of(3, 3) == (0, 0.0)


def test_a_shift_is_no_surer_than_the_logging_and_open_where_runs_are_unfinished():
    cell = np.array([[90.0, 100.0]] * 4)
    alike = shift.log_shift(cell, cell)
    assert alike.value == 0
    assert (alike.low, alike.high) == pytest.approx((-math.log(100 / 90), math.log(100 / 90)))
    late = np.array([[400.0, math.inf]] * 4)
    bound = shift.log_shift(late, cell)
    assert (bound.value, bound.high) == (pytest.approx(math.log(4)), None)
    assert shift.log_shift(late, late).value is None
    few = shift.log_shift(cell[:3], cell[:3])
    assert few.low is None and "too few" in few.reason


def test_the_cells_of_an_operation_say_how_many_got_there_and_when():
    rows = [*grid(0.4, (0.3, 0.4), operation="add"), *grid(0.9, (0.3,), operation="subtract")]
    made = fit(operations, rows, groups=groups_of(add="add", minus="subtract"))
    cells = [(c["group"], c["percent"], c["grokked"], c["T_grok"].value) for c in made["cells"]]
    assert cells == [("add", 30.0, 0, None), ("add", 40.0, 5, 1_000), ("minus", 30.0, 0, None)]
    assert made["estimates"]["cells_with_grokking"].value == 1
    assert [list(own) for own in table_rows(made["cells"]).values()] == [[30, 40], [30]]


# Edges ------------------------------------------------------------------------------------------------------------


def grid(needs, shares=(0.2, 0.3, 0.4, 0.5), seeds=5, **other):
    """All seeds grok at 1,000 steps from a share of `needs` on, and none below."""
    return [
        make(share, 1_000 if share >= needs else math.inf, s, **other)
        for share in shares
        for s in range(seeds)
    ]


def groups_of(**operations):
    return {name: {"within": {"operation": word}} for name, word in operations.items()}


def test_data_needed_lies_between_the_last_value_that_fails_and_the_first_that_does_not():
    found = fit(reach, grid(0.4), groups=ALL)["estimates"]["all.least"]
    assert (found.low, found.value, found.high) == (0.3, 0.4, 0.4)
    assert "0.3: 0/5" in found.note


def test_an_edge_at_the_end_of_the_values_is_open_and_one_beyond_them_a_bound():
    early = fit(reach, grid(0.1), groups=ALL)["estimates"]["all.least"]
    assert (early.low, early.value) == (None, 0.2)
    late = fit(reach, grid(0.9), groups=ALL)["estimates"]
    assert (late["all.least"].low, late["all.least"].value, late["all.least"].high) == (
        0.5,
        0.5,
        None,
    )
    assert late["all.decades"].value is None


def test_few_seeds_widen_an_edge():
    rows = [
        make(share, 1_000 if s < k else math.inf, s)
        for share, k in ((0.2, 0), (0.3, 2), (0.4, 3))
        for s in range(3)
    ]
    found = fit(reach, rows, groups=ALL)["estimates"]["all.least"]
    assert found.value == 0.3
    assert found.low in (None, 0.2) and found.high == 0.4


def test_a_ratio_of_edges_is_as_wide_as_both_grids_leave_it():
    rows = grid(0.2, (0.1, 0.2, 0.3, 0.4), operation="add") + grid(
        0.4, (0.1, 0.2, 0.3, 0.4), operation="subtract"
    )
    found = fit(
        reach,
        rows,
        groups=groups_of(one="subtract", other="add"),
        ratios={"one_over_other": ["one", "other"]},
    )["estimates"]["one_over_other.least_ratio"]
    assert (found.low, found.value, found.high) == pytest.approx((0.3 / 0.2, 2.0, 0.4 / 0.1))


def test_an_arm_that_never_generalises_bounds_the_ratio_from_below():
    rows = grid(0.2, operation="add", shares=(0.1, 0.2, 0.5)) + grid(
        0.9, operation="subtract", shares=(0.1, 0.2, 0.5)
    )
    found = fit(
        reach,
        rows,
        groups=groups_of(never="subtract", early="add"),
        ratios={"never_over_early": ["never", "early"]},
    )["estimates"]["never_over_early.least_ratio"]
    assert (found.low, found.value, found.high) == (pytest.approx(2.5), pytest.approx(2.5), None)
    assert "a bound" in found.note


def test_pairs_of_operations_are_counted_as_less_only_where_the_values_tell_them_apart():
    rows = [
        *grid(0.3, operation="add"),
        *grid(0.4, operation="a2_b2"),
        *grid(0.4, operation="subtract"),
        *grid(0.9, operation="a3_ab2_b"),
    ]
    groups = groups_of(add="add", squares="a2_b2", minus="subtract", cubic="a3_ab2_b")
    sides = {"lesser": ["add", "squares"], "greater": ["minus", "cubic"]}
    found = fit(reach, rows, groups=groups, **sides)["estimates"]["less_share"]
    # a² + b² and a − b have their edges between the same two values.
    assert (found.low, found.value, found.high) == (0.75, 0.875, 1.0)


def test_a_span_of_learning_rates_lies_between_the_rates_that_work_and_those_that_fail():
    rates = {1e-4: math.inf, 3e-4: 900, 1e-3: 500, 3e-3: 400, 1e-2: math.inf}
    rows = [make(0.5, T, s, learning_rate=eta) for eta, T in rates.items() for s in range(5)]
    found = fit(reach, rows, factor="learning_rate", groups=ALL)["estimates"]["all.decades"]
    assert (found.low, found.value, found.high) == pytest.approx((1.0, 1.0, 2.0))


def test_no_outliers_count_as_none_and_the_most_that_are_tolerated_lie_below_the_first_that_fail():
    ends = {math.nan: 500, 10.0: 600, 100.0: 900, 1000.0: math.inf}
    rows = [make(0.5, T, s, outliers=k) for k, T in ends.items() for s in range(5)]
    made = fit(reach, rows, factor="outliers", groups=ALL)
    found = made["estimates"]["all.most"]
    assert (found.low, found.value, found.high) == (100.0, 100.0, 1000.0)
    assert made["cells"][0]["outliers"] == 0.0


def test_a_ratio_of_a_group_that_is_not_there_is_named():
    with pytest.raises(RegrokError, match="no group 'minus'; groups: all"):
        fit(reach, grid(0.3), groups=ALL, ratios={"r": ["all", "minus"]})


def test_draws_say_of_three_of_three_that_the_next_value_is_not_sure():
    found = edges.window(np.array([0, 3]), np.array([3, 3]), 2000, np.random.default_rng(0))
    assert found.inside and (found.low, found.high) == (1, 1)
    assert 0 < (found.lows == 0).mean() < 0.1


# What lasts -------------------------------------------------------------------------------------------------------


def ended(seed, T_grok, sustained=None, lost=math.nan, regained=math.nan, late=1.0, steps=6_000):
    row = make(0.5, T_grok, seed, budget=6_000, T_lost=lost, T_regained=regained)
    row |= {"steps": steps, "validation_accuracy_late": late if steps == 6_000 else math.nan}
    row |= {"T_grok_99_sustained": sustained or T_grok, "validation_accuracy_final": late}
    row["T_grok_99_sustained_previous"] = row["T_grok_99_sustained"] - 25
    return row


def test_first_and_sustained_crossings_and_what_is_lost_again_are_counted_apart():
    rows = [
        ended(0, 1_000),
        ended(1, 1_000, sustained=2_000),
        ended(2, 1_000, lost=3_000, late=0.5),
        ended(3, 1_000, lost=3_000, regained=4_500),
        ended(4, 5_500),  # not watched for 1,000 steps
        make(
            0.5,
            math.inf,
            5,
            budget=6_000,
            T_lost=math.nan,
            T_regained=math.nan,
            validation_accuracy_late=0.3,
            validation_accuracy_final=0.3,
        ),
    ]
    rows[-1] |= {"T_grok_99_sustained": math.nan}
    found = fit(lasting, rows, groups=ALL)["estimates"]
    assert found["all.first_share"].value == pytest.approx(5 / 6)
    assert found["all.sustained_share"].value == pytest.approx(5 / 6)
    assert (found["all.lost_share"].value, found["all.lost_share"].n) == (0.5, 4)
    assert found["all.regained_share"].value == 0.5
    assert (found["all.late_below_share"].value, found["all.late_below_share"].n) == (0.2, 5)
    assert found["all.sustained_over_first"].value == pytest.approx(2 ** (1 / 5))


def test_crossings_that_all_last_are_as_sure_as_their_logging():
    found = fit(lasting, [ended(s, 1_000) for s in range(3)], groups=ALL)["estimates"]
    ratio = found["all.sustained_over_first"]
    assert ratio.value == 1
    assert ratio.low == 1 and ratio.high == pytest.approx(1000 / 975)
    stopped = fit(lasting, [ended(s, 1_000, steps=1_500) for s in range(3)], groups=ALL)
    assert stopped["estimates"]["all.lost_share"].value is None


# How late --------------------------------------------------------------------------------------------------------


def test_the_factor_between_memorising_and_generalising_is_a_geometric_mean():
    rows = [make(0.5, T, s, T_mem=200) for s, T in enumerate((2_000, 20_000))]
    found = fit(lateness, rows, groups=ALL)["estimates"]
    assert found["all.late_factor"].value == pytest.approx(math.sqrt(10 * 100))
    assert found["all.T_mem_mean"].value == pytest.approx(200)
    assert found["all.T_mem_mean"].low < 200  # equal times are known to their logging
    assert found["all.T_grok_mean"].value == pytest.approx(math.sqrt(2_000 * 20_000))


def test_runs_that_never_generalise_bound_the_factor_from_below():
    rows = [make(0.5, T, s, T_mem=100) for s, T in enumerate((10_000, 12_000, math.inf))]
    found = fit(lateness, rows, groups=ALL)["estimates"]["all.late_factor"]
    assert found.value == pytest.approx((100 * 120 * 500) ** (1 / 3))
    assert found.high is None and found.low < found.value
    assert "1 of 3 runs" in found.note


def test_runs_that_never_memorised_have_no_factor():
    rows = [make(0.5, math.inf, s, T_mem=math.nan) for s in range(3)]
    assert fit(lateness, rows, groups=ALL)["estimates"]["all.late_factor"].absent

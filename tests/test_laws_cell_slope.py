"""The slope by each cell's own spread."""

import numpy as np
import pytest
import statsmodels.api as sm

from designs import DESIGNS
from planted import fit, make_run
from regrok.laws import scaling
from regrok.laws.parts import cell_slope


def test_two_cells_are_welch_s_test():
    # With two cells the slope is the difference of their means over that of the factor.
    rng = np.random.default_rng(1)
    a, b = rng.normal(5, 1, 4), rng.normal(9, 3, 6)
    x, y = np.repeat([1.0, 3.0], [4, 6]), np.concatenate([a, b])
    found = cell_slope.slope(x, y, np.repeat([0, 1], [4, 6]))
    told = sm.stats.CompareMeans.from_data(b, a).tconfint_diff(usevar="unequal")
    assert (found.low, found.high) == pytest.approx([end / 2 for end in told])
    assert found.value == pytest.approx((b.mean() - a.mean()) / 2)


def test_what_tells_no_spread_has_a_value_and_a_reason():
    x, y, cells = (
        np.array([1.0, 1, 2, 2, 3]),
        np.array([1.0, 2, 3, 4, 5]),
        np.array([0, 0, 1, 1, 2]),
    )
    alone = cell_slope.slope(x, y, cells)
    assert alone.value is not None
    assert "one run" in alone.reason
    assert "logging" in cell_slope.slope(x[:4], y[:4], cells[:4], unresolved=True).reason
    assert cell_slope.slope(np.ones(4), y[:4], cells[:4]).value is None
    assert cell_slope.slope(np.zeros(0), np.zeros(0), np.zeros(0)).value is None


def test_the_law_gives_it_beside_the_bootstrap():
    design = DESIGNS["S2"]
    t, cells = design.draw(4, np.random.default_rng(2)), design.groups(4)
    rows = [
        make_run(T_mem=100, delay=each - 100, seed=i, weight_decay=design.factor[cell])
        for i, (each, cell) in enumerate(zip(t, cells, strict=True))
    ]
    found = fit(scaling, rows, factor="weight_decay", survival=False)["estimates"]
    for key in ("slope", "exponent"):
        ours, bootstrap = found[f"T_grok.{key}_cells"], found[f"T_grok.{key}"]
        assert ours.value == pytest.approx(bootstrap.value)
        assert ours.low < ours.value < ours.high
    assert found["T_grok.pearson_population"].value == pytest.approx(
        found["T_grok.r_squared_population"].value ** 0.5
    )


def test_a_slope_of_logged_times_holds_the_true_one_where_seeds_hardly_differ():
    # Times are rounded up to the next logged step, which is more of a short one than of a long one.
    rng = np.random.default_rng(3)
    every, log_x = 100.0, np.repeat(np.log([1.0, 3.0, 10.0, 30.0]), 5)
    held, bare = 0, 0
    for _ in range(200):
        time = 30_000 * np.exp(-log_x) * np.exp(0.005 * rng.standard_normal(20))
        upper = np.ceil(time / every) * every
        between = np.log(np.maximum(upper - every, 1.0)), np.log(upper)
        cells = np.repeat(np.arange(4), 5)
        told = cell_slope.slope(log_x, np.log(upper), cells, between=between)
        held += told.low <= -1 <= told.high
        plain = cell_slope.slope(log_x, np.log(upper), cells)
        bare += plain.low is not None and plain.low <= -1 <= plain.high
        assert told.value == plain.value
        assert told.high - told.low < 0.1
    assert held >= 195 > bare

"""R² with infinitely many seeds: a planted split of the variance, and the promise of its interval."""

import numpy as np
import pytest

from designs import DESIGNS, Design
from planted import fit, make_run
from regrok.laws import scaling
from regrok.laws.parts import estimate as est
from regrok.laws.parts import r_squared, regression

STUDIES = 200
# 95 of 100 within three and a half standard errors of 200 studies; the seeds are fixed.
LEAST = 0.9


def cells(means, spread, x=None):
    """Two runs a cell, `spread` above and below the mean: a variance of 2·spread² within."""
    x = np.repeat(np.arange(len(means), dtype=float) if x is None else x, 2)
    y = np.array([m + sign * spread for m in means for sign in (1, -1)], dtype=float)
    return x, y, np.repeat(np.arange(len(means)), 2)


def test_the_variance_is_split_into_the_line_the_distance_from_it_and_the_spread():
    # Five cells of weight 1/5, by hand.
    x, y, groups = cells([0, 3, 0, 6, 0], 0.5)
    line = (0.2 * (-2 * 0 - 1 * 3 + 6)) ** 2 / 2
    between = 0.2 * (9 + 36) - 1.8**2
    within = 0.5
    # A mean of two runs has half the variance of one: 4/5 of it lies between the cells, a fifth along the line.
    along, off = within / 2 * 0.2, within / 2 * 0.6
    expected = (line - along) / (line - along + between - line - off + within)
    found = r_squared.population(x, y, groups, 500, 1)[0]
    assert found.value == pytest.approx(expected)
    assert found.low < found.value < found.high


def test_without_noise_in_the_means_the_value_is_the_limit_of_many_seeds():
    design = DESIGNS["S2"]
    t = design.draw(20_000, np.random.default_rng(1))
    groups = design.groups(20_000)
    found = r_squared.population(design.inverse[groups], t, groups, 200, 1)[0]
    assert found.value == pytest.approx(design.r_squared, abs=1e-3)
    assert found.high - found.low < 1e-3
    plain = float(regression.r_squared(design.inverse[groups], t))
    assert found.value == pytest.approx(plain, abs=1e-4)


@pytest.mark.parametrize(("name", "n"), [("S2", 3), ("S5A", 3), ("S5A", 5), ("S5A, laptop", 3)])
def test_the_interval_keeps_its_promise_where_the_bootstrap_does_not(name, n):
    design, rng = DESIGNS[name], np.random.default_rng(7)
    groups = design.groups(n)
    x = design.inverse[groups]
    kept = kept_by_bootstrap = 0
    for seed in range(STUDIES):
        t = design.draw(n, rng)
        found = r_squared.population(x, t, groups, 500, seed)[0]
        kept += found.low <= design.r_squared <= found.high
        before = est.bootstrap(
            lambda i, t=t: regression.r_squared(x[i], t[i]), groups, 200, seed, "", bounds=est.SHARE
        )
        kept_by_bootstrap += before.low <= design.r_squared <= before.high
    assert kept >= LEAST * STUDIES
    assert kept_by_bootstrap < 0.8 * STUDIES


def test_a_factor_that_varies_within_cells_keeps_its_promise_too():
    # x and y share their noise, as the escape time and the delay do.
    rng, n, k = np.random.default_rng(3), 4, 5
    centre = np.arange(k, dtype=float)
    share = np.array([[0.6, 0.3], [0.3, 1.0]])
    between = centre.var()
    truth = (between + 0.3) ** 2 / ((between + 0.6) * (between + 1.0))
    kept = 0
    for seed in range(STUDIES):
        noise = rng.multivariate_normal([0, 0], share, (k, n))
        x, y = ((centre[:, None] + noise[..., i]).ravel() for i in (0, 1))
        found = r_squared.population(x, y, np.repeat(np.arange(k), n), 500, seed)[0]
        kept += found.low <= truth <= found.high
    assert kept >= LEAST * STUDIES


def test_a_factor_that_varies_by_its_rounding_alone_is_one_number():
    x, y, groups = cells([1, 2, 3.5], 0.2)
    moved = x + np.tile([0, 1e-15], 3)
    a, b = (r_squared.population(each, y, groups, 300, 1)[0] for each in (x, moved))
    assert (a.value, a.low, a.high) == pytest.approx((b.value, b.low, b.high))


def test_what_runs_cannot_tell_has_a_reason():
    x, y, groups = cells([1, 2], 0.1)
    assert "need" in r_squared.population(x, y, groups, 100, 1)[0].reason
    x, y, groups = cells([1, 2, 3], 0.1)
    alone = r_squared.population(x[:-1], y[:-1], groups[:-1], 100, 1)[0]
    assert alone.value is None
    assert "one run" in alone.reason
    nothing = r_squared.population(np.zeros(0), np.zeros(0), np.zeros(0), 100, 1)[0]
    assert nothing.value is None
    level = r_squared.population(np.ones(6), y, groups, 100, 1)[0]
    assert level.value is None


def test_the_law_gives_it_beside_the_r_squared_of_the_runs():
    def rows(design: Design, n: int):
        t, groups = design.draw(n, np.random.default_rng(2)), design.groups(n)
        return [
            make_run(T_mem=100, delay=each - 100, seed=i, weight_decay=design.factor[cell])
            for i, (each, cell) in enumerate(zip(t, groups, strict=True))
        ]

    found = fit(scaling, rows(DESIGNS["S2"], 5), factor="weight_decay", survival=False)["estimates"]
    ours, plain = found["T_grok.r_squared_population"], found["T_grok.r_squared"]
    assert ours.low < ours.value < ours.high
    assert ours.value < plain.value
    assert ours.low < plain.low
    # Seeds that all agree tell no spread.
    same = [
        make_run(delay=1000 / lam, seed=s, weight_decay=lam)
        for lam in (0.1, 0.3, 1.0)
        for s in (1, 2)
    ]
    alike = fit(scaling, same, factor="weight_decay", survival=False)["estimates"]
    assert alike["T_grok.r_squared_population"].value == pytest.approx(1)
    assert alike["T_grok.r_squared_population"].low is None

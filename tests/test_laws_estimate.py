"""Intervals against published or exact values."""

import json
import math

import numpy as np
import pytest
from scipy import stats

from regrok.laws.parts import estimate as est
from regrok.laws.parts import regression


@pytest.mark.parametrize(
    ("count", "n", "low", "high"),
    [
        # Newcombe (1998), Statistics in Medicine 17:857, Table I, method 3 (Wilson without correction).
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_interval_as_newcombe_prints_it(count, n, low, high):
    found = est.share(count, n)
    assert found.value == count / n
    assert found.low == pytest.approx(low, abs=5e-5)
    assert found.high == pytest.approx(high, abs=5e-5)


def test_wilson_is_exact_at_none_and_all():
    assert est.share(0, 7).low == 0.0
    assert est.share(7, 7).high == 1.0


def test_no_runs_is_missing_with_a_reason():
    found = est.share(0, 0)
    assert found.value is None
    assert found.reason


def test_mean_has_students_interval():
    x = np.array([1.0, 2.0, 4.0, 9.0])
    found = est.mean(x)
    low, high = stats.t.interval(0.95, 3, loc=x.mean(), scale=stats.sem(x))
    assert (found.low, found.high) == pytest.approx((low, high))


def test_geometric_mean_commutes_with_reciprocals():
    x = np.array([0.5, 2.0, 3.0])
    direct, inverse = est.mean(x, log=True), est.mean(1 / x, log=True)
    assert direct.value == pytest.approx(1 / inverse.value)
    assert direct.low == pytest.approx(1 / inverse.high)


def test_what_is_not_finite_becomes_null_in_json():
    found = est.estimate(3.0, -math.inf, math.nan, 2, "x")
    assert json.loads(json.dumps(found.as_json(), allow_nan=False))["low"] is None
    assert found.high is None


def test_an_estimate_survives_json_with_its_keys_in_order():
    keys = ["value", "low", "high", "level", "n", "unit", "estimator", "note"]
    known, none = est.estimate(2.0, 1.0, 3.0, 5, "mean", "steps"), est.missing("no runs")
    assert list(known.as_json()) == keys
    assert list(none.as_json()) == [*keys, "reason"]
    for one in (known, none):
        assert est.Estimate.from_json(json.loads(json.dumps(one.as_json()))) == one


def test_estimates_within_records_become_json_too():
    known = est.exact(3, 3, "count")
    made = {"estimates": {"a": known}, "points": [], "cells": [{"cell": "x", "share": known}]}
    expected = known.as_json()
    assert est.json_of(made) == {
        "estimates": {"a": expected},
        "points": [],
        "cells": [{"cell": "x", "share": expected}],
    }


def test_words_are_added_to_a_note():
    assert est.exact(3, 3, "count", note="one").noting("", "two").note == "one; two"
    assert est.exact(3, 3, "count").noting("two").note == "two"


def test_resamples_stay_within_their_cell():
    groups = np.array(["a", "b", "a", "b", "b", "c"])
    drawn = est.resample(groups, 200, np.random.default_rng(0))
    assert (groups[drawn] == groups).all()
    assert len(np.unique(drawn[:, 3])) == 3


def test_bootstrap_is_reproducible_and_follows_its_seed():
    x = np.random.default_rng(0).normal(size=12)
    groups = np.repeat([0, 1, 2], 4)

    def once(seed):
        return est.bootstrap(lambda i: x[i].mean(-1), groups, 500, seed, "mean")

    assert once(3) == once(3)
    assert once(3).low != once(4).low


def test_one_run_per_cell_gives_a_value_without_interval():
    found = est.bootstrap(lambda i: i.mean(-1), np.arange(4), 100, 0, "mean")
    assert found.value == 1.5
    assert found.low is None
    assert found.high is None


def test_regression_agrees_with_scipy_on_every_resample():
    rng = np.random.default_rng(5)
    x, y = rng.normal(size=(3, 9)), rng.normal(size=(3, 9))
    for row in range(3):
        expected = stats.linregress(x[row], y[row])
        assert regression.slope(x, y)[row] == pytest.approx(expected.slope)
        assert regression.intercept(x, y)[row] == pytest.approx(expected.intercept)
        assert regression.pearson(x, y)[row] == pytest.approx(expected.rvalue)
        assert regression.r_squared(x, y)[row] == pytest.approx(expected.rvalue**2)


def test_a_constant_factor_has_no_slope():
    assert np.isnan(regression.slope(np.ones(4), np.arange(4.0)))


@pytest.mark.parametrize(("seeds", "least"), [(3, 0.87), (5, 0.90), (10, 0.91)])
def test_bootstrap_interval_of_an_exponent_covers_near_nominally(seeds, least):
    rng = np.random.default_rng(11)
    log_x = np.repeat(np.log([0.1, 0.3, 0.5, 1.0]), seeds)
    groups = np.repeat(np.arange(4), seeds)
    hits = 0
    for trial in range(300):
        log_t = -log_x + rng.normal(0, 0.2, log_x.size)
        found = est.bootstrap(
            lambda i, t=log_t: regression.slope(log_x[i], t[i]), groups, 400, trial, "exponent"
        )
        hits += found.low <= -1 <= found.high
    # The standard error of 300 trials is 1.3 points; with three runs a cell the true coverage is about 0.92.
    assert least <= hits / 300 <= 0.99


def test_interval_stays_within_its_bounds():
    x, y = np.repeat([1.0, 2, 3], 3), np.random.default_rng(2).normal(0, 9, 9)
    found = est.bootstrap(
        lambda i: regression.r_squared(x[i], y[i]),
        np.repeat([0, 1, 2], 3),
        500,
        0,
        "R²",
        bounds=est.SHARE,
    )
    assert 0 <= found.low <= found.value <= found.high <= 1

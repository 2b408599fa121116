"""Planted exponents, slopes and products."""

import math

import numpy as np
import pytest

from planted import fit, make_run
from regrok.errors import RegrokError
from regrok.laws import scaling


def sweep(exponent, noise=0.0, seeds=5, values=(0.1, 0.3, 0.5, 1.0), offset=0.0):
    rng = np.random.default_rng(3)
    return [
        make_run(
            T_mem=500,
            delay=1000 * lam**exponent * math.exp(rng.normal(0, noise)) + offset,
            seed=s,
            weight_decay=lam,
        )
        for lam in values
        for s in range(seeds)
    ]


@pytest.mark.parametrize("exponent", [-1.0, -0.5, -1.667])
def test_recovers_a_planted_exponent_exactly_without_noise(exponent):
    found = fit(scaling, sweep(exponent), factor="weight_decay", survival=False)["estimates"]
    assert found["delay.exponent"].value == pytest.approx(exponent)
    # Seeds that agree to the last digit leave what the logging of 25 steps leaves open.
    assert exponent - 0.06 < found["delay.exponent"].low < exponent - 0.01
    assert exponent + 0.01 < found["delay.exponent"].high < exponent + 0.06


def test_inverse_law_has_the_planted_line_product_and_unit_r_squared():
    found = fit(scaling, sweep(-1.0), factor="weight_decay", survival=False)["estimates"]
    assert found["delay.slope"].value == pytest.approx(1000)
    assert found["delay.intercept"].value == pytest.approx(0, abs=1e-8)
    assert found["delay.r_squared"].value == pytest.approx(1)
    assert found["delay.product_mean"].value == pytest.approx(1000)
    assert found["delay.product_cv"].value == pytest.approx(0, abs=1e-12)
    # T_grok carries T_mem as an offset: the line absorbs it, the power law does not.
    assert found["T_grok.r_squared"].value == pytest.approx(1)
    assert found["T_grok.intercept"].value == pytest.approx(500)
    assert found["T_grok.exponent"].value > -0.95


def test_an_offset_line_keeps_its_r_squared_while_the_exponent_moves():
    found = fit(scaling, sweep(-1.0, offset=5000), factor="weight_decay", survival=False)
    assert found["estimates"]["delay.r_squared"].value == pytest.approx(1)
    assert found["estimates"]["delay.exponent"].value > -0.5


def test_noisy_exponent_lies_in_its_interval_and_agrees_with_the_survival_fit():
    found = fit(scaling, sweep(-1.0, noise=0.15), factor="weight_decay")["estimates"]
    exponent, survival = found["delay.exponent"], found["delay.exponent_survival"]
    assert exponent.low < -1 < exponent.high
    assert survival.low < -1 < survival.high
    assert abs(exponent.value - survival.value) < 0.1


def test_escape_time_is_proportional_not_inverse():
    rows = [
        make_run(delay=1.5 * math.log(v / 300) / 2e-3, seed=s, V_mem=v, init_scale=v / 1000)
        for v in (600.0, 1200.0, 3000.0, 9000.0)
        for s in (1, 2)
    ]
    found = fit(scaling, rows, factor="escape_theory", survival=False)["estimates"]
    assert found["delay.slope"].value == pytest.approx(1.5)
    assert found["delay.exponent"].value == pytest.approx(1)
    assert found["delay.product_mean"].value == pytest.approx(1.5)


def test_censored_runs_stay_among_the_points_and_out_of_least_squares():
    rows = [*sweep(-1.0), make_run(delay=math.nan, seed=9, weight_decay=0.1)]
    made = fit(scaling, rows, factor="weight_decay", survival=False)
    assert sum(p["censored"] for p in made["points"]) == 1
    assert made["estimates"]["delay.slope"].n == 20
    assert "1 of 21" in made["estimates"]["delay.slope"].note


def test_runs_that_differ_in_logging_alone_count_once():
    rows = sweep(-1.0)
    again = [
        {
            **make_run(
                delay=r["delay"], seed=r["seed"], weight_decay=r["weight_decay"], log_every=500
            )
        }
        for r in rows
    ]
    found = fit(scaling, rows + again, factor="weight_decay", survival=False)["estimates"]
    assert found["delay.slope"].n == 20


def test_within_keeps_the_fitted_range_and_an_unknown_factor_is_refused():
    made = fit(
        scaling,
        sweep(-1.0),
        factor="weight_decay",
        survival=False,
        within={"weight_decay": [0.3, 1.0]},
    )
    assert made["estimates"]["delay.slope"].n == 15
    with pytest.raises(RegrokError, match="weight_decay"):
        fit(scaling, sweep(-1.0), factor="lambda")


def test_no_runs_gives_reasons_not_errors():
    made = fit(scaling, [make_run(T_mem=math.nan, delay=math.nan)], factor="weight_decay")
    assert all(e.value is None and e.reason for e in made["estimates"].values())

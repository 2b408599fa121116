"""V = A·r^t + C: exact on exact curves, silent on hopeless ones."""

import numpy as np
import pandas as pd
import pytest

from planted import exponential_curve, fit, make_run
from regrok.laws import contraction


@pytest.mark.parametrize("rate", [0.998, 0.9999, 0.9])
def test_recovers_an_exact_curve(rate):
    t = np.arange(0.0, 60 / -np.log(rate) / 8, max(1.0, 1 / -np.log(rate) / 8))
    found = contraction.fit_curve(t + 825, 3400 * rate**t + 300)
    assert found["rate"] == pytest.approx(rate, abs=1e-9)
    assert found["rate_loss"] == pytest.approx(1 - rate, rel=1e-6)
    assert found["A"] == pytest.approx(3400, rel=1e-6)
    assert found["C"] == pytest.approx(300, rel=1e-5)
    assert found["r_squared"] == pytest.approx(1.0)


def test_scale_of_V_does_not_change_the_rate():
    t = np.arange(0.0, 3000, 25)
    V = 3400 * 0.9985**t + 300 + 20 * np.sin(t / 100)
    one, many = contraction.fit_curve(t, V), contraction.fit_curve(t, 1e4 * V)
    assert one["rate_loss"] == pytest.approx(many["rate_loss"], rel=1e-6)


def test_a_growing_norm_is_a_saturating_exponential_too():
    t = np.arange(0.0, 2000, 25)
    found = contraction.fit_curve(t, 231 - 90 * 0.997**t)
    assert found["A"] == pytest.approx(-90, rel=1e-5)
    assert found["rate"] == pytest.approx(0.997, abs=1e-8)


@pytest.mark.parametrize("V", [np.array([5.0, 4, 3, 2]), np.full(20, 7.0)])
def test_too_few_points_or_a_constant_norm_has_no_fit(V):
    assert contraction.fit_curve(np.arange(V.size, dtype=float), V) is None


def test_only_points_from_T_mem_on_count_and_theory_is_one_at_free_contraction():
    rows = [make_run(T_mem=800, seed=s, weight_decay=0.5) for s in (1, 2)]
    curves = pd.concat(
        exponential_curve(r["run_id"], 3000, 1 - 2 * 1e-3 * 0.5, 200, 800, 8000) for r in rows
    )
    made = fit(contraction, rows, curves)
    assert made["estimates"]["rate_loss_over_theory"].value == pytest.approx(1.0, abs=1e-6)
    assert made["estimates"]["rate_loss_over_theory"].n == 2
    assert {p["run_id"] for p in made["points"]} == {r["run_id"] for r in rows}


def test_runs_that_never_memorised_are_left_out_and_nothing_is_missing_with_a_reason():
    made = fit(contraction, [make_run(T_mem=np.nan, delay=np.nan)])
    assert made["estimates"]["rate"].value is None
    assert made["estimates"]["rate"].reason

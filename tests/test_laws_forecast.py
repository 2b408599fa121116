"""The forecast: exact on an exact law, blind to the cell it is judged on, early."""

import math

import numpy as np
import pandas as pd
import pytest

from planted import exponential_curve, fit, make_run
from regrok.laws import forecast


def planted_study(seeds=3, noise=0.0, scale=None):
    """delay = 0.8·η^−1.3·λ^−1·V_mem^0.4·ε over twelve cells; `scale` multiplies the delays of one cell."""
    rng = np.random.default_rng(4)
    rows, curves = [], []
    for eta in (5e-4, 1e-3, 2e-3):
        for lam in (0.3, 1.0):
            for init in (1.0, 2.0):
                for seed in range(seeds):
                    V_mem = 3000 * init**2 * math.exp(rng.normal(0, 0.1))
                    delay = 0.01 * eta**-1.3 / lam * V_mem**0.4 * math.exp(rng.normal(0, noise))
                    factor = scale if scale and (eta, lam, init) == (1e-3, 1.0, 1.0) else 1.0
                    row = make_run(
                        delay=delay * factor,
                        seed=seed,
                        learning_rate=eta,
                        weight_decay=lam,
                        init_scale=init,
                        V_mem=V_mem,
                    )
                    rows.append(row)
                    rate = 1 - 2 * eta * lam * (0.8 + 0.05 * rng.random())
                    start = row["T_mem"]
                    curve = exponential_curve(row["run_id"], V_mem, rate, 0.0, start, start + 3000)
                    curves.append(curve)
    return rows, pd.concat(curves)


def test_an_exact_power_law_is_forecast_exactly():
    found = fit(forecast, *planted_study())["estimates"]
    assert found["mape"].value == pytest.approx(0, abs=1e-8)
    assert found["bias"].value == pytest.approx(1)
    assert found["cells"].value == 12
    assert found["mape_time_scale"].value > 0.1


def test_noise_sets_the_error():
    found = fit(forecast, *planted_study(seeds=6, noise=0.2))["estimates"]["mape"]
    assert 0.1 < found.value < 0.3
    assert found.low < found.value < found.high


def test_a_held_out_cell_does_not_inform_its_own_forecast():
    plain, moved = (
        fit(forecast, *planted_study(noise=0.1, scale=s))["points"] for s in (None, 5.0)
    )
    changed = [
        i for i, (a, b) in enumerate(zip(plain, moved, strict=True)) if a["delay"] != b["delay"]
    ]
    assert len(changed) == 3
    for i in changed:
        assert moved[i]["forecast"] == pytest.approx(plain[i]["forecast"])
    others = [i for i in range(len(plain)) if i not in changed]
    assert any(moved[i]["forecast"] != pytest.approx(plain[i]["forecast"]) for i in others)


def test_the_future_of_the_curve_does_not_matter():
    rows, curves = planted_study(noise=0.1)
    late = curves.copy()
    known = fit(forecast, rows, curves)["points"]
    end = {p["run_id"]: p["known_at"] for p in known}
    late.loc[late["step"] > late["run_id"].map(end), "V"] *= 7
    again = fit(forecast, rows, late)["points"]
    assert [p["forecast"] for p in again] == [p["forecast"] for p in known]


def test_the_final_norm_is_not_an_input():
    rows, curves = planted_study(noise=0.1)
    other = [{**row, "V_final": 5.0} for row in rows]
    before, after = fit(forecast, rows, curves), fit(forecast, other, curves)
    assert [p["forecast"] for p in before["points"]] == [p["forecast"] for p in after["points"]]
    assert before["estimates"]["mape_escape_theory"] != after["estimates"]["mape_escape_theory"]


def test_contraction_is_one_when_weight_decay_acts_alone():
    eta, lam = 1e-3, 0.5
    curve = exponential_curve("r", 3000, math.exp(-2 * eta * lam), 0.0, 800, 6000)
    measured, end = forecast.contraction(curve, 800, 1 / (2 * eta * lam), window=0.1)
    assert measured == pytest.approx(1)
    assert end == 1000


def test_the_window_is_shorter_than_the_delay_it_forecasts():
    found = fit(forecast, *planted_study())["estimates"]["lead"]
    assert found.value > 0.5


def test_too_few_cells_to_hold_one_out_is_a_reason():
    rows, curves = planted_study()
    keep = [r for r in rows if r["learning_rate"] == 1e-3 and r["weight_decay"] == 1.0]
    found = fit(forecast, keep, curves)["estimates"]["mape"]
    assert found.value is None
    assert "too few cells" in found.reason

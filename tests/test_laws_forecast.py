"""The forecast: exact on an exact law, blind to the cell it is judged on, early."""

import math

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

import planted
from planted import exponential_curve, make_run
from regrok.laws import forecast
from regrok.laws.parts import huber


def fit(rows, curves, refits=20, **options):
    """The forecast of these runs; of resamples that fit the predictor again there are few where none is asked about."""
    return planted.fit(forecast, rows, curves, refits=refits, **options)


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
    found = fit(*planted_study())["estimates"]
    assert found["mape"].value == pytest.approx(0, abs=1e-8)
    assert found["bias"].value == pytest.approx(1)
    assert found["cells"].value == 12
    assert found["mape_time_scale"].value > 0.1


def test_noise_sets_the_error():
    found = fit(*planted_study(seeds=6, noise=0.2))["estimates"]["mape"]
    assert 0.1 < found.value < 0.3
    assert found.low < found.value < found.high


def test_a_held_out_cell_does_not_inform_its_own_forecast():
    plain, moved = (fit(*planted_study(noise=0.1, scale=s))["points"] for s in (None, 5.0))
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
    known = fit(rows, curves)["points"]
    end = {p["run_id"]: p["known_at"] for p in known}
    late.loc[late["step"] > late["run_id"].map(end), "V"] *= 7
    again = fit(rows, late)["points"]
    assert [p["forecast"] for p in again] == [p["forecast"] for p in known]


def test_the_final_norm_is_not_an_input():
    rows, curves = planted_study(noise=0.1)
    other = [{**row, "V_final": 5.0} for row in rows]
    before, after = fit(rows, curves), fit(other, curves)
    assert [p["forecast"] for p in before["points"]] == [p["forecast"] for p in after["points"]]
    assert before["estimates"]["mape_escape_theory"] != after["estimates"]["mape_escape_theory"]


def test_contraction_is_one_when_weight_decay_acts_alone():
    eta, lam = 1e-3, 0.5
    curve = exponential_curve("r", 3000, math.exp(-2 * eta * lam), 0.0, 800, 6000)
    measured, end = forecast.contraction(curve, 800, 1 / (2 * eta * lam), window=0.1)
    assert measured == pytest.approx(1)
    assert end == 1000


def test_the_window_is_shorter_than_the_delay_it_forecasts():
    found = fit(*planted_study())["estimates"]["lead"]
    assert found.value > 0.5


def test_too_few_cells_to_hold_one_out_is_a_reason():
    rows, curves = planted_study()
    keep = [r for r in rows if r["learning_rate"] == 1e-3 and r["weight_decay"] == 1.0]
    found = fit(keep, curves)["estimates"]["mape"]
    assert found.value is None
    assert "too few cells" in found.reason


def test_an_interval_that_refits_knows_that_other_cells_make_another_predictor():
    found = fit(*planted_study(seeds=3, noise=0.2), refits=300)["estimates"]
    once, again = found["mape"], found["mape_refitted"]
    assert again.value == pytest.approx(once.value, rel=1e-5)
    assert again.low < again.value < again.high
    assert again.high - again.low > 1.3 * (once.high - once.low)
    assert "of 300 resamples lose a lever" in again.note


def test_a_lever_that_one_cell_alone_moves_is_not_forecast():
    # Held out, the only cell of λ = 0.3 leaves λ's coefficient to nothing.
    rows, curves = planted_study(noise=0.1)
    keep = [
        r
        for r in rows
        if r["weight_decay"] == 1.0 or (r["learning_rate"], r["init_scale"]) == (1e-3, 1.0)
    ]
    found = fit(keep, curves, refits=50)["estimates"]["mape_refitted"]
    assert found.value is None
    assert "does not tell its coefficients apart" in found.reason


def test_too_few_cells_to_refit_is_a_reason():
    rows, curves = planted_study()
    keep = [r for r in rows if r["learning_rate"] == 1e-3 and r["weight_decay"] == 1.0]
    assert "too few cells" in fit(keep, curves)["estimates"]["mape_refitted"].reason


def test_resamples_at_once_are_the_estimator_of_one():
    rng = np.random.default_rng(2)
    design = np.column_stack([rng.normal(size=(40, 2)), np.ones(40)])
    y = design @ [1.0, -2.0, 3.0] + rng.standard_t(2, size=40)
    counts = rng.multinomial(40, np.full(40, 1 / 40), size=5)
    found = huber.coefficients(design, y, counts)
    for row, times in zip(found, counts, strict=True):
        chosen = np.repeat(np.arange(40), times)
        told = sm.RLM(y[chosen], design[chosen], M=sm.robust.norms.HuberT()).fit(tol=1e-10)
        assert row == pytest.approx(told.params, abs=1e-5)
        middle = huber.median(y[None], times[None])[0]
        assert middle == np.median(y[chosen])


def hanging_study():
    """V_mem is moved by λ and, apart from it, by three initialisations; the law sets V_mem and λ against each other."""
    rng = np.random.default_rng(8)
    rows, curves = [], []
    cells = [(1e-3, lam, 1.0) for lam in (0.1, 0.2, 0.3, 0.5, 0.7, 1.0)]
    cells += [(eta, lam, 1.0) for eta in (5e-4, 2e-3) for lam in (0.5, 1.0)]
    cells += [(1e-3, 1.0, init) for init in (2.0, 4.0, 8.0)]
    for eta, lam, init in cells:
        for seed in range(3):
            V_mem = 3000 * init**2 * lam**-0.6 * math.exp(rng.normal(0, 0.02))
            delay = 1.2 / (eta * lam) * (V_mem / 3000) ** 0.3 * math.exp(rng.normal(0, 0.2))
            row = make_run(
                delay=delay, seed=seed, learning_rate=eta, weight_decay=lam, init_scale=init, V_mem=V_mem
            )  # fmt: skip
            rows.append(row)
            rate = 1 - 2 * eta * lam * (0.8 + 0.02 * rng.random())
            start = row["T_mem"]
            curves.append(exponential_curve(row["run_id"], V_mem, rate, 0.0, start, start + 6000))
    return rows, pd.concat(curves)


def test_resamples_that_hang_a_lever_on_one_cell_are_dropped_and_counted():
    features = ["log_learning_rate", "log_weight_decay", "log_V_mem"]
    found = fit(*hanging_study(), refits=300, features=features)["estimates"]
    old, new = found["mape_refitted"], found["mape_identified"]
    assert new.value == old.value
    # Without two of the three cells V_mem is λ in other words, and what is left of it is noise.
    assert old.high > 1.5 * new.high
    assert new.low < new.value < new.high < 1
    dropped, others = (int(e.note.split("; ")[-1].split(" of 300")[0]) for e in (new, old))
    assert dropped > others


def test_a_lever_is_told_by_two_values_whichever_cell_is_held_out():
    values = np.array([[0, 0], [0, 1], [0, 2], [1, 0], [1, 0]])
    drawn = np.array(
        [[1, 1, 1, 1, 1], [1, 1, 1, 1, 0], [1, 1, 1, 0, 0], [1, 0, 0, 1, 1], [2, 1, 0, 1, 1]]
    )
    # The first lever hangs on the fourth cell, is lost, and is lost; the second on none, on the second.
    assert forecast.levers_told(values, drawn).tolist() == [True, False, False, False, False]
    settings = {"learning_rate": [1, 1, 2, 2], "weight_decay": [1, 1, 1, 3], "p": [5] * 4}
    rows = pd.DataFrame(settings | {"init_scale": [1, 2, 2, 1]})
    # η and what moves the norm; λ hangs on one cell in the study itself.
    assert forecast.lever_values(rows, np.arange(4)).tolist() == [[0, 0], [0, 1], [1, 1], [1, 0]]

"""Falls of the training accuracy, planted in some runs, and the exponent without those runs."""

import math

import numpy as np
import pandas as pd
import pytest

from designs import DESIGNS
from planted import fit, make_run
from regrok.laws import slingshots


def curve(row, fallen=()):
    """The training set evaluated every 200 steps at accuracy 1, and at .8 at the steps given."""
    step = np.arange(0, row["steps"] + 1, 100)
    accuracy = np.where(step % 200 == 0, 1.0, np.nan)
    accuracy[np.isin(step, fallen)] = 0.8
    return pd.DataFrame({"run_id": row["run_id"], "step": step, "train_accuracy": accuracy})


def sweep(fallen_factor=1.0, falls=(3, 4), seeds=5, values=(5e-4, 1e-3, 2e-3), noise=0.05):
    """T_grok = 4/η·ε; seeds of `falls` come undone 400 steps before they grok, `fallen_factor` times as late."""
    rng = np.random.default_rng(5)
    rows, curves = [], []
    for eta in values:
        for seed in range(seeds):
            late = fallen_factor ** (1 - math.log2(eta / 5e-4)) if seed in falls else 1.0
            T_grok = round(4 / eta * late * math.exp(rng.normal(0, noise)) / 200) * 200
            row = make_run(T_mem=400, delay=T_grok - 400, seed=seed, learning_rate=eta)
            rows.append(row)
            curves.append(curve(row, [T_grok - 400] if seed in falls else []))
    return rows, pd.concat(curves)


def test_falls_lie_between_memorising_and_grokking():
    row = make_run(T_mem=400, delay=1600)
    at = curve(row, [200, 400, 800, 1200, 2000, 2400])
    assert slingshots.falls(at, 400, 2000, 0.95).tolist() == [800, 1200]
    assert slingshots.falls(at, 400, 2000, 0.75).tolist() == []
    assert slingshots.falls(at, 410, 590, 0.95) is None


def test_the_share_is_that_of_the_planted_runs_by_factor_too():
    rows, curves = sweep()
    rows.append(make_run(T_mem=math.nan, delay=math.nan, seed=9))
    made = fit(slingshots, rows, curves, replicates=200)
    found = made["estimates"]
    assert (found["share"].value, found["share"].n) == (pytest.approx(0.4), 15)
    assert found["steps_to_grok"].value == pytest.approx(400)
    by = [c for c in made["cells"] if c["by"] == "learning_rate"]
    assert [(c["learning_rate"], c["runs"], c["share"].value) for c in by] == [
        (eta, 5, pytest.approx(0.4)) for eta in (5e-4, 1e-3, 2e-3)
    ]
    assert sum(p["falls"] for p in made["points"]) == 6


def test_a_run_that_does_not_grok_is_watched_to_its_end_and_counts_in_the_first_share_alone():
    stuck = make_run(T_mem=400, delay=math.nan, seed=1, steps=3000)
    calm = make_run(T_mem=400, delay=1600, seed=2)
    curves = pd.concat([curve(stuck, [3000]), curve(calm)])
    found = fit(slingshots, [stuck, calm], curves, replicates=50)["estimates"]
    assert found["share"].value == pytest.approx(0.5)
    assert found["grokked_share"].value == 0


def test_an_exponent_that_all_runs_share_survives_without_those_that_fell():
    found = fit(slingshots, *sweep(), replicates=500)["estimates"]
    difference = found["T_grok.exponent_difference"]
    assert found["T_grok.exponent"].value == pytest.approx(-1, abs=0.1)
    assert found["T_grok.exponent_calm"].n == 9
    assert -0.2 < difference.low < 0 < difference.high < 0.2


def test_an_exponent_that_the_fallen_runs_make_does_not_survive():
    found = fit(slingshots, *sweep(fallen_factor=4.0), replicates=500)["estimates"]
    assert found["T_grok.exponent"].value < -1.3
    assert found["T_grok.exponent_calm"].value == pytest.approx(-1, abs=0.1)
    assert found["T_grok.exponent_difference"].high < 0


def test_cells_in_which_every_run_fell_leave_both_sides_of_the_difference():
    rows, curves = sweep(values=(2.5e-4, 5e-4, 1e-3, 2e-3))
    # The slowest cell is ten times slower and has no calm run: without it the exponent is −1 on both sides.
    slow = [r for r in rows if r["learning_rate"] == 2.5e-4]
    for row in slow:
        row["T_grok"] *= 10
        row["steps"] = row["T_grok"] + 2000
    rest = curves[~curves["run_id"].isin([r["run_id"] for r in slow])]
    fallen = pd.concat([rest, *(curve(r, [2000]) for r in slow)])
    found = fit(slingshots, rows, fallen, replicates=500)["estimates"]
    assert found["T_grok.exponent"].value < -1.5
    assert found["T_grok.exponent_calm"].value == pytest.approx(-1, abs=0.1)
    difference = found["T_grok.exponent_difference"]
    assert difference.value == pytest.approx(0, abs=0.1)
    assert "1 of 4 cells without a calm run" in difference.note


def test_without_falls_or_without_runs_there_is_a_reason():
    calm = fit(slingshots, *sweep(falls=()), replicates=50)["estimates"]
    assert calm["share"].value == 0
    assert "no run fell" in calm["T_grok.exponent_difference"].reason
    rows, curves = sweep(falls=(0, 1, 2, 3, 4))
    fallen = fit(slingshots, rows, curves, replicates=50)["estimates"]
    assert fallen["T_grok.exponent_calm"].value is None
    assert fallen["T_grok.exponent_difference"].value is None


def test_the_shift_is_what_falls_add_to_the_exponent_by_hand():
    # Half of the runs fell at log x = 0, where they are late by 1, and at 1, where they are not; the last cell is calm.
    x = np.repeat([0.0, 1.0, 2.0], 4)
    t = np.array([1.0, 2, 0, 1, 5, 6, 5, 6, 7, 7, 7, 7])
    calm = np.array([0, 0, 1, 1] * 2 + [1] * 4, dtype=bool)
    found = slingshots.shift(x, t, np.repeat([0, 1, 2], 4), calm)
    # The cell at 0 has an arm of −1/2 in the slope, and half of its runs are late by 1.
    assert found.value == pytest.approx(-0.25)
    assert found.low < -0.25 < found.high


@pytest.mark.parametrize("fell", [(4, 5, 4, 2, 0), (2, 2, 2, 2, 2)])
def test_the_shift_keeps_its_promise_with_one_calm_run_in_a_cell(fell):
    design, rng, n = DESIGNS["S5A"], np.random.default_rng(11), 5
    cells = design.groups(n)
    log_x = np.log(design.factor)[cells]
    calm = np.arange(cells.size) % n >= np.array(fell)[cells]
    kept = 0
    for _ in range(400):
        found = slingshots.shift(log_x, np.log(design.draw(n, rng)), cells, calm)
        kept += found.low <= 0 <= found.high
    # The law is no power law, and the cells without a fall weigh as before: nothing is shifted.
    assert kept >= 0.9 * 400


def test_a_shift_that_nothing_tells_has_a_reason():
    x, t, cells = np.array([0.0, 0, 1, 1]), np.array([1.0, 2, 3, 4]), np.array([0, 0, 1, 1])
    one = slingshots.shift(x, t, cells, np.array([True, False, True, True]))
    assert "tells no spread" in one.reason
    assert slingshots.shift(x, t, cells, np.array([True, True, False, False])).value is None
    assert slingshots.shift(x * 0, t, cells, np.ones(4, bool)).value is None
    assert "no run fell" in slingshots.shift(x, t, cells, np.ones(4, bool)).reason

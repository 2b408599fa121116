"""The law of the commutator defect on planted runs whose onsets, leads, growths and causes are known."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from planted import NOTHING, make_run, members
from regrok.laws import onset as law
from regrok.laws import run_fit, with_previous
from regrok.laws.parts.onsets import NONE, generalised, onset
from regrok.runs.frames import Frames

EVERY = 50
GROUPS = {
    "all": {"within": {"weight_decay": 1.0}},
    "control": {"within": {"weight_decay": 0.0}},
}
RATIOS = {"apart": ["all", "control"]}


def planted(times, growth=800.0, control=20.0, vanishing=0.75, rounding=1.0, seeds=3, jitter=0):
    """Runs of several learning rates with these (T_mem, onset, T_grok), and controls that grow `control`-fold.

    The defect is `vanishing` of its logarithm a gradient that shrinks. rounding: single precision's defect over the
    other's at and after the onset. jitter: by so many steps onsets of seeds lie apart.
    """
    rows, curves, tables = [], [], []
    for i, (memorised, warned, grokked) in enumerate(times):
        for seed in range(seeds):
            delay = grokked - memorised
            rows.append(make_run(memorised, delay, seed, learning_rate=1e-3 / (i + 1)))
            curves.append(curve(rows[-1]["run_id"], grokked))
            rises = warned + jitter * (seed - 1), grokked
            tables.append(defects(rows[-1]["run_id"], *rises, growth, vanishing, rounding))
    for seed in range(5):
        rows.append(make_run(500, math.nan, seed, weight_decay=0.0, run_id=f"control-{seed}"))
        curves.append(curve(f"control-{seed}", math.inf))
        tables.append(defects(f"control-{seed}", 900, 2000, control, vanishing, rounding))
    return rows, pd.concat(curves), pd.concat(tables)


def curve(run_id, grokked):
    step = np.arange(0, 6001, 25)
    accuracy = np.where(step >= grokked, 0.93, 0.2)
    accuracy = np.where(step >= grokked + 50, 0.99, accuracy)
    return pd.DataFrame({"run_id": run_id, "step": step, "validation_accuracy": accuracy})


def defects(run_id, warned, until, growth, vanishing, rounding):
    """A baseline of 3 to the state before the onset, then a rise that ends at `until`."""
    step = np.arange(0, until + 1, EVERY)
    part = np.clip((step - warned) / max(until - warned, 1), 0, 1)
    # 11-fold at the onset at once, where it grows as far.
    first = min(math.log(11) / math.log(growth), 1.0)
    rise = np.where(step >= warned, first + (1 - first) * part, 0.0)
    defect = 3 * growth**rise
    single = np.where(step >= warned, rounding * defect, defect)
    columns = {"defect": defect, "defect_single": single, "gradient": growth ** (-vanishing * rise)}
    return pd.DataFrame({"run_id": run_id, "step": step, **columns})


def fitted(rows, curves, table, **options):
    runs = with_previous(pd.DataFrame(rows))
    read = Frames(runs, curves, members(runs), NOTHING, {"defect": table})
    told = {"groups": GROUPS, "ratios": RATIOS, "replicates": 200, **options}
    return law.fit(read, told, seed=1)


ALPHA = [(400, 600, 1000), (600, 800, 1600), (800, 1000, 2600), (1000, 1200, 4400)]
"""Leads of 400, 800, 1600 and 3200 steps."""


@pytest.fixture(scope="module")
def found():
    return fitted(*planted(ALPHA))["estimates"]


def test_onsets_leads_and_growths_are_those_that_are_planted(found):
    value = {key: each.value for key, each in found.items()}
    assert value["all.precedes"] == 1 and found["all.precedes"].n == 12
    assert value["all.lead"] == pytest.approx((400 + 800 + 1600 + 3200) / 4)
    shares = [400 / 1000, 800 / 1600, 1600 / 2600, 3200 / 4400]
    assert value["all.lead_share"] == pytest.approx(np.mean(shares))
    assert value["all.growth"] == pytest.approx(800) and value["control.growth"] == pytest.approx(
        20
    )
    assert value["apart.growth"] == pytest.approx(40)
    assert value["control.growth_within"] == 1 and value["all.growth_within"] == 0
    # A control that grows twentyfold from 3 raises the alarm: 47-fold is no bound on that.
    assert value["control.alarms"] == 1 and found["all.alarms"].absent
    assert found["control.precedes"].absent and found["control.lead"].value is None
    assert value["all.vanishing"] == pytest.approx(0.75)
    ratio = np.exp(np.mean(np.log([600 / 400, 800 / 600, 1000 / 800, 1200 / 1000])))
    assert value["all.onset_over_T_mem"] == pytest.approx(ratio)


def test_the_exponent_is_least_squares_and_is_set_against_a_constant_onset(found):
    grok, lead = np.array([1000, 1600, 2600, 4400.0]), np.array([400, 800, 1600, 3200.0])
    slope = np.polyfit(np.log(grok), np.log(lead), 1)[0]
    constants = np.linspace(0, 999, 10_000)
    away = [np.square(np.log(grok - c) - np.log(lead)).sum() for c in constants]
    null = np.polyfit(np.log(grok), np.log(grok - constants[np.argmin(away)]), 1)[0]
    assert found["all.exponent"].value == pytest.approx(slope)
    assert found["all.null_exponent"].value == pytest.approx(null, abs=0.01)
    assert found["all.exponent_excess"].value == pytest.approx(slope - null, abs=0.01)
    apart = fitted(*planted(ALPHA, jitter=50))["estimates"]["all.exponent_excess"]
    assert apart.value < apart.high < 0.2, "no more than an onset that never moves gives"
    assert null > 1, "an onset that never moves gives more than 1 by itself"


def test_a_constant_onset_has_no_excess():
    rows = planted([(300, 500, grok) for grok in (900, 1500, 2500, 4000)])
    excess = fitted(*rows)["estimates"]["all.exponent_excess"]
    assert excess.value == pytest.approx(0, abs=0.01)
    # Noise of the onsets, which an interval is made of.
    times = [(300, 500, grok) for grok in (900, 1500, 2500, 4000)]
    noisy = fitted(*planted(times, jitter=50))["estimates"]["all.exponent_excess"]
    assert -0.1 < noisy.low < noisy.value < noisy.high < 0.1


def test_an_alarm_that_knows_when_is_told_from_one_that_waits():
    knowing = [(400, 500, 1000), (450, 1000, 2000), (420, 2000, 4000), (430, 1500, 3000)]
    assert fitted(*planted(knowing, jitter=50))["estimates"]["all.waiting_spread"].high < 0
    early = fitted(*planted([(1500, 200, 2500), (300, 200, 900), (800, 300, 1700)]))["estimates"]
    assert early["all.waiting_spread"].reason == law.BEFORE
    multiples = [(200, 500, 1000), (400, 600, 2050), (500, 1800, 2500), (800, 1200, 4000)]
    assert fitted(*planted(multiples, jitter=50))["estimates"]["all.multiple_spread"].value > 2
    waiting = [(400, 800, 1100), (500, 700, 1250), (800, 1300, 1900), (1500, 1800, 3000)]
    assert fitted(*planted(waiting, jitter=50))["estimates"]["all.waiting_spread"].low > 0


def test_late_onsets_and_onsets_that_never_come_count_as_missed():
    late = planted([(400, 1200, 1000), (400, 980, 1000), (400, 7000, 1000), (400, 700, 1000)])
    found = fitted(*late, coincidence=100.0)["estimates"]
    # 700 alone precedes: 980 is seen at 1000, and the others in no state that was measured.
    assert found["all.precedes"].value == pytest.approx(1 / 4)
    assert found["all.coincides"].value == pytest.approx(1 / 4)
    assert "6 runs grok without an onset" in found["all.lead"].note
    assert found["all.exponent"].value is None


def test_rounding_that_moves_the_onset_is_seen():
    exact = fitted(*planted(ALPHA))["estimates"]
    assert exact["all.single_same"].value == 1
    assert exact["all.single_over_double"].value == pytest.approx(1)
    assert exact["all.baseline_single"].value == pytest.approx(1)
    rows, curves, table = planted(ALPHA, rounding=5.0)
    early = table["step"].between(300, 350) & ~table["run_id"].str.startswith("control")
    table.loc[early, "defect_single"] = 100.0
    off = fitted(rows, curves, table)["estimates"]
    assert off["all.single_same"].value == 0 and off["control.single_same"].value == 1
    assert off["all.single_over_double"].value == pytest.approx(5)


def test_runs_that_are_not_measured_are_told_and_none_at_all_leave_it_open():
    rows, curves, table = planted(ALPHA)
    part = fitted(rows, curves, table[table["run_id"] != rows[0]["run_id"]])["estimates"]
    assert "1 runs were not measured" in part["all.lead"].note and part["all.precedes"].n == 11
    for none in (table.iloc[:0], pd.DataFrame({"run_id": []})):
        open_ = fitted(rows, curves, none)["estimates"]
        assert all(each.value is None for each in open_.values())


def test_a_run_that_ends_or_diverges_early_has_no_onset_and_no_growth():
    assert onset(np.array([0, 50]), np.array([3.0, 90.0]), factor=10, floor=20, first=3) == NONE
    rows, curves, table = planted(ALPHA)
    short = table["run_id"] == "control-0"
    table = table[~short | (table["step"] <= 50)]
    found = fitted(rows, curves, table)["estimates"]
    assert found["control.growth"].n == 4 and found["control.alarms"].value == pytest.approx(0.8)


def test_both_thresholds_have_to_be_passed():
    rule = {"factor": 10.0, "floor": 20.0, "first": 3}
    steps = np.arange(5)
    assert onset(steps, np.array([1, 1, 1, 15.0, 21]), **rule).step == 4
    assert onset(steps, np.array([9, 9, 9, 89.0, 91]), **rule).step == 4
    assert math.isnan(onset(steps, np.array([9, 9, 9, 89.0, 90]), **rule).step)


def test_no_onset_comes_before_its_baseline_is_known():
    rule = {"factor": 10.0, "floor": 20.0, "first": 3}
    spike = np.array([5, 900, 5, 5, 60.0])
    assert onset(np.arange(5) * 50, spike, **rule).step == 200
    first = np.array([900, 5, 5, 5, 5.0])
    assert math.isnan(onset(np.arange(5) * 50, first, **rule).step)
    # The last state of the baseline is one at which it is known.
    assert onset(np.arange(3) * 50, np.array([5, 5, 60.0]), **rule).step == 100
    # A spike at step 0 in every run: there is a fit, and it has no onset at that step.
    rows, curves, table = planted(ALPHA)
    table.loc[table["step"] == 0, "defect"] = 900.0
    found = fitted(rows, curves, table)
    assert min(cell["onset"] for cell in found["cells"]) == 600


def test_grokked_is_three_times_at_the_higher_level_and_dated_at_the_lower():
    steps = np.arange(0, 200, 25)
    for accuracy, when in (
        ([0.1, 0.91, 0.95, 0.99, 0.99, 0.99, 1, 1], 25.0),
        ([0.1, 0.91, 0.95, 0.99, 0.97, 0.99, 0.97, 1], math.nan),
    ):
        frame = pd.DataFrame({"step": steps, "validation_accuracy": accuracy})
        assert generalised(frame, 0.9, 0.98) == pytest.approx(when, nan_ok=True)


def test_the_law_reads_the_probes_of_its_block_alone():
    rows, curves, table = planted(ALPHA)
    runs = with_previous(pd.DataFrame(rows))
    read = Frames(runs, curves, members(runs), NOTHING, {"defect": table, "other": table})
    block = law_block(["defect"])
    made = run_fit("warned", block, read)
    assert made["probes"] == ["defect"] and made["estimates"]["warned.all.growth"]["n"] == 12
    assert len({point["run_id"] for point in made["points"]}) == 4 + 1
    absent = run_fit("warned", law_block(["third"]), read)
    assert absent["estimates"]["warned.all.growth"]["reason"] == law.UNMEASURED


def law_block(probes):
    options = {"groups": GROUPS, "ratios": RATIOS, "replicates": 50}
    return SimpleNamespace(law="onset", experiments=["S"], options=options, probes=probes)

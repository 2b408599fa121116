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
from regrok.laws.parts import growths, lead_scaling
from regrok.laws.parts.onsets import NONE, generalised, later, onset
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
    unread = dict.fromkeys(("defect_low", "defect_high", "rounding"), defect)
    return pd.DataFrame({"run_id": run_id, "step": step, **columns, **unread})


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
    assert early["all.waiting_spread"].reason == lead_scaling.BEFORE
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


def test_growths_leads_and_alarms_in_single_precision_are_of_that_signal_alone():
    rows, curves, table = planted(ALPHA)
    same = fitted(rows, curves, table)["estimates"]
    for key in ("precedes", "lead_beyond", "growth"):
        assert same[f"all.{key}_single"].value == pytest.approx(same[f"all.{key}"].value)
    assert same["control.alarms_single"].value == 1 and same["all.alarms_single"].absent
    assert same["control.precedes_single"].absent
    # Rounding that makes all baselines sixfold: growths are a sixth, a control that grows 20-fold is silent, and the
    # threshold of 18 times the exact baseline is passed at a later state.
    first = table.groupby("run_id")["step"].rank() <= 3
    table.loc[first, "defect_single"] *= 6
    found = fitted(rows, curves, table)["estimates"]
    assert found["all.growth_single"].value == pytest.approx(800 / 6)
    assert found["control.growth_single"].value == pytest.approx(20 / 6)
    assert found["apart.growth_single"].value == pytest.approx(40)
    assert found["control.alarms_single"].value == 0 and found["control.alarms"].value == 1
    assert found["all.lead_beyond_single"].value < found["all.lead_beyond"].value
    assert found["all.growth"].value == pytest.approx(800)
    # Rounding that hides every onset: none precedes, and none has a lead.
    table.loc[first, "defect_single"] *= 1000
    hidden = fitted(rows, curves, table)["estimates"]
    assert hidden["all.precedes_single"].value == 0 and hidden["all.precedes_single"].n == 12
    assert hidden["all.lead_beyond_single"].value is None
    assert "12 runs grok without an onset" in hidden["all.lead_beyond_single"].note


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
    assert onset(np.arange(5) * 50, spike, **rule)[0::4] == (200.0, 150.0)
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
    other = table.drop(columns="rounding").assign(defect=1e9)
    probes = {"defect": table, "other": table, "like": other}
    read = Frames(runs, curves, members(runs), NOTHING, probes)
    block = law_block(["defect"])
    made = run_fit("warned", block, read)
    assert made["probes"] == ["defect"] and made["estimates"]["warned.all.growth"]["n"] == 12
    assert len({point["run_id"] for point in made["points"]}) == 4 + 1
    # A table of another probe that has a column of this name is none of its own.
    both = run_fit("warned", law_block(["defect", "like"]), read)
    assert both["estimates"] == made["estimates"]
    absent = run_fit("warned", law_block(["third"]), read)
    assert absent["estimates"]["warned.all.growth"]["reason"] == law.UNMEASURED


def test_points_say_whose_operation_they_are():
    rows, curves, table = planted(ALPHA)
    for row in rows[:3]:
        row["operation"] = "subtract"
    points = pd.DataFrame(fitted(rows, curves, table)["points"])
    subtracted = {row["run_id"] for row in rows[:3]}
    assert ((points["operation"] == "subtract") == points["run_id"].isin(subtracted)).all()
    assert set(points["operation"]) == {"subtract", "add"}


def test_a_defect_that_still_rises_at_the_end_gives_a_lower_bound(found):
    # The planted defect is largest at the last state of every run that groks.
    least = found["all.growth_least"]
    assert least.value == pytest.approx(800) and least.high is None
    rows, curves, table = planted(ALPHA, jitter=50)
    last = table.groupby("run_id")["step"].transform("max")
    noise = np.exp(0.2 * np.sin(np.arange(len(table))))
    table["defect"] = table["defect"].where(table["step"] < last - 100, table["defect"] * noise)
    least = fitted(rows, curves, table)["estimates"]["all.growth_least"]
    assert least.low < least.value and least.high is None
    assert "12 of 12 runs: a lower bound" in least.note
    # Four states more, at which it has fallen: what it grew to is known.
    table = pd.concat([table, *fallen(table, 4)])
    known = fitted(rows, curves, table)["estimates"]["all.growth_least"]
    assert known.value == pytest.approx(least.value) and known.low < known.value < known.high
    assert "lower bound" not in known.note
    assert found["control.growth_least"].absent


def fallen(table, states):
    ends = table.sort_values("step").groupby("run_id").tail(1)
    return [ends.assign(step=ends["step"] + EVERY * (i + 1), defect=4.0) for i in range(states)]


def test_a_growth_depends_on_the_cadence_where_the_first_states_rise():
    """A defect of 2^state: the median of the first three states is 2, of every second 4, of every fourth 16."""
    signal = 2.0 ** np.arange(13)
    asked = growths.choices([1, 2, 4], 3)
    assert asked[0] == (1, 3) and len(asked) == 6
    values = {choice: growths.grown(signal, *choice) for choice in asked}
    assert values == {
        (1, 3): 2**11,
        (2, 3): 2**10,
        (4, 3): 2**8,
        (1, 1): 2**12,
        (2, 1): 2**12,
        (4, 1): 2**12,
    }
    runs = pd.DataFrame(
        {
            growths.column(choice): [value * 0.9, value, value / 0.9]
            for choice, value in values.items()
        }
    ).assign(rising=False)
    least = growths.least(runs, [1, 2, 4], 3)
    assert least.value == pytest.approx(2**11) and len(least.choices) == 6
    assert [each[0] for each in least.choices] == pytest.approx(list(values.values()))
    runs["rising"] = [True, False, False]
    assert {each[2] for each in growths.least(runs, [1, 2, 4], 3).choices} == {None}
    # A run of eight states has no third one at every fourth: that choice would be of other runs.
    runs[growths.column((4, 3))] = [math.nan, 256.0, 256.0]
    short = growths.least(runs, [1, 2, 4], 3)
    assert len(short.choices) == 5 and short.n == 3 and "1 of 6" in short.note


def test_growths_are_compared_in_equal_time():
    rows, curves, table = planted([(400, 600, 1000), (400, 600, 1000)], control=400.0)
    noise = np.exp(0.1 * np.sin(table.groupby("run_id").ngroup()))
    table["defect"] *= np.where(table["step"] > 100, noise, 1.0)
    made = fitted(rows, curves, table)["estimates"]
    # The control grows 400-fold to step 2000, and 400^(log 11/log 400 + …) to 1000, where runs that grok end.
    first = math.log(11) / math.log(400)
    then = 400 ** (first + (1 - first) * 100 / 1100)
    assert made["apart.growth"].value == pytest.approx(2, rel=0.2)
    matched = made["apart.growth_matched"]
    assert matched.value == pytest.approx(800 / then, rel=0.2)
    assert matched.low < matched.value and matched.high is None
    assert "read to step 1000" in matched.note and "6 of 6 runs: a lower bound" in matched.note
    # A control that ends before that while it rises leaves the other end open as well.
    cut = table[~((table["run_id"] == "control-0") & (table["step"] > 950))]
    assert fitted(rows, curves, cut)["estimates"]["apart.growth_matched"].low is None


def test_an_onset_is_later_than_memorising_as_far_as_their_steps_tell():
    # Onsets in (450, 500], T_mem in (475, 500]: either may have been first.
    runs = pd.DataFrame(
        {"onset": [500.0] * 4, "onset_previous": 450.0, "T_mem": 500.0, "T_mem_previous": 475.0}
    )
    found = later(runs)
    assert found.value == pytest.approx(475 / 487.5)
    assert (found.low, found.high) == pytest.approx((450 / 500, 500 / 475))
    assert later(runs.assign(T_mem_previous=0.0)).high is None
    assert later(runs[:1]).low is None and later(runs[:0]).value is None
    # Wherever between their steps the events of 3 runs lie, the interval holds their ratio as often as it says.
    rng, held = np.random.default_rng(0), 0
    for _ in range(400):
        T_mem = np.exp(rng.normal(np.log(500), 0.1, 3))
        warned = T_mem * 1.1 * np.exp(rng.normal(0, 0.05, 3))
        seen, logged = np.ceil(warned / 100) * 100, np.ceil(T_mem / 25) * 25
        runs = pd.DataFrame({"onset": seen, "onset_previous": seen - 100})
        low_high = later(runs.assign(T_mem=logged, T_mem_previous=logged - 25))
        held += low_high.low <= 1.1 <= low_high.high
    assert held >= 0.95 * 400


def test_an_alarm_that_waits_never_comes_before_memorising():
    # Onsets 300 to 1,300 steps before T_mem: a fixed time before it would be before the first step of one run.
    early = planted([(1500, 200, 2500), (300, 200, 900), (800, 300, 1700)], jitter=50)
    found = fitted(*early)["estimates"]
    assert found["all.waiting_spread"].value is None
    patient = found["all.patient_spread"]
    # Without patience the alarm is T_mem, and the same as a fixed multiple of it.
    assert patient.value == pytest.approx(found["all.multiple_spread"].value)
    assert patient.low < patient.value < patient.high
    waiting = planted([(400, 800, 1100), (500, 700, 1250), (800, 1300, 1900), (1500, 1800, 3000)])
    late = fitted(*waiting)["estimates"]
    assert late["all.patient_spread"].value == pytest.approx(late["all.waiting_spread"].value)
    rows, curves, table = waiting
    rows[0] = {**rows[0], "T_mem": math.nan}
    left = fitted(rows, curves, table)["estimates"]["all.patient_spread"]
    assert left.n == 11 and "1 runs without a lead or without T_mem" in left.note


def test_a_mean_lead_is_set_against_the_printed_one_with_both_errors():
    """Repeats of 12 normal leads, of whose first sample mean and range alone are known."""
    rng, held, widths = np.random.default_rng(0), 0, []
    for _ in range(1000):
        theirs, ours = rng.normal(1100, 300, (2, 12))
        ends = [theirs.min(), theirs.max()]
        found = lead_scaling.beyond(pd.Series(ours), float(theirs.mean()), ends, 12)
        held += found.low <= 0 <= found.high
        widths.append(found.high - found.value)
    assert 0.93 <= held / 1000 <= 0.97
    assert np.mean(np.array(widths) < 500) > 0.99, "the rule's precision is within reach"
    assert lead_scaling.beyond(pd.Series([2700.0, 2710.0]), 1117, [600, 1600], 12).low > 0
    assert lead_scaling.beyond(pd.Series([900.0]), 1117, [600, 1600], 12).value is None


def test_times_to_grokking_are_set_against_those_printed_of_their_operations():
    """Times of 1,000 and 2,000 where 800 and 1,000 are printed: ratios of 1.25 and 2."""
    rows, curves, table = planted([(400, 600, 1000), (600, 800, 2000)], jitter=50)
    for row in rows[3:6]:
        row["operation"] = "subtract"
    told = {"printed_times": {"add": 800, "subtract": 1000}}
    both = fitted(rows, curves, table, **told)["estimates"]["all.times_over_printed"]
    assert both.value == pytest.approx(math.sqrt(1.25 * 2)) and both.n == 6
    assert both.low < both.value < both.high
    one = fitted(rows, curves, table, printed_times={"subtract": 1000})["estimates"]
    assert one["all.times_over_printed"].value == pytest.approx(2)
    assert fitted(rows, curves, table)["estimates"]["all.times_over_printed"].value is None
    # A run that does not grok takes longer than any printed time: the mean of the others is no upper end.
    curves = curves[(curves["run_id"] != rows[0]["run_id"]) | (curves["step"] < 1000)]
    least = fitted(rows, curves, table, **told)["estimates"]["all.times_over_printed"]
    assert least.n == 5 and least.low is not None and least.high is None
    assert "1 runs do not grok" in least.note


def test_how_many_memorised_is_told():
    rows, curves, table = planted(ALPHA)
    rows[-1]["T_mem"] = math.nan
    assert fitted(rows, curves, table)["estimates"]["control.memorised"].value == pytest.approx(0.8)


def law_block(probes):
    options = {"groups": GROUPS, "ratios": RATIOS, "replicates": 50}
    return SimpleNamespace(law="onset", experiments=["S"], options=options, probes=probes)

"""The law of avalanches on planted families whose exponents, partings and alarms are known."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from planted import NOTHING, make_run, members
from regrok.errors import RegrokError
from regrok.laws import avalanches as law
from regrok.laws import with_previous
from regrok.laws.parts import past_alone
from regrok.runs.frames import Frames

NODES = [1000, 4000, 16000]
STEPS = np.arange(0, 1001, 25)
GROUPS = {
    "addition": {"within": {"weight_decay": 1.0}},
    "control": {"within": {"weight_decay": 0.0}},
}
PAIR = {"apart": ["addition", "control"]}


def fall(step, event, early=0):
    """D of 1.12 that is .92 from so many steps before the event on."""
    return np.where(step >= event - early, 0.92, 1.12)


def level(step, event):
    return np.full(len(step), 1.12)


def family(seed, events, D, weight_decay=1.0, jitter=0.0, steps=STEPS):
    """A run of each width that groks at its event, and its sizes .2·N^D·e^noise; NaN: it does not grok."""
    rng = np.random.default_rng([seed, int(weight_decay)])
    rows, tables = [], []
    for nodes, event in zip(NODES, events, strict=True):
        delay = event - 100 if math.isfinite(event) else math.nan
        name = f"{weight_decay:g}-{nodes}-{seed}"
        rows.append(
            make_run(100, delay, seed, name, weight_decay=weight_decay, d_model=float(nodes))
        )
        noise = np.exp(rng.normal(0, jitter, len(steps)))
        size = 0.2 * nodes ** D(steps, event) * noise
        table = {"run_id": name, "step": steps, "nodes": float(nodes), "size": size}
        others = dict.fromkeys(("sweeps", "sum_before", "sum_after", "gradient"), 1.0)
        tables.append(pd.DataFrame({**table, "first": 0.1 * nodes, **others}))
    return rows, pd.concat(tables)


def fitted(made, **options):
    rows = [row for each, _ in made for row in each]
    runs = with_previous(pd.DataFrame(rows))
    table = pd.concat([each for _, each in made])
    read = Frames(runs, NOTHING, members(runs), NOTHING, {"cascade": table})
    told = {"groups": GROUPS, "ratios": PAIR, "replicates": 200, **options}
    return law.fit(read, told, seed=1)


def values(made, **options):
    return {key: each.value for key, each in fitted(made, **options)["estimates"].items()}


def grokking(early=0, seeds=range(5), jitter=0.0, events=(400, 400, 400)):
    return [family(s, events, lambda t, T: fall(t, T, early), 1.0, jitter) for s in seeds]


def quiet(seeds=range(5), jitter=0.0, D=level):
    return [family(s, [math.nan] * 3, D, 0.0, jitter) for s in seeds]


# Exponents ------------------------------------------------------------------------------------------------------


def test_planted_exponents_are_found_at_equal_step_and_aligned():
    found = values(grokking() + quiet())
    for way in ("D", "aligned", "largest"):
        assert found[f"addition.{way}_before"] == pytest.approx(1.12), way
        assert found[f"addition.{way}_after"] == pytest.approx(0.92), way
    assert found["addition.change"] == found["addition.aligned_change"] == pytest.approx(-0.2)
    # Within a tenth of 400 lie 375 before and 400, 425 after it: sizes are averaged where runs are aligned.
    assert found["addition.D_at"] == pytest.approx((1.12 + 2 * 0.92) / 3)
    assert found["addition.D_pooled"] == pytest.approx(1.12)
    assert found["addition.first_D"] == pytest.approx(1) == found["addition.T_spread"]
    assert found["addition.r_squared"] == pytest.approx(1)
    assert found["addition.T_grok"] == pytest.approx(400)
    assert found["control.D_after"] == pytest.approx(1.12)
    assert found["apart.D_after"] == pytest.approx(-0.2)
    assert found["control.aligned_after"] is None and found["control.T_grok"] is None


def test_widths_that_grok_at_other_steps_are_mixed_at_equal_step_and_not_aligned():
    """Each run's size falls to half at its own event: a level of no exponent, which equal steps make one of."""

    def halved(step, event):
        return 1 + np.where(step >= event, math.log(0.5), 0.0) / math.log(4000)

    def at(nodes):
        return lambda t, T: 1 + (halved(t, T) - 1) * math.log(4000) / math.log(nodes)

    made = []
    for seed in range(3):
        rows, tables = family(seed, (600, 400, 200), level)
        parts = []
        for nodes, event in zip(NODES, (600, 400, 200), strict=True):
            part = tables[tables["nodes"] == nodes]
            parts.append(part.assign(size=0.2 * nodes ** at(nodes)(STEPS, event)))
        made.append((rows, pd.concat(parts)))
    found = values(made, ratios={})
    assert found["addition.aligned_before"] == pytest.approx(1)
    assert found["addition.aligned_after"] == pytest.approx(1)
    # In [200, 400) the largest has halved and the others have not.
    logs = np.log(np.array(NODES))
    mixed = np.polyfit(logs, logs + np.array([0, 0, math.log(0.5)]), 1)[0]
    assert found["addition.D_before"] == pytest.approx(mixed)
    assert found["addition.T_spread"] == pytest.approx(3)


def test_a_family_that_lacks_a_run_has_no_exponent_and_is_noted():
    made = grokking() + quiet()
    rows, table = made[0]
    made[0] = rows, table[table["nodes"] != NODES[1]]
    found = fitted(made)["estimates"]["addition.D_before"]
    assert found.n == 4 and "1 of 5 families" in found.note
    assert found.value == pytest.approx(1.12)


def test_families_that_do_not_grok_are_dated_by_those_of_their_seed_and_those_that_grok_are_left_out():
    late = family(9, (math.nan,) * 3, lambda t, T: np.where(t >= 800, 0.5, 1.12), 0.0)
    made = [*grokking(seeds=[1, 2]), *grokking(seeds=[9], events=(600, 600, 600)), late]
    made += [family(1, (300, 300, 300), fall, 0.0)]
    found = fitted(made)["estimates"]["control.D_after"]
    # [900, 1001) of seed 9 alone, which no window around 400 would reach.
    assert (found.value, found.n) == (pytest.approx(0.5), 1)


def test_one_width_no_measured_run_and_two_runs_of_one_width():
    one = [(rows[:1], table[table["nodes"] == NODES[0]]) for rows, table in grokking() + quiet()]
    found = fitted(one)["estimates"]
    assert "one number of parameters" in found["addition.change"].reason
    assert "one number of parameters" in found["apart.parting"].reason
    rows, table = grokking()[0]
    found = fitted([(rows, table.iloc[:0])])["estimates"]
    assert found["addition.D_at"].reason == law.UNMEASURED == found["apart.lead"].reason
    twice = [dict(row, run_id=row["run_id"] + "b", batch=64) for row in rows]
    again = table.assign(run_id=table["run_id"] + "b")
    with pytest.raises(RegrokError, match=r"two runs have seed 0 and 1000 parameters"):
        fitted([(rows, table), (twice, again)])


def test_a_table_of_another_probe_that_counts_nodes_is_not_read():
    rows, table = zip(*grokking(), strict=True)
    table = pd.concat(table)
    runs = with_previous(pd.DataFrame([row for each in rows for row in each]))
    other = table[["run_id", "step", "nodes"]].assign(size=1.0, first=1.0)
    for probes in ({"cascade": table, "other": other}, {"other": other, "cascade": table}):
        read = Frames(runs, NOTHING, members(runs), NOTHING, probes)
        told = {"groups": {"addition": {}}, "replicates": 20}
        found = law.fit(read, told, seed=1)["estimates"]["addition.D_before"]
        assert found.value == pytest.approx(1.12)


def test_windows_of_other_lengths_and_other_ways_are_choices_of_the_same_exponent():
    """Sizes of [300, 400) alone have D = 1.3: what a reading gives is how much of its window that is."""

    def late(step, event):
        return np.where((step >= 300) & (step < 400), 1.3, 1.0)

    made = [family(s, (400,) * 3, late) for s in range(4)]
    found = fitted(made, ratios={}, groups={"addition": {}})["estimates"]
    own = found["addition.D_before"]
    told = [value for value, _, _ in own.choices]
    assert len(told) == 15 and own.value == told[0] == pytest.approx(1.15)
    # [.5, 1)·T, [.75, 1)·T and [0, 1)·T at equal step: half, all and a quarter of the states.
    assert told[::5] == pytest.approx([1.15, 1.3, 1.075])
    # The largest size of any of these windows is one of D = 1.3.
    assert told[4::5] == pytest.approx([1.3] * 3)
    assert found["addition.D_at"].choices and found["addition.D_after"].choices
    assert found["addition.aligned_before"].choices is None


# Two groups -----------------------------------------------------------------------------------------------------


def sloping(step, event):
    """D that falls evenly from 1.12, 300 steps before the event, to .92 at the event."""
    return 1.12 - 0.2 * np.clip((step - (event - 300)) / 300, 0, 1)


def test_the_half_of_the_gap_is_where_it_is_planted_however_many_families_there_are():
    """Where Welch's test parts them comes the earlier, the more there are: .2·(300 − lag)/300 over its error."""
    found = {}
    for n in (5, 40):
        made = [family(s, (400,) * 3, sloping, 1.0, 0.1) for s in range(n)]
        found[n] = fitted(made + quiet(range(n), 0.1))["estimates"]
    for n, each in found.items():
        half = each["apart.half_gap"]
        assert half.low <= 150 <= half.high, n
        assert half.value == pytest.approx(150, abs=75 if n == 5 else 35), n
        quarter, three = (half.choices[at][0] for at in (1, 2))
        assert three < half.value < quarter
    assert found[40]["apart.parting"].value > found[5]["apart.parting"].value
    narrow = [each["apart.half_gap"].high - each["apart.half_gap"].low for each in found.values()]
    assert narrow[1] < narrow[0]


def test_a_gap_as_old_as_training_has_an_open_end_and_no_gap_has_no_half():
    always = [family(s, (400,) * 3, lambda t, T: np.full(len(t), 0.92)) for s in range(5)]
    one = family(9, (300,) * 3, lambda t, T: np.full(len(t), 0.92))
    found = fitted([*always, one, *quiet([*range(5), 9], 0.001)])["estimates"]["apart.half_gap"]
    # The earliest event is at 300, further back than which not all families are seen.
    assert (found.value, found.low, found.high) == (300, 300, None)
    assert found.reason is None and "300 steps before" in found.note
    same = [family(s, (400,) * 3, level, 1.0, 0.02) for s in range(8)]
    found = fitted(same + quiet(range(8), 0.02))["estimates"]["apart.half_gap"]
    assert found.value is None and "do not differ at the transition" in found.reason


def test_the_rate_of_false_alarms_is_that_of_the_calibration_whatever_the_signal():
    """Three of thirty, and of too few families none can be set."""
    for seed, jitter in ((0, 0.02), (100, 0.2)):
        seeds = range(seed, seed + 30)
        made = grokking(150, seeds, jitter) + quiet(seeds, jitter)
        found = fitted(made)["estimates"]
        assert found["apart.alarm_false"].value == pytest.approx(0.1, abs=0.04), jitter
        # As near as none passes: one of all that one direction judges.
        assert found["apart.false_alarms"].value <= 2 / 30, jitter
    few = fitted(grokking(150) + quiet(jitter=0.01))["estimates"]
    assert few["apart.alarm_warned"].value is None
    assert few["apart.alarm_lead"].reason == few["apart.alarm_timely"].reason
    assert "too few" in few["apart.alarm_lead"].reason and few["apart.warned"].value == 1


def test_an_alarm_at_a_rate_leads_by_what_is_planted_and_counts_families_without_one_as_no_lead():
    seeds = range(20)
    found = values(grokking(150, seeds, 0.002) + quiet(seeds, 0.002))
    assert found["apart.alarm_warned"] == found["apart.alarm_timely"] == 1
    assert found["apart.alarm_lead"] == pytest.approx(150, abs=30)
    assert found["apart.alarm_falling"] == 1
    silent = [family(s, (400,) * 3, level, 1.0, 0.002) for s in range(10)]
    half = grokking(150, range(10, 20), 0.002) + silent
    found = values(half + quiet(seeds, 0.002))
    assert found["apart.alarm_warned"] == pytest.approx(0.5, abs=0.15)
    assert found["apart.alarm_lead"] == pytest.approx(75, abs=40)
    assert found["apart.lead"] > 120


def test_an_alarm_before_the_training_set_is_learned_is_not_timely():
    """All widths have learned it at 100; D falls at 25."""
    found = values(grokking(375, range(20), 0.002) + quiet(range(20), 0.002))
    assert found["apart.alarm_warned"] == 1 and found["apart.alarm_timely"] == 0


def test_families_of_which_no_detector_was_asked_are_in_no_share():
    """One quiet seed: its own fold has nothing to set a threshold on."""
    found = fitted(grokking(150, range(3)) + quiet([0]))["estimates"]
    assert (found["apart.warned"].value, found["apart.warned"].n) == (1, 2)
    assert "1 of 3 families are left out" in found["apart.warned"].note
    assert found["apart.lead"].n == 2 and "1 of 3" in found["apart.lead"].note
    none = found["apart.false_alarms"]
    assert none.value is None and "1 of 1 families are left out" in none.reason


def test_a_planted_parting_is_found_and_groups_that_do_not_part_have_none():
    made = grokking(early=150, seeds=range(8), jitter=0.005)
    found = fitted(made + quiet(range(8), 0.005))["estimates"]["apart.parting"]
    assert found.value == 150 and found.low <= 150 <= found.high
    same = [family(s, (400, 400, 400), level, 1.0, 0.02) for s in range(8)]
    found = fitted(same + quiet(range(8), 0.02))["estimates"]["apart.parting"]
    assert found.value == 0


def test_an_alarm_on_held_out_seeds_leads_by_what_is_planted():
    found = values(grokking(early=150, jitter=0.002) + quiet(jitter=0.002))
    assert found["apart.warned"] == 1 and found["apart.false_alarms"] <= 0.2
    # D falls at 250, where the mean of four states is below every quiet one but for noise that passes before.
    assert found["apart.lead"] == pytest.approx(150, abs=30) and found["apart.falling_share"] == 1
    rising = [family(s, (400,) * 3, lambda t, T: 2.2 - fall(t, T, 150)) for s in range(5)]
    found = values(rising + quiet(D=lambda t, T: np.full(len(t), 1.08), jitter=0.002))
    assert found["apart.falling_share"] == 0 and found["apart.warned"] == 1


def test_where_nothing_sets_them_apart_alarms_are_chance():
    """Noise of one kind on both sides: thresholds of seven seeds are passed by an eighth about as often as not."""
    made = [family(s, (400,) * 3, level, 1.0, 0.05) for s in range(30)]
    found = fitted(made + quiet(range(30), 0.05))["estimates"]
    assert found["apart.warned"].value < 0.3
    none = fitted([*quiet(), family(7, [math.nan] * 3, level, 1.0)])["estimates"]
    assert none["apart.warned"].absent


def test_alarms_see_the_past_alone():
    """A signal that is cut off gives the same alarm, or none yet."""
    D = np.random.default_rng(0).normal(1, 0.1, (6, 40))
    steps = np.arange(40) * 25.0
    whole = past_alone.past(past_alone.running(D, 4), steps, -1, -0.95)
    assert np.isfinite(whole).all()
    for end in range(1, 40):
        early = past_alone.past(past_alone.running(D[:, :end], 4), steps[:end], -1, -0.95)
        expected = np.where(whole <= steps[end - 1], whole, np.inf)
        np.testing.assert_array_equal(early, expected)


def test_a_threshold_is_chosen_without_the_seed_that_is_judged():
    """Seed 2 alone has a quiet family far below the others: its own alarm is false, as it cannot set the threshold."""
    steps = np.arange(3.0)
    still = np.array([[1.0, 1.0, 1.0], [1.0, 1.0, 1.0], [1.0, 0.5, 0.5]])
    moving = np.array([[1.0, 0.8, 0.8], [1.0, 0.8, 0.8], [1.0, 0.8, 0.8]])
    seeds, event = np.tile(np.arange(3), 2), np.repeat([np.nan, 2.0], 3)
    found = past_alone.warned(seeds, np.concatenate([still, moving]), event, steps)
    assert np.isinf(found.alarm[:2]).all() and found.alarm[2] == 1
    # With seed 2 among the training seeds .8 is no alarm.
    assert found.alarm[5] == 1 and np.isinf(found.alarm[3:5]).all()
    # A lone seed leaves no family to choose on.
    alone = past_alone.warned(seeds[:1], still[:1], event[:1], steps)
    assert np.isnan(alone.alarm).all() and not len(alone.directions)

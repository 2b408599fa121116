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
        tables.append(pd.DataFrame({**table, "first": 0.1 * nodes}))
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


# Two groups -----------------------------------------------------------------------------------------------------


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

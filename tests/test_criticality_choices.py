"""D under the choices that papers leave open: cuts, shares of a list, the least of several, on planted values."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from regrok.computations import xor_choices
from regrok.computations.parts import (
    enumerated,
    epoch_cuts,
    looked_family,
    printed_signs,
    probed_family,
    specifications,
)
from regrok.computations.parts.graphs import Graphs
from regrok.judging.verdicts import verdict
from regrok.laws.parts import estimate as est
from regrok.study.predicates import Sign
from regrok.study.words import INCONCLUSIVE, NOT_REPRODUCED, REPRODUCED

CHOICES = {
    **xor_choices.DEFAULTS,
    "widths": [10, 20, 40],
    "seeds": 2,
    "activations": ["tanh", "relu"],
    "starts": ["uniform"],
    "attaches": [1],
    "topologies": ["ring"],
    "quantiles": [0.8, 0.9],
    "alphas": [0.3],
}
RISES = Sign(kind="sign", sign="positive")


# What parts before from after --------------------------------------------------------------------------------------


def rises(learned, told):
    """Of ⟨s⟩ at each cut, where sizes go as N^.9 until a network has learned and as N^1.2 from then on."""
    looks, cuts = epoch_cuts.looked_at(learned, told)
    nodes = np.array([81.0, 401.0])
    every = [
        np.where(at == epoch_cuts.NEVER, np.nan, n ** np.where(at < own[:, None], 0.9, 1.2))
        for at, own, n in zip(looks, learned, nodes, strict=True)
    ]
    sizes = np.stack([each.reshape(-1, told["seeds"], each.shape[1]) for each in every], axis=2)
    return {
        (cut, pooling): found["rise"]
        for statistic, pooling, cut, found in specifications.read(sizes, nodes, cuts)
        if statistic == "mean"
    }


TOLD = {"snapshots": [10, 50, 60, 100], "transition": 55, "epochs": 300, "seeds": 2}


@pytest.mark.parametrize("event", [8.0, 90.0])
def test_the_cut_follows_networks_that_learn_before_or_after_the_printed_epoch(event):
    found = rises([np.full(4, event)] * 2, TOLD)
    # At epoch 55 both sides are mostly of one side of the event.
    assert (np.abs(found["fixed", "per_epoch"] - 0.3) > 0.09).all()
    for cut in ("median", "own"):
        for pooling in specifications.POOLINGS:
            assert found[cut, pooling] == pytest.approx(0.3), (cut, pooling)


def test_windows_of_the_cut_are_those_of_the_family():
    looks, cuts = epoch_cuts.looked_at([np.array([20.0, 21.0])], TOLD)
    for side, name in enumerate(("before", "after")):
        mask = dict(probed_family.windows(np.array([20.0, 21.0]), 300))[name]
        for network, at in enumerate(looks[0][:, cuts["own"][side]]):
            inside = np.flatnonzero(mask[network])
            assert at[0] == inside[0] and at[-1] == inside[-1] and set(at) <= set(inside)
    assert looks[0][0, cuts["median"][0]].tolist() == [0, 10, 20]
    assert looks[0][0, cuts["median"][1]].tolist() == [21, 160, 300]


def test_a_network_that_never_learns_leaves_no_own_window_and_a_late_median_no_cut():
    first, second = np.full(4, 40.0), np.full(4, 40.0)
    second[0] = math.nan
    found = rises([first, second], TOLD)
    # Its group has no D around own events; the other group has, and so have both around their median.
    assert np.isnan(found["own", "pooled"]).tolist() == [True, False]
    assert np.isnan(found["own", "per_epoch"]).tolist() == [True, False]
    assert np.isfinite(found["median", "per_epoch"]).all()
    first[:2], second[:2] = math.nan, math.nan
    found = rises([first, second], TOLD)
    assert np.isnan(found["median", "per_epoch"]).tolist() == [True, False]
    assert np.isfinite(found["fixed", "per_epoch"]).all()
    # Three of four: later than any is all that a median asks of them.
    assert np.isnan(epoch_cuts.medians([np.array([9.0, math.nan]), np.full(2, math.nan)], 2))
    assert epoch_cuts.medians([np.array([9.0, math.nan, 5.0])], 3).tolist() == [9.0]


def test_gradients_are_those_of_each_network_s_own_epochs():
    told = {**CHOICES, "groups": 1, "epochs": 12}
    looks = np.array([[0, 3, 12], [0, 7, epoch_cuts.NEVER]])
    found = looked_family.gradients(told, 10, 1, looks)
    kept = {}
    networks = probed_family.started(told, 10, 1)
    for epoch in range(13):
        kept[epoch], _ = networks.gradient()
        networks.theta -= told["learning_rate"] * kept[epoch]
    assert (found[0, :, 1] == kept[3][0]).all() and (found[1, :, 1] == kept[7][1]).all()
    assert (found[0, :, 2] == kept[12][0]).all() and not found[1, :, 2].any()


def test_where_parameters_are_placed_is_a_choice():
    graphs = Graphs.draw("barabasi_albert", 201, 2, [1, 2])
    # Large values on the first nodes, which are the hubs, and give to many.
    values = np.abs(np.random.default_rng(0).standard_normal((2, 201, 1)))
    values = -np.sort(-values, axis=1)
    probe = specifications.default(CHOICES)
    shuffled = replace(probe, placed="shuffled")
    assert shuffled in specifications.every(CHOICES)
    one, other = probe.sizes(graphs, values, 1), shuffled.sizes(graphs, values, 1)
    assert (one != other).any()
    assert (shuffled.sizes(graphs, values, 1) == other).all()
    assert (shuffled.sizes(graphs, values, 2) != other).any()


# What a list of choices says ---------------------------------------------------------------------------------------


def choice(rise, before=0.9, **changed):
    given = {"activation": "tanh", "start": "he", "cut": "own", "steps": "in_shadow"}
    return {**given, "before": before, "after": before + rise, "rise": rise, **changed}


def test_signs_are_judged_before_they_are_rounded_and_as_printed():
    rows = [choice(0.00004), choice(0.3), choice(math.nan), choice(-0.2, activation="relu")]
    found = printed_signs.enumerated_shares(CHOICES, rows)
    assert found["printed_sign_share"].value == pytest.approx(2 / 3)
    # Listed, and not drawn: no interval beside the share.
    assert found["printed_sign_share"].low == found["printed_sign_share"].value
    assert found["printed_sign_share"].high == found["printed_sign_share"].value
    assert (found["every_choice"].value, found["no_D"].value) == (4, 1)
    assert found["relu.printed_sign_share"].value == 0.0
    assert found["printed_value_share"].value == pytest.approx(1 / 3)
    falling = {**CHOICES, "printed_before": 1.2, "printed_after": 0.9}
    fallen = printed_signs.enumerated_shares(falling, rows)["printed_sign_share"]
    assert fallen.value == pytest.approx(1 / 3)
    # .10004 beside the printed value is not within a tenth of it, though it is so rounded to four digits.
    assert not printed_signs.near(choice(0.3, before=1.00004), CHOICES)
    assert xor_choices.shown(choice(0.00004))["rise"] == 0.0


def test_choices_in_time_are_those_that_learn_about_when_printed():
    options = {**CHOICES, "printed_latest": 100.0, "timely": 2.0}
    latest = {("tanh", "he"): est.exact(60.0, 1, ""), ("relu", "he"): est.exact(210.0, 1, "")}
    latest["relu", "xavier"] = est.missing("never")
    rows = [("tanh", 0.1), ("tanh", -0.1), ("relu", 0.2), ("tanh", math.nan)]
    points = [{"activation": a, "start": "he", "rise": rise} for a, rise in rows]
    found = printed_signs.in_time(options, latest, points)
    assert found["timely_share"].value == pytest.approx(1 / 3)
    assert (found["timely_sign_share"].value, found["timely_sign_share"].n) == (0.5, 2)


def groups(*centres, spread=0.1, count=4, seed=0):
    draw = np.random.default_rng(seed)
    return {i: centre + spread * draw.standard_normal(count) for i, centre in enumerate(centres)}


def test_one_that_falls_beyond_its_interval_refutes_what_is_said_of_all():
    def word(found):
        return verdict(RISES, found.as_json(), None, "")[0]

    assert word(enumerated.least(groups(*[0.3] * 9, spread=0.03))) == REPRODUCED
    mixed = enumerated.least(groups(*[0.3] * 6, 0.0, 0.0, -0.4, spread=0.03))
    assert word(mixed) == NOT_REPRODUCED and mixed.high < 0
    assert word(enumerated.least(groups(0.3, 0.0, spread=0.1))) == INCONCLUSIVE
    # What is not known may be lower: it neither confirms nor saves.
    some = {**groups(0.3, 0.3, spread=0.03), "lost": np.array([math.nan, 0.3])}
    assert word(enumerated.least(some)) == INCONCLUSIVE and enumerated.least(some).low is None
    fallen = {**groups(-0.4, spread=0.03), "lost": np.array([math.nan, 0.3])}
    assert word(enumerated.least(fallen)) == NOT_REPRODUCED
    assert enumerated.least({"lost": np.array([math.nan])}).value is None


def test_the_interval_of_the_least_holds_it_as_often_as_it_says():
    held = [
        made.low <= 0.0 <= made.high
        for made in (enumerated.least(groups(0.0, 0.0, 0.05, 0.3, seed=i)) for i in range(400))
    ]
    assert np.mean(held) >= 0.93


# The computation ---------------------------------------------------------------------------------------------------


def test_choices_stand_beside_the_default_s_estimate():
    made = xor_choices.compute(CHOICES, 1)
    found = made["estimates"]
    assert set(xor_choices.ESTIMATES[""]) - {"D_at_*"} < set(found)
    names = set(xor_choices.ESTIMATES[""]) | {
        f"{activation}.{key}"
        for activation in CHOICES["activations"]
        for key in xor_choices.ESTIMATES["activations"]
    }
    assert {key for key in found if not key.startswith("D_at_")} <= names
    for key in ("sign_share", "printed_sign_share"):
        both = [found[f"{name}.{key}"] for name in CHOICES["activations"]]
        assert sum(each.n for each in both) == found[key].n
    # Two activations, one start, two orders, two statistics, two poolings; and three cuts.
    assert len(found["rise"].choices) == 2 * 2 * 2 * 2
    known = [found[f"{key}_by_cut"] for key in ("rise", "D_before", "D_after")]
    assert all(len(found["rise"].choices) < len(each.choices) <= 3 * 16 for each in known)
    assert set(found["rise"].choices) < set(found["rise_by_cut"].choices)
    assert found["rise_by_cut"].value == found["rise"].value
    assert len(found["D_at_10"].choices) == 2 * 2 * 2 and len(found["T_latest"].choices) == 2
    own = (found["rise"].value, found["rise"].low, found["rise"].high)
    assert own in found["rise"].choices
    probes, rows = specifications.every(CHOICES), made["points"]
    # In shadow with every probe, in line with the default one; statistics, poolings and cuts of each.
    assert found["every_choice"].value == (len(probes) + 1) * 2 * 4 * 3
    assert len(rows) == found["every_choice"].value - found["no_D"].value
    assert found["no_D"].value > 0 and all(np.isfinite(row["rise"]) for row in rows)
    assert found["choices"].value == (len(probes) - 1) * 2 * 4
    assert len({tuple(sorted(row.items())) for row in rows}) > 100
    for factor in ("order", "cut", "steps", "placed"):
        sums = {}
        for row in rows:
            if np.isfinite(row["after"]):
                sums.setdefault(row[factor], []).append(row["after"])
        assert len({round(float(np.mean(each)), 6) for each in sums.values()}) == len(sums) > 1


def test_the_default_activation_and_start_are_tried_where_they_are_not_listed():
    told = {**CHOICES, "activations": ["relu"], "starts": ["he"], "epochs": 60}
    assert xor_choices.pairs(told) == [("relu", "he"), ("tanh", "uniform")]
    found = xor_choices.compute(told, 1)["estimates"]
    assert len(found["T_latest"].choices) <= 2 and found["learned_share"].value is not None


def test_a_width_whose_networks_do_not_all_learn_learns_no_earlier_than_its_bound():
    learned = np.array([[[10.0, 30.0], [20.0, 40.0]], [[12.0, math.nan], [20.0, 44.0]]])
    found = probed_family.learning_times(learned, [20, 30], 100)
    assert found["T_earliest"].value == pytest.approx(15.5) and found["T_earliest"].high is not None
    # (30 + 40 + 100 + 44)/4: the mean of those that learn, 38, is no bound.
    assert found["T_latest"].value == pytest.approx(53.5) and found["T_latest"].high is None
    assert "a lower bound: 1 of 8 networks do not learn" in found["T_latest"].note
    # A width of which none learns is the latest, and is not skipped.
    learned[:, :, 1] = math.nan
    found = probed_family.learning_times(learned, [20, 30], 100)
    assert (found["T_latest"].value, found["T_latest"].low, found["T_latest"].high) == (
        100,
        100,
        None,
    )
    assert "width 30" in found["T_latest"].note
    none = probed_family.learning_times(np.full((2, 2, 2), math.nan), [20, 30], 100)
    assert none["T_latest"].value is None and "no network learns" in none["T_earliest"].reason

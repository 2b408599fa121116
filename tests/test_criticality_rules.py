"""Paper C's rules under an exact repeat, and the null that they rest on."""

from __future__ import annotations

import numpy as np
import pytest

from configurations import ROOT, checked, whole
from regrok.computations import cascade_null
from regrok.computations.parts.graphs import TOPOLOGIES
from regrok.judging.verdicts import verdict
from regrok.laws.parts import estimate as est
from regrok.study.claims import load_claims
from regrok.study.words import NOT_REPRODUCED, REPRODUCED

SPREAD = {
    "C2-before-held": 0.05,
    "C2-after-held": 0.05,
    "C5-size-held": 0.06,
    "C8-start-held": 0.09,
    "C8-dip-held": 0.08,
    "C8-crossing-held": 0.06,
    "C8-peak-held": 0.07,
    "C8-end-held": 0.05,
}
"""Standard deviation of D over groups of networks, each as large as the published sample, as first measured."""
WITHIN = np.array([0.0138, 0.0143, 0.0139, 0.0033, 0.0086])
"""The same of D of noise over groups of six graphs, of five topologies."""
GROUPS = {"laptop": 4, "paper": 30}


@pytest.fixture(scope="module")
def claims():
    return {each.id: each for each in load_claims(checked(whole()), ROOT / "studies").claims}


def words(claim, scale, made):
    return [verdict(claim.predicate[scale], each.as_json(), None, "")[0] for each in made]


@pytest.mark.parametrize("scale", sorted(GROUPS))
@pytest.mark.parametrize("name", SPREAD)
def test_an_exact_repeat_meets_the_rule_of_a_printed_exponent(claims, name, scale):
    claim, rng = claims[name], np.random.default_rng(1)

    def share(truth, word):
        drawn = truth + SPREAD[name] * rng.standard_normal((300, GROUPS[scale]))
        return np.mean([each == word for each in words(claim, scale, map(est.mean, drawn))])

    printed = claim.published.value
    assert share(printed, REPRODUCED) > 0.8
    assert share(printed + 0.3, NOT_REPRODUCED) > 0.8
    # The printed error of .02 does not fail it.
    assert share(printed + 0.02, REPRODUCED) > 0.8


def noise_of(centres, groups, rng):
    centres = np.asarray(centres)
    return centres[:, None] + WITHIN[:, None] * rng.standard_normal((len(centres), groups))


@pytest.mark.parametrize(("scale", "groups"), [("laptop", 5), ("paper", 30)])
def test_topologies_as_alike_as_printed_meet_the_rule_and_others_do_not(claims, scale, groups):
    claim, rng = claims["C6-alike-between"], np.random.default_rng(2)
    apart = np.array([-1.0, -0.5, 0.0, 0.5, 1.0]) / np.std([-1, -0.5, 0, 0.5, 1], ddof=1)

    def made(variation):
        return [
            cascade_null.between(noise_of(1 + variation * apart, groups, rng), i) for i in range(60)
        ]

    for alike in (0.0, claim.published.value):
        found = words(claim, scale, made(alike))
        assert np.mean([word == REPRODUCED for word in found]) > 0.8, alike
        assert NOT_REPRODUCED not in found
    assert np.mean([word == NOT_REPRODUCED for word in words(claim, scale, made(0.04))]) > 0.8


@pytest.mark.parametrize("variation", [0.0, 0.006, 0.03])
def test_the_interval_between_topologies_holds_what_was_planted(variation):
    rng, held = np.random.default_rng(3), 0
    for i in range(100):
        effects = rng.standard_normal(5)
        effects *= variation / effects.std(ddof=1)
        found = cascade_null.between(noise_of(1 + effects - effects.mean(), 5, rng), i)
        held += found.low <= variation <= found.high
    assert held >= 88


def test_the_variance_component_is_that_done_by_hand():
    D = np.array([[0.9, 1.1], [1.2, 1.4]])
    # Means 1.0 and 1.3, of variance .045; within .02, of which half is taken off.
    assert cascade_null.component(D) == pytest.approx(0.045 - 0.01)
    made = cascade_null.between(D, 1)
    assert made.value == pytest.approx(np.sqrt(0.035) / 1.15)
    assert cascade_null.between(np.array([[0.9, 1.1], [1.1, 0.9]]), 1).value == 0.0
    assert cascade_null.between(D[:1], 1).value is None
    assert cascade_null.between(D[:, :1], 1).value is None


def test_noise_gives_one_on_every_topology():
    few = {"widths": [20, 60], "seeds": 2, "groups": 4, "draws": 2}
    options = {**cascade_null.DEFAULTS, **few, "topologies": list(TOPOLOGIES)}
    made = [cascade_null.compute(options, seed)["estimates"] for seed in range(12)]
    found = made[0]
    assert {f"{name}.D" for name in TOPOLOGIES} | set(cascade_null.ESTIMATES[""]) == set(found)
    # Of D's intervals about as many hold one as they say.
    every = [each["D"] for each in made]
    assert sum(each.low < 1 < each.high for each in every) >= 10
    assert np.mean([each.value for each in every]) == pytest.approx(1.0, abs=0.02)
    assert found["first_wave_D"].value == pytest.approx(1.0, abs=0.05)
    assert 0 < found["later_share"].value < 0.6

"""The rule that turns intervals into verdicts."""

from __future__ import annotations

import dataclasses

import pytest

from regrok.errors import RegrokError
from regrok.judging import simultaneous
from regrok.judging.verdicts import criterion, judge
from regrok.laws.parts import estimate as est
from regrok.study.claims import Claims
from regrok.study.words import VERDICTS


def as_read(make):
    """The judge reads estimates from the fits' JSON."""
    return lambda *given: make(*given).as_json()


estimate, exact, missing, share = map(as_read, (est.estimate, est.exact, est.missing, est.share))

WITHIN = {"kind": "within", "target": 1.0, "tolerance": 0.1}
UP = {"estimand": "law.slope", "sign": "positive"}
POSITIVE, NEGATIVE = estimate(2.0, 1.0, 3.0, 5, ""), estimate(-2.0, -3.0, -1.0, 5, "")
UNCLEAR = estimate(0.1, -1.0, 1.0, 5, "")


def claims_of(**changes) -> Claims:
    claim = {
        "id": "X1",
        "origin": "printed",
        "place": "abstract",
        "statement": "It is so.",
        "published": {"value": 1.0, "text": "1"},
        "estimand": "law.value",
        "experiments": ["S1"],
        "predicate": {"laptop": WITHIN},
    } | changes
    papers = {"X": {"letter": "X", "arxiv": "0000.00000", "short": "x", "cite": "x"}}
    return Claims.model_validate({"papers": papers, "claims": [claim]})


def judged(predicate, found, direction=None, slope=POSITIVE, scale="laptop", ran=("S1",)):
    changes = {"predicate": {"laptop": predicate}}
    if direction:
        changes["direction"] = direction
    claim = claims_of(**changes).claims[0]
    return judge(claim, {"law.value": found, "law.slope": slope}, scale, set(ran))


def test_a_claim_is_judged_where_all_its_experiments_ran_and_not_on_a_part_of_them():
    claim = claims_of(experiments=["S1", "S2"]).claims[0]
    found = {"law.value": interval(0.95, 1.05)}
    judgements = [judge(claim, found, "laptop", ran) for ran in ({"S1"}, {"S1", "S2", "S3"})]
    assert [made["verdict"] for made in judgements] == [
        "out of scope at this scale",
        "reproduced",
    ]
    assert judgements[0]["reason"] == "no runs here of S2"


def test_what_rests_on_no_run_is_judged_where_it_was_computed():
    claim = claims_of(experiments=[], estimand="ranks.value").claims[0]
    made = judge(claim, {"law.value": interval(0.95, 1.05)}, "laptop", set())
    assert made["verdict"] == "out of scope at this scale"
    assert made["reason"] == "ranks was not computed here"
    made = judge(claim, {"ranks.value": interval(0.95, 1.05)}, "laptop", set())
    assert made["verdict"] == "reproduced"
    with pytest.raises(RegrokError, match=r"claim X1: no fit estimates 'ranks.value'"):
        judge(claim, {"ranks.other": interval(0.95, 1.05)}, "laptop", set())


def interval(low, high):
    return estimate((low + high) / 2, low, high, 5, "")


@pytest.mark.parametrize(
    ("predicate", "low", "high", "verdict"),
    [
        (WITHIN, 0.95, 1.05, "reproduced"),
        (WITHIN, 0.90, 1.10, "reproduced"),  # both edges met
        (WITHIN, 0.85, 1.05, "inconclusive"),
        (WITHIN, 0.50, 2.00, "inconclusive"),
        (WITHIN, 1.20, 1.30, "not reproduced"),
        ({"kind": "within", "target": -1.0, "tolerance_relative": 0.2}, -1.1, -0.9, "reproduced"),
        (
            {"kind": "within", "target": -1.0, "tolerance_relative": 0.2},
            -0.7,
            -0.5,
            "not reproduced",
        ),
        ({"kind": "within", "target": 9.0, "tolerance_factor": 1.5}, 6.0, 13.5, "reproduced"),
        ({"kind": "within", "target": 9.0, "tolerance_factor": 1.5}, 5.9, 13.5, "inconclusive"),
        ({"kind": "at_least", "bound": 0.97}, 0.97, 0.99, "reproduced"),
        ({"kind": "at_least", "bound": 0.97}, 0.96, 0.99, "inconclusive"),
        ({"kind": "at_least", "bound": 0.97}, 0.90, 0.96, "not reproduced"),
        ({"kind": "at_most", "bound": 0.35}, 0.20, 0.35, "reproduced"),
        ({"kind": "at_most", "bound": 0.35}, 0.20, 0.36, "inconclusive"),
        ({"kind": "at_most", "bound": 0.35}, 0.36, 0.50, "not reproduced"),
        ({"kind": "sign", "sign": "positive"}, 0.01, 2.0, "reproduced"),
        ({"kind": "sign", "sign": "positive"}, 0.0, 2.0, "inconclusive"),
        ({"kind": "sign", "sign": "negative"}, 0.01, 2.0, "not reproduced"),
        ({"kind": "sign", "sign": "negative"}, -2.0, -0.01, "reproduced"),
    ],
)
def test_bands(predicate, low, high, verdict):
    assert judged(predicate, interval(low, high))["verdict"] == verdict


@pytest.mark.parametrize(
    ("slope", "verdict"),
    [
        (POSITIVE, "reproduced in direction only"),
        (NEGATIVE, "not reproduced"),
        (UNCLEAR, "not reproduced"),
        (missing("none"), "not reproduced"),
        (estimate(2.0, None, None, 1, ""), "not reproduced"),
    ],
)
def test_direction_counts_only_outside_the_band_and_only_when_its_interval_is_clear(slope, verdict):
    assert judged(WITHIN, interval(1.2, 1.3), UP, slope)["verdict"] == verdict
    assert judged(WITHIN, interval(1.05, 1.3), UP, slope)["verdict"] == "inconclusive"
    assert judged(WITHIN, interval(0.95, 1.05), UP, slope)["verdict"] == "reproduced"


def test_a_rule_about_the_direction_alone_never_reproduces_the_number():
    other = WITHIN | {"direction_only": True}
    entry = judged(other, interval(0.95, 1.05))
    assert entry["verdict"] == "reproduced in direction only" and "regime" in entry["reason"]
    assert judged(other, interval(1.05, 1.3))["verdict"] == "inconclusive"
    assert judged(other, interval(1.2, 1.3))["verdict"] == "not reproduced"
    none = {"kind": "all_equal", "target": 0, "minimum_runs": 5, "direction_only": True}
    assert judged(none, share(0, 5))["verdict"] == "reproduced in direction only"
    assert judged(none, share(5, 5))["verdict"] == "not reproduced"


@pytest.mark.parametrize(
    ("target", "count", "n", "verdict"),
    [
        (0, 0, 5, "reproduced"),
        (0, 0, 4, "inconclusive"),
        (0, 1, 10, "reproduced in direction only"),
        (0, 6, 10, "inconclusive"),
        (0, 9, 10, "not reproduced"),
        (1, 15, 15, "reproduced"),
        (1, 14, 15, "reproduced in direction only"),
        (1, 1, 15, "not reproduced"),
        (
            1,
            11,
            20,
            "inconclusive",
        ),  # a bare majority is no direction: Wilson's interval is .34 to .74
        (1, 5, 12, "inconclusive"),  # nor is its absence a refutation: .19 to .68
        (1, 1, 2, "inconclusive"),
    ],
)
def test_all_equal(target, count, n, verdict):
    predicate = {"kind": "all_equal", "target": target, "minimum_runs": 5}
    assert judged(predicate, share(count, n))["verdict"] == verdict


@pytest.mark.parametrize(
    ("target", "count", "n", "verdict"),
    [
        (0.8, 4, 5, "reproduced"),
        (0.8, 3, 5, "reproduced"),
        (0.8, 2, 5, "inconclusive"),  # Wilson's interval is .12 to .77: not .8, and one half
        (0.8, 0, 5, "not reproduced"),
        (0.6, 2, 5, "inconclusive"),  # 0.6 lies in the interval, the majority does not
        (0.8, 4, 4, "inconclusive"),  # fewer than five runs
        (0.6, 50, 50, "reproduced in direction only"),
        (0.8, 5, 50, "not reproduced"),
    ],
)
def test_proportion(target, count, n, verdict):
    predicate = {"kind": "proportion", "target": target, "minimum_runs": 3}
    assert judged(predicate, share(count, n))["verdict"] == verdict


@pytest.mark.parametrize(
    ("theirs", "count", "n", "verdict"),
    [
        (3, 3, 5, "reproduced"),
        (3, 4, 5, "reproduced"),
        (
            3,
            0,
            5,
            "inconclusive",
        ),  # Fisher's p is .17: three of five and none of five may be one share
        (3, 0, 40, "not reproduced"),  # p = .0005
        (3, 40, 40, "reproduced in direction only"),
        (5, 1, 20, "not reproduced"),
        (0, 1, 5, "inconclusive"),  # one of five does not contradict none of five, nor is it none
    ],
)
def test_a_published_share_is_a_sample_too(theirs, count, n, verdict):
    predicate = {"kind": "proportion", "target": theirs / 5, "minimum_runs": 5, "published_runs": 5}
    assert judged(predicate, share(count, n))["verdict"] == verdict


@pytest.mark.parametrize(
    ("rule", "low", "high", "verdict"),
    [
        ({"target": 1.0, "factor": 1.5}, 0.8, 1.3, "reproduced"),
        ({"target": 1.0, "factor": 1.5}, 0.6, 1.3, "inconclusive"),  # holds it, and too much beside
        ({"target": 1.0, "factor": 1.5}, 1.1, 1.3, "not reproduced"),
        ({"target": 1.0, "factor": 1.5}, 1.01, 9.0, "not reproduced"),
        ({"target": 0.0, "precision": 0.2}, -0.1, 0.2, "reproduced"),
        ({"target": 0.0, "precision": 0.2}, -0.1, 0.3, "inconclusive"),
    ],
)
def test_an_interval_that_holds_a_number_has_to_be_precise(rule, low, high, verdict):
    assert judged({"kind": "holds", **rule}, interval(low, high))["verdict"] == verdict


def test_runs_that_do_not_exist_have_a_verdict_of_their_own():
    none = est.absent("no run of λ = 5 memorised").as_json()
    entry = judged(WITHIN, none, UP)
    assert (entry["verdict"], entry["reason"]) == ("no such run here", "no run of λ = 5 memorised")
    assert judged({"kind": "all_equal", "target": 1, "minimum_runs": 5}, none)["verdict"] == (
        "no such run here"
    )


def test_no_estimate_is_inconclusive_with_its_reason():
    for predicate in (WITHIN, {"kind": "all_equal", "target": 1, "minimum_runs": 5}):
        entry = judged(predicate, missing("no run grokked"))
        assert (entry["verdict"], entry["reason"]) == ("inconclusive", "no run grokked")


def test_no_interval_is_inconclusive_and_one_open_end_is_infinite():
    assert judged(WITHIN, estimate(1.0, None, None, 1, ""))["verdict"] == "inconclusive"
    at_least = {"kind": "at_least", "bound": 0.5}
    assert judged(at_least, estimate(1.0, 0.9, None, 5, ""))["verdict"] == "reproduced"
    assert judged(WITHIN, estimate(1.0, 0.95, None, 5, ""))["verdict"] == "inconclusive"


def test_a_count_is_judged_exactly():
    predicate = {"kind": "within", "target": 293.0, "tolerance": 0.0}
    assert judged(predicate, exact(293, 293, ""))["verdict"] == "reproduced"
    assert judged(predicate, exact(284, 284, ""))["verdict"] == "not reproduced"


def test_out_of_scope_without_a_predicate_or_without_runs():
    assert judged(WITHIN, interval(1, 1), scale="paper")["verdict"] == VERDICTS[-1]
    entry = judged(WITHIN, interval(1, 1), ran=("S2",))
    assert (entry["verdict"], entry["value"]) == (VERDICTS[-1], None)


def among_choices(*ends, own=(0.95, 1.05), together=1):
    """Judged where the paper leaves choices open, with these intervals."""
    claim = claims_of(choices="law.open").claims[0]
    chosen = tuple(((low + high) / 2, low, high) for low, high in ends)
    every = dataclasses.replace(est.estimate(1.0, 0.9, 1.1, 5, ""), choices=chosen).as_json()
    estimates = {"law.value": interval(*own), "law.open": every}
    if together > 1:
        return simultaneous.together(claim, estimates, "laptop", {"S1"}, together)
    return judge(claim, estimates, "laptop", {"S1"})


def test_choices_that_a_paper_leaves_open_may_decide_otherwise_and_then_it_does_not_say():
    entry = among_choices((0.95, 1.05), (2.0, 3.0), (0.0, 3.0))
    assert entry["verdict"] == "underspecified" and entry["value"] == 1.0
    assert entry["reason"] == (
        "1 to 2.5 over 3 choices that the paper leaves open: 1 meet the criterion, 1 contradict it"
    )
    assert entry["range"] == {"low": 1.0, "high": 2.5, "choices": 3, "met": 1, "contradicted": 1}
    # Where the default contradicts the criterion the answer is the same.
    assert among_choices((0.95, 1.05), (2.0, 3.0), own=(2.0, 3.0))["verdict"] == "underspecified"


def test_choices_that_do_not_contradict_each_other_leave_the_verdict():
    assert among_choices((0.95, 1.05), (0.0, 3.0))["verdict"] == "reproduced"
    assert among_choices((2.0, 3.0), (0.0, 3.0), own=(2.0, 3.0))["verdict"] == "not reproduced"
    assert among_choices()["verdict"] == "reproduced"


def test_choices_are_widened_with_the_claims_beside_them():
    assert among_choices((0.95, 1.05), (1.11, 3.0))["verdict"] == "underspecified"
    # At once with a hundred others the second interval reaches the criterion, and contradicts it no longer.
    assert among_choices((0.99, 1.01), (1.11, 3.0), own=(0.99, 1.01), together=100) == "reproduced"


def test_choices_come_back_from_json():
    found = dataclasses.replace(est.estimate(1.0, 0.9, 1.1, 5, ""), choices=((1.0, 0.9, None),))
    assert found.as_json()["choices"] == [{"value": 1.0, "low": 0.9, "high": None}]
    assert est.Estimate.from_json(found.as_json()) == found


def test_every_verdict_can_be_reached():
    reached = {
        judged(WITHIN, interval(0.95, 1.05))["verdict"],
        judged(WITHIN, interval(2, 3), UP)["verdict"],
        judged(WITHIN, interval(2, 3))["verdict"],
        judged(WITHIN, interval(0, 3))["verdict"],
        among_choices((0.95, 1.05), (2.0, 3.0))["verdict"],
        judged(WITHIN, est.absent("nothing memorised").as_json())["verdict"],
        judged(WITHIN, interval(1, 1), ran=())["verdict"],
    }
    assert reached == set(VERDICTS)


def test_an_estimand_that_no_fit_has_is_an_error_with_the_nearest():
    claim = claims_of(estimand="law.vaule").claims[0]
    with pytest.raises(RegrokError, match=r"X1.*law\.vaule.*law\.value"):
        judge(claim, {"law.value": interval(1, 1)}, "laptop", {"S1"})


def test_criteria_in_words():
    def of(**predicate):
        return criterion(claims_of(predicate={"laptop": predicate}).claims[0].predicate["laptop"])

    assert of(kind="within", target=1.0, tolerance=0.1) == "0.9 to 1.1"
    assert of(kind="within", target=293.0, tolerance=0.0) == "exactly 293"
    assert of(kind="at_least", bound=0.97) == "at least 0.97"
    assert of(kind="sign", sign="negative") == "below 0"
    assert of(kind="all_equal", target=0, minimum_runs=5) == "no run, of at least 5"

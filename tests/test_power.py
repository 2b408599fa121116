"""How often an exact repeat of a published experiment meets a rule."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from regrok.errors import RegrokError
from regrok.judging.power import power, refuse_powerless
from regrok.judging.simultaneous import wilson
from regrok.laws.parts import estimate as est
from regrok.study.claims import Claim, load_claims
from regrok.study.read import load_config

ROOT = Path(__file__).parents[1]


def claim(predicate: dict, corrected: dict | None = None, **published) -> Claim:
    return Claim.model_validate(
        {
            "id": "X1",
            "origin": "printed",
            "place": "Table 1",
            "statement": "It is so.",
            "published": {"value": None, "text": "so", **published},
            "estimand": "law.value",
            "experiments": ["S1"],
            "predicate": {"paper": predicate},
            "corrected": corrected,
        }
    )


def chance(predicate: dict, **published) -> float | None:
    made = claim(predicate, **published)
    return power(made, made.predicate["paper"])


def sample(mean: float, sd: float, runs: int) -> dict[str, float]:
    return {"mean": mean, "sd": sd, "runs": runs}


def factor(target: float, by: float) -> dict:
    return {"kind": "within", "target": target, "tolerance_factor": by}


def test_a_band_around_a_mean_is_met_when_the_interval_fits_into_it():
    """An independent audit has .00, .07, .10 and 1.00 for these four rules of paper B, and .12 for the ratio."""
    transformer, mlp = sample(50800, 22565, 5), sample(45600, 5550, 5)
    for found, expected in (
        (chance(factor(72000, 1.5), samples=[sample(72000, 85536, 4)]), 0.00),
        (chance(factor(33333, 1.5), samples=[sample(33333, 12858, 3)]), 0.07),
        (chance(factor(50800, 1.5), samples=[transformer]), 0.10),
        (chance(factor(45600, 1.5), samples=[mlp]), 1.00),
        (chance(factor(1.11, 1.5), samples=[transformer, mlp]), 0.12),
    ):
        assert found == pytest.approx(expected, abs=0.02)


def test_two_samples_of_one_truth_agree_in_nineteen_of_twenty_cases_if_the_precision_allows():
    holds = {"kind": "holds", "target": 1, "factor": 100}
    assert chance(holds, samples=[sample(1000, 300, 10)]) > 0.95
    assert chance({**holds, "factor": 1.05}, samples=[sample(1000, 300, 10)]) == 0


def test_a_share_is_a_sum_over_its_counts():
    three_of_five = {"kind": "proportion", "target": 0.6, "minimum_runs": 5, "published_runs": 5}
    majority = sum(math.comb(5, k) * 0.6**k * 0.4 ** (5 - k) for k in (3, 4, 5))
    assert chance(three_of_five) == pytest.approx(majority)
    every = {"kind": "all_equal", "target": 1, "minimum_runs": 5}
    assert chance(every, runs=5) == 1
    assert chance(every, runs=3) == 0  # the rule of shares asks for five


@pytest.mark.parametrize("n", [1, 5, 9, 40])
def test_the_interval_of_a_share_is_that_of_the_laws(n):
    for count in range(n + 1):
        made = est.share(count, n)
        found = wilson(count / n, n, est.LEVEL)
        assert found == pytest.approx((made.low, made.high), abs=1e-12)


def test_without_the_published_samples_nothing_is_said():
    assert chance(factor(72000, 1.5)) is None


def test_a_rule_that_cannot_be_met_is_refused_with_its_name_unless_it_was_corrected():
    hopeless = {"samples": [sample(50800, 22565, 5)]}
    with pytest.raises(RegrokError, match=r"(?s)X1: predicate\.paper: .* \d+ of 100 cases"):
        refuse_powerless([claim(factor(50800, 1.5), **hopeless)])
    refuse_powerless([claim(factor(50800, 4), **hopeless)])
    why = {"date": "2026-01-31", "by": ["X2"], "why": "no repeat could have met it"}
    refuse_powerless([claim(factor(50800, 1.5), why, **hopeless)])


def test_the_two_sample_rules_of_paper_b_are_met_by_an_exact_repeat():
    """In four of five cases, where the bands that they replace were met in none to one of ten (but for one of them)."""
    config = load_config(ROOT / "config.yaml", {"scale": "paper"})
    rules = {
        claim.id: power(claim, claim.predicate["paper"])
        for claim in load_claims(config, ROOT / "studies").claims
        if claim.letter == "B" and claim.published.samples
    }
    assert len(rules) > 15
    assert {name for name, chance in rules.items() if chance < 0.8} == set()

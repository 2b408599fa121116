"""Runs that did not grok count by what is known of them: a lower bound of a product, nothing of a sign."""

import math

import numpy as np
import pytest

from planted import fit, make_run
from regrok.errors import RegrokError
from regrok.judging.verdicts import verdict
from regrok.laws import constancy, parity, scaling, signs
from regrok.study.predicates import AllEqual, AtMost, Within

FACTOR = "learning_rate_times_weight_decay"
CONSTANT = AtMost(kind="at_most", bound=0.25)
MEAN = Within(kind="within", target=9.58, tolerance_relative=0.2)
EVERY = AllEqual(kind="all_equal", target=1, minimum_runs=5)


def word(predicate, found):
    return verdict(predicate, found.as_json(), None, "")[0]


def joint(open_steps):
    """Products of 1.5 to 2.1 in six cells, three seeds each; at λ = 2 no run of two cells groks by `open_steps`."""
    rows = []
    for eta in (2e-3, 1e-3, 5e-4):
        for lam in (0.5, 1.0):
            for seed, product in enumerate((1.5, 1.8, 2.1)):
                T_grok = 25 * round(product / (eta * lam) / 25)
                rows.append(
                    make_run(200, T_grok - 200, seed=seed, learning_rate=eta, weight_decay=lam)
                )
    for eta in (2e-3, 1e-3):
        rows += [
            make_run(delay=math.nan, seed=s, learning_rate=eta, weight_decay=2.0, steps=steps)
            for s, steps in enumerate(open_steps)
        ]
    return rows


def both(rows):
    options = {"factor": FACTOR, "replicates": 500}
    old = fit(scaling, rows, **options, survival=False)["estimates"]
    return old, fit(constancy, rows, **options)["estimates"]


def test_constancy_is_refuted_by_the_runs_that_did_not_finish():
    old, new = both(joint([8000, 8000, 4000]))
    assert word(CONSTANT, old["T_grok.product_cv"]) == "reproduced"
    found = new["variation_at_least"]
    assert word(CONSTANT, found) == "not reproduced"
    # Above 32, 32, 16, 16, 16 and 8: it is least where the last four are 21.9, Σx²/Σx over the others.
    x = np.array([1.5, 1.8, 2.1] * 6 + [32, 32] + [21.9] * 4)
    assert found.value == pytest.approx(x.std(ddof=1) / x.mean(), rel=0.01)
    assert found.high is None and found.n == 24 and "6 of 24 runs did not grok" in found.note


def test_a_mean_is_not_refuted_by_the_runs_that_happened_to_finish():
    old, new = both(joint([8000, 8000, 4000]))
    assert word(MEAN, old["T_grok.product_mean"]) == "not reproduced"
    found = new["mean_at_least"]
    assert found.value == pytest.approx((1.8 * 18 + 120) / 24, rel=0.02) and found.high is None
    assert word(MEAN, found) == "inconclusive"


def test_a_lower_bound_above_the_band_refutes_it():
    _, new = both(joint([400_000] * 3))
    assert word(MEAN, new["mean_at_least"]) == "not reproduced"


def test_open_runs_that_may_still_agree_leave_constancy_open():
    old, new = both(joint([300, 200, 100]))
    found = new["variation_at_least"]
    assert found.value < 0.25 and found.high is None
    assert word(CONSTANT, old["T_grok.product_cv"]) == "reproduced"
    assert word(CONSTANT, found) == "inconclusive"


def test_without_open_runs_both_estimates_are_the_old_ones():
    rows = [row for row in joint([100]) if math.isfinite(row["T_grok"])]
    old, new = both(rows)
    for ours, theirs in (("mean_at_least", "product_mean"), ("variation_at_least", "product_cv")):
        a, b = new[ours], old[f"T_grok.{theirs}"]
        assert (a.value, a.low, a.high) == pytest.approx((b.value, b.low, b.high), rel=1e-9)
    assert word(CONSTANT, new["variation_at_least"]) == "reproduced"


def test_least_variation_is_that_of_the_best_completion():
    rng = np.random.default_rng(0)
    for _ in range(20):
        x, finished = rng.lognormal(0, 1, 5), np.array([True, True, True, False, False])
        levels = np.linspace(0, 6 * x.max(), 250)
        a, b = np.meshgrid(np.maximum(levels, x[3]), np.maximum(levels, x[4]))
        every = np.stack([np.full_like(a, v) for v in x[:3]] + [a, b], axis=-1)
        brute = (every.std(-1, ddof=1) / every.mean(-1)).min()
        assert float(constancy.least_variation(x, finished)) == pytest.approx(brute, abs=0.01)
        assert float(constancy.least_variation(x, finished)) <= brute + 1e-12


def test_a_factor_that_the_time_is_not_inverse_in_is_refused():
    with pytest.raises(RegrokError, match=r"escape_theory.*weight_decay"):
        fit(constancy, joint([100]), factor="escape_theory")


GROUPS = {
    "abundant": {"within": {"train_size": [25_000, 25_000]}},
    "scarce": {"within": {"train_size": [600, 1500]}},
}
COMMON = {"task": "sparse_parity", "log_every": 10}
ABUNDANT = {**COMMON, "train_size": 25_000, "V_mem": 112.0, "V_final": 126.0}
SCARCE = {**COMMON, "train_size": 1000, "V_mem": 300.0, "V_final": 200.0}


def parities(rows, law):
    return fit(law, rows, groups=GROUPS)["estimates"]


def test_a_delay_of_one_logging_step_is_compatible_with_none():
    rows = [make_run(120, 0, seed=s, **ABUNDANT) for s in range(8)]
    rows += [make_run(120, 10, seed=8, **ABUNDANT)]
    old, new = (parities(rows, law)["abundant.no_delay_share"] for law in (parity, signs))
    assert word(EVERY, old) == "reproduced in direction only" and word(EVERY, new) == "reproduced"
    late = [*rows, make_run(120, 20, seed=9, **ABUNDANT)]
    assert parities(late, signs)["abundant.no_delay_share"].value == pytest.approx(9 / 10)


def test_a_run_that_generalises_without_memorising_is_not_delayed():
    run = make_run(120, 10, seed=1, **ABUNDANT)
    run |= {"T_mem": math.nan, "T_mem_99_previous": math.nan, "V_mem": math.nan, "delay": math.nan}
    found = parities([run], signs)
    assert found["abundant.no_delay_share"].value == 1
    assert found["abundant.sign_agreement_share"].n == 0


def test_runs_that_never_grokked_are_no_counter_examples():
    rows = [make_run(delay=2000.0 * 2**s, seed=s, **SCARCE) for s in range(5)]
    # Stopped while they still memorise, their norm still above what it was.
    still = {**SCARCE, "V_final": 320.0, "steps": 20_000}
    rows += [make_run(delay=math.nan, seed=s, **still) for s in range(5, 12)]
    old, new = (parities(rows, law) for law in (parity, signs))
    key = "scarce.sign_agreement_share"
    assert (old[key].value, old[key].n) == (5 / 12, 12)
    assert word(EVERY, old[key]) != "reproduced" and word(EVERY, new[key]) == "reproduced"
    assert new[key].n == 5 and "7 of 12 runs did not grok: unresolved" in new[key].note
    assert new["scarce.resolved_share"].value == pytest.approx(5 / 12)


def test_a_resolved_run_of_the_wrong_sign_counts_against():
    rows = [make_run(delay=2000, seed=s, **SCARCE) for s in range(4)]
    rows += [make_run(delay=2000, seed=4, **{**SCARCE, "V_final": 400.0})]
    found = parities(rows, signs)["scarce.sign_agreement_share"]
    assert found.value == pytest.approx(4 / 5) and word(EVERY, found) != "reproduced"


def test_the_mean_delay_has_no_negative_end():
    rows = [make_run(delay=d, seed=s, **SCARCE) for s, d in enumerate((150.0, 300.0, 9000.0))]
    old, new = (parities(rows, law) for law in (parity, signs))
    assert old["scarce.delay_mean"].low < 0 < new["scarce.delay_geometric_mean"].low
    assert new["scarce.delay_geometric_mean"].value == pytest.approx((150 * 300 * 9000) ** (1 / 3))

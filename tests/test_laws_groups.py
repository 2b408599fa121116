"""Shares, signs, ratios and counts of groups of runs."""

import math

import numpy as np
import pandas as pd
import pytest

from planted import NOTHING, exponential_curve, fit, make_run
from regrok.errors import RegrokError
from regrok.judging.verdicts import verdict
from regrok.laws import cells, comparison, escape, optimisers, parity, regimes, spectral, summary
from regrok.runs.frames import Frames
from regrok.study.predicates import AllEqual
from regrok.study.words import INCONCLUSIVE, NOT_REPRODUCED

NEVER = {"T_mem": math.nan, "delay": math.nan}
CENSORED = {"delay": math.nan}


def test_regimes_count_runs_in_their_range_of_weight_decay():
    rows = [make_run(weight_decay=0.01, seed=s, **CENSORED) for s in range(3)]
    rows += [
        make_run(weight_decay=lam, seed=s, delay=1000 / lam) for lam in (0.1, 1) for s in (0, 1)
    ]
    rows += [make_run(weight_decay=5.0, seed=s, **NEVER) for s in range(2)]
    ranges = {"one": [0.0, 0.01], "two": [0.1, 1.0], "three": [2.0, 5.0]}
    found = fit(regimes, rows, regimes=ranges)["estimates"]
    assert (found["one.grokked_share"].value, found["one.memorised_share"].value) == (0, 1)
    assert found["two.grokked_share"].value == 1
    assert found["two.grokked_share"].n == 4
    assert found["three.memorised_share"].value == 0
    assert found["three.grokked_given_memorised_share"].value is None
    assert found["fastest_weight_decay"].value == 1.0


def test_fastest_is_uncertain_between_two_equal_values():
    rng = np.random.default_rng(1)
    rows = [
        make_run(weight_decay=lam, seed=s, delay=1000 + 100 * rng.normal())
        for lam in (1.0, 2.0)
        for s in range(6)
    ]
    found = fit(regimes, rows, regimes={})["estimates"]["fastest_weight_decay"]
    assert (found.low, found.high) == (1.0, 2.0)


def test_optimisers_tell_failing_to_memorise_from_failing_to_generalise():
    rows = [make_run(optimiser="sgd", seed=s, outcome="collapsed", **NEVER) for s in range(4)]
    near = {"optimiser": "sgd", "learning_rate": 0.1, **CENSORED}
    rows += [make_run(seed=s, validation_accuracy_max=0.3 + 0.3 * s, **near) for s in range(2)]
    rows += [make_run(seed=s) for s in range(3)]
    groups = {"sgd": {"within": {"optimiser": "sgd"}}, "adamw": {"within": {"optimiser": "adamw"}}}
    made = fit(optimisers, rows, groups=groups)
    found = made["estimates"]
    assert found["sgd.grokked_share"].value == 0
    assert found["sgd.memorised_share"].value == pytest.approx(2 / 6)
    assert found["sgd.grokked_given_memorised_share"].n == 2
    assert found["sgd.outcome.collapsed"].value == 4
    assert found["adamw.grokked_share"].value == 1
    assert found["sgd.validation_accuracy_unfinished"].value == pytest.approx(0.6)
    assert found["adamw.validation_accuracy_unfinished"].value is None
    assert sorted(c["outcome"] for c in made["cells"]) == ["collapsed", "grokked", "memorised only"]


def test_of_runs_that_memorised_and_stayed_finite_all_grok():
    """Half of those that memorised diverged: "no SGD run groks" was refuted by a share of one half, not of all."""
    sgd = {"optimiser": "sgd", "learning_rate": 1.0}
    rows = [make_run(seed=s, **sgd) for s in range(6)]
    rows += [make_run(seed=s, outcome="diverged", **sgd, **CENSORED) for s in range(6, 12)]
    rows += [make_run(seed=s, outcome="diverged", **sgd, **NEVER) for s in range(12, 14)]
    found = fit(optimisers, rows, groups={"sgd": {}})["estimates"]
    old, new = (found[f"sgd.grokked_given_{key}_share"] for key in ("memorised", "finite"))
    assert (old.value, old.n) == (0.5, 12)
    assert (new.value, new.n) == (1, 6)
    assert new.note == "6 of 6; of 12 that memorised, 6 diverged and 0 collapsed"
    assert found["sgd.diverged_share"].value == 8 / 14
    every = AllEqual(kind="all_equal", target=0, minimum_runs=5)
    assert verdict(every, old.as_json(), None, "")[0] == INCONCLUSIVE
    assert verdict(every, new.as_json(), None, "")[0] == NOT_REPRODUCED


def test_a_misspelt_group_key_is_refused():
    with pytest.raises(RegrokError, match="wihtin"):
        fit(optimisers, [make_run()], groups={"all": {"wihtin": {}}})


def test_parity_signs():
    abundant = {"task": "sparse_parity", "train_size": 25_000, "V_mem": 140.0, "V_final": 230.0}
    scarce = {"task": "sparse_parity", "train_size": 1000, "V_mem": 300.0, "V_final": 200.0}
    rows = [make_run(T_mem=200, delay=0, seed=1, **abundant)]
    rows += [make_run(T_mem=320, delay=-120, seed=2, **abundant)]
    rows += [make_run(delay=5000, seed=1, **scarce), make_run(seed=2, **scarce, **CENSORED)]
    rows += [make_run(delay=5000, seed=3, **{**scarce, "V_final": 400.0})]
    groups = {
        "abundant": {"within": {"train_size": [25_000, 25_000]}},
        "scarce": {"within": {"train_size": [600, 1500]}},
    }
    found = fit(parity, rows, groups=groups)["estimates"]
    assert found["abundant.no_delay_share"].value == 1
    assert found["abundant.inverted_norm_share"].value == 1
    assert found["abundant.sign_agreement_share"].value == 1
    assert found["scarce.no_delay_share"].value == 0
    assert found["scarce.sign_agreement_share"].value == pytest.approx(2 / 3)
    assert found["abundant.delay_mean"].value == -60


def test_escape_of_an_exact_exponential():
    """V falls from 3,000 to V_final as it decays freely: the delay is set to T_esc_th, so the prefactor is one."""
    theory = math.log(10) / 2e-3
    rows = [make_run(delay=theory, seed=s) for s in (1, 2, 3)]
    curves = pd.concat(
        exponential_curve(r["run_id"], 3000, math.exp(-2e-3), 0, 800, 4000) for r in rows
    )
    found = fit(escape, rows, curves)["estimates"]
    assert found["delay_over_theory"].value == pytest.approx(1)
    # V ≤ 1.5·V_final is reached log(1.5)/(2ηλ) earlier, up to one logging step.
    expected = math.log(10 / 1.5) / math.log(10)
    assert found["escape_over_theory"].value == pytest.approx(expected, abs=25 / theory)


def test_ratio_of_two_groups():
    rows = [make_run(delay=d, seed=i, activation="relu") for i, d in enumerate((3000, 5000))]
    rows += [make_run(delay=d, seed=i, cell="g") for i, d in enumerate((900, 1000, 1100))]
    groups = {
        "relu": {"within": {"activation": "relu"}},
        "gelu": {"within": {"activation": "gelu"}},
    }
    ratios = {"relu_over_gelu": ["relu", "gelu"]}
    found = fit(comparison, rows, groups=groups, ratios=ratios)["estimates"]
    assert found["relu_over_gelu.delay_ratio"].value == pytest.approx(4)
    assert found["relu_over_gelu.log_delay_ratio"].value == pytest.approx(math.log(4))
    spread = math.sqrt(2) * 1000 / 100
    assert found["relu_over_gelu.spread_ratio"].value == pytest.approx(spread)


def test_ratio_interval_covers_near_nominally():
    rng, hits = np.random.default_rng(8), 0
    for _ in range(400):
        a, b = rng.normal(1000, 150, 5), rng.normal(500, 30, 5)
        found, _log = comparison.ratio(a, b)
        hits += found.low <= 2 <= found.high
    assert 0.92 <= hits / 400 <= 0.98


def test_cells_hold_every_run_once():
    rows = [make_run(weight_decay=lam, seed=s) for lam in (0.5, 1.0) for s in range(3)]
    rows += [make_run(weight_decay=1.0, seed=9, **CENSORED)]
    made = fit(cells, rows)
    assert sorted(c["runs"] for c in made["cells"]) == [3, 4]
    four = next(c for c in made["cells"] if c["runs"] == 4)
    assert four["outcomes"] == {"grokked": 3, "memorised only": 1}
    assert four["T_grok"].value == 1800


def test_summary_counts_add_up_and_double_use_counts_twice_for_the_published_grids():
    runs = pd.DataFrame([make_run(seed=s) for s in range(3)] + [make_run(seed=7, **CENSORED)])
    once = runs[["run_id", "cell"]].assign(experiment="S1", arm="all")
    twice = pd.concat([once, once.head(2).assign(experiment="S6")])
    frames = Frames(runs, NOTHING, twice, NOTHING)
    found = summary.fit(frames, {"published": ["S1", "S6"]}, 0)["estimates"]
    assert found["runs"].value == 4
    assert found["published_grid_runs"].value == 6
    assert found["published_distinct_runs"].value == 4
    outcomes = sum(v.value for k, v in found.items() if k.startswith("outcome."))
    assert outcomes == 4
    assert found["censored"].value == 1


def test_support_is_the_smallest_set_that_holds_99_percent():
    power = np.array([0.0, 50, 0.4, 30, 0.6, 19])
    assert spectral.support(power).tolist() == [1, 3, 5]
    assert spectral.support(np.ones(10)).size == 10


def spectral_study(slope=12.0, outlier=0.0):
    """Runs whose gap is `slope`·R before T_grok = 3,000, with R falling and all power in two lines after it."""
    runs, curves, spectra = [], [], []
    for seed in range(4):
        run = make_run(T_mem=800, delay=2200, seed=seed)
        runs.append(run)
        step = np.arange(0, 8001, 100)
        R = np.where(step < 3000, 0.9 - step / 5000 + 0.02 * seed, 0.0)
        loss = 0.1 + slope * R
        loss[5] += outlier
        curves.append(
            pd.DataFrame({"run_id": run["run_id"], "step": step, "validation_loss": loss, "V": 1.0})
        )
        for s, r in zip(step, R, strict=True):
            power = np.full(11, r / 9)
            power[[3, 5 + seed]] = (1 - r) / 2
            spectra.append(
                pd.DataFrame(
                    {
                        "run_id": run["run_id"],
                        "step": s,
                        "kind": "fourier_high",
                        "index": np.arange(11),
                        "power": power,
                    }
                )
            )
    return pd.DataFrame(runs), pd.concat(curves), pd.concat(spectra)


@pytest.mark.parametrize("outlier", [0.0, 40.0])
def test_spectral_lines_recover_the_planted_slope(outlier):
    runs, curves, spectra = spectral_study(outlier=outlier)
    members = runs[["run_id", "cell"]].assign(experiment="S4", arm="all")
    options = {"replicates": 50, "robust_replicates": 20}
    made = spectral.fit(Frames(runs, curves, members, spectra), options, 0)
    found = made["estimates"]
    assert found["high.support_size"].value == 2
    assert found["high.robust_slope"].value == pytest.approx(12, rel=0.01 if outlier else 1e-6)
    if outlier:
        assert found["high.r_squared"].value < 0.8 < found["high.robust_r_squared"].value
    else:
        assert found["high.r_squared"].value == pytest.approx(1)
    # Points end 500 steps before T_grok.
    assert max(p["step"] for p in made["points"] if p["used"]) == 2400
    assert found["low.slope"].value is None

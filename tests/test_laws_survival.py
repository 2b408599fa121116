"""Censored times: planted coefficients recovered, hand-computed Kaplan–Meier, the naive estimator's bias."""

import math

import numpy as np
import pandas as pd
import pytest

from planted import fit, make_run
from regrok.laws import censoring_bias, survival
from regrok.laws.parts import lifetimes


def planted_study(censored, seed=0, seeds=6, noise=0.2):
    """delay = 1.5·η^−1·λ^−1·L·ε, stopped at a budget that censors this share."""
    rng = np.random.default_rng(seed)
    rows = []
    for eta in (5e-4, 1e-3, 2e-3):
        for lam in (0.3, 1.0):
            for ratio in (3.0, 12.0):
                for s in range(seeds):
                    delay = 0.5 / (eta * lam) * math.log(ratio) * rng.weibull(1 / noise)
                    rows.append((eta, lam, ratio, s, delay))
    budget = np.quantile([r[-1] for r in rows], 1 - censored) if censored else math.inf
    made = []
    for eta, lam, ratio, s, delay in rows:
        logged = 25 * math.ceil(delay / 25)
        late = logged > budget
        stop = {"steps": 800 + 25 * math.floor(budget / 25)} if late else {}
        made.append(
            make_run(
                delay=math.nan if late else logged,
                seed=s,
                learning_rate=eta,
                weight_decay=lam,
                V_mem=300 * ratio,
                V_final=300.0,
                init_scale=ratio,
                **stop,
            )
        )
    return made


@pytest.mark.parametrize("share", [0.0, 0.5, 0.9])
def test_the_median_is_that_of_the_whole_curve_to_the_bit(share):
    """Ties, even counts, times of zero, and curves that end above one half."""
    rng = np.random.default_rng(0)
    for count in range(1, 31):
        time = 25.0 * rng.integers(0, 12, count)
        seen = rng.random(count) >= share
        curve = lifetimes.kaplan_meier(pd.Series(time), pd.Series(seen))
        assert lifetimes.median_time(time, seen) == curve.median_survival_time_


TRUTH = {"log_learning_rate": -1.0, "log_weight_decay": -1.0, "log_log_norm_ratio": 1.0}


@pytest.mark.parametrize("censored", [0.0, 0.2, 0.5])
@pytest.mark.parametrize("family", ["weibull", "log_normal"])
def test_recovers_the_law_under_censoring(censored, family):
    found = fit(survival, planted_study(censored), families=[family])["estimates"]
    for name, value in TRUTH.items():
        estimate = found[f"{family}.{name}"]
        assert estimate.value == pytest.approx(value, abs=0.15)
        assert estimate.high - estimate.low < 0.6
        count = int(estimate.note.split()[0])
        assert count == pytest.approx(censored * 72, abs=1), "the budget is cut to logged steps"


@pytest.mark.long
@pytest.mark.parametrize("censored", [0.0, 0.2, 0.5])
def test_interval_coverage_is_near_nominal(censored):
    trials, hits = 100, dict.fromkeys(TRUTH, 0)
    for trial in range(trials):
        found = fit(survival, planted_study(censored, seed=trial), families=["weibull"])[
            "estimates"
        ]
        for name, value in TRUTH.items():
            estimate = found[f"weibull.{name}"]
            hits[name] += estimate.low <= value <= estimate.high
    # 100 trials of a 95 % interval: three standard errors are 6.5 points, and Wald intervals run a little short.
    for name, count in hits.items():
        assert 0.86 <= count / trials <= 1.0, f"{name}: {count} of {trials}"


@pytest.mark.parametrize("censored", [0.2, 0.5])
def test_least_squares_on_finished_runs_is_biased_where_the_survival_fit_is_not(censored):
    settings = {**censoring_bias.DEFAULTS, "runs_per_cell": 150}
    found = censoring_bias.exponents(censoring_bias.simulate(settings, censored, seed=2))
    assert found["survival"].low < -1 < found["survival"].high
    for naive in ("finished_runs", "budget_as_time"):
        assert found[naive].low > -1, "the naive interval should miss the planted exponent"


def test_without_censoring_the_estimators_agree():
    settings = {**censoring_bias.DEFAULTS, "log_every": 1}
    found = censoring_bias.exponents(censoring_bias.simulate(settings, 0.0, seed=2))
    values = [e.value for e in found.values()]
    assert max(values) - min(values) < 0.03


def test_simulated_runs_are_censored_as_asked():
    runs = censoring_bias.simulate(censoring_bias.DEFAULTS, 0.3, seed=1)
    assert (~runs["observed"]).mean() == pytest.approx(0.3, abs=0.02)
    assert (runs["lower"] < runs["upper"]).all()


def test_a_factor_that_never_moves_is_missing_with_a_reason():
    rows = [make_run(delay=1000 + 25 * s, seed=s) for s in range(8)]
    found = fit(survival, rows)["estimates"]
    assert found["weibull.log_weight_decay"].value is None
    assert "do not separate" in found["weibull.log_weight_decay"].reason


def test_runs_without_a_delay_or_a_falling_norm_are_left_out_and_counted():
    rows = planted_study(0.0)
    rows += [make_run(T_mem=math.nan, delay=math.nan, seed=90, V_mem=math.nan)]
    rows += [make_run(seed=91, V_mem=200.0, V_final=300.0)]
    found = fit(survival, rows, families=["weibull"])["estimates"]["weibull.log_weight_decay"]
    assert found.n == 72
    assert "1 left out (never memorised), 1 left out (norm did not fall)" in found.note


def test_kaplan_meier_by_hand():
    """Times 10, 20+, 30, 40, 50+: S = 4/5, then 4/5·2/3, then 4/5·2/3·1/2 = 4/15."""
    times, observed = pd.Series([10.0, 20, 30, 40, 50]), pd.Series([True, False, True, True, False])
    points = lifetimes.curve_records(lifetimes.kaplan_meier(times, observed))
    at = {p["step"]: p["survival"] for p in points}
    assert at[10] == pytest.approx(4 / 5)
    assert at[20] == pytest.approx(4 / 5)
    assert at[30] == pytest.approx(8 / 15)
    assert at[40] == pytest.approx(4 / 15)
    assert lifetimes.median(times, observed).value == 40


def test_median_beyond_the_budget_is_missing():
    found = lifetimes.median(pd.Series([100.0, 100, 80]), pd.Series([False, False, True]))
    assert found.value is None
    assert "1 of 3" in found.reason

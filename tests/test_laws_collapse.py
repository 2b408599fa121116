"""The published protocol of the gap against R, on planted curves; the consensus line against a planted answer."""

import numpy as np
import pandas as pd
import pytest

from planted import make_run
from regrok.judging.verdicts import verdict
from regrok.laws import collapse, spectral
from regrok.laws.parts import estimate as est
from regrok.laws.parts import jackknife, ransac, regression
from regrok.runs.frames import Frames
from regrok.study.predicates import AtLeast

SIZE = 21


def study(slope=12.0, noise=0.0, runs=5, T_grok=1825, seed=0):
    """Runs whose gap is slope·R before T_grok, R falling from step to step; logged every 25 steps.

    After T_grok four frequencies hold all power: two that all runs share and two of each run's own.
    """
    rng = np.random.default_rng(seed)
    rows, curves, spectra = [], [], []
    for s in range(runs):
        run = make_run(T_mem=700, delay=T_grok - 700, seed=s)
        rows.append(run)
        step = np.arange(0, 9001, 25)
        R = np.where(step < T_grok, 0.5 - step / 5000 + 0.03 * rng.normal(), 0.0)
        loss = 0.1 + slope * R + noise * rng.normal(size=step.size) * (step < T_grok)
        accuracy = np.where(step < T_grok, 0.5, 1.0)
        curves.append(
            pd.DataFrame(
                {
                    "run_id": run["run_id"],
                    "step": step,
                    "validation_loss": loss,
                    "validation_accuracy": accuracy,
                    "V": 1.0,
                }
            )
        )
        kept = [1, 2, 3 + 2 * s, 4 + 2 * s]
        for t in range(0, 9001, 100):
            # The residual at a snapshot is that of the next log, so that the relation is exact.
            r = R[step == min(200 * -(-t // 200), 9000)][0]
            power = np.zeros(SIZE)
            power[13:] = r / (SIZE - 13)
            power[kept] = (1 - r) / 4
            spectra.append(
                pd.DataFrame(
                    {
                        "run_id": run["run_id"],
                        "step": t,
                        "kind": "fourier_high",
                        "index": np.arange(SIZE),
                        "power": power,
                    }
                )
            )
    frame = pd.DataFrame(rows)
    members = frame[["run_id", "cell"]].assign(experiment="S4", arm="all")
    return Frames(frame, pd.concat(curves), members, pd.concat(spectra))


RELEASED = {"high": {"slope": 12.0, "low": 6.0, "high": 18.0, "snapshots": 10}}


def test_one_support_two_snapshots_a_run_and_the_loss_of_the_next_log():
    frames = study()
    made = collapse.fit(frames, {"released": RELEASED}, 0)
    found = made["estimates"]
    used = [p for p in made["points"] if p["used"]]
    assert sorted({p["step"] for p in used}) == [500, 1000] and len(used) == 10
    # Two frequencies of all runs, and two of each of five.
    assert found["high.support_size"].value == 12
    assert found["high.slope"].value == pytest.approx(12)
    assert found["high.r_squared"].value == pytest.approx(1)
    assert found["high.slope"].low is None, (
        "an exact line does not tell how far another would differ"
    )
    assert found["high.slope_difference"].value is None
    assert found["low.slope"].value is None and "low.slope_difference" not in found
    # The finer protocol has six times as many points, and K* of each run.
    finer = spectral.fit(frames, {"replicates": 20, "robust_replicates": 5}, 0)
    assert sum(p["used"] for p in finer["points"]) > 50
    assert finer["estimates"]["high.support_size"].value == 4


def test_the_time_of_grokking_is_read_on_the_published_log():
    log = collapse.on_log(study(runs=1, T_grok=1825).curves, 200)
    assert log.index[:3].tolist() == [0, 200, 400] and collapse.grokked_at(log) == 2000
    assert np.isnan(collapse.grokked_at(log[log.index < 2000]))


def test_the_slope_is_compared_with_both_errors():
    found = collapse.fit(study(noise=0.5), {"released": RELEASED}, 0)["estimates"]
    ours, difference = found["high.slope"], found["high.slope_difference"]
    assert difference.value == pytest.approx(ours.value - 12)
    assert difference.low < 0 < difference.high
    assert difference.high - difference.low > 12 * 0.9, "no surer than the released slope itself"
    far = {"high": {**RELEASED["high"], "slope": 60.0, "low": 54.0, "high": 66.0}}
    apart = collapse.fit(study(noise=0.5), {"released": far}, 0)["estimates"]
    assert apart["high.slope_difference"].high < 0


def planted_points(outliers):
    x = np.linspace(0.05, 0.5, 12)
    y = 15.0 * x + 0.1 * np.cos(40 * x)
    y[outliers] += 9.0
    return x, y


def test_consensus_finds_the_planted_line_beside_outliers():
    x, y = planted_points([2, 7, 9])
    found = ransac.pairs(x, y)
    best = ransac.consensus(found, np.random.default_rng(0))
    near = found.inliers[best]
    assert not near[[2, 7, 9]].any() and near.sum() >= 8
    assert regression.slope(x[near], y[near]) == pytest.approx(15, rel=0.05)
    assert (ransac.r_squared(x, y, 50, 0) > 0.98).all()
    assert regression.r_squared(x, y) < 0.6


def test_consensus_depends_on_the_seed_and_each_seed_is_the_same_again():
    rng = np.random.default_rng(4)
    x = rng.uniform(0.05, 0.5, 10)
    y = 15 * x + rng.normal(0, 1.3, 10)
    values = ransac.r_squared(x, y, 300, 0)
    assert np.unique(values).size > 1
    assert np.array_equal(values, ransac.r_squared(x, y, 300, 0))
    assert not np.array_equal(values, ransac.r_squared(x, y, 300, 1))


@pytest.mark.parametrize(("noise", "printed"), [(0.02, True), (0.8, False)])
def test_the_share_of_seeds_tells_a_printed_value_that_no_seed_gives(noise, printed):
    rng = np.random.default_rng(3)
    x = np.linspace(0.05, 0.5, 10)
    used = pd.DataFrame({"run_id": np.repeat(range(5), 2), "residual": x})
    used = used.assign(gap=15 * x + noise * 15 * x.std() * rng.normal(size=10))
    found = collapse.share_of_seeds(used, {**collapse.DEFAULTS, "tolerance": 0.01}, 0)
    assert found.n == 300 and "of 300 seeds within 0.01 of 0.99" in found.note
    rule = AtLeast(kind="at_least", bound=0.05)
    expected = "reproduced" if printed else "not reproduced"
    assert verdict(rule, found.as_json(), None, "")[0] == expected


def test_two_points_have_no_consensus():
    assert ransac.r_squared(np.array([0.1, 0.2]), np.array([1.0, 2.0]), 5, 0).size == 0


def test_intervals_over_runs_cover_the_planted_slope_and_r_squared():
    """Five runs of two snapshots whose errors are partly the run's own."""
    rng, trials = np.random.default_rng(0), 400
    hits = {"slope": 0, "r_squared": 0}
    runs = np.repeat(np.arange(5), 2)
    for _ in range(trials):
        x = np.tile([0.1, 0.5], 5) + rng.normal(0, 0.06, 10)
        error = 0.6 * rng.normal(size=5)[runs] + 0.8 * rng.normal(size=10)
        y = 15.8 * x + 15.8 * np.sqrt((0.2**2 + 0.06**2) * (1 - 0.77) / 0.77) * error
        found = collapse.line(pd.DataFrame({"run_id": runs, "residual": x, "gap": y}), 1, 0)
        for key, truth in (("slope", 15.8), ("r_squared", 0.77)):
            hits[key] += found[key].low <= truth <= found[key].high
    # Three standard errors of 400 trials at 93 % are 3.8 points.
    assert min(hits.values()) / trials >= 0.93 - 0.038, hits


def test_fisher_scale_keeps_r_squared_between_nought_and_one():
    found = est.Estimate(0.9, None, None, est.LEVEL, 10)
    wide = jackknife.with_interval(found, 0.9, np.array([0.2, 0.95, 0.99]), "run", jackknife.FISHER)
    assert wide.low == 0 and 0.99 < wide.high <= 1

"""Our runs against released ones: planted cells that agree, that differ, that did not finish, that nobody ran."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest

from planted import NOTHING, exponential_curve, make_run, members
from regrok.errors import RegrokError
from regrok.laws import replication, run_fit, with_previous
from regrok.laws.parts import two_samples as two
from regrok.laws.parts.estimate import estimate, missing
from regrok.laws.parts.grid import norm_at, on_grid
from regrok.runs.frames import Frames

GRID = 200


def frames_of(rows: list[dict[str, Any]], curves: pd.DataFrame | None = None) -> Frames:
    runs = with_previous(pd.DataFrame(rows))
    if curves is None:
        # V falls from 13,000 at a constant rate, so that V at a step is known.
        drawn = [
            exponential_curve(r["run_id"], 13_000, 0.9986, 0, 0, int(r["steps"])) for r in rows
        ]
        curves = pd.concat(drawn, ignore_index=True)
    return Frames(runs, curves, members(runs, "S1"), NOTHING)


def V(step: float) -> float:
    return 13_000 * 0.9986**step


def released(rows: list[dict[str, Any]], **statistics: Any) -> dict[str, Any]:
    return {"S1": {"log_every": GRID, "rows": rows, "statistics": statistics}}


def row(n: int = 10, **given: Any) -> dict[str, Any]:
    return {"match": {}, "runs": n, "memorised": n, "grokked": n, "max_steps": 50_000} | given


def result(rows: list[dict[str, Any]], published: Any, **options: Any) -> dict[str, Any]:
    chosen = {"compare": ["S1"], "replicates": 200, **options}
    return replication.fit(frames_of(rows), chosen, 1, published)


def found(rows: list[dict[str, Any]], published: Any, **options: Any) -> dict[str, Any]:
    made = result(rows, published, **options)["estimates"]
    return {key.removeprefix("S1."): value for key, value in made.items()}


DELAYS = [700, 825, 975, 1000, 1075, 1150, 1225, 1300]


# Reading on the published grid ---------------------------------------------------------------------------------


def test_a_crossing_is_rounded_up_and_the_norm_is_that_of_the_grid_s_step():
    frames = frames_of([make_run(T_mem=825, delay=1000), make_run(T_mem=800, delay=1000, seed=43)])
    read = on_grid(frames, {"S1": GRID}).runs
    assert read["T_mem"].tolist() == [1000, 800]
    assert read["T_grok"].tolist() == [2000, 1800]
    assert read["delay"].tolist() == [1000, 1000]
    assert read["T_mem_previous"].tolist() == [800, 600]
    assert read["V_mem"].to_numpy() == pytest.approx([V(1000), V(800)])
    assert read["V_grok"].to_numpy() == pytest.approx([V(2000), V(1800)])
    assert read["V_final"].tolist() == frames.runs["V_final"].tolist()


def test_a_norm_between_two_kept_points_is_interpolated_and_beyond_the_curve_unknown():
    curve = exponential_curve("a", 13_000, 0.9986, 0, 0, 1500, every=75)
    steps = pd.Series([200.0, 150.0, 1600.0, math.nan])
    at = norm_at({"a": curve}, pd.Series(["a"] * 4), steps)
    assert at[:2] == pytest.approx([V(200), V(150)])
    assert np.isnan(at[2:]).all()


def test_a_run_of_no_published_experiment_stays_and_one_of_two_has_the_finer_grid():
    frames = frames_of([make_run(T_mem=825, delay=1000, run_id=name) for name in "ab"])
    both = pd.DataFrame({"run_id": ["a", "a", "b"], "cell": "c", "experiment": ["S1", "S2", "x"]})
    read = on_grid(Frames(frames.runs, frames.curves, both, NOTHING), {"S1": 200, "S2": 500}).runs
    assert read.set_index("run_id")["T_mem"].to_dict() == {"a": 1000, "b": 825}
    assert read.set_index("run_id")["V_mem"]["b"] == 3000


# Two samples ---------------------------------------------------------------------------------------------------


def test_welch_on_the_log_is_that_of_the_delta_method():
    a, b = two.Sample(5, 1200.0, 150.0), two.Sample(10, 1000.0, 190.0)
    contrast = two.log_ratio(a, b)
    variance = 150**2 / (5 * 1200**2) + 190**2 / (10 * 1000**2)
    assert contrast.value == pytest.approx(math.log(1.2))
    assert contrast.variance == pytest.approx(variance)
    ratio = two.ratio_of(contrast, 5, "x")
    assert ratio.low < 1.2 < ratio.high
    assert (contrast.p < 0.05) == (ratio.low > 1)


def _samples(rng: np.random.Generator, n: int, variation: float) -> two.Sample:
    s = math.sqrt(math.log1p(variation**2))
    return two.sample(np.exp(rng.normal(-(s**2) / 2, s, n)))


@pytest.mark.parametrize(
    ("ours", "theirs", "variation"), [(3, 7, 0.2), (5, 5, 0.35), (10, 10, 0.2)]
)
def test_intervals_keep_their_promise_at_the_study_s_own_sizes(ours, theirs, variation):
    rng = np.random.default_rng(11)
    alone = together = 0
    for _ in range(1000):
        cells = [
            two.log_ratio(_samples(rng, ours, variation), _samples(rng, theirs, variation))
            for _ in range(4)
        ]
        alone += abs(cells[0].value) <= cells[0].half
        pooled = two.pooled(cells, [1.0] * 4)
        together += abs(pooled.value) <= pooled.half
    assert min(alone, together) >= 925  # 950 expected; a standard error is 7


def test_the_difference_of_two_estimates_takes_the_arm_that_leads_there():
    ours, theirs = estimate(0.9, 0.8, 1.0, 5, "x"), estimate(0.5, 0.2, 0.6, 5, "x")
    made = two.of_two_estimates(ours, theirs, ratio=False)
    assert made.value == pytest.approx(0.4)
    assert made.low == pytest.approx(0.4 - math.hypot(0.1, 0.1))
    assert made.high == pytest.approx(0.4 + math.hypot(0.1, 0.3))
    ratio = two.of_two_estimates(ours, theirs, ratio=True)
    assert ratio.value == pytest.approx(1.8)
    assert ratio.low == pytest.approx(1.8 * math.exp(-math.hypot(math.log(9 / 8), math.log(1.2))))
    assert two.of_two_estimates(missing("none"), theirs, ratio=False).reason == "none"
    open_ended = estimate(0.5, 0.2, None, 5, "x")
    assert two.of_two_estimates(ours, open_ended, ratio=False).value is None


# Cell by cell --------------------------------------------------------------------------------------------------


def ours(n: int = 8, factor: float = 1.0, **settings: Any) -> list[dict[str, Any]]:
    return [
        make_run(T_mem=800, delay=factor * d, seed=s, **settings) for s, d in enumerate(DELAYS[:n])
    ]


PUBLISHED_DELAY = {"T_mem": 800, "T_mem_sd": 0, "delay": 1100, "delay_sd": 200.0}


def test_an_exact_repeat_agrees():
    made = found(ours(), released([row(**PUBLISHED_DELAY)]))
    ratio = made["delay.ratio"]
    assert ratio.low < 1 < ratio.high
    assert (made["tests"].value, made["rejected"].value) == (2, 0)
    assert made["T_mem.ratio"].value == 1
    assert made["cells"].value == 1
    assert made["unfinished"].value == 0


def test_delays_that_differ_twofold_are_rejected_and_the_cell_is_named():
    made = found(ours(factor=3), released([row(**PUBLISHED_DELAY)]))
    assert made["delay.ratio"].low > 2
    assert made["rejected"].value == 1
    assert "delay at p = 97" in made["rejected"].note
    assert made["worst_ratio"].value == made["delay.ratio"].value


def test_the_step_of_the_grid_alone_is_not_infinitely_significant():
    """All of ours show 1,000, all of theirs 800, on a grid of 200: no spread on either side."""
    rows = [make_run(T_mem=825, delay=1000, seed=s) for s in range(3)]
    test = result(rows, released([row(3, T_mem=800, T_mem_sd=0)]))["cells"][0]
    assert test["ours_sd"] == 0
    assert 1e-4 < test["p_value"] < 0.05
    nothing = [make_run(T_mem=775, delay=1000, seed=s) for s in range(3)]
    assert found(nothing, released([row(3, T_mem=800, T_mem_sd=0)]))["smallest_p"].value == 1


def test_norms_are_read_at_the_published_step():
    rows = [make_run(T_mem=825, delay=1000, seed=s) for s in range(5)]
    given = row(5, V_mem=V(1000), V_mem_sd=30.0)
    assert found(rows, released([given]))["V_mem.ratio"].value == pytest.approx(1)


def test_the_rate_is_fitted_on_what_the_grid_shows():
    made = found(ours(), released([row(rate_loss=0.0014, rate_loss_sd=8e-5)]))
    assert made["rate_loss.ratio"].value == pytest.approx(1, rel=1e-3)


def test_an_unfinished_cell_compares_its_share_and_no_times():
    rows = [*ours(7), make_run(T_mem=800, delay=math.nan, seed=9)]
    made = found(rows, released([row(**PUBLISHED_DELAY)]))
    assert made["unfinished"].value == 1
    assert made["delay.ratio"].value is None
    assert made["T_mem.ratio"].value == 1  # all memorised
    cells = result(rows, released([row(**PUBLISHED_DELAY)]))["cells"]
    share = next(cell for cell in cells if cell["quantity"] == "grokked")
    assert (share["ours_count"], share["released_count"]) == (7, 10)
    assert share["p_value"] == pytest.approx(8 / 18)  # one exception of 18 falls among our 8
    theirs = found(ours(), released([row(**PUBLISHED_DELAY, grokked=3)]))
    assert theirs["delay.ratio"].value is None
    assert theirs["unfinished"].value == 1
    assert theirs["below"].value == 1  # 8 of 8 against 3 of 10


def test_a_smaller_budget_of_ours_says_nothing_of_the_share():
    rows = [make_run(T_mem=800, delay=math.nan, seed=s, max_steps=8_000) for s in range(5)]
    made = result(rows, released([row()]))
    assert [c["quantity"] for c in made["cells"]] == []
    finished = ours(max_steps=8_000)
    assert found(finished, released([row(grokked=3)]))["tests"].value == 1


def test_a_delay_of_nothing_has_a_difference_and_no_ratio():
    rows = [make_run(T_mem=150, delay=0, seed=s) for s in range(5)]
    given = released([row(5, delay=-120, delay_sd=109.5)])
    assert found(rows, given)["delay.ratio"].reason == "a mean that is not positive has no ratio"
    test = result(rows, given)["cells"][0]
    assert test["difference"].value == 120
    assert test["difference"].low < 120 < test["difference"].high


def test_a_cell_that_only_one_side_ran_is_left_out():
    published = released([row(**PUBLISHED_DELAY, match={"p": 53})])
    made = found(ours(), published)
    assert made["tests"].value is None
    assert made["tests"].reason == "no cell that both sides have run"
    assert found(ours(), {})["delay.ratio"].value is None


def test_what_is_only_counted_is_not_compared():
    published = released([{"match": {}, "runs": 10, "max_steps": 50_000}])
    made = replication.fit(frames_of(ours()), {"compare": ["S1"]}, 1, published)
    assert made["estimates"]["released_runs"].value == 10
    assert made["estimates"]["S1.tests"].value is None


def test_holm_is_over_the_experiment():
    p = [0.01, 0.02, 0.03, 0.9]
    assert two.holm(p) == pytest.approx([0.04, 0.06, 0.06, 0.9])


def test_a_mean_that_is_known_to_no_better_than_half_of_itself_is_not_compared():
    theirs = {"delay": 1440, "delay_sd": 3109.0}
    assert found(ours(5), released([row(5, **theirs)]))["delay.ratio"].value is None
    assert found(ours(5), released([row(50, **theirs)]))["delay.ratio"].value is not None


# Lines ---------------------------------------------------------------------------------------------------------

LAMBDAS = (0.1, 0.3, 0.5, 1.0)


def sweep(constant: float = 1000.0, lambdas: tuple[float, ...] = LAMBDAS) -> list[dict[str, Any]]:
    """T_grok = constant/λ + 800, in three runs a cell."""
    return [
        make_run(T_mem=800, delay=constant / lam * f, seed=s, weight_decay=lam)
        for lam in lambdas
        for s, f in enumerate((0.8, 1.0, 1.2))
    ]


def line(rows: list[dict[str, Any]], **statistics: Any) -> dict[str, Any]:
    cells = [row(10, match={"weight_decay": lam}) for lam in LAMBDAS]
    lines = {"S1": {"factor": "weight_decay", "within": {"weight_decay": [0.1, 1.0]}}}
    return found(rows, released(cells, **statistics), lines=lines)


SLOPE = {"value": 1000.0, "low": 900.0, "high": 1100.0, "n": 40, "where": "x"}


def test_a_line_over_the_released_cells_is_laid_against_theirs():
    made = line(sweep(), **{"T_grok.slope": SLOPE})
    ratio = made["T_grok.slope_ratio"]
    assert ratio.low < 1 < ratio.high
    assert made["T_grok.slope"].note == "on the published grid"
    assert made["delay.exponent_difference"].reason == "not computed from the released runs"
    twice = line(sweep(2500.0), **{"T_grok.slope": SLOPE})["T_grok.slope_ratio"]
    assert twice.low > 1.5


def test_the_variation_of_time_and_factor_is_laid_against_that_of_their_cells():
    """Theirs: 100·λ of four cells with a spread of a tenth; ours with 0.8 of each and one of our own."""
    theirs = [
        row(10, match={"weight_decay": lam}, T_grok=1000 / lam + 800, T_grok_sd=100 / lam)
        for lam in LAMBDAS
    ]
    lines = {"S1": {"factor": "weight_decay", "within": {"weight_decay": [0.1, 1.0]}}}
    made = found(sweep(), released(theirs), lines=lines)
    ratio = made["T_grok.variation_ratio"]
    assert ratio.low < 1 < ratio.high < 10
    products = np.array([1000 + 800 * lam for lam in LAMBDAS])
    between = products.var() - 0.75 * 100**2 / 10
    truth = math.sqrt(between + 100**2) / products.mean()
    assert made["T_grok.variation"].value / ratio.value == pytest.approx(truth, rel=1e-6)
    assert made["delay.variation_ratio"].value is None


def test_a_line_over_fewer_cells_than_theirs_is_not_compared():
    made = line(sweep(lambdas=LAMBDAS[:3]), **{"T_grok.slope": SLOPE})
    assert made["T_grok.slope_ratio"].value is None
    assert "1 of 4 cells" in made["T_grok.slope_ratio"].reason


def test_without_published_cells_every_number_is_missing_with_a_reason():
    lines = {"S1": {"factor": "weight_decay", "within": {"weight_decay": [0.1, 1.0]}}}
    made = found(sweep(), {}, lines=lines)
    assert {value.value for value in made.values()} == {None}
    assert all(value.reason for value in made.values())


def test_cells_of_our_own_do_not_enter_the_line():
    extra = [make_run(T_mem=800, delay=9e4, seed=s, weight_decay=0.2) for s in range(3)]
    key = {"T_grok.slope": SLOPE}
    assert line(sweep() + extra, **key)["T_grok.slope"] == line(sweep(), **key)["T_grok.slope"]


def test_run_fit_hands_the_published_cells_to_the_law_that_declares_them():
    class Entry:
        law, experiments, options = "replication", ["S1"], {"compare": ["S1"]}

    made = run_fit("r", Entry, frames_of(ours()), published=released([row(**PUBLISHED_DELAY)]))
    assert made["estimates"]["r.S1.delay.ratio"]["value"] is not None
    Entry.options = {"compaer": ["S1"]}
    with pytest.raises(RegrokError, match=r"fits\.r.*compaer.*compare"):
        run_fit("r", Entry, frames_of(ours()))

"""Our delays over printed ones as two samples, and what the bands before them said of the same runs."""

import math
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from planted import NOTHING
from planted_networks import frames_of, make_mlp
from regrok.errors import RegrokError
from regrok.judging.power import drawn
from regrok.judging.verdicts import verdict
from regrok.laws import comparison, printed
from regrok.laws.parts import two_samples as two
from regrok.laws.robustness import fit_variants
from regrok.runs.frames import Frames
from regrok.study.claims import Sample
from regrok.study.predicates import Holds, Within
from regrok.study.words import INCONCLUSIVE, NO_SUCH_RUN, NOT_REPRODUCED, REPRODUCED

GELU = {"match": {"activation": "gelu"}, "runs": 5, "grokked": 5, "delay": 45600, "delay_sd": 5550}
RELU = {"match": {"activation": "relu"}, "runs": 5, "delay": 196800, "delay_sd": 89728}
SEED_0 = {"match": {"activation": "gelu"}, "runs": 1, "grokked": 1, "delay": 32000}
GROUPS = {name: {"within": {"activation": name}} for name in ("gelu", "relu")}
RATIO = {"relu_over_gelu": ["relu", "gelu"]}
BUDGET = {"max_steps": 400_000, "steps": 400_000}


def found(law, gelu, relu=(), rows=(GELU, RELU), **other):
    runs = [make_mlp(d, s, **{**BUDGET, **other}) for s, d in enumerate(gelu)]
    runs += [make_mlp(d, s, activation="relu", **{**BUDGET, **other}) for s, d in enumerate(relu)]
    planted, members = frames_of(runs, ["B"] * len(runs))
    frames = Frames(planted, NOTHING, members, NOTHING)
    options = {"groups": GROUPS, "ratios": RATIO}
    if law is printed:
        return law.fit(frames, options, 0, {"B": {"rows": list(rows)}})["estimates"]
    return law.fit(frames, options | {"replicates": 50}, 0)["estimates"]


def word(predicate, estimate):
    return verdict(predicate, estimate.as_json(), None, "")[0]


HOLDS = Holds(kind="holds", target=1, factor=3)
BAND = Within(kind="within", target=196800, tolerance_factor=1.5)
SCATTERED = (90_000, 140_000, 180_000, 230_000, 340_000)
"""Five delays with the printed mean and spread of ReLU: 196,000 ± 95,000."""


def test_a_repeat_with_the_printed_spread_agrees_where_the_band_could_not_tell():
    relu = found(printed, (), SCATTERED)["relu.delay_over_published"]
    assert relu.value == pytest.approx(196_000 / 196_800)
    assert word(HOLDS, relu) == REPRODUCED
    assert "5 of our 5 runs" in relu.note
    assert word(BAND, found(comparison, (), SCATTERED)["relu.delay_mean"]) == INCONCLUSIVE


def test_delays_of_another_size_are_not_reproduced():
    fast = [d / 6 for d in SCATTERED]
    assert word(HOLDS, found(printed, (), fast)["relu.delay_over_published"]) == NOT_REPRODUCED


def test_two_runs_that_disagree_leave_it_open():
    assert word(HOLDS, found(printed, (), (20_000, 390_000))["relu.delay_over_published"]) == (
        INCONCLUSIVE
    )


def test_a_ratio_of_ratios_holds_the_errors_of_four_means():
    gelu = (40_000, 42_000, 44_000, 48_000, 54_000)
    ratio = found(printed, gelu, SCATTERED)["relu_over_gelu.delay_ratio_over_published"]
    assert ratio.value == pytest.approx((196_000 / 45_600) / (196_800 / 45_600))
    alone = found(printed, gelu, SCATTERED)["relu.delay_over_published"]
    assert ratio.high - ratio.low > alone.high - alone.low
    assert word(HOLDS, ratio) == REPRODUCED
    band = Within(kind="within", target=4.32, tolerance_factor=1.5)
    assert word(band, found(comparison, gelu, SCATTERED)["relu_over_gelu.delay_ratio"]) == (
        INCONCLUSIVE
    )


def test_one_published_run_lies_in_the_prediction_interval():
    one = found(printed, (20_000, 26_000, 32_000, 38_000), rows=[SEED_0])[
        "gelu.delay_over_published"
    ]
    logs = np.log([20_000, 26_000, 32_000, 38_000]) - math.log(32_000)
    half = 3.182446 * logs.std(ddof=1) * math.sqrt(1.25)
    assert one.value == pytest.approx(math.exp(logs.mean()))
    assert one.high == pytest.approx(math.exp(logs.mean() + half), rel=1e-6)
    assert "prediction" in one.estimator


def test_equal_delays_are_as_sure_as_their_logging():
    equal = found(printed, (45_600,) * 3, log_every=20_000)["gelu.delay_over_published"]
    sharp = found(printed, (45_600,) * 3, log_every=100)["gelu.delay_over_published"]
    assert equal.low < sharp.low < 1 < sharp.high < equal.high


def test_settings_that_were_not_published_have_no_printed_delay():
    made = found(printed, (45_600,) * 3, rows=[GELU | {"match": {"p": 31}}])
    assert made["gelu.delay_over_published"].value is None
    assert "no published delay" in made["gelu.delay_over_published"].reason


def test_cells_that_do_not_tell_which_is_meant_are_refused():
    with pytest.raises(RegrokError, match="2 published cells"):
        found(printed, (45_600,) * 3, rows=[GELU, SEED_0])


def test_where_nothing_memorised_there_is_no_such_run():
    made = found(printed, (20_000,) * 3)
    never = [make_mlp(math.nan, s, activation="relu", T_mem=math.nan) for s in range(3)]
    runs = [make_mlp(20_000, s) for s in range(3)] + never
    planted, members = frames_of(runs, ["B"] * 6)
    options = {"groups": GROUPS, "ratios": RATIO}
    frames = Frames(planted, NOTHING, members, NOTHING)
    ratio = printed.fit(frames, options, 0, {"B": {"rows": [GELU, RELU]}})["estimates"][
        "relu_over_gelu.delay_ratio_over_published"
    ]
    assert word(HOLDS, ratio) == NO_SUCH_RUN
    assert ratio.absent == "none of the 3 runs of relu memorised"
    # Without any ReLU run it is not known that there is none.
    assert made["relu_over_gelu.delay_ratio_over_published"].absent is None


def test_the_interval_keeps_its_promise_for_an_exact_repeat():
    """Three against three, five against five: an exact repeat of the published runs, which have an error too."""
    rng = np.random.default_rng(4)
    for n, sd in ((3, 0.3), (5, 0.45)):
        ours, theirs = (drawn(Sample(mean=1000, sd=1000 * sd, runs=n), n, rng) for _ in range(2))
        held = []
        for a, b in zip(ours[:500], theirs[:500], strict=True):
            found_of = two.log_ratio(two.sample(a), two.sample(b))
            held.append(abs(found_of.value) <= found_of.half)
        assert np.mean(held) >= 0.93


def test_the_readings_are_laid_beside_the_same_printed_delays():
    """At a threshold that is reached sooner the delay is another, and over the printed one it is too."""
    runs = [make_mlp(40_000 + 5000 * s, s, **BUDGET) for s in range(3)]
    planted, members = frames_of(runs, ["B"] * 3)
    planted["T_grok_90"] = planted["T_grok"] - 10_000
    planted["T_grok_90_previous"] = planted["T_grok_90"] - 100
    frames = Frames(planted, pd.DataFrame({"run_id": [], "step": []}), members, NOTHING)
    entry = SimpleNamespace(law="printed", experiments=["B"], options={"groups": {"gelu": {}}})
    published = {"B": {"rows": [GELU], "log_every": None}}
    made = fit_variants(frames, {"ours": entry}, {"fits": ["ours"]}, published)["variants"]
    key = "ours.gelu.delay_over_published"
    assert made["V_final at T_grok"][key]["value"] == pytest.approx(45_000 / 45_600)
    assert made["threshold .90"][key]["value"] == pytest.approx(35_000 / 45_600)


def test_times_to_memorise_are_read_on_the_printed_grid():
    """Printed 2,000 for every seed, in steps of 2,000: 300 is shown as 2,000."""
    row = {**GELU, "memorised": 5, "T_mem": 2000, "T_mem_sd": 0}
    other = {**RELU, "T_mem": 3200, "T_mem_sd": 1095}
    runs = [make_mlp(40_000 + 1000 * s, s, T_mem=300.0 + 10 * s, **BUDGET) for s in range(5)]
    runs += [make_mlp(9e4, s, activation="relu", T_mem=2500.0, **BUDGET) for s in range(5)]
    planted, members = frames_of(runs, ["B"] * len(runs))
    frames = Frames(planted, NOTHING, members, NOTHING)
    options = {"groups": GROUPS, "ratios": RATIO}
    published = {"B": {"rows": [row, other]}}

    def made(**more):
        return printed.fit(frames, options | more, 0, published)["estimates"]

    coarse, fine = made(printed_every=2000), made()
    assert coarse["gelu.T_mem_over_published"].value == pytest.approx(1)
    assert word(HOLDS, coarse["gelu.T_mem_over_published"]) == REPRODUCED
    assert word(HOLDS, fine["gelu.T_mem_over_published"]) == NOT_REPRODUCED
    ratio = coarse["relu_over_gelu.T_mem_ratio_over_published"]
    assert ratio.value == pytest.approx(2 / 1.6) and ratio.low < 1 < ratio.high
    assert fine["gelu.delay_over_published"] == coarse["gelu.delay_over_published"]
    assert "no published T_mem" in found(printed, (9e4,) * 3)["gelu.T_mem_over_published"].reason

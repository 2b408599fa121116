"""Study two's laws on planted networks: groups, norms, embeddings, the factorial and the search."""

import itertools
import math

import numpy as np
import pandas as pd
import pytest

from planted import NOTHING
from planted_networks import BUDGET, frames_of, law_of, make_encoder, make_mlp
from regrok.errors import RegrokError
from regrok.laws import (
    comparison,
    embedding,
    factorial,
    interaction,
    norm_at_grok,
    regimes,
    scaling,
    search,
)
from regrok.laws.parts import lifetimes
from regrok.laws.parts.selection import distinct, within
from regrok.runs.frames import Frames

FEW = {"replicates": 200}


# Groups ------------------------------------------------------------------------------------------------


def activations(*relu):
    rows = [make_mlp(10_000 + 500 * s, s) for s in range(4)]
    rows += [make_mlp(d, s, activation="relu") for s, d in enumerate(relu)]
    groups = {name: {"within": {"activation": name}} for name in ("gelu", "relu")}
    ratios = {"relu_over_gelu": ["relu", "gelu"]}
    made = law_of(comparison, rows, ["B"] * len(rows), groups=groups, ratios=ratios, **FEW)
    return made["estimates"]


def test_a_restricted_mean_keeps_the_runs_that_the_papers_mean_drops():
    found = activations(20_000, 30_000, math.inf, math.inf)
    assert found["relu.delay_mean"].value == 25_000
    mean = found["relu.delay_restricted_mean"]
    # Half at 20,000 and 30,000, half unfinished at the horizon, the 99,000 steps watched after T_mem.
    assert mean.value == pytest.approx((20_000 + 30_000 + 2 * 99_000) / 4)
    assert mean.low < mean.value < mean.high <= 99_000
    assert found["relu_over_gelu.delay_ratio"].value == pytest.approx(25_000 / 10_750)
    assert found["relu_over_gelu.delay_restricted_ratio"].value == pytest.approx(62_000 / 10_750)


def test_a_group_that_never_groks_gives_a_bound_and_no_false_certainty():
    found = activations(math.inf, math.inf, math.inf)
    assert found["relu.delay_mean"].value is None
    mean, ratio = (
        found["relu.delay_restricted_mean"],
        found["relu_over_gelu.delay_restricted_ratio"],
    )
    assert (mean.value, mean.high) == (99_000, None)
    assert ratio.value == pytest.approx(99_000 / 10_750)
    assert ratio.high is None
    assert "bound" in ratio.note


def test_a_run_given_up_before_memorising_counts_to_the_end_of_its_budget():
    rows = [make_mlp(19_000, s) for s in range(2)]
    rows += [make_mlp(math.nan, s, T_mem=math.nan) | {"steps": 30_000} for s in (2, 3)]
    groups = {"all": {}}
    found = law_of(comparison, rows, ["B"] * 4, groups=groups, **FEW)["estimates"]
    assert found["all.T_grok_restricted_mean"].value == (2 * 20_000 + 2 * BUDGET) / 4
    assert found["all.delay_restricted_mean"].n == 2
    assert "2 of 4 runs never memorised" in found["all.delay_restricted_mean"].note


def test_the_area_is_lifelines_restricted_mean():
    rng = np.random.default_rng(3)
    time = rng.integers(1, 30, 40) * 100.0
    seen = rng.random(40) < 0.6
    expected = lifetimes.restricted_mean(pd.Series(time), pd.Series(seen), 2500.0).value
    assert lifetimes.area(time, seen, 2500.0) == pytest.approx(expected)
    order = rng.permutation(40)
    both = lifetimes.area(time[[order, np.arange(40)]], seen[[order, np.arange(40)]], 2500.0)
    assert both == pytest.approx([expected, expected])


def test_a_ratio_of_an_unknown_group_is_refused():
    rows = [make_mlp(10_000)]
    with pytest.raises(RegrokError, match="no group 'relo'"):
        law_of(comparison, rows, ["B"], groups={"gelu": {}}, ratios={"x": ["relo", "gelu"]})


def test_residual_blocks_and_clipping_make_another_run():
    rows = [
        make_mlp(1000.0, residual=r, clip_norm=c) for r in (True, False) for c in (1.0, math.nan)
    ]
    runs, _ = frames_of(rows, ["B"] * 4)
    assert len(distinct(runs)) == 4
    assert within(runs, {"residual": True})["residual"].tolist() == [True, True]
    assert len(within(runs, {"depth": 2})) == 4


# The norm at T_grok ------------------------------------------------------------------------------------


def norms(spread, seeds=4):
    rows = []
    for k, width in enumerate((128, 256, 512)):
        for s in range(seeds):
            level = 0.02 * (1 + spread * (k - 1))
            rows.append(make_mlp(10_000 * (k + 1), s, width=width, rms_grok=level * (1 + 0.01 * s)))
    rows.append(make_mlp(math.inf, 9, width=512))
    groups = {f"w{w}": {"within": {"width": w}} for w in (128, 256, 512)}
    ratios = {"wide_over_narrow": ["w512", "w128"]}
    return law_of(norm_at_grok, rows, ["B"] * len(rows), groups=groups, ratios=ratios, **FEW)


def test_the_spread_over_configurations_is_told_from_that_over_seeds():
    found = norms(0.3)["estimates"]
    mean = 0.02 * 1.015
    assert found["rms_grok_mean"].value == pytest.approx(mean)
    # Population standard deviation of 0.7, 1, 1.3.
    assert found["rms_grok_cv"].value == pytest.approx(0.3 * math.sqrt(2 / 3))
    assert found["rms_grok_cv_seeds"].value < 0.02
    assert found["rms_grok_cv_runs"].value > found["rms_grok_cv"].value
    assert found["w512.grokked_share"].n == 5
    assert found["w512.rms_grok_mean"].n == 4


def test_delays_at_equal_norm():
    found = norms(0.0)["estimates"]
    assert found["rms_grok_cv"].value == pytest.approx(0, abs=1e-12)
    assert found["wide_over_narrow.rms_ratio"].value == pytest.approx(1)
    assert found["wide_over_narrow.delay_ratio"].value == pytest.approx(3)
    # The run that did not grok counts in the restricted mean: (4·30,000 + 99,000)/5 over 10,000.
    assert found["wide_over_narrow.delay_restricted_ratio"].value == pytest.approx(4.38)


def test_configurations_outside_the_table_do_not_enter_the_spread():
    rows = [make_mlp(1e4, s, width=w, rms_grok=w / 1e4) for w in (128, 256) for s in range(2)]
    groups = {f"w{w}": {"within": {"width": w}} for w in (128, 256)}
    made = law_of(norm_at_grok, rows, ["B"] * 4, groups=groups, configurations=["w256"], **FEW)
    assert made["estimates"]["rms_grok_mean"].value == pytest.approx(0.0256)
    assert made["estimates"]["rms_grok_cv"].value is None
    assert {p["group"] for p in made["points"] if p["configuration"]} == {"w256"}


# Embeddings --------------------------------------------------------------------------------------------


def test_the_share_of_the_five_largest_with_and_without_frequency_zero():
    p, rows = 43, [make_mlp(10_000, s) for s in range(3)] + [make_mlp(math.inf, 3)]
    runs, members = frames_of(rows, ["B8"] * 4)
    index = np.arange(p // 2 + 1)
    parts = []
    for run in runs.itertuples():
        for step in (0, 12_000):
            power = np.ones(index.size) / index.size
            if step and run.outcome == "grokked":
                # Half in frequency 0, 0.4 in five others, 0.1 spread over the remaining 16.
                power = np.where(np.isin(index, [3, 5, 7, 11, 13]), 0.08, 0.1 / 16)
                power[0] = 0.5
            parts.append(
                pd.DataFrame({"index": index, "power": power}).assign(
                    run_id=run.run_id, step=step, kind="embedding_spectrum"
                )
            )
    curves = pd.DataFrame({"run_id": [], "step": []})
    frames = Frames(runs, curves, members, pd.concat(parts))
    made = embedding.fit(frames, {"groups": {"mlp": {}}}, 0)
    found = made["estimates"]
    assert found["mlp.top5_share"].value == pytest.approx(0.5 + 4 * 0.08)
    assert found["mlp.top5_share_without_constant"].value == pytest.approx(0.4 / 0.5)
    assert found["mlp.constant_share"].value == pytest.approx(0.5)
    assert found["mlp.top5_share_initial"].value == pytest.approx(5 / 22)
    assert found["mlp.top5_share"].n == 3
    assert found["mlp.top5_share_not_grokked"].value == pytest.approx(5 / 22)
    first = next(p for p in made["points"] if p["outcome"] == "grokked")
    assert first["frequencies"] == [0, 3, 5, 7, 11]


def test_without_spectra_the_curve_still_has_the_share():
    rows = [make_mlp(10_000, s) for s in range(2)]
    runs, members = frames_of(rows, ["B8"] * 2)
    curves = pd.concat(
        pd.DataFrame({"run_id": r, "step": [0, 500, 900], "top5_share": [0.2, 0.7, np.nan]})
        for r in runs.run_id
    )
    frames = Frames(runs, curves, members, NOTHING)
    found = embedding.fit(frames, {"groups": {"mlp": {}}}, 0)["estimates"]
    assert found["mlp.top5_share"].value == pytest.approx(0.7)
    assert found["mlp.top5_share_without_constant"].value is None


# The factorial -----------------------------------------------------------------------------------------


def factorial_rows(depth=2.0, residual=0.5, cross=1.0, width=1.0, rate=0.5, seeds=3, noise=0.15):
    """T_grok times `depth` per doubling of depth, `residual` with blocks, `cross` per doubling with blocks."""
    rng = np.random.default_rng(5)
    rows = []
    for d, w, r, eta in itertools.product((2, 4, 8), (64, 128), (False, True), (1e-2, 3e-2)):
        doublings = math.log2(d / 2)
        T = 8000 * depth**doublings * (residual * cross**doublings if r else 1)
        T *= width ** math.log2(w / 64) * rate ** math.log2(eta / 1e-2)
        for s in range(seeds):
            delay = T * rng.weibull(1 / noise) - 1000  # T_mem
            rows.append(make_mlp(delay, s, d, w, r, learning_rate=eta))
    return rows


def test_the_factorial_recovers_each_factor_with_censored_runs():
    rows = factorial_rows(depth=3.0, residual=0.5)
    assert sum(math.isnan(r["T_grok"]) for r in rows) == 0
    rows = [
        r
        if r["T_grok"] < 40_000
        else make_mlp(
            math.inf,
            r["seed"],
            int(r["depth"]),
            int(r["width"]),
            r["residual"],
            learning_rate=r["learning_rate"],
            max_steps=40_000,
        )
        | {"steps": 40_000}
        for r in rows
    ]
    made = law_of(factorial, rows, ["F"] * len(rows), replicates=25)
    found = made["estimates"]
    assert found["censored"].value >= 6
    for key, truth in (("depth", 3.0), ("residual", 0.5), ("width", 1.0), ("learning_rate", 0.5)):
        one = found[f"{key}.time_ratio"]
        assert one.low < one.value < one.high
        assert one.value == pytest.approx(truth, rel=0.15), key
    assert found["depth.time_ratio_over_range"].value == pytest.approx(
        found["depth.time_ratio"].value ** 2
    )
    strongest = next(c for c in made["cells"] if c["kind"] == "effect")
    assert strongest["factor"] == "depth"
    assert found["depth.share_difference"].value < 0
    assert found["depth_8.grokked_share"].value < found["depth_2.grokked_share"].value == 1


def test_an_interaction_is_told_from_main_effects():
    """Depth triples T_grok in plain networks and changes nothing in residual ones."""
    rows = factorial_rows(depth=3.0, residual=1.0, cross=1 / 3)
    groups = {
        "plain_8": {"within": {"depth": 8, "residual": False}},
        "residual_8": {"within": {"depth": 8, "residual": True}},
    }
    ratios = {"plain_over_residual": ["plain_8", "residual_8"]}
    made = law_of(factorial, rows, ["F"] * len(rows), replicates=25, groups=groups, ratios=ratios)
    found = made["estimates"]
    cross = found["depth_x_residual.time_ratio"]
    assert cross.high < 1
    assert cross.value == pytest.approx(1 / 3, rel=0.2)
    assert found["depth.residual_no.time_ratio"].value == pytest.approx(3, rel=0.2)
    assert found["depth.residual_yes.time_ratio"].value == pytest.approx(1, rel=0.15)
    assert found["residual.depth_8.time_ratio"].value == pytest.approx(1 / 9, rel=0.3)
    assert found["plain_over_residual.T_grok_restricted_ratio"].value > 4


def test_a_level_that_never_groks_is_said_to_be_beyond_the_runs():
    rows = [
        make_mlp(1e4 if not r else math.inf, s, residual=r) for r in (False, True) for s in range(3)
    ]
    made = law_of(factorial, rows, ["F"] * 6, replicates=20)["estimates"]
    assert made["residual.time_ratio"].value is None
    assert "do not separate residual" in made["residual.time_ratio"].reason
    assert made["residual.share_difference"].high < 0


def test_an_interval_s_end_that_rests_on_no_run_is_left_open():
    """Resamples without the one residual run that grokked give no bound from above."""
    rows = [make_mlp(5e3 * (1 + 0.4 * s), s) for s in range(6)]
    rows += [make_mlp(1.5e4 if s == 0 else math.inf, s, residual=True) for s in range(6)]
    found = law_of(factorial, rows, ["F"] * 12, replicates=50)["estimates"]
    ratio = found["residual.time_ratio"]
    assert ratio.low > 1
    assert ratio.low < ratio.value < factorial.FAR
    assert ratio.high is None


def test_the_bootstraps_likelihood_is_lifelines():
    rows = factorial_rows(depth=3.0)
    time = np.array([r["T_grok"] for r in rows])
    x = pd.DataFrame(
        {
            "depth": np.log2([r["depth"] for r in rows]),
            "residual": [float(r["residual"]) for r in rows],
        }
    )
    upper = np.where(time < 40_000, time, np.inf)
    lower = np.where(time < 40_000, time - 100, 40_000)
    for family in lifetimes.FAMILIES:
        theirs = lifetimes.accelerated_failure_time(lower, upper, x, family)
        ours = lifetimes.coefficients(lower, upper, x.to_numpy(), np.ones(len(time)), family)
        assert ours[:2] == pytest.approx([theirs[n].value for n in x], abs=2e-3)
        twice = lifetimes.coefficients(
            np.repeat(lower, 2),
            np.repeat(upper, 2),
            np.repeat(x.to_numpy(), 2, 0),
            np.ones(2 * len(time)),
            family,
        )
        weighted = lifetimes.coefficients(
            lower, upper, x.to_numpy(), np.full(len(time), 2.0), family
        )
        assert weighted == pytest.approx(twice, abs=1e-4)


# The search --------------------------------------------------------------------------------------------


def search_study(report=(1e-3, 5.0), seeds=(0, 1, 2)):
    rows, where = [], []
    for eta, lam in itertools.product((1e-2, 3e-2), (1e-4, 1e-3)):
        for s in (100, 101, 102):
            rows.append(
                make_mlp(30 / (eta * lam) ** 0.5 + s, s, learning_rate=eta, weight_decay=lam)
            )
            where.append("search_mlp")
    for eta, lam in itertools.product((1e-3, 3e-3), (1.0, 5.0)):
        for s in (100, 101, 102):
            best = (eta, lam) == (1e-3, 5.0)
            rows.append(
                make_encoder(4000 + s if best else math.inf, s, learning_rate=eta, weight_decay=lam)
            )
            where.append("search_transformer")
    for s in seeds:
        rows.append(make_mlp(10_000 + 100 * s, s, learning_rate=3e-2, weight_decay=1e-3))
        rows.append(
            make_encoder(20_000 + 1000 * s, s, learning_rate=report[0], weight_decay=report[1])
        )
        where += ["B_mlp", "B_transformer"]
    architectures = {
        name: {
            "search": {"experiments": [f"search_{name}"]},
            "report": {"experiments": [f"B_{name}"]},
        }
        for name in ("mlp", "transformer")
    }
    ratios = {"transformer_over_mlp": ["transformer", "mlp"]}
    return law_of(search, rows, where, architectures=architectures, ratios=ratios, **FEW)


def test_the_search_chooses_by_median_and_reports_on_other_seeds():
    made = search_study()
    found = made["estimates"]
    keys = [
        f"{a}.best_{f}" for a in ("mlp", "transformer") for f in ("learning_rate", "weight_decay")
    ]
    chosen = [found[key].value for key in keys]
    assert chosen == [3e-2, 1e-3, 1e-3, 5.0]
    assert found["mlp.points"].value == found["transformer.points"].value == 4
    assert found["transformer_over_mlp.points_ratio"].value == 1
    # The report's runs, not the winner's own, which are five times faster.
    assert found["transformer.delay_mean"].value == 21_000
    assert found["transformer.search_T_grok"].value == 5101
    assert found["transformer_over_mlp.delay_ratio"].value == pytest.approx(21_000 / 10_100)
    assert found["transformer_over_mlp.spread_ratio"].value == pytest.approx(10)
    assert found["transformer.chosen_again"].value == 1
    assert {p["seed"] for p in made["points"]} == {0, 1, 2}
    best = [c for c in made["cells"] if c["chosen"]]
    assert [(c["architecture"], c["grokked"]) for c in best] == [("mlp", 3), ("transformer", 3)]
    never = [c for c in made["cells"] if c["architecture"] == "transformer" and not c["chosen"]]
    assert all(c["T_grok"] is None and c["restricted_mean"] == BUDGET for c in never)


def test_a_seed_of_the_search_is_not_reported():
    found = search_study(seeds=(0, 1, 101))["estimates"]
    assert found["mlp.reported_runs"].value == 2
    assert "1 left out" in found["mlp.reported_runs"].note


def test_no_report_at_the_chosen_point_is_said_with_the_point():
    found = search_study(report=(1e-3, 1.0))["estimates"]
    assert found["transformer.reported_runs"].value == 0
    assert "weight_decay = 5" in found["transformer.reported_runs"].note
    assert found["transformer_over_mlp.delay_ratio"].value is None


def test_an_architecture_needs_both_sides():
    with pytest.raises(RegrokError, match="search and report"):
        law_of(search, [make_mlp(1.0)], ["B"], architectures={"mlp": {"search": {}}})


# Windows of weight decay, and activations by weight decay ------------------------------------------------


def decay_sweep(counts, seeds=5):
    """`counts` maps λ to how many of the seeds grok, with a delay of 5/λ steps."""
    rows = []
    for lam, grok in counts.items():
        rows += [
            make_mlp(5 / lam if s < grok else math.inf, s, weight_decay=lam) for s in range(seeds)
        ]
    return law_of(regimes, rows, ["B5"] * len(rows), regimes={}, **FEW)["estimates"]


def test_the_window_lies_between_the_values_that_fail():
    found = decay_sweep({1e-4: 0, 5e-4: 0, 1e-3: 5, 2e-3: 5, 5e-3: 5, 1e-2: 0})
    low, high = found["window_low"], found["window_high"]
    assert (low.value, high.value) == (1e-3, 5e-3)
    assert (low.low, high.high) == (1e-3, 5e-3)
    assert "0.0005" in low.note
    assert "0.01" in high.note


def test_an_edge_of_few_runs_is_uncertain_and_one_at_the_end_is_open():
    found = decay_sweep({1e-4: 1, 1e-3: 2, 2e-3: 3, 5e-3: 3}, seeds=3)
    low, high = found["window_low"], found["window_high"]
    assert low.value == 1e-3
    assert low.low <= 1e-3 <= low.high <= 2e-3
    assert low.low < low.high
    assert high.value == 5e-3
    assert high.high is None
    assert "beyond" in high.note


def test_no_window_where_no_value_reaches_half():
    found = decay_sweep({1e-4: 1, 1e-3: 2})
    assert found["window_low"].value is None


def test_the_slope_inside_the_window_of_full_batch_sgd():
    rows = [
        make_mlp(20 / lam * (1 + 0.05 * s), s, weight_decay=lam)
        for lam in (1e-4, 5e-4, 1e-3, 2e-3)
        for s in range(3)
    ]
    made = law_of(
        scaling,
        rows,
        ["B5"] * 12,
        factor="weight_decay",
        within={"weight_decay": [4e-4, 2e-3]},
        **FEW,
    )
    assert made["estimates"]["delay.exponent"].value == pytest.approx(-1)
    assert made["estimates"]["delay.exponent_survival"].value == pytest.approx(-1, abs=0.05)
    assert len(made["points"]) == 9


def activation_grid(power):
    """Delay 10/λ with GELU and 20·(λ/1e-3)^power times 1/λ with ReLU."""
    rows = []
    for lam in (5e-4, 1e-3, 2e-3):
        for s in range(4):
            shake = 1 + 0.1 * s
            rows.append(make_mlp(10 / lam * shake - 1000, s, weight_decay=lam))
            slow = 20 / lam * (lam / 1e-3) ** power * shake - 1000
            rows.append(make_mlp(slow, s, activation="relu", weight_decay=lam))
    options = {"reference": "gelu", "replicates": 20}
    return law_of(interaction, rows, ["B"] * len(rows), **options)


@pytest.mark.parametrize("power", [0.0, 1.0])
def test_a_ratio_that_moves_with_weight_decay_is_an_interaction(power):
    made = activation_grid(power)
    found = made["estimates"]
    difference = found["relu_over_gelu.exponent_difference"]
    assert difference.value == pytest.approx(power, abs=0.05)
    assert (difference.low > 0) == (power > 0)
    for lam in (5e-4, 1e-3, 2e-3):
        ratio = found[f"relu_over_gelu.at_{lam:g}.T_grok_restricted_ratio"].value
        assert ratio == pytest.approx(2 * (lam / 1e-3) ** power)
    assert len(made["cells"]) == 6


def test_an_unknown_reference_names_the_levels():
    with pytest.raises(RegrokError, match="there are gelu"):
        law_of(interaction, [make_mlp(1e4)], ["B"], reference="relu")

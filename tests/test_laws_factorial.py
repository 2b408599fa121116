"""The factorial on planted networks: each factor's effect, interactions, and runs that were not watched to the end."""

import itertools
import math

import numpy as np
import pandas as pd
import pytest

from planted_networks import law_of, make_mlp
from regrok.laws import factorial
from regrok.laws.parts import lifetimes


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

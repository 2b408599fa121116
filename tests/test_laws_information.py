"""No estimate is surer than its runs: likelihoods without information, spreads of zero, times within one logging step.

Public reports of this kind: lifelines#1151 (a singular Hessian's pseudo-inverse gives a standard error of zero),
therneau/survival#234 (interval-censored times without a finite lower end), NoLimits.jl#306 (certain at a bound).
"""

from __future__ import annotations

import json
import math
import warnings
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planted import NOTHING, make_run, members
from regrok.judging.verdicts import verdict
from regrok.laws import comparison, contraction, regimes, run_fit, search
from regrok.laws.parts import estimate as est
from regrok.laws.parts import information, lifetimes, resolution, restricted
from regrok.laws.parts.heard import heard
from regrok.runs.frames import Frames
from regrok.study.predicates import Sign
from regrok.study.words import INCONCLUSIVE

X = pd.DataFrame({"exponent": np.log([0.5, 0.5, 0.5, 1, 1, 1])})
FAMILIES = sorted(lifetimes.FAMILIES)


def exponent(lower, upper, family="weibull", x=X) -> est.Estimate:
    return lifetimes.accelerated_failure_time(
        np.array(lower, float), np.array(upper, float), x, family
    )["exponent"]


@pytest.mark.parametrize("family", FAMILIES)
def test_runs_known_from_above_alone_have_no_exponent(family):
    """lifelines#1151, therneau/survival#234: −0.913 [−0.913, −0.913] before, and A13 was reproduced."""
    found = exponent([0] * 6, [50, 50, 50, 25, 25, 25], family)
    assert (found.value, found.low, found.high) == (None, None, None)
    assert found.reason == (
        "the likelihood has no maximum: 6 of 6 runs are known from above alone and 0 from below"
    )
    assert verdict(Sign(kind="sign", sign="negative"), found.as_json(), None, "")[0] == INCONCLUSIVE


@pytest.mark.parametrize("family", FAMILIES)
def test_a_level_known_from_above_alone_runs_off_too(family):
    """lifelines#1151: no maximum, although the other level is known from both sides."""
    found = exponent([100, 125, 150, 0, 0, 0], [125, 150, 175, 25, 25, 25], family)
    assert found.value is None
    assert "no maximum" in found.reason


@pytest.mark.parametrize("family", FAMILIES)
def test_one_line_through_all_intervals_gives_a_value_without_interval(family):
    """NoLimits.jl#306: σ is at its bound 0, where ±4·10⁹ and ±29.9 came out before."""
    found = exponent([100, 100, 100, 50, 50, 50], [125, 125, 125, 75, 75, 75], family)
    least, most = -math.log(125 / 50) / math.log(2), -math.log(100 / 75) / math.log(2)
    assert found.value == pytest.approx((least + most) / 2)
    assert (found.low, found.high) == (None, None)
    assert "the residual's scale is 0" in found.reason
    assert f"{least:.3g} to {most:.3g}" in found.reason
    word, why = verdict(Sign(kind="sign", sign="negative"), found.as_json(), None, "")
    assert word == INCONCLUSIVE
    assert "the residual's scale is 0" in why


@pytest.mark.parametrize(
    ("upper", "left_out"), [([0, 0, 0, 0, 10, 20], 4), ([0] * 6, 6), ([math.nan] * 6, 6)]
)
@pytest.mark.parametrize("family", FAMILIES)
def test_times_of_zero_are_left_out_and_counted(upper, left_out, family):
    """lifelines#1151: TypeError from lifelines before, since 0 has no logarithm and the median was 0."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = exponent([0] * 6, upper, family)
    assert found.value is None
    assert f"{left_out} of 6 runs without a time above 0 left out" in found.reason


@pytest.mark.parametrize("family", FAMILIES)
def test_times_with_information_keep_their_interval(family):
    lower, upper = [200, 225, 250, 100, 125, 150], [225, 250, 275, 125, 150, 175]
    found = exponent(lower, upper, family)
    assert found.reason is None
    assert found.low < found.value < found.high < 0
    # One more run whose time is 0 changes nothing but the note.
    more = exponent(
        [0, *lower], [0, *upper], family, pd.DataFrame({"exponent": [0.3, *X["exponent"]]})
    )
    assert (more.value, more.low, more.high) == pytest.approx((found.value, found.low, found.high))
    assert "1 of 7 runs without a time above 0 left out" in more.note


def test_the_hessian_is_judged_at_its_scale():
    """lifelines#1151: flat against the residual's scale, not against 1."""
    assert information.flat(np.diag([6e8, 6.0]), 1e-4, 6) == ""
    assert "not positive definite" in information.flat(np.diag([6e-8, 6.0]), 0.1, 6)
    assert "not positive definite" in information.flat(np.diag([-1.0, 6.0]), 1.0, 6)
    assert "not finite" in information.flat(np.diag([np.nan, 6.0]), 1.0, 6)
    alike = np.array([[6.0, 6.0, 0.0], [6.0, 6.0, 0.0], [0.0, 0.0, 6.0]])
    assert information.flat(alike, 1.0, 6) != ""


def test_a_flat_hessian_or_a_warning_leaves_no_interval(monkeypatch):
    """lifelines#1151: the warning was hidden by a filter, and its pseudo-inverse believed."""
    lower, upper = [200, 225, 250, 100, 125, 150], [225, 250, 275, 125, 150, 175]
    whole = exponent(lower, upper)

    class Doubtful(lifetimes.WeibullAFTFitter):
        def fit_interval_censoring(self, *arguments, **named):
            warnings.warn("The Hessian was not invertible.\nAdvice", UserWarning, stacklevel=1)
            return super().fit_interval_censoring(*arguments, **named)

    monkeypatch.setitem(lifetimes.FAMILIES, "weibull", Doubtful)
    found = exponent(lower, upper)
    assert found.value == whole.value
    assert (found.low, found.high) == (None, None)
    assert found.reason == "no interval: the likelihood is flat (The Hessian was not invertible.)"


def test_warnings_are_handed_on_and_underflow_is_none():
    with heard() as said:
        warnings.warn("one\ntwo", stacklevel=1)
        warnings.warn("one\nthree", stacklevel=1)
        np.exp(np.array([-1e4]))
    assert said == ["one"]
    with heard() as said:
        np.log(np.array([0.0]))
    assert said == ["divide by zero encountered in log"]


def test_a_curve_that_does_not_tell_its_rate_is_not_fitted():
    """scipy warns that the covariance cannot be estimated; the warning was hidden before."""
    step = np.arange(5.0)
    jump = np.array([1.0, 0.0, 0.0, 0.0, 0.0])
    assert contraction.fit_curve(step, jump) is None
    V = 3 * 0.7**step + 1
    assert contraction.fit_curve(step, V)["rate"] == pytest.approx(0.7)


# Spreads of zero and the logging step -----------------------------------------------------------------------------


def no_interval(found: est.Estimate) -> bool:
    return found.low is None and found.high is None and "no interval" in found.reason


def test_equal_values_tell_nothing_of_their_spread():
    """NoLimits.jl#306: [5, 5] before, as sure as a count."""
    assert no_interval(est.mean([5.0, 5.0, 5.0]))
    groups = np.repeat([0, 1], 3)
    x = np.repeat([1.0, 2.0], 3)
    assert no_interval(est.bootstrap(lambda i: x[i].mean(-1), groups, 50, 0, "mean"))
    ratio, log = comparison.ratio(np.array([100.0, 100.0]), np.array([50.0, 50.0]))
    assert ratio.value == 2.0
    assert no_interval(ratio)
    assert no_interval(log)
    five, seen = pd.Series([5.0] * 3), pd.Series([True] * 3)
    assert no_interval(lifetimes.median(five, seen))
    assert no_interval(restricted.mean(five, seen, 9.0))
    count = est.exact(3, 3, "count")
    assert (count.low, count.high) == (3, 3)


def test_one_run_has_a_median_and_no_interval():
    """NoLimits.jl#306: [275, 275] from one run before."""
    found = lifetimes.median(pd.Series([275.0]), pd.Series([True]))
    assert (found.value, found.low, found.high) == (275, None, None)
    assert found.reason == "one run gives no interval"


def test_a_cell_that_never_grokked_bounds_its_mean_from_below_alone():
    """NoLimits.jl#306: 4,000 [4,000, 4,000] from three censored runs before."""
    found = restricted.mean(pd.Series([4000.0] * 3), pd.Series([False] * 3), 4000.0)
    assert (found.value, found.high) == (4000, None)
    # Wilson's interval of none of three.
    assert found.low == pytest.approx(4000 * (1 - 0.5615), rel=1e-4)


def test_an_interval_holds_its_value():
    """NoLimits.jl#306: clipped to its bounds or shifted by a skewed bootstrap, an interval could miss its value."""
    found = est.estimate(1.0, 1.2, 1.5, 3, "x")
    assert (found.low, found.value, found.high) == (1.0, 1.0, 1.5)
    draws = np.linspace(2.0, 3.0, 100)
    skewed = est.from_draws(1.0, draws, 9, 3, "x")
    assert skewed.low == skewed.value == 1.0


def equal_runs(seeds=3, **settings):
    return pd.DataFrame([make_run(seed=s, **settings) for s in range(seeds)]).assign(
        T_mem_previous=775.0, T_grok_previous=1775.0
    )


def test_equal_times_are_as_sure_as_their_logging():
    """T_grok in (1775, 1800] and T_mem in (775, 800]: the delay lies between 975 and 1,025."""
    runs = equal_runs()
    mean = resolution.mean(runs, "delay")
    assert (mean.low, mean.value, mean.high) == (975, 1000, 1025)
    assert est.FLOORED in mean.note
    assert mean.reason is None
    assert no_interval(lifetimes.median_of(runs, "T_grok"))
    median = lifetimes.median_of(equal_runs(5), "T_grok")
    assert (median.low, median.value, median.high, median.level) == (1775, 1800, 1800, 0.9375)
    found = comparison.contrast(runs, runs, comparison.horizons({"a": runs}), 50, 0)
    for key in ("delay_ratio", "delay_restricted_ratio"):
        assert found[key].low == pytest.approx(975 / 1025)
        assert found[key].high == pytest.approx(1025 / 975)
    assert found["T_grok_restricted_ratio"].high == pytest.approx(1800 / 1775)


def test_a_nearly_equal_mean_is_no_surer_than_the_logging():
    """One of forty runs a step later: Student's interval is 2.5 steps wide, the logging 50."""
    late = make_run(seed=99, delay=1025)
    runs = pd.concat([equal_runs(39), pd.DataFrame([late])], ignore_index=True)
    runs = runs.assign(T_mem_previous=runs["T_mem"] - 25, T_grok_previous=runs["T_grok"] - 25)
    found = resolution.mean(runs, "delay")
    assert found.high - found.low >= 50
    assert found.low <= runs["delay"].mean() - 25


def test_a_slope_through_equal_times_is_as_wide_as_their_logging():
    """The exponent between two λ whose runs all took 1,000 and 500 steps, each ± 25."""
    rows = [
        make_run(seed=s, delay=d, weight_decay=w)
        for s in range(3)
        for d, w in ((1000, 0.5), (500, 1.0))
    ]
    found = fitted("scaling", rows, factor="weight_decay", survival=False, replicates=50)
    exponent = found["fit.delay.exponent"]
    assert exponent["value"] == pytest.approx(-1)
    # To first order each end moves by log(1 ∓ 25/T) over log 2.
    low = (math.log(975 / 1000) - math.log(525 / 500)) / math.log(2)
    high = (math.log(1025 / 1000) - math.log(475 / 500)) / math.log(2)
    assert exponent["low"] == pytest.approx(-1 - high)
    assert exponent["high"] == pytest.approx(-1 - low)


def test_seeds_that_differ_by_more_than_the_logging_keep_their_bootstrap():
    rows = [
        make_run(seed=s, delay=d + 100 * s, weight_decay=w)
        for s in range(3)
        for d, w in ((1000, 0.5), (500, 1.0))
    ]
    found = fitted("scaling", rows, factor="weight_decay", survival=False, replicates=200)
    assert est.FLOORED not in found["fit.delay.exponent"]["note"]


def fitted(law, rows, **options):
    runs = pd.DataFrame(rows)
    frames = Frames(runs, pd.DataFrame({"run_id": [], "step": [], "V": []}), members(runs), NOTHING)
    made = run_fit("fit", SimpleNamespace(law=law, experiments=[], options=options), frames)
    json.dumps(made, allow_nan=False)
    return made["estimates"]


def test_values_that_the_logging_cannot_tell_apart_share_the_first_place():
    """All delays equal: the smallest λ was the fastest, surely."""
    rows = [make_run(seed=s, weight_decay=w) for s in range(3) for w in (0.5, 1.0, 2.0)]
    runs = pd.DataFrame(rows).assign(T_mem_previous=775.0, T_grok_previous=1775.0)
    found = regimes.fastest(runs, "weight_decay", 50, 0)
    assert (found.low, found.high) == (0.5, 2.0)
    alone = regimes.fastest(runs[runs["weight_decay"] == 1.0], "weight_decay", 50, 0)
    assert (alone.value, alone.low, alone.high) == (1.0, None, None)
    # Well apart, the choice is sure.
    fast = runs["weight_decay"] == 2.0
    runs["delay"] = runs["delay"].where(~fast, 400.0)
    runs["T_grok"] = runs["T_grok"].where(~fast, 1200.0)
    runs["T_grok_previous"] = runs["T_grok"] - 25
    found = regimes.fastest(runs, "weight_decay", 50, 0)
    assert (found.value, found.low, found.high) == (2.0, 2.0, 2.0)


def test_a_search_in_which_nothing_grokked_has_no_sure_best():
    rows = [
        make_run(seed=s, delay=math.nan, weight_decay=w, T_grok_previous=math.nan)
        for s in range(2)
        for w in (0.5, 1.0)
    ]
    table = search.grid(pd.DataFrame(rows), ["weight_decay"])
    assert search.alike(table, ["weight_decay"]) == {"weight_decay": (0.5, 1.0)}


steps = st.integers(0, 6).map(lambda k: 25.0 * k)


@settings(max_examples=15)
@given(st.lists(st.tuples(steps, st.booleans()), min_size=1, max_size=8), st.integers(1, 160))
def test_no_estimate_of_times_is_certain(runs, horizon):
    """Whatever the times: JSON without NaN, the value within its interval, and no interval without width."""
    time, seen = pd.Series([r[0] for r in runs]), pd.Series([r[1] for r in runs])
    between = np.where(seen, np.maximum(time - 25, 0), time), time.to_numpy()
    cells = np.arange(len(runs)) % 2
    x = time.to_numpy()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = [
            lifetimes.median(time, seen),
            lifetimes.median(time, seen, between),
            restricted.mean(time, seen, float(horizon), between=between),
            restricted.mean(time, seen, float(horizon), cells, between),
            est.mean(x),
            *comparison.ratio(x[cells == 0], x[cells == 1]),
        ]
    for one in found:
        refuse_certainty(one)


@settings(max_examples=8)
@given(st.lists(st.tuples(steps, steps, st.booleans()), min_size=2, max_size=8))
def test_no_exponent_of_times_is_certain(runs):
    """lifelines#1151: any upper ends, any of them 0, any run censored or known from above alone."""
    upper = np.array([r[0] if r[2] else np.inf for r in runs])
    lower = np.maximum(np.array([r[0] for r in runs]) - np.array([r[1] for r in runs]) - 25, 0)
    x = pd.DataFrame({"exponent": np.arange(len(runs)) % 2 * 1.0})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        refuse_certainty(exponent(lower, upper, x=x))


def refuse_certainty(one: est.Estimate) -> None:
    record = json.loads(json.dumps(one.as_json(), allow_nan=False))
    value, low, high = (record[key] for key in ("value", "low", "high"))
    if value is None:
        assert record["reason"]
        return
    assert low is None or low <= value
    assert high is None or value <= high
    assert low is None or high is None or low < high

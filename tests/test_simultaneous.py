"""Intervals that hold at once: wider, by hand, and the verdicts that they change."""

import pytest
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from regrok.judging.simultaneous import widened, wilson

MEAN = {"value": 10.0, "low": 8.0, "high": 12.0, "level": 0.95, "n": 5}


def test_a_mean_is_stretched_as_its_t_interval():
    # Of ten intervals each is at 99.5 %.
    ratio = stats.t.ppf(0.9975, 4) / stats.t.ppf(0.975, 4)
    found = widened(MEAN, 10, share=False)
    assert (found["low"], found["high"]) == pytest.approx((10 - 2 * ratio, 10 + 2 * ratio))


def test_one_claim_alone_keeps_its_interval_and_an_open_end_stays_open():
    assert widened(MEAN, 1, share=False) == MEAN
    found = widened({**MEAN, "high": None}, 10, share=False)
    assert found["high"] is None
    assert found["low"] < 8
    nothing = {**MEAN, "value": None, "low": None, "high": None}
    assert widened(nothing, 10, share=False) == nothing


@pytest.mark.parametrize(("count", "n"), [(0, 3), (2, 5), (10, 10)])
def test_a_share_is_wilson_s_at_the_other_level(count, n):
    share = {**MEAN, "value": count / n, "low": None, "high": None, "n": n}
    found = widened(share, 10, share=True)
    told = proportion_confint(count, n, alpha=0.005, method="wilson")
    assert (found["low"], found["high"]) == pytest.approx(told, abs=1e-12)
    assert wilson(count / n, n, 0.995) == pytest.approx(told, abs=1e-12)

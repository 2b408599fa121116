"""Which value of a sweep is the fastest: shares of wins, no interval between the values tried."""

import math

import pytest

from planted import fit, make_run
from regrok.judging.verdicts import verdict
from regrok.laws import regimes
from regrok.laws.parts.winners import key_of
from regrok.study.predicates import AtLeast
from regrok.study.words import INCONCLUSIVE, NO_SUCH_RUN, NOT_REPRODUCED, REPRODUCED

MOST = AtLeast(kind="at_least", bound=0.5)
NEVER = {"T_mem": math.nan, "delay": math.nan}


def sweep(delays, asked):
    """λ → delays of its runs, NaN for one that memorised and did not grok, None for one that never memorised."""
    rows = [
        make_run(seed=s, weight_decay=decay, **(NEVER if d is None else {"delay": d}))
        for decay, each in delays.items()
        for s, d in enumerate(each)
    ]
    return fit(regimes, rows, winners=asked, replicates=500)["estimates"]


def word(found, value):
    return verdict(MOST, found[f"fastest_share.{key_of(value)}"].as_json(), None, "")[0]


def test_the_shares_are_of_one_win():
    found = sweep({0.5: (900, 1500, 1100), 1.0: (1000, 1200, 1300), 2.0: (4000, 5000, 6000)}, [1.0])
    shares = [found[f"fastest_share.{key}"].value for key in ("0.5", "1", "2")]
    assert sum(shares) == pytest.approx(1)
    assert shares[2] == 0
    assert 0 < shares[0] < 1


def test_a_clear_winner_is_sure():
    found = sweep({0.5: (4000, 4500, 5000), 1.0: (1000, 1200, 1300)}, [1.0])
    won = found["fastest_share.1"]
    assert (won.low, won.value, won.high) == (1, 1, 1)
    assert (word(found, 1.0), word(found, 0.5)) == (REPRODUCED, NOT_REPRODUCED)


def test_a_choice_that_hangs_on_one_run_is_open():
    found = sweep({0.5: (1000, 1050, 1100), 1.0: (500, 520, 2200)}, [1.0])
    assert word(found, 1.0) == INCONCLUSIVE


def test_a_value_at_which_nothing_memorises_cannot_win():
    """The rule before it, fastest at least 2, was met by the next smaller value."""
    found = sweep({1.0: (3000, 3100, 3200), 2.0: (1000, 1100, 1200), 5.0: (None,) * 3}, [5.0])
    lost = found["fastest_share.5"]
    assert word(found, 5.0) == NOT_REPRODUCED
    assert (lost.value, lost.high) == (0, 0)
    assert lost.note == "0 of 3 runs grokked, 0 memorised: it cannot win"
    old = AtLeast(kind="at_least", bound=2, direction_only=False)
    assert verdict(old, found["fastest_weight_decay"].as_json(), None, "")[0] == REPRODUCED


def test_a_value_where_some_do_not_finish_is_charged_the_budget():
    found = sweep({1.0: (900, math.nan, 1000), 2.0: (3000, 3100, 3200)}, [1.0])
    assert found["fastest_share.2"].value > 0.6


def test_a_value_beyond_the_grid_and_a_sweep_in_which_nothing_memorised_are_absent():
    found = sweep({1.0: (900, 1000)}, [5.0])
    assert word(found, 5.0) == NO_SUCH_RUN
    assert found["fastest_share.5"].absent == "weight_decay = 5 was not tried"
    assert word(sweep({1.0: (None, None)}, [1.0]), 1.0) == NO_SUCH_RUN
    assert word(sweep({1.0: (math.nan, math.nan)}, [1.0]), 1.0) == INCONCLUSIVE


def test_no_share_is_estimated_where_none_is_asked():
    assert not [key for key in sweep({1.0: (900, 1000)}, []) if key.startswith("fastest_share")]


def test_one_run_a_value_says_nothing_of_other_seeds():
    found = sweep({1.0: (900,), 2.0: (3000,)}, [1.0])
    assert (found["fastest_share.1"].value, found["fastest_share.1"].low) == (1, None)
    assert word(found, 1.0) == INCONCLUSIVE

"""Crossings and outcomes against curves whose answer can be read off."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from regrok.measures.events import (
    DWELL,
    LATE_SHARE,
    LOST_BELOW,
    THRESHOLDS,
    crossing,
    event_columns,
    late_level,
    loss_columns,
    loss_of_generalisation,
    outcome,
)

STEPS = np.array([0, 25, 50, 75, 100])


def test_first_crossing_lies_between_the_logged_steps():
    found = crossing(STEPS, np.array([0.0, 0.5, 0.99, 1.0, 1.0]), 0.99)
    assert (found.previous, found.first, found.sustained) == (25, 50, 50)


def test_three_evaluations_in_a_row_make_a_crossing_last():
    found = crossing(np.arange(6), np.array([0.0, 0.95, 0.5, 0.92, 1.0, 0.93]), 0.90)
    assert (found.first, found.sustained_previous, found.sustained) == (1, 2, 3)


def test_a_spike_in_the_tail_does_not_undo_a_crossing_that_lasted():
    """One spike 2,000 steps after T_grok moved T_mem behind T_grok when every later evaluation had to agree."""
    accuracy = np.array([0.0, 1.0, 1.0, 1.0, 1.0, 0.1, 1.0])
    found = crossing(np.arange(7) * 200, accuracy, 0.99)
    assert (found.first, found.sustained) == (200, 200)


def test_a_crossing_that_is_seen_less_than_three_times_does_not_last():
    found = crossing(STEPS, np.array([0.0, 0.95, 0.5, 0.95, 0.95]), 0.90)
    assert found.first == 25
    assert math.isnan(found.sustained) and math.isnan(found.sustained_previous)


def test_steps_without_evaluation_take_no_part():
    accuracy = np.array([0.0, np.nan, 1.0, np.nan, 1.0, 1.0])
    found = crossing(np.arange(6) * 25, accuracy, 0.99)
    assert (found.previous, found.first, found.sustained) == (0, 50, 50)


def test_no_crossing_is_nan_everywhere():
    found = crossing(STEPS, np.zeros(5), 0.9)
    assert all(math.isnan(value) for value in (found.first, found.previous, found.sustained))


def test_crossing_at_the_first_log_has_no_interval():
    found = crossing(STEPS, np.ones(5), 0.9)
    assert (found.previous, found.first) == (0, 0)


@pytest.mark.parametrize(
    ("steps", "accuracy", "why"),
    [([0, 1], [0.0], "accuracies"), ([0, 0], [0.0, 1.0], "increase"), ([1, 0], [0, 1], "increase")],
)
def test_impossible_curves_are_refused(steps, accuracy, why):
    with pytest.raises(ValueError, match=why):
        crossing(np.array(steps), np.array(accuracy), 0.9)


@given(st.lists(st.one_of(st.floats(0, 1), st.just(float("nan"))), min_size=1, max_size=40))
def test_order_of_events(accuracy):
    """A higher threshold is never reached earlier, and a lasting crossing never precedes the first."""
    steps = np.arange(len(accuracy)) * 25
    columns = event_columns(steps, np.array(accuracy), np.array(accuracy))
    times = [columns[f"T_mem_{suffix}"] for suffix in THRESHOLDS]
    known = [t for t in times if not math.isnan(t)]
    assert known == sorted(known)
    for suffix in THRESHOLDS:
        first, last = columns[f"T_mem_{suffix}"], columns[f"T_mem_{suffix}_sustained"]
        assert math.isnan(last) or last >= first
        assert math.isnan(first) or columns[f"T_mem_{suffix}_previous"] <= first


@pytest.mark.parametrize(
    ("memorised", "grokked", "collapsed", "diverged", "word"),
    [
        (True, True, False, False, "grokked"),
        (False, True, False, False, "grokked"),
        (True, True, False, True, "grokked"),
        (True, False, False, False, "memorised only"),
        (False, False, False, False, "never memorised"),
        (True, False, True, False, "collapsed"),
        (True, False, False, True, "diverged"),
    ],
)
def test_outcomes(memorised, grokked, collapsed, diverged, word):
    assert outcome(memorised, grokked, collapsed, diverged) == word


# Lost and regained ---------------------------------------------------------------------------------------------------

EVERY = 100


def lost(levels: list[float], dwell: float = 300, **options: float) -> tuple[float, ...]:
    """Events of a curve evaluated every 100 steps."""
    found = loss_of_generalisation(np.arange(len(levels)) * EVERY, levels, dwell=dwell, **options)
    return found.lost_previous, found.lost, found.regained_previous, found.regained


NONE = [math.nan] * 4


@pytest.mark.parametrize(
    ("levels", "expected"),
    [
        ([1, 1, 0.1, 0.1, 0.1, 0.1, 0.1], [100, 200, math.nan, math.nan]),
        ([1, 1, 0.1, 0.1, 0.1, 0.1, 1, 1, 1, 1], [100, 200, 500, 600]),
        # A dip of one evaluation, or of fewer steps than the dwell, is none.
        ([1, 0.1, 1, 0.1, 1, 0.1, 1], NONE),
        ([1, 0.1, 0.1, 0.1, 1, 1, 1], NONE),
        # What has begun too late is not known to last.
        ([1, 1, 1, 1, 0.1, 0.1, 0.1], NONE),
        # After a loss, short returns are no recovery, and one that lasts is.
        ([1, 0.1, 0.1, 0.1, 0.1, 1, 1, 0.1, 0.95, 0.95, 0.9, 1], [0, 100, 700, 800]),
        # Only what was there can be lost.
        ([0.1, 0.1, 0.1, 0.1, 0.1, 0.1], NONE),
        ([0.1, 0.1, 0.1, 0.1, 0.95, 0.95, 0.1, 0.1, 0.1, 0.1], NONE),
        ([0.1, 0.1, 0.1, 0.1, 1, 0.1, 0.1, 0.1, 0.1], [400, 500, math.nan, math.nan]),
        # At the level is not below it.
        ([1, 0.9, 0.9, 0.9, 0.9, 0.9], NONE),
    ],
)
def test_a_loss_and_a_recovery_must_last(levels, expected):
    np.testing.assert_array_equal(lost(levels), expected)


def test_unevaluated_steps_take_no_part_in_a_loss():
    levels = [1, math.nan, 0.1, math.nan, math.nan, 0.1, math.nan]
    np.testing.assert_array_equal(lost(levels), [0, 200, math.nan, math.nan])


def test_one_evaluation_is_no_loss_however_sparse_they_are():
    found = loss_of_generalisation(np.array([0, 5000, 10000]), np.array([1.0, 0.1, 1.0]), dwell=1)
    assert math.isnan(found.lost)
    with pytest.raises(ValueError, match="dwell"):
        loss_of_generalisation(STEPS, np.ones(5), dwell=0)


@given(
    st.lists(st.sampled_from([0.2, 0.95, 1.0]), min_size=1, max_size=30),
    st.integers(1, 8),
)
def test_a_loss_is_where_looking_at_every_window_finds_it(levels, width):
    """Against the definition: the first place after T_grok from which `width` + 1 evaluations are below."""
    levels = [1.0, *levels]
    windows = [
        i
        for i in range(1, len(levels) - width)
        if all(level < 0.9 for level in levels[i : i + width + 1])
    ]
    _, found, _, _ = lost(levels, dwell=width * EVERY)
    assert found == EVERY * windows[0] if windows else math.isnan(found)


def test_the_late_level_is_over_the_last_tenth_of_a_spent_budget():
    steps = np.arange(0, 1001, 20)
    levels = np.where(steps < 900, 1.0, 0.4)
    levels[-2] = 1.0
    assert late_level(steps, levels, budget=1000) == 0.4
    assert math.isnan(late_level(steps, levels, budget=1020)), "it ended before its budget"
    assert math.isnan(late_level(steps, np.where(steps < 900, 1.0, math.nan), budget=1000))


def test_columns_of_losses_use_the_levels_that_they_are_described_with():
    steps = np.arange(0, 5001, 500)
    levels = np.array([1, 1, 0.89, 0.89, 0.89, 1, 1, 1, 0.9, 0.9, 0.9])
    assert loss_columns(steps, levels, budget=5000) == {
        "T_lost_previous": 500,
        "T_lost": 1000,
        "T_regained_previous": 2000,
        "T_regained": 2500,
        "validation_accuracy_late": 0.9,
    }
    assert (LOST_BELOW, DWELL, LATE_SHARE) == (0.9, 1000, 0.1)

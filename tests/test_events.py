"""Crossings and outcomes against curves whose answer can be read off."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from regrok.measures.events import THRESHOLDS, crossing, event_columns, outcome

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

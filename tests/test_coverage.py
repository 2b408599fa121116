"""The intervals that decide verdicts hold the truth: few studies of each kind here, `make coverage` draws many."""

import importlib
import sys
from pathlib import Path

import pytest

from regrok.laws.parts import estimate as est

sys.path.insert(0, str(Path(__file__).parents[1]))
simulated = importlib.import_module("benchmarks.coverage")
KINDS, coverage = simulated.KINDS, simulated.coverage

STUDIES = 200
LEAST = 0.9
"""Of 200 studies 190 hold the truth, give or take three; the seeds are fixed."""
KEPT = [
    "mean, t",
    "geometric mean, t",
    "share, Wilson",
    "slope S2, t over cells",
    "exponent S2, t over cells",
    "exponent S5A, t over cells",
    "R² S2, population",
    "R² S5A, population",
    "Pearson r S3, population",
    "slope S3, t over cells",
    "variation S5A laptop, population",
    "variation of norms, population",
    "restricted mean, log-odds",
    "ratio of means, Welch",
    "ratio of spreads, F",
]
"""Those that keep their promise with three runs a cell."""
SLOW = [
    "exponent of η, jackknife over cells",
    "exponent of λ, jackknife over cells",
    "exponent of log ratio, jackknife over cells",
    "error of the forecast, refitted",
    "error of the forecast, every lever",
    "slope S4, jackknife over runs",
    "R² S4, jackknife over runs",
]
"""Those that leave clusters out or draw them, of which a study takes up to a third of a second."""


@pytest.mark.parametrize("name", KEPT)
@pytest.mark.parametrize("n", [3, 5])
def test_an_interval_holds_the_truth_as_often_as_it_says(name, n):
    assert coverage(KINDS[name], n, 0.0, STUDIES).held >= LEAST


@pytest.mark.long
@pytest.mark.parametrize("name", SLOW)
@pytest.mark.parametrize("n", [3, 5])
def test_intervals_that_leave_out_or_draw_cells_hold_it_as_well(name, n):
    """Three standard errors of 100 studies at .93 are .077."""
    kind = KINDS[name]
    assert coverage(kind, n, 0.0, 100).held >= 0.93 - 0.077
    if kind.censored:
        assert coverage(kind, n, 0.5, 100).held >= 0.93 - 0.077


@pytest.mark.parametrize("n", [3, 10])
def test_half_censored_runs_are_held_as_well(n):
    assert coverage(KINDS["restricted mean, log-odds"], n, 0.5, STUDIES).held >= LEAST
    assert coverage(KINDS["restricted ratio, log-odds"], n, 0.5, 50).held >= LEAST


def test_medians_of_three_runs_have_no_interval_and_those_of_five_hold():
    assert coverage(KINDS["median, order statistics"], 3, 0.2, 20).without == 1
    assert coverage(KINDS["median, order statistics"], 5, 0.5, STUDIES).held >= LEAST


@pytest.mark.parametrize("name", ["R² S2, bootstrap", "variation S5A laptop, bootstrap"])
def test_those_that_do_not_are_told_apart(name):
    kept = coverage(KINDS[name], 3, 0.0, STUDIES)
    assert kept.held < 0.85
    assert min(kept.above, kept.below) < 0.05


def test_the_count_is_right():
    # Of three intervals one holds the truth, one lies above and one below; every fourth study has none.
    ends = iter([(0, 2), (2, 3), (-2, -1), (None, None)] * 5)

    def draw(n, censored, rng):
        low, high = next(ends)
        return est.estimate(0.0 if low is None else (low + high) / 2, low, high, n, ""), 1.0

    kept = coverage(simulated.Kind(draw), 3, 0.0, 20)
    assert kept.held == pytest.approx(1 / 3)
    assert (kept.above, kept.below) == (pytest.approx(1 / 3), pytest.approx(1 / 3))
    assert kept.without == 0.25


def test_censored_runs_are_drawn_and_the_table_is_printed(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["coverage", "median", "--studies", "10"])
    simulated.main()
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 + 9
    assert lines[-1].startswith("| median, order statistics | 10 | 50% | ")
    monkeypatch.setattr(sys, "argv", ["coverage", "nothing"])
    with pytest.raises(SystemExit):
        simulated.main()
    assert "no kind holds nothing" in capsys.readouterr().err

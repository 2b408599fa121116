"""The progress line: what a person reads while runs train."""

import io

import pytest

from regrok.runs.store import RunStore
from regrok.training.loop import train_cohort
from regrok.training.progress import NOTED, Lines, Noted, clock
from small import small_run


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(4.4, "4 s"), (59, "59 s"), (61, "1 min"), (3599, "1 h 00 min"), (11100, "3 h 05 min")],
)
def test_durations_as_a_person_says_them(seconds, words):
    assert clock(seconds) == words


def test_a_line_tells_runs_speed_slots_and_time_left(tmp_path):
    stream = io.StringIO()
    runs = [small_run(seed) for seed in range(3)]
    train_cohort("add-p11", runs, RunStore(tmp_path, "x"), slots=2, progress=Lines(stream, every=0))
    lines = stream.getvalue().splitlines()
    first, last = lines[0], lines[-1]
    assert first.startswith("add-p11  runs 0/3 · ")
    assert " left · " in first and "steps/s" in first
    assert "η=0.001 λ=1 seed 0 @5 · η=0.001 λ=1 seed 1 @5" in first
    assert last.startswith("add-p11  trained 3 runs, 600 steps in ")


def test_a_job_of_several_cohorts_counts_their_runs_together(tmp_path):
    stream = io.StringIO()
    progress = Lines(stream, every=0, total=5)
    for name, seeds in (("first", (0, 1)), ("second", (2, 3, 4))):
        runs = [small_run(seed) for seed in seeds]
        train_cohort(name, runs, RunStore(tmp_path, "x"), slots=1, progress=progress)
    lines = stream.getvalue().splitlines()
    assert lines[0].startswith("first  runs 0/2, 0/5 of the job · ")
    second = [line for line in lines if line.startswith("second")]
    assert second[0].startswith("second  runs 0/3, 2/5 of the job · ")
    assert second[-2].startswith("second  runs 3/3, 5/5 of the job · ")
    assert second[-1].startswith("second  trained 3 runs, 600 steps in ")


def test_without_a_terminal_lines_are_half_a_minute_apart(tmp_path):
    assert Lines(io.StringIO()).every == 30


def test_a_job_whose_build_shows_it_notes_its_line_in_a_file_and_in_its_log(tmp_path, monkeypatch):
    monkeypatch.setattr(Noted, "EVERY", 0.0)
    log, noted = io.StringIO(), tmp_path / f"job{NOTED}"
    progress = Noted(log, tmp_path / "job.log", total=2)
    train_cohort(
        "x", [small_run(0), small_run(1)], RunStore(tmp_path, "x"), slots=1, progress=progress
    )
    assert noted.read_text(encoding="utf-8").startswith("x  runs ")
    assert log.getvalue().startswith("x  trained 2 runs, ") and log.getvalue().count("\n") == 1
    progress.end()
    assert not noted.exists()

"""What a build says before it trains: what is really missing, how fast this machine is, and what would be mixed."""

from __future__ import annotations

import os

import pytest

from checkouts import small_study
from configurations import checked
from regrok.errors import RegrokError
from regrok.pipeline import announce, script, speed
from regrok.pipeline.graph import Graph
from regrok.pipeline.rosters import STORE
from regrok.pipeline.speed import Speed
from regrok.runs.store import RunStore
from regrok.training.loop import train_cohort


def graph(every: int) -> Graph:
    study = small_study(steps=50, seeds=1)
    study["settings"]["small"]["protocol"] |= {"measure": ["norm_groups"], "measure_every": every}
    return Graph(checked(study))


@pytest.fixture
def trained(tmp_path, monkeypatch) -> Graph:
    """A study whose two runs are trained, in the working directory; the machine is a made-up one."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(
        announce, "machine_speed", lambda processes: Speed(1e9, "Slow", "native", processes)
    )
    monkeypatch.delenv(script.TOLD, raising=False)
    made = graph(every=50)
    for job in made.plan.jobs.values():
        store = RunStore(STORE, made.code(job))
        for cohort in job.cohorts:
            train_cohort(cohort.name, cohort.runs, store, slots=2)
    return made


def test_a_stored_run_that_was_measured_more_rarely_is_said_to_be_trained(trained):
    """dvc#10296: files of that name are there, and yet two runs will be trained."""
    assert "Every run is in the store" in announce.announce(trained, 2)
    assert all(not trained.missing(job) for job in trained.jobs)
    told = announce.announce(graph(every=25), 2)
    assert "to train   2 runs, " in told and "(in the store already: 0 runs)" in told


def test_a_damaged_run_is_counted_as_missing_and_left_where_it_is(trained):
    job = trained.plan.jobs[trained.jobs[0]]
    path = RunStore(STORE, trained.code(job)).path(job.runs[0].run_id)
    path.write_bytes(b"PAR1PAR1")
    assert "to train   1 run, " in announce.announce(trained, 2)
    assert path.read_bytes() == b"PAR1PAR1"


def test_the_prediction_names_processor_kernels_and_how_many_train_at_once(trained):
    asked = graph(every=25)
    at_once = len(asked.jobs)
    assert f"(Slow, native kernels, {at_once} at once)" in announce.announce(asked, 8)
    assert "(Slow, native kernels, 1 at once)" in announce.announce(asked, 8, elsewhere=True)


def test_stored_runs_of_other_arithmetic_are_told_before_the_rest_is_trained(trained, monkeypatch):
    """sveval#20: never mixed in silence."""
    job = trained.plan.jobs[trained.jobs[0]]
    RunStore(STORE, trained.code(job)).path(job.runs[0].run_id).unlink()
    assert "mixed" not in announce.announce(trained, 2)
    monkeypatch.setattr(announce, "arithmetic", lambda _: "Slow: reference kernels")
    told = announce.announce(trained, 2)
    assert "mixed      1 of the stored runs were not computed by Slow: reference kernels" in told


def test_why_there_are_no_native_kernels_is_said_once_in_the_compilers_words(trained, monkeypatch):
    """pytorch#59146: no advice to install a compiler that is there."""
    monkeypatch.setattr(announce, "kernels_problem", lambda: "c++ failed: error: no such target")
    told = announce.announce(graph(every=25), 2)
    assert told.count("c++ failed: error: no such target") == 1 and "install" not in told.lower()
    assert script.told()
    os.environ.pop(script.TOLD)


def test_kernels_that_cannot_be_kept_are_said_before_any_job(trained, monkeypatch):
    def refused(_: int) -> Speed:
        raise RegrokError("kernels: no folder can hold the compiled kernels: /x")

    monkeypatch.setattr(announce, "machine_speed", refused)
    assert "no folder can hold the compiled kernels: /x" in announce.announce(graph(every=25), 2)


def test_the_words_are_those_that_a_job_will_keep(trained):
    job = trained.plan.jobs[trained.jobs[0]]
    kept = RunStore(STORE, trained.code(job)).arithmetic_of(job.runs[0])
    assert kept == speed.arithmetic("cpu")
    assert speed.arithmetic("cuda") == ""


def test_classes_that_no_pair_trains_are_said_before_any_job(trained):
    """A fraction so small that some result has no training pair: it could be learned by no run."""
    assert "untrained" not in announce.announce(graph(every=25), 2)
    study = small_study(steps=50, seeds=1)
    task = study["settings"]["small"]["task"]
    task["train_fraction"], protocol = 0.15, study["settings"]["small"]["protocol"]
    protocol["batch"] = 10
    told = announce.announce(Graph(checked(study)), 2)
    assert (
        f"\n  untrained  add at p = {task['p']}, " in told and "no training pair of class" in told
    )

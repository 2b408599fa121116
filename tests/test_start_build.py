"""A real build of two generations: parents first, a lost parent again, the same bytes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from checkouts import FRAMES, Build, finished_runs, make_checkout, results, small_study, study_of
from regrok.files import read_parquet
from regrok.runs.states import state_path
from regrok.runs.store import RunStore

pytestmark = pytest.mark.snakemake


def two_generations() -> dict[str, Any]:
    """The small sweep, and runs that go on from the end of its λ = 1 runs with ten pairs of what these saw."""
    study = small_study(steps=100, seeds=2)
    study["trainer"]["cohort_parts"] = 1
    start = {
        "experiment": "sweep",
        "cell": {"optimiser.weight_decay": 1.0},
        "at": "end",
        "optimiser": "fresh",
        "examples": "seen",
        "validation": "left_out",
    }
    study["experiments"]["subset"] = {
        **study["experiments"]["sweep"],
        "title": "A part of it",
        "grid": {"task.train_count": [10]},
        "change": {"task": {"train_fraction": None}, "protocol": {"stop": "budget"}},
        "start": start,
    }
    return study


def built(folder: Path) -> None:
    status, said = Build(folder, *FRAMES).wait()
    assert status == 0, said


def test_a_lost_parent_is_trained_again_and_the_build_ends_in_the_same_bytes(
    tmp_path: Path,
) -> None:
    folder = make_checkout(tmp_path / "checkout", two_generations())
    built(folder)
    plan, before = study_of(folder).plan, results(folder)
    runs = read_parquet(folder / FRAMES[0]).set_index("run_id")
    assert set(runs.index) == set(plan.runs) and len(plan.runs) == 6
    children = [run for run in plan.runs.values() if run.start is not None]
    assert [run.generation for run in children] == [1, 1]
    (parents,) = {name for name, job in plan.jobs.items() if job.generation == 0}
    (later,) = {name for name, job in plan.jobs.items() if job.generation == 1}
    written = [
        (folder / f"results/smoke/trained/{job}.json").stat().st_mtime_ns
        for job in (parents, later)
    ]
    assert written[0] < written[1]

    trainer = runs["trainer"].iloc[0]
    store = RunStore(folder / "results/store", trainer)
    for run in children:
        parent = run.start.run.run_id
        assert runs.loc[run.run_id, "V_0"] == runs.loc[parent, "V_final"]
        assert runs.loc[run.run_id, "start_run"] == parent
        assert runs.loc[run.run_id, "train_size"] == 10
        # Both the parent's state and the child itself are lost.
        state_path(store, parent, "end").unlink()
        store.path(run.run_id).unlink()
    assert len(finished_runs(folder)) == 4
    assert len(list(store.folder.glob("*.state.npz"))) == 0
    built(folder)
    assert results(folder) == before
    assert len(list(store.folder.glob("*.state.npz"))) == 2, (
        "of what others start from, and no more"
    )

"""A real build with a probe: a job of its own, the store's rows, and a plan that tells what it takes."""

from __future__ import annotations

from pathlib import Path

import pytest

from checkouts import Build, make_checkout, small_study, study_of, write_study
from regrok.files import read_parquet

pytestmark = [pytest.mark.snakemake, pytest.mark.long]

TABLE = "results/smoke/probes/order.parquet"
FIT = "results/smoke/fits/all.json"


def with_probe(every: int) -> dict:
    """The small sweep, one run a seed, and a probe of it that a fit reads."""
    study = small_study(steps=100, seeds=1, decays=(1.0,))
    study["trainer"]["cohort_parts"] = 1
    study["probes"] = {
        "order": {
            "probe": "commutator_defect",
            "of": ["sweep"],
            "at": {"every": every},
            "options": {"pairs": 2, "batch": 16},
            "scales": {"smoke": {}},
        }
    }
    study["fits"] = {
        "all": {"law": "summary", "experiments": ["sweep"], "probes": ["order"], "options": {}}
    }
    return study


def test_a_probe_is_made_after_training_and_a_finer_one_trains_nothing(tmp_path: Path) -> None:
    folder = make_checkout(tmp_path / "checkout", with_probe(every=50))
    status, said = Build(folder, FIT).wait()
    assert status == 0, said
    first = read_parquet(folder / TABLE)
    (run_id,) = study_of(folder).plan.runs
    assert first["step"].tolist() == [0, 50, 100] and set(first["run_id"]) == {run_id}
    trained = folder / "results/smoke/trained"
    before = {path.name: path.stat().st_mtime_ns for path in trained.iterdir()}

    write_study(folder, with_probe(every=25))
    status, said = Build(folder, FIT).wait()
    assert status == 0, said
    second = read_parquet(folder / TABLE)
    assert second["step"].tolist() == [0, 25, 50, 75, 100]
    assert second[second["step"] % 50 == 0].reset_index(drop=True).equals(first)
    assert {path.name: path.stat().st_mtime_ns for path in trained.iterdir()} == before

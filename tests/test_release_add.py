"""Adding to a bundle: what it holds stays as it was released, and only what it lacks is trained and added."""

from __future__ import annotations

import shutil
from dataclasses import replace
from types import SimpleNamespace
from unittest import mock

import numpy as np
import pandas as pd
import pytest

import bundles
import synthetic
from regrok import cli
from regrok.errors import RegrokError
from regrok.files import write_parquet
from regrok.pipeline import training_jobs
from regrok.pipeline.graph import Graph
from regrok.released import added, bundle, fill, thin
from regrok.released.completed import completed
from regrok.runs.columns import RUNS
from regrok.runs.frames import NAMES, Frames, load
from regrok.runs.gather import ordered, parts_of, tidy
from regrok.study.plan import make_plan

pytestmark = pytest.mark.beside

OLD = "a" * 12
"""Fingerprint of the code that trained what the bundle holds."""


def cut(frames: Frames, ids) -> Frames:
    return added.chosen(frames, ids)


def older(frames: Frames) -> Frames:
    """As they were released before some columns came, by another state of the code, and sampled after T_grok."""
    runs = frames.runs.drop(
        columns=["condition", "zero", "processor", "arithmetic"], errors="ignore"
    )
    runs = runs.drop(columns=[c for c in runs if c.endswith("_sustained_previous")])
    curves = frames.curves.copy()
    after = curves["run_id"].map(runs.set_index("run_id")["T_grok"]) < curves["step"]
    curves.loc[after, "validation_examples"] = 7
    return replace(frames, runs=runs.assign(trainer=OLD, T_mem_99_sustained=1e9), curves=curves)


def laid_beside(kept: Frames, new: Frames, experiments: pd.DataFrame) -> Frames:
    """What a build with `source: missing` gathers."""
    parts = (one + other for one, other in zip(parts_of(kept), parts_of(new), strict=True))
    runs, curves, spectra = tidy(*parts)
    return Frames(runs, curves, ordered(experiments), spectra)


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A bundle of experiments S1 and S6, released by older code; a build that adds S2 to it."""
    folder = tmp_path_factory.mktemp("added")
    whole = bundles.small_config("smoke").model_copy(update={"only": ["S1", "S2", "S6"]})
    frames = synthetic.make_frames(whole)
    frames = replace(
        frames, curves=frames.curves.sort_values(["run_id", "step"], ignore_index=True)
    )
    config = whole.model_copy(update={"source": "missing"})
    first = whole.model_copy(update={"only": ["S1", "S6"]})
    studies = bundles.small_studies(folder / "studies", whole)
    mine = set(make_plan(first).runs)
    then = older(cut(frames, mine))
    results = bundles.write_results(
        folder / "smoke", first, replace(then, experiments=make_plan(first).experiments)
    )
    bundles.release(results, folder / "released", studies, points=20)
    planned = make_plan(config).runs
    kept = added.kept(folder / "released", "smoke", planned)
    new = cut(frames, set(planned) - mine)
    built = laid_beside(kept, new, make_plan(config).experiments)
    bundles.write_results(folder / "smoke-missing", config, built)
    return SimpleNamespace(
        folder=folder, config=config, studies=studies, frames=frames, mine=mine, planned=planned
    )


@pytest.fixture
def build(study, tmp_path):
    """A copy of the bundle and of the build that adds to it, to spoil."""
    for name in ("released", "smoke-missing"):
        shutil.copytree(study.folder / name, tmp_path / name)
    return tmp_path


def add(study, folder, **options):
    known = {"points": 20, **options}
    return bundles.release(
        folder / "smoke-missing", folder / "released", study.studies, add=True, **known
    )


def contents(folder):
    return {name: (folder / name).read_bytes() for name in [*bundle.files(folder), bundle.SUMS]}


def test_a_plan_of_what_is_missing_trains_that_alone(study, monkeypatch):
    monkeypatch.setattr(training_jobs, "RELEASED", study.folder / "released")
    graph = Graph(study.config)
    assert set(graph.training.runs) == set(study.planned) - study.mine != set()
    trained = [run.run_id for job in graph.training.jobs.values() for run in job.runs]
    assert sorted(trained) == sorted(graph.training.runs)
    assert {row["run_id"] for row in graph.plan.membership} == set(study.planned)
    assert graph.jobs == list(graph.training.jobs)
    assert graph.results.name == "smoke-missing"
    # Where all is trained here, the bundle decides nothing.
    whole = Graph(study.config.model_copy(update={"source": "trained"}))
    assert whole.training is whole.plan


def test_a_run_that_is_to_be_measured_more_is_missing(study):
    run = next(iter(study.planned.values()))
    less = run.protocol.model_copy(update={"measure": ("norm_groups",), "measure_every": 200})
    held = run.model_copy(update={"protocol": less})
    for measure, every, served in (
        (("norm_groups",), 400, True),
        ((), 7, True),
        (("norm_groups",), 100, False),
        (("logit_max", "norm_groups"), 400, False),
    ):
        wanted = less.model_copy(update={"measure": measure, "measure_every": every})
        assert added.serves(held, run.model_copy(update={"protocol": wanted})) is served


def test_what_is_kept_stays_as_it_was_released_and_the_rest_is_added(study, build):
    before = load(build / "released/smoke")
    made = load(add(study, build))
    assert set(made.runs["run_id"]) == set(study.planned)
    after = cut(made, study.mine)
    assert added.alike(before.curves, after.curves)
    unread = [c for c in before.runs if not c.endswith("_sustained")]
    assert added.alike(before.runs[unread], after.runs)
    assert set(made.runs) == set(RUNS)
    # A short curve of a new run is whole; one that was thinned before is not thinned again.
    new = cut(made, set(study.planned) - study.mine)
    whole = cut(study.frames, set(study.planned) - study.mine)
    assert added.alike(thin.thin(whole.runs, whole.curves, 20), new.curves)
    assert len(new.curves) < len(whole.curves)


def test_provenance_names_every_commit_and_counts_its_runs(study, build):
    new = "f" * 40
    with mock.patch.object(bundles, "COMMIT", new):
        made = add(study, build)
    record = bundles.read(made / "provenance.json")
    runs = load(made).runs
    counted = {}
    for part in record["training"]:
        counted[part["commit"]] = counted.get(part["commit"], 0) + part["runs"]
        assert sum(kind["runs"] for kind in part["arithmetic"]) == part["runs"]
    assert counted == {bundles.COMMIT: len(study.mine), new: len(runs) - len(study.mine)}
    assert record["added"] == {
        "kept": len(study.mine),
        "trained": len(runs) - len(study.mine),
        "dropped": [],
    }
    assert record["earlier"][0]["runs"] == len(study.mine)
    grokked = runs[runs["run_id"].isin(study.mine)]["T_grok"].notna().sum()
    assert record["sampled"] == {bundles.COMMIT: grokked}
    text = (made.parent / "README.md").read_text(encoding="utf-8")
    assert f"{len(study.mine)} by {bundles.COMMIT[:12]}" in text
    assert f"{grokked} of those by {bundles.COMMIT[:12]}" in text


def test_runs_that_are_no_longer_asked_for_are_dropped_and_named(study, build):
    config = study.config.model_copy(update={"only": ["S2"]})
    planned = make_plan(config)
    kept = added.kept(build / "released", "smoke", planned.runs)
    new = cut(study.frames, set(planned.runs) - study.mine)
    shutil.rmtree(build / "smoke-missing")
    parts = laid_beside(kept, new, planned.experiments)
    bundles.write_results(build / "smoke-missing", config, parts)
    made = add(study, build)
    dropped = sorted(study.mine - set(planned.runs))
    assert bundles.read(made / "provenance.json")["added"]["dropped"] == dropped != []
    assert set(load(made).runs["run_id"]) == set(planned.runs)


def test_adding_twice_is_adding_once(study, build):
    """A second build finds everything in the bundle and adds nothing to it."""
    first = load(add(study, build))
    kept = added.kept(build / "released", "smoke", study.planned)
    assert set(kept.runs["run_id"]) == set(study.planned)
    bundles.write_results(
        build / "smoke-missing", study.config, replace(kept, experiments=first.experiments)
    )
    second = load(add(study, build))
    for name in NAMES:
        pd.testing.assert_frame_equal(getattr(first, name), getattr(second, name))
    record = bundles.read(build / "released/smoke/provenance.json")
    assert record["added"]["trained"] == 0
    assert [each["runs"] for each in record["earlier"]] == [len(study.planned), len(study.mine)]


# What is refused --------------------------------------------------------------------------------------------------


def refused(study, build, message, **options):
    before = contents(build / "released")
    with pytest.raises(RegrokError, match=message):
        add(study, build, **options)
    assert contents(build / "released") == before
    assert [p.name for p in build.iterdir() if p.name.startswith(".release")] == []


def test_a_bundle_that_changed_since_is_not_added_to(study, build):
    runs = load(build / "smoke-missing").runs
    runs.loc[runs["run_id"].isin(study.mine), "V_final"] += 1
    write_parquet(runs, build / "smoke-missing/runs.parquet")
    refused(study, build, "runs.parquet has changed since the build took its runs; build again")


def test_a_damaged_bundle_is_not_added_to(study, build):
    path = build / "released/smoke/curves.parquet"
    whole = bytearray(path.read_bytes())
    whole[len(whole) // 2] ^= 1
    path.write_bytes(bytes(whole))
    refused(study, build, "curves.parquet: its bytes are not those")


def test_a_build_that_trained_everything_is_not_added(study, build):
    config = study.config.model_copy(update={"source": "trained"})
    bundles.write_results(build / "smoke-missing", config, load(build / "smoke-missing"))
    refused(study, build, "only a build that trained what the bundle lacks can be added")


def test_a_build_that_took_released_runs_does_not_replace_them(study, build):
    before = contents(build / "released")
    with pytest.raises(RegrokError, match=r"only a trained build can be released.*--add"):
        bundles.release(build / "smoke-missing", build / "released", study.studies, points=20)
    assert contents(build / "released") == before


def test_curves_are_thinned_once(study, build):
    refused(study, build, "were thinned to 20 points.*--points 20", points=30)


def test_a_run_of_code_that_no_commit_holds_is_not_added(study, build):
    def none(trainer, task, model):
        raise RegrokError(f"no commit holds the code with fingerprint {trainer}")

    before = contents(build / "released")
    with mock.patch.object(fill, "commit_of", none), pytest.raises(RegrokError, match="no commit"):
        fill.release(
            build / "smoke-missing", build / "released", study.studies, points=20, add=True
        )
    assert contents(build / "released") == before


def test_a_configuration_of_another_version_is_named(study, build):
    path = build / "released/smoke/config.json"
    path.write_text(path.read_text(encoding="utf-8").replace('"scale"', '"size"'), encoding="utf-8")
    with pytest.raises(RegrokError, match=r"config.json: not a configuration of this version"):
        added.held(build / "released", "smoke", study.planned)


def test_without_a_build_the_command_names_what_makes_one(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["release", "--scale", "smoke", "--add"]) == 2
    assert "snakemake --cores all --config scale=smoke source=missing" in capsys.readouterr().err


# Columns that came since ------------------------------------------------------------------------------------------


def test_columns_that_came_since_are_read_off_the_plan_and_the_curves(study):
    frames = cut(study.frames, study.mine)
    known = [c for c in frames.runs if c not in ("processor", "arithmetic")]
    again = completed(replace(older(frames), curves=frames.curves), study.planned)
    runs = again.runs.assign(trainer=frames.runs["trainer"].to_numpy())
    assert added.alike(frames.runs[known].sort_values("run_id"), runs.sort_values("run_id"))
    assert runs[["processor", "arithmetic"]].isna().all(axis=None)
    assert completed(frames, {}) is frames if set(RUNS) <= set(frames.runs) else True


def test_a_build_of_which_the_bundle_holds_no_run_gets_its_columns(study):
    none = cut(study.frames, ())
    for frames in (none, replace(none, runs=none.runs.drop(columns=["processor", "norm"]))):
        again = completed(frames, {})
        assert again.runs.empty and set(RUNS) <= set(again.runs)


def test_no_row_is_taken_for_another(study):
    frame = study.frames.runs
    assert added.alike(frame, frame.assign(more=1))
    assert not added.alike(frame, frame.drop(columns="V_final"))
    assert not added.alike(frame, frame.iloc[1:])
    assert not added.alike(
        frame, frame.assign(T_grok=frame["T_grok"].replace(frame["T_grok"][0], np.nan))
    )

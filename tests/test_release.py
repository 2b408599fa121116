"""The bundle: what is in it, that it is the same each time, and what may not be released."""

from __future__ import annotations

import json
import shutil
import subprocess

import numpy as np
import pandas as pd
import pytest
import yaml

import bundles
import synthetic
from regrok.errors import RegrokError
from regrok.files import write_parquet
from regrok.laws import contraction
from regrok.released import again, bundle, dictionary, fill
from regrok.released.thin import EVENTS, thin
from regrok.runs import frames as frame_files
from regrok.study.plan import make_plan
from regrok.study.read import load_config

pytestmark = pytest.mark.beside


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return bundles.planted(tmp_path_factory.mktemp("released"))


def contents(folder):
    return {name: (folder / name).read_bytes() for name in [*bundle.files(folder), bundle.SUMS]}


# What is in it ----------------------------------------------------------------------------------------------------


def test_the_bundle_holds_what_a_reader_needs(study):
    names = set(bundle.files(study.bundle))
    assert {f"smoke/{name}.parquet" for name in frame_files.NAMES} <= names
    assert {f"smoke/fits/{name}.json" for name in study.config.fits} <= names
    assert {"smoke/ledger.json", "smoke/numbers.json", "smoke/provenance.json"} <= names
    assert {"README.md", "dictionary.csv", "smoke/tables/hyperparameters.csv"} <= names
    record = bundles.read(study.bundle / "smoke/provenance.json")
    runs = study.frames.runs
    assert record["runs"] == record["rows"]["runs"] == len(runs)
    assert sum(record["hours"].values()) == pytest.approx(
        runs["wall_seconds"].sum() / 3600, rel=1e-3
    )
    assert {part["commit"] for part in record["training"]} == {bundles.COMMIT}
    collapsed = set(runs.loc[runs["outcome"] == "collapsed", "run_id"])
    assert collapsed == set(record["failed"]["collapsed"]) != set()


def test_two_releases_of_one_build_are_the_same_bytes(study, tmp_path):
    before = contents(study.bundle)
    again = bundles.release(study.results, tmp_path / "released", study.studies)
    assert contents(again.parent) == before
    bundles.release(study.results, tmp_path / "released", study.studies)
    assert contents(again.parent) == before


def test_sha256sum_accepts_the_checksums(study):
    if shutil.which("sha256sum") is None:
        pytest.skip("this test needs sha256sum")
    command = ["sha256sum", "--check", "--quiet", bundle.SUMS]
    done = subprocess.run(
        command, cwd=study.bundle, capture_output=True, encoding="utf-8", check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_second_scale_leaves_the_first_as_it_is(study, tmp_path):
    folder = tmp_path / "released"
    shutil.copytree(study.bundle, folder)
    shutil.copytree(folder / "smoke", folder / "paper")  # another scale's place is enough here
    bundles.release(study.results, folder, study.studies)
    assert bundle.scales(folder) == ["paper", "smoke"]
    assert bundle.damage(folder) == []
    assert "| paper |" in (folder / "README.md").read_text(encoding="utf-8")


def test_what_describes_the_bundle_is_summed_too(study, tmp_path, monkeypatch):
    def describe(folder):
        (folder / "ro-crate-metadata.json").write_text("{}\n", encoding="utf-8")

    monkeypatch.setattr(fill, "METADATA", [describe])
    bundles.release(study.results, tmp_path / "released", study.studies)
    assert "ro-crate-metadata.json" in bundle.checksums(tmp_path / "released")


# The data dictionary ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scale", ["smoke", "laptop", "paper"])
def test_every_column_is_explained_at_every_scale(scale):
    config = load_config(bundles.ROOT / "config.yaml", {"scale": scale})
    run = {}
    for each in make_plan(config).runs.values():
        # One run per kind has every column that the kind can have.
        run.setdefault((each.task.name, each.model.name, each.protocol.measure), each)
    columns = set()
    for each in run.values():
        columns |= set(synthetic.planted_curve(each))
    known = dictionary.read_dictionary(dictionary.dictionary_csv())
    assert [c for c in columns if not dictionary._explained(c, known["curves.parquet"])] == []


def test_the_dictionary_is_of_the_columns_that_there_are(study):
    known = dictionary.read_dictionary(dictionary.dictionary_csv())
    assert known["runs.parquet"] == set(study.frames.runs.columns)
    assert known["experiments.parquet"] == set(study.frames.experiments.columns)
    assert known["spectra.parquet"] == set(study.frames.spectra.columns)
    assert all(row["meaning"] for row in dictionary.rows())


def test_a_bundle_explains_the_columns_that_it_has(study, tmp_path):
    runs = study.frames.runs.drop(columns=["condition", "zero"])
    (tmp_path / "smoke").mkdir()
    write_parquet(runs, tmp_path / "smoke/runs.parquet")
    known = dictionary.read_dictionary(dictionary.dictionary_csv(tmp_path))
    assert known["runs.parquet"] == set(runs.columns)
    assert "outcome" in known["runs.parquet"] and known["ledger.json"] == set(dictionary.LEDGER)


def test_a_column_without_a_meaning_is_not_released(study, tmp_path):
    results = tmp_path / "smoke"
    shutil.copytree(study.results, results)
    runs = study.frames.runs.assign(mood="good")
    write_parquet(runs, results / "runs.parquet")
    with pytest.raises(RegrokError, match=r"not in the data dictionary: runs.parquet: mood"):
        bundles.release(results, tmp_path / "released", study.studies)
    assert not (tmp_path / "released").exists()


# Thinning ---------------------------------------------------------------------------------------------------------


def a_run(points: int, run_id: str = "a" * 12) -> tuple[pd.DataFrame, pd.DataFrame]:
    step = 25 * np.arange(points)
    V = 3000 * np.exp(-2e-3 * np.clip(step - 800, 0, None)) + 300
    curve = pd.DataFrame({"run_id": run_id, "step": step, "V": V, "fourier_residual_low": np.nan})
    curve.loc[curve.index[[3, points // 2 + 1]], "fourier_residual_low"] = 0.5
    named = dict.fromkeys(EVENTS, np.nan) | {"T_mem_99": 825.0, "T_mem_99_previous": 775.0}
    return pd.DataFrame([{"run_id": run_id, **named}]), curve


@pytest.mark.parametrize("points", [2, 3, 50, 160])
def test_a_short_curve_is_kept_whole(points):
    runs, curve = a_run(max(points, 40))
    pd.testing.assert_frame_equal(thin(runs, curve, 160), curve.iloc[:160])


@pytest.mark.parametrize("points", [10, 64, 100, 333])
def test_a_long_curve_keeps_its_ends_events_and_measurements(points):
    runs, curve = a_run(1001)
    kept = thin(runs, curve, points)
    # First, every k-th; then its last, two events and two measurements.
    assert len(kept) <= points + 5
    wanted = {0, 825, 775, 25_000, 75, 25 * 501}
    assert wanted <= set(kept["step"])
    whole = curve.set_index("step")["V"]
    assert (kept.set_index("step")["V"] == whole.reindex(kept["step"])).all()
    gaps = np.diff(kept["step"])
    assert gaps.max() <= 25 * -(-1001 // points)


def test_a_thinned_curve_gives_the_same_contraction():
    runs, curve = a_run(1001)
    full = curve[curve["step"] >= 800]
    part = thin(runs, curve, 100)
    part = part[part["step"] >= 800]
    one, other = (
        contraction.fit_curve(c["step"].to_numpy(float), c["V"].to_numpy(float))
        for c in (full, part)
    )
    assert len(part) < len(full) / 5
    assert other["rate_loss"] == pytest.approx(one["rate_loss"], rel=1e-5)


# What is refused --------------------------------------------------------------------------------------------------


@pytest.fixture
def build(study, tmp_path):
    """A copy of the finished build and of the bundle, to spoil."""
    shutil.copytree(study.results, tmp_path / "smoke")
    shutil.copytree(study.bundle, tmp_path / "released")
    return tmp_path


def refused(study, build, message, **options):
    before = contents(build / "released")
    with pytest.raises(RegrokError, match=message):
        bundles.release(build / "smoke", build / "released", study.studies, **options)
    assert contents(build / "released") == before
    assert [p.name for p in build.iterdir() if p.name.startswith(".release")] == []


def test_a_build_that_lacks_a_planned_run_is_not_released(study, build):
    write_parquet(study.frames.runs.iloc[1:], build / "smoke/runs.parquet")
    refused(study, build, r"1 planned runs are not trained yet; build it again")


def test_a_build_of_another_plan_is_not_released(study, build):
    write_parquet(study.frames.experiments.iloc[1:], build / "smoke/experiments.parquet")
    refused(study, build, r"its runs are not those that .*config.json plans")


def test_a_build_from_released_runs_is_not_released(study, build):
    text = (build / "smoke/config.json").read_text(encoding="utf-8")
    (build / "smoke/config.json").write_text(
        text.replace('"trained"', '"released"'), encoding="utf-8"
    )
    refused(study, build, "only a trained build")


def test_an_unfinished_build_is_not_released(study, build):
    (build / "smoke/provenance.json").unlink()
    refused(study, build, r"provenance.json cannot be read .* finished build")


def test_contradictory_runs_are_not_released(study, build):
    runs = study.frames.runs.copy()
    runs.loc[runs["outcome"].eq("grokked").idxmax(), "outcome"] = "memorised only"
    write_parquet(runs, build / "smoke/runs.parquet")
    refused(study, build, "contradict themselves")


def test_a_bundle_that_is_too_large_is_not_written(study, build, monkeypatch):
    monkeypatch.setattr(fill, "LIMIT", 10_000)
    refused(study, build, r"more than 0; release with fewer points")


# Analysed again ---------------------------------------------------------------------------------------------------


def test_released_runs_are_judged_by_a_claim_that_was_added_since(study, tmp_path):
    """The runs and what is recorded of them stay byte for byte; a second time gives the same bytes."""
    folder = shutil.copytree(study.bundle, tmp_path / "bundle")
    studies = shutil.copytree(study.studies, tmp_path / "studies")
    path = studies / "norm_delay/claims.yaml"
    stated = yaml.safe_load(path.read_text(encoding="utf-8"))
    stated["claims"].append({**stated["claims"][0], "id": "A77"})
    bundles.write_yaml(path, stated)
    again.release_again(study.config, studies, folder, workers=1)
    entries = json.loads((folder / "smoke/ledger.json").read_text(encoding="utf-8"))["claims"]
    assert "A77" in {entry["id"] for entry in entries}
    for name in (*bundle.FRAME_FILES, "provenance.json"):
        assert (folder / "smoke" / name).read_bytes() == (
            study.bundle / "smoke" / name
        ).read_bytes()
    once = contents(folder)
    again.release_again(study.config, studies, folder, workers=1)
    assert contents(folder) == once


def test_released_runs_of_another_plan_are_not_judged(study, tmp_path):
    folder = shutil.copytree(study.bundle, tmp_path / "bundle")
    before = contents(folder)
    other = bundles.small_config("smoke", ("S1",))
    with pytest.raises(RegrokError, match="its runs are not those"):
        again.release_again(other, study.studies, folder, workers=1)
    assert contents(folder) == before
    with pytest.raises(RegrokError, match="nothing was released of the laptop scale"):
        again.config_again("laptop", study.studies.parent / "config.yaml", folder)


def test_what_a_scale_is_asked_anew_are_the_computations_that_it_has(study, tmp_path):
    folder = shutil.copytree(study.bundle, tmp_path / "released")
    made = folder / "smoke/computations"
    made.mkdir(exist_ok=True)
    (made / "ridge_relu.json").write_text("{}", encoding="utf-8")
    asked = again.config_again("smoke", bundles.ROOT / "config.yaml", folder)
    assert [*filter(asked.computes_here, asked.computations)] == ["ridge_relu"]
    held = set(study.frames.experiments["experiment"])
    assert {*filter(asked.runs_here, asked.experiments)} <= held

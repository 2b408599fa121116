"""One flipped byte, one changed verdict, one missing file: `regrok verify` names it."""

from __future__ import annotations

import json
import shutil

import pandas as pd
import pytest
import yaml

import bundles
from regrok import cli
from regrok.errors import RegrokError
from regrok.files import write_json, write_parquet
from regrok.pipeline import announce
from regrok.pipeline.graph import Graph
from regrok.released import bundle, verify
from regrok.runs.frames import load
from regrok.study.claims import load_claims
from regrok.study.plan import make_plan
from regrok.study.read import load_config


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return bundles.planted(tmp_path_factory.mktemp("verified"))


@pytest.fixture
def copy(study, tmp_path):
    """A copy of the bundle, to spoil."""
    shutil.copytree(study.bundle, tmp_path / "released")
    return tmp_path / "released"


def told(study, folder, capsys):
    """Exit status and stderr of `regrok verify`."""
    config = study.folder / "config.yaml"
    status = cli.main(["verify", "--bundle", str(folder), "--config", str(config)])
    return status, capsys.readouterr().err


def test_a_whole_bundle_is_verified(study, capsys):
    config = study.folder / "config.yaml"
    assert cli.main(["verify", "--bundle", str(study.bundle), "--config", str(config)]) == 0
    out = capsys.readouterr().out
    shipped = bundles.read(study.bundle / "smoke/ledger.json")["claims"]
    assert f"{len(study.frames.runs)} runs" in out
    assert f"{len(shipped)} verdicts" in out
    assert len(shipped) > 3
    assert "verified in" in out


# Files ------------------------------------------------------------------------------------------------------------


def test_a_flipped_byte_in_any_file_names_the_file(study, copy):
    names = [*bundle.files(copy), bundle.SUMS]
    for number, name in enumerate(names):
        path = copy / name
        whole = path.read_bytes()
        # Another place in each file: first byte, last, and those between.
        at = (len(whole) - 1) * number // (len(names) - 1)
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        with pytest.raises(RegrokError) as refusal:
            bundle.refuse_damage(copy)
        path.write_bytes(whole)
        lines = str(refusal.value).splitlines()
        assert len(lines) == 1
        assert lines[0].startswith(f"{path}: "), name
    assert bundle.refuse_damage(copy) == len(names) - 1


@pytest.mark.parametrize("place", ["first", "middle", "last", "header"])
def test_a_flipped_byte_anywhere_in_the_checksums_names_them(copy, place):
    path = copy / bundle.SUMS
    whole = path.read_bytes()
    second = whole.index(b"\n") + 1
    at = {"first": second, "middle": len(whole) // 2, "last": len(whole) - 1, "header": 3}[place]
    path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
    with pytest.raises(RegrokError, match=r"SHA256SUMS: the list of checksums itself is damaged"):
        bundle.refuse_damage(copy)


def test_the_command_ends_with_one_line_and_a_status(study, copy, capsys):
    path = copy / "smoke/runs.parquet"
    whole = bytearray(path.read_bytes())
    whole[1000] ^= 4
    path.write_bytes(bytes(whole))
    status, error = told(study, copy, capsys)
    assert status == 2
    assert error.count("\n") == 1
    assert str(path) in error and "git checkout -- results/released" in error


def test_a_missing_and_an_extra_file_are_named(study, copy, capsys):
    (copy / "smoke/ledger.json").unlink()
    status, error = told(study, copy, capsys)
    assert status == 2 and "smoke/ledger.json: missing" in error
    (copy / "smoke/ledger.json").write_bytes((study.bundle / "smoke/ledger.json").read_bytes())
    (copy / "smoke/notes.txt").write_text("mine", encoding="utf-8")
    status, error = told(study, copy, capsys)
    assert status == 2 and "smoke/notes.txt: not in SHA256SUMS" in error


def test_no_bundle_is_one_message(study, tmp_path, capsys):
    status, error = told(study, tmp_path, capsys)
    assert status == 2 and "there is no released bundle here" in error


# What the files say: each change is sealed, as if somebody had meant it ---------------------------------------------


def rewritten(path, change):
    content = bundles.read(path)
    change(content)
    path.write_text(json.dumps(content), encoding="utf-8")


def refused(study, copy, message):
    bundle.seal(copy)
    with pytest.raises(RegrokError, match=message):
        verify.verify(copy, load_claims(study.config, study.studies))


def judged_claim(folder):
    ledger = bundles.read(folder / "smoke/ledger.json")["claims"]
    return next(
        entry for entry in ledger if entry["value"] is not None and entry["low"] is not None
    )


def test_a_verdict_that_no_rule_gives_is_named(study, copy):
    name = judged_claim(copy)["id"]

    def change(ledger):
        entry = next(entry for entry in ledger["claims"] if entry["id"] == name)
        words = {"reproduced", "not reproduced"} - {entry["verdict"]}
        entry["verdict"] = min(words)

    rewritten(copy / "smoke/ledger.json", change)
    refused(study, copy, rf"claim {name}: verdict is .* but the fits and the rule .* give")


def test_an_estimate_that_the_fit_does_not_give_is_named(study, copy):
    claim = judged_claim(copy)

    def change(fit):
        fit["estimates"][claim["estimand"]]["value"] *= 1.01

    rewritten(copy / f"smoke/fits/{claim['fit']}.json", change)
    refused(study, copy, rf"claim {claim['id']}: value is")


def test_a_rule_that_was_changed_after_the_release_is_named(study, copy, tmp_path):
    name = judged_claim(copy)["id"]
    studies = tmp_path / "studies"
    shutil.copytree(study.studies, studies)
    path = studies / "norm_delay/claims.yaml"
    stated = yaml.safe_load(path.read_text(encoding="utf-8"))
    claim = next(claim for claim in stated["claims"] if claim["id"] == name)
    claim["predicate"]["smoke"] = {"kind": "at_least", "bound": 1e99}
    claim.pop("direction", None)
    bundles.write_yaml(path, stated)
    with pytest.raises(RegrokError, match=rf"claim {name}: verdict is .*release again"):
        verify.verify(copy, load_claims(study.config, studies))


def test_a_claim_stated_after_the_release_is_told_and_no_fault(study, copy):
    def change(ledger):
        ledger["claims"].pop()

    last = bundles.read(copy / "smoke/ledger.json")["claims"][-1]["id"]
    rewritten(copy / "smoke/ledger.json", change)
    bundle.seal(copy)
    lines = verify.verify(copy, load_claims(study.config, study.studies))
    assert lines[-1].endswith(f"stated since the release, so not judged here: {last}")


def test_a_lost_row_is_counted(study, copy):
    spectra = study.frames.spectra
    write_parquet(spectra.iloc[:-1], copy / "smoke/spectra.parquet")
    refused(
        study,
        copy,
        rf"spectra.parquet: {len(spectra) - 1:,} rows, but provenance.json says {len(spectra):,}",
    )


def test_a_value_outside_its_schema_is_named(study, copy):
    runs = study.frames.runs.assign(validation_accuracy_max=1.5)
    write_parquet(runs, copy / "smoke/runs.parquet")
    refused(study, copy, "validation_accuracy_max")


def test_a_dictionary_that_lacks_a_column_is_named(study, copy):
    path = copy / "dictionary.csv"
    rows = pd.read_csv(path, keep_default_na=False)
    rows[rows["column"] != "T_grok_95_sustained"].to_csv(path, index=False)
    refused(study, copy, r"dictionary.csv does not explain runs.parquet: T_grok_95_sustained")


# A build from the bundle against it -------------------------------------------------------------------------------


@pytest.fixture
def again(study, tmp_path):
    """What a build from the released runs leaves, as far as it is compared."""
    shutil.copytree(study.bundle / "smoke", tmp_path / "smoke-released")
    return tmp_path / "smoke-released"


def test_a_refit_that_is_equal_is_told_so(study, again):
    first, second = verify.reanalysed(again, study.bundle / "smoke")
    assert "3 fits" in first
    assert "the same to the byte" in second


def test_a_refit_within_rounding_is_equal_and_named(study, again):
    claim = judged_claim(study.bundle)

    def change(fit):
        fit["estimates"][claim["estimand"]]["value"] *= 1 + 1e-9

    rewritten(again / f"fits/{claim['fit']}.json", change)
    lines = verify.reanalysed(again, study.bundle / "smoke")
    assert f"fits/{claim['fit']}.json" in lines[-1]


def test_a_refit_that_differs_names_the_estimate(study, again):
    claim = judged_claim(study.bundle)

    def change(fit):
        fit["estimates"][claim["estimand"]]["value"] *= 1.01

    rewritten(again / f"fits/{claim['fit']}.json", change)
    with pytest.raises(RegrokError, match=rf"{claim['estimand']}: value is"):
        verify.reanalysed(again, study.bundle / "smoke")


# Builds from the bundle -------------------------------------------------------------------------------------------


def test_a_build_takes_the_part_that_its_config_asks_for(study):
    frames = load(study.bundle / "smoke")
    plan = make_plan(study.config)
    one = study.frames.experiments["experiment"].iloc[0]
    asked = [row for row in plan.membership if row["experiment"] == one]
    part = bundle.part_for(frames, asked, "smoke", study.bundle)
    assert set(part.runs["run_id"]) == {row["run_id"] for row in asked}
    assert set(part.curves["run_id"]) == set(part.runs["run_id"])
    assert set(part.experiments["experiment"]) == {one}
    whole = bundle.part_for(frames, plan.membership, "smoke", study.bundle)
    pd.testing.assert_frame_equal(whole.runs, frames.runs)
    pd.testing.assert_frame_equal(whole.curves, frames.curves)


def released_study(study, folder, monkeypatch, **overrides):
    monkeypatch.chdir(folder)
    config = load_config(
        bundles.ROOT / "config.yaml", {"scale": "smoke", "source": "released", **overrides}
    )
    return Graph(config)


def test_a_build_from_the_bundle_is_accepted_and_trains_nothing(study, monkeypatch):
    build = released_study(study, study.folder, monkeypatch)
    build.refuse_lacking()
    assert build.jobs == []
    # A folder of its own: a trained build of the same scale is not overwritten.
    assert str(build.results) == "results/smoke-released"


def test_a_scale_that_was_not_released_is_refused(study, monkeypatch):
    build = released_study(study, study.folder, monkeypatch, scale="paper")
    with pytest.raises(RegrokError, match=r"has no runs of the paper scale; it holds smoke"):
        build.refuse_lacking()


def test_an_experiment_that_was_not_released_is_refused_by_name(study, monkeypatch):
    build = released_study(study, study.folder, monkeypatch)
    seed = {"experiment": "my_sweep", "arm": "", "run_id": "f" * 12, "cell": "f" * 10}
    build.plan.membership.append(seed)
    with pytest.raises(RegrokError, match=r"my_sweep \(1 of 1 runs\)"):
        build.refuse_lacking()


def test_a_build_from_a_damaged_bundle_is_refused(study, tmp_path, monkeypatch):
    shutil.copytree(study.bundle, tmp_path / "results/released")
    path = tmp_path / "results/released/smoke/curves.parquet"
    path.write_bytes(path.read_bytes()[:-1] + b"\0")
    build = released_study(study, tmp_path, monkeypatch)
    with pytest.raises(RegrokError, match=r"smoke/curves.parquet: its bytes are not those"):
        build.refuse_lacking()


def test_what_is_whole_is_offered_with_the_computations_that_were_released(study, copy):
    """`only` with experiments alone leaves in all computations, and those of the paper scale take hours."""
    write_json({}, copy / "smoke/computations/known.json")
    seed = {"experiment": "my_sweep", "arm": "", "run_id": "f" * 12, "cell": "f" * 10}
    asked = [*make_plan(study.config).membership, seed]
    with pytest.raises(RegrokError, match=r"'only=\[[^\]]+,known\]'"):
        bundle.part_for(load(copy / "smoke"), asked, "smoke", copy, ["known", "other"])


@pytest.mark.parametrize("source", ["released", "missing"])
def test_a_build_says_what_it_has_to_compute_itself(study, tmp_path, monkeypatch, source):
    shutil.copytree(study.bundle, tmp_path / "results/released")
    build = released_study(study, tmp_path, monkeypatch, source=source)
    first, *others = filter(build.config.computes_here, build.config.computations)
    assert f"to compute {first}, {', '.join(others)}: not among" in announce.announce(build, 2)
    write_json({}, tmp_path / f"results/released/smoke/computations/{first}.json")
    write_json({}, build.results / f"computations/{others[0]}.json")
    left = announce.announce(build, 2)
    assert f"to compute {', '.join(others[1:])}: not among" in left
    for name in others:
        write_json({}, build.results / f"computations/{name}.json")
    assert "to compute" not in announce.announce(build, 2)


def test_a_build_that_adds_says_which_runs_are_left_to_probe(study, tmp_path, monkeypatch):
    shutil.copytree(study.bundle, tmp_path / "results/released")
    build = released_study(study, tmp_path, monkeypatch, source="missing")
    name = "defect_addition"
    runs = build.probed(name)
    path = tmp_path / f"results/released/smoke/probes/{name}.parquet"
    written = build.config.model_dump_json(exclude_unset=True)
    (tmp_path / "results/released/smoke/config.json").write_text(written, encoding="utf-8")
    assert len(runs) > 1 and f"{name} on {len(runs)} runs" in announce.to_probe(build)
    write_parquet(pd.DataFrame({"run_id": runs[1:]}), path)
    assert f"{name} on 1 run," in announce.to_probe(build)
    write_parquet(pd.DataFrame({"run_id": runs}), path)
    assert f"{name} on" not in announce.to_probe(build)

"""The run store: whole files or none, and nothing unreadable is ever deleted."""

import dataclasses
import errno
import math
import os
import shutil
import subprocess
from pathlib import Path

import pandas as pd
import pytest

from regrok import files as store_module
from regrok.errors import RegrokError
from regrok.files import write_atomically
from regrok.measures.events import unless_exploded
from regrok.runs import gather
from regrok.runs import store as runs_store
from regrok.runs.store import RunStore, StoredRun
from regrok.runs.trained_by import Equal, TrainedBy, present
from regrok.training import generations
from small import small_run

SETS = ("train", "validation")


RUN = small_run(0)
OTHER = small_run(1)


def measuring(*names, every=20, run=RUN):
    """The run, asking for these observables."""
    protocol = run.protocol.model_copy(update={"measure": names, "measure_every": every})
    return run.model_copy(update={"protocol": protocol})


def finished(run=RUN, code=None):
    """A finished run of two points, as the trainer hands it over."""
    names, every = run.protocol.measure, run.protocol.measure_every
    columns = {"fourier_low": ["fourier_residual_low"], "logit_max": ["logit_max"]}
    curve = pd.DataFrame(
        {
            "step": [0, 20, 40],
            "V": [2.0, 1.5, 1.0],
            **{f"{s}_{w}": [0.5, float("nan"), 0.25] for s in SETS for w in ("loss", "accuracy")},
            **{column: [0.1, 0.2, 0.3] for name in names for column in columns[name]},
        }
    )
    kinds = [name for name in names if name == "fourier_low"]
    steps = [step for step in curve["step"] if step % every == 0]
    spectra = pd.DataFrame(
        [(step, kind, [0.5, 0.25]) for step in steps for kind in kinds],
        columns=["step", "kind", "power"],
    )
    facts = {
        "parameters": 10,
        "collapsed": False,
        "diverged": False,
        "cohort": "then",
        "wall_seconds": 1.5,
        "device": "cpu",
        "trainer": "code",
    }
    measured = {
        name: {
            "every": None if name == "logit_max" else every,
            "code": code,
            "columns": columns[name],
        }
        for name in names
    }
    settings = run.model_dump(mode="json")
    return StoredRun(run.run_id, facts, settings, measured, curve, spectra)


def written_with_its_row(folder, stored):
    """The file as it was written when a run was stored together with its row."""
    row = {**gather.row(stored), "a_column_of_then": 1}
    spectra = {name: stored.spectra[name].tolist() for name in ("step", "kind", "power")}
    about = {
        "run_id": stored.run_id,
        "row": row,
        "settings": stored.settings,
        "spectra": spectra,
    }
    content = store_module.parquet_bytes(stored.curve, {store_module.METADATA_KEY: about})
    write_atomically(folder / f"{stored.run_id}.parquet", content)


def code(trainer, *equal, **observables):
    """Code with one fingerprint, proven equal to others; its observables' likewise, the present one first."""
    known = {name: Equal(codes[0], codes) for name, codes in observables.items()}
    return TrainedBy(Equal(trainer, (*equal, trainer)), known)


def test_what_is_written_is_read(tmp_path):
    store = RunStore(tmp_path, "code")
    run = measuring("fourier_low")
    stored = finished(run)
    store.write(stored)
    found = store.read(run.run_id)
    pd.testing.assert_frame_equal(found.curve, stored.curve)
    pd.testing.assert_frame_equal(found.spectra, stored.spectra)
    assert (found.facts, found.measured) == (stored.facts, stored.measured)
    assert found.settings == stored.settings
    assert store.read("other") is None


def test_a_row_is_computed_when_runs_are_gathered(tmp_path):
    store = RunStore(tmp_path, "code")
    store.write(finished())
    runs, curves, _ = gather.gather({"now": [RUN]}, store)
    (row,) = runs.to_dict("records")
    assert (row["cohort"], row["seed"], row["steps"], row["V_final"]) == ("now", 0, 40, 1.0)
    assert row["rms_0"] == math.sqrt(0.2) and row["outcome"] == "never memorised"
    assert (row["wall_seconds"], row["device"], row["trainer"]) == (1.5, "cpu", "code")
    assert curves["step"].tolist() == [0, 20, 40]


def test_a_run_that_is_not_there_is_named(tmp_path):
    with pytest.raises(RegrokError, match=RUN.run_id):
        gather.gather({"cohort": [RUN]}, RunStore(tmp_path, "code"))


# What a run was measured by ---------------------------------------------------------------------------


def test_a_run_is_finished_only_with_the_observables_asked_for(tmp_path):
    store = RunStore(tmp_path, "code")
    store.write(finished(measuring("logit_max")))
    assert store.finished(RUN) and store.finished(measuring("logit_max"))
    assert not store.finished(measuring("fourier_low"))
    assert not store.finished(measuring("fourier_low", "logit_max"))
    assert not store.finished(OTHER)


@pytest.mark.parametrize(
    ("stored", "asked", "serves"),
    [(20, 20, True), (20, 40, True), (40, 20, False), (20, 30, False)],
)
def test_a_run_serves_a_cadence_that_is_as_coarse_as_its_own(tmp_path, stored, asked, serves):
    store = RunStore(tmp_path, "code")
    store.write(finished(measuring("fourier_low", every=stored)))
    assert store.finished(measuring("fourier_low", every=asked)) is serves
    # What is measured with every evaluation, or not at all, has no cadence.
    store.write(finished(measuring("logit_max", run=OTHER, every=stored)))
    assert store.finished(measuring("logit_max", run=OTHER, every=asked))
    assert store.finished(measuring(run=OTHER, every=asked))


def test_what_is_trained_again_measures_all_that_the_store_has(tmp_path):
    store = RunStore(tmp_path, "code")
    assert store.to_train(measuring("logit_max")) == measuring("logit_max")
    store.write(finished(measuring("fourier_low", every=40)))
    again = store.to_train(measuring("logit_max", every=60))
    assert again.protocol.measure == ("fourier_low", "logit_max")
    assert again.protocol.measure_every == 20
    assert again.run_id == RUN.run_id
    # Then both builds are served.
    store.write(finished(again))
    assert store.finished(measuring("logit_max", every=60))
    assert store.finished(measuring("fourier_low", every=40))


def test_gathered_runs_hold_what_was_asked_for_and_no_more(tmp_path):
    store = RunStore(tmp_path, "code")
    store.write(finished(measuring("fourier_low", "logit_max", every=20)))
    _, curves, spectra = gather.gather({"c": [measuring("fourier_low", every=40)]}, store)
    assert "logit_max" not in curves
    assert curves["fourier_residual_low"].isna().tolist() == [False, True, False]
    assert sorted(set(spectra["step"])) == [0, 40]
    _, curves, spectra = gather.gather({"c": [RUN]}, store)
    assert "fourier_residual_low" not in curves and spectra.empty


def test_an_edited_observable_concerns_the_runs_that_were_measured_by_it(tmp_path):
    before = RunStore(tmp_path, code("t", fourier_low=("old",), logit_max=("same",)))
    both = measuring("fourier_low", "logit_max")
    before.write(finished(both, code="old"))
    after = RunStore(tmp_path, code("t", fourier_low=("new",), logit_max=("old",)))
    assert before.observable("fourier_low") == "old"
    assert not after.finished(both) and not after.finished(measuring("fourier_low"))
    assert after.finished(measuring("logit_max")) and after.finished(RUN)
    proven = RunStore(tmp_path, code("t", fourier_low=("new", "old"), logit_max=("old",)))
    assert proven.finished(both)


def test_whether_a_run_is_finished_is_read_from_metadata_alone(tmp_path, monkeypatch):
    store = RunStore(tmp_path, "code")
    store.write(finished(measuring("logit_max")))
    monkeypatch.setattr(runs_store.pq, "read_table", lambda *_: pytest.fail("the curve was read"))
    assert store.finished(measuring("logit_max"))
    assert not store.finished(measuring("fourier_low"))


# Whose runs -------------------------------------------------------------------------------------------


def test_another_trainer_does_not_see_the_run(tmp_path):
    RunStore(tmp_path, "old").write(finished())
    assert RunStore(tmp_path, "new").read(RUN) is None
    assert not RunStore(tmp_path, code("new", "older")).finished(RUN)
    assert RunStore(tmp_path, "old").read(RUN) is not None


def test_a_run_of_code_that_is_proven_equal_is_served(tmp_path):
    RunStore(tmp_path, "old").write(finished())
    store = RunStore(tmp_path, code("new", "old"))
    assert store.finished(RUN) and store.read(RUN).facts["trainer"] == "code"
    assert present(tmp_path, store.code, RUN.run_id)
    assert not present(tmp_path, code("new"), RUN.run_id)
    # What is trained now is written under the present code, and the old file stays.
    store.write(finished(measuring("logit_max")))
    assert (tmp_path / "new" / f"{RUN.run_id}.parquet").exists()
    assert RunStore(tmp_path, "old").finished(RUN)
    assert store.finished(measuring("logit_max"))


def test_a_run_that_was_stored_with_its_row_is_served(tmp_path):
    run = measuring("fourier_low", "logit_max")
    stored = finished(run)
    written_with_its_row(tmp_path / "code", stored)
    # The fingerprint of then covered the observables as well.
    equal = code("new", "code", fourier_low=("o", "code"), logit_max=("p", "code"))
    store = RunStore(tmp_path, equal)
    found = store.read(run)
    assert found.facts == stored.facts
    assert repr(gather.row(found)) == repr(gather.row(stored))  # NaNs as well
    pd.testing.assert_frame_equal(found.spectra, stored.spectra)
    curve, spectra = gather.asked(found, measuring("logit_max"))
    assert "logit_max" in curve and "fourier_residual_low" not in curve and spectra.empty
    assert not store.finished(measuring("fourier_low", every=10))
    changed = RunStore(tmp_path, code("new", "code", fourier_low=("o",), logit_max=("p", "code")))
    assert changed.finished(measuring("logit_max")) and not changed.finished(run)


@pytest.mark.parametrize("outcome", ["collapsed", "diverged", "never memorised"])
def test_how_a_run_ended_is_read_from_its_row(tmp_path, outcome):
    stored = finished()
    ends = {"collapsed": outcome == "collapsed", "diverged": outcome == "diverged"}
    ended = dataclasses.replace(stored, facts={**stored.facts, **ends})
    written_with_its_row(tmp_path / "code", ended)
    assert gather.row(RunStore(tmp_path, "code").read(RUN))["outcome"] == outcome


def test_fingerprints_are_equal_through_any_chain_of_proofs():
    groups = [["a", "b"], ["x", "y"], ["b", "c"]]
    assert generations.equal("c", groups) == ("a", "b", "c")
    assert generations.equal("a", groups) == ("a", "b", "c")
    assert generations.equal("new", groups) == ("new",)


def test_the_commit_of_a_fingerprint_is_the_one_it_stands_under(tmp_path):
    path = tmp_path / "generations.yaml"
    path.write_text("{}", encoding="utf-8")
    generations.declare("1" * 40, {"trainers": {"modular/mlp": "123456789012"}}, path)
    proof = {"proven": "2030-01-02", "runs": 4, "trainers": {"modular/mlp": "12e456789012"}}
    generations.declare("1" * 40, {**proof, "observables": {"logit_max": ["a", "b"]}}, path)
    written = path.read_text(encoding="utf-8")
    generations.declare("1" * 40, proof, path)
    assert path.read_text(encoding="utf-8").startswith(written), (
        "what stood there is written as it was"
    )
    known = generations.read(path)
    assert known.commit("12e456789012", "modular", "mlp") == "1" * 40
    assert known.commit("12e456789012", "modular", "transformer") is None
    assert known.equal("trainers", "modular/mlp", "12e456789012").name == "123456789012"
    assert known.equal("observables", "logit_max", "b").equal == ("a", "b")
    again = path.read_text(encoding="utf-8")
    generations.declare("2" * 40, {"runs": 6, "trainers": {"modular/mlp": "x"}}, path)
    assert path.read_text(encoding="utf-8").startswith(again), "older entries are left as they are"
    assert "runs: 4" in again and "proven: '2030-01-02'" in again
    path.write_text("a: [", encoding="utf-8")
    with pytest.raises(RegrokError, match=r"generations\.yaml"):
        generations.read(path)


def test_a_commit_that_holds_the_code_goes_before_one_that_is_proven_equal():
    """Equal code may know less: what it does not know, the proof did not train."""
    pair = "modular/mlp"
    entries = {
        "1" * 40: [
            {"stored": "by this commit itself", "trainers": {pair: "old"}},
            {"proven": "2030-01-02", "trainers": {pair: "new"}},
        ],
        "2" * 40: [
            {"stored": "by this commit itself", "trainers": {pair: "new"}},
            {"proven": "2030-01-03", "trainers": {pair: "newest"}},
        ],
    }
    known = generations.Generations(entries)
    assert known.commit("old", "modular", "mlp") == "1" * 40
    assert known.commit("new", "modular", "mlp") == "2" * 40
    assert known.commit("newest", "modular", "mlp") == "2" * 40
    assert known.equal("trainers", pair, "newest").equal == ("old", "new", "newest")


def test_a_key_that_no_proof_has_is_refused_with_the_nearest(tmp_path):
    path = tmp_path / "generations.yaml"
    path.write_text(
        "abc:\n- {proven: '2030-01-02', trainerz: {modular/mlp: feedfeedfeed}}\n", encoding="utf-8"
    )
    told = r"generations\.yaml: abc: there is no key 'trainerz'; did you mean 'trainers'\?"
    with pytest.raises(RegrokError, match=told):
        generations.read(path)
    path.write_text("abc:\n- {runs: many}\n", encoding="utf-8")
    with pytest.raises(RegrokError, match=r"generations\.yaml cannot be read"):
        generations.read(path)


# Damage -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("damage", ["truncated", "empty", "text", "foreign", "plain parquet"])
def test_a_damaged_file_is_named_and_set_aside(tmp_path, capsys, damage):
    store = RunStore(tmp_path, "code")
    store.write(finished())
    path = store.path(RUN.run_id)
    content = path.read_bytes()
    if damage == "truncated":
        content = content[: len(content) // 2]
    elif damage == "empty":
        content = b""
    elif damage == "text":
        content = b"not parquet"
    elif damage == "foreign":
        store.write(finished(OTHER))
        content = store.path(OTHER.run_id).read_bytes()
    else:
        pd.DataFrame({"step": [1]}).to_parquet(path)
        content = path.read_bytes()
    path.write_bytes(content)
    assert store.read(RUN) is None
    aside = path.with_name(f"{RUN.run_id}.parquet.damaged-1")
    assert aside.read_bytes() == content and not path.exists()
    message = capsys.readouterr().err
    assert str(path) in message and "set aside" in message
    # A second accident does not overwrite the first one's evidence.
    path.write_bytes(b"again")
    assert store.read(RUN) is None
    assert aside.read_bytes() == content
    assert path.with_name(f"{RUN.run_id}.parquet.damaged-2").read_bytes() == b"again"


def test_a_damaged_or_foreign_checkpoint_is_set_aside(tmp_path, capsys):
    store = RunStore(tmp_path, "code")
    store.write_checkpoint(RUN, {"step": 25})
    assert store.read_checkpoint(RUN)["step"] == 25
    path = store.checkpoint_path(RUN.run_id)
    shutil.copy(path, store.checkpoint_path(OTHER.run_id))
    assert store.read_checkpoint(OTHER) is None
    path.write_bytes(path.read_bytes()[:100])
    assert store.read_checkpoint(RUN) is None
    assert path.with_name(f"{RUN.run_id}.checkpoint.damaged-1").exists()
    assert "set aside" in capsys.readouterr().err


def test_a_checkpoint_of_a_run_that_was_measured_differently_is_not_taken(tmp_path):
    store = RunStore(tmp_path, code("t", logit_max=("a",), fourier_low=("b",)))
    store.write_checkpoint(measuring("logit_max"), {"step": 25})
    assert store.read_checkpoint(measuring("logit_max"))["step"] == 25
    assert store.read_checkpoint(measuring("fourier_low")) is None
    assert store.read_checkpoint(measuring("logit_max", every=40)) is None
    edited = RunStore(tmp_path, code("t", logit_max=("edited",)))
    assert edited.read_checkpoint(measuring("logit_max")) is None
    assert not list(store.folder.glob("*.damaged*"))


def test_finishing_a_run_drops_its_checkpoint(tmp_path):
    store = RunStore(tmp_path, "code")
    store.write_checkpoint(RUN, {"step": 25})
    store.write(finished())
    assert not store.checkpoint_path(RUN.run_id).exists()


def test_a_failed_write_leaves_the_old_file_and_no_litter(tmp_path, monkeypatch):
    path = tmp_path / "file"
    write_atomically(path, b"old")

    def full(_descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(store_module.os, "fsync", full)
    with pytest.raises(RegrokError, match="disk is full") as caught:
        write_atomically(path, b"new")
    assert str(path) in str(caught.value)
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


@pytest.fixture
def tiny_disk(tmp_path):
    """A real file system of 256 KiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("mounting a small file system needs root")
    yield Path(folder)
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_loses_no_finished_run(tiny_disk):
    store = RunStore(tiny_disk, "code")
    store.write(finished())
    with pytest.raises(RegrokError, match="disk is full"):
        store.write_checkpoint(OTHER, {"flat": b"x" * 2**20})
    assert store.read(RUN) is not None
    assert sorted(p.name for p in store.folder.iterdir()) == [f"{RUN.run_id}.parquet"]


@pytest.mark.parametrize(
    ("stored", "growth", "outcome"),
    [
        ("memorised only", 1e30, "diverged"),
        ("never memorised", 1e7, "diverged"),
        ("memorised only", 10.0, "memorised only"),
        ("collapsed", 1e-6, "collapsed"),
        ("grokked", 1e30, "grokked"),
        ("diverged", float("nan"), "diverged"),
    ],
)
def test_a_norm_that_explodes_is_divergence_though_its_numbers_are_finite(stored, growth, outcome):
    assert unless_exploded(stored, 100.0, 100.0 * growth) == outcome

"""The run store: whole files or none, and nothing unreadable is ever deleted."""

import errno
import os
import shutil
import subprocess
from pathlib import Path

import pandas as pd
import pytest

from regrok import files as store_module
from regrok.errors import RegrokError
from regrok.files import write_atomically
from regrok.runs import gather
from regrok.runs.store import RunStore, StoredRun


def finished(run_id="abc", measure=()):
    curve = pd.DataFrame({"step": [0, 25], "V": [2.0, 1.5], "train_accuracy": [0.0, float("nan")]})
    spectra = pd.DataFrame({"step": [25], "kind": ["fourier_low"], "power": [[0.5, 0.25]]})
    row = {"run_id": run_id, "T_grok": float("nan"), "outcome": "never memorised"}
    return StoredRun(run_id, row, {"protocol": {"measure": list(measure)}}, curve, spectra)


def test_what_is_written_is_read(tmp_path):
    store = RunStore(tmp_path, "code")
    run = finished()
    store.write(run)
    found = store.read("abc")
    pd.testing.assert_frame_equal(found.curve, run.curve)
    pd.testing.assert_frame_equal(found.spectra, run.spectra)
    assert found.row["outcome"] == "never memorised" and pd.isna(found.row["T_grok"])
    assert store.read("other") is None


def test_a_run_is_finished_only_with_the_observables_asked_for(tmp_path):
    store = RunStore(tmp_path, "code")
    store.write(finished(measure=["logit_max"]))
    assert store.finished("abc") and store.finished("abc", ["logit_max"])
    assert not store.finished("abc", ["fourier_low"])


def test_another_trainer_does_not_see_the_run(tmp_path):
    RunStore(tmp_path, "old").write(finished())
    assert RunStore(tmp_path, "new").read("abc") is None
    assert RunStore(tmp_path, "old").read("abc") is not None


@pytest.mark.parametrize("damage", ["truncated", "empty", "text", "foreign", "plain parquet"])
def test_a_damaged_file_is_named_and_set_aside(tmp_path, capsys, damage):
    store = RunStore(tmp_path, "code")
    store.write(finished())
    path = store.path("abc")
    content = path.read_bytes()
    if damage == "truncated":
        content = content[: len(content) // 2]
    elif damage == "empty":
        content = b""
    elif damage == "text":
        content = b"not parquet"
    elif damage == "foreign":
        store.write(finished("def"))
        content = store.path("def").read_bytes()
    else:
        pd.DataFrame({"step": [1]}).to_parquet(path)
        content = path.read_bytes()
    path.write_bytes(content)
    assert store.read("abc") is None
    aside = path.with_name("abc.parquet.damaged-1")
    assert aside.read_bytes() == content and not path.exists()
    message = capsys.readouterr().err
    assert str(path) in message and "set aside" in message
    # A second accident does not overwrite the first one's evidence.
    path.write_bytes(b"again")
    assert store.read("abc") is None
    assert aside.read_bytes() == content
    assert path.with_name("abc.parquet.damaged-2").read_bytes() == b"again"


def test_a_damaged_or_foreign_checkpoint_is_set_aside(tmp_path, capsys):
    store = RunStore(tmp_path, "code")
    store.write_checkpoint("abc", {"step": 25})
    assert store.read_checkpoint("abc")["step"] == 25
    path = store.checkpoint_path("abc")
    shutil.copy(path, store.checkpoint_path("def"))
    assert store.read_checkpoint("def") is None
    path.write_bytes(path.read_bytes()[:100])
    assert store.read_checkpoint("abc") is None
    assert path.with_name("abc.checkpoint.damaged-1").exists()
    assert "set aside" in capsys.readouterr().err


def test_finishing_a_run_drops_its_checkpoint(tmp_path):
    store = RunStore(tmp_path, "code")
    store.write_checkpoint("abc", {"step": 25})
    store.write(finished())
    assert not store.checkpoint_path("abc").exists()


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
    store.write(finished("first"))
    with pytest.raises(RegrokError, match="disk is full"):
        store.write_checkpoint("second", {"flat": b"x" * 2**20})
    assert store.read("first") is not None
    assert sorted(p.name for p in store.folder.iterdir()) == ["first.parquet"]


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
    assert gather.outcome({"outcome": stored, "V_0": 100.0, "V_final": 100.0 * growth}) == outcome

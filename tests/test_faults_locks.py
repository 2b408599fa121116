"""Locks that end with their process, and what is cleared up after a kill: real processes, no build."""

from __future__ import annotations

import base64
import fcntl
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from checkouts import small_study, write_study
from configurations import ROOT
from regrok.errors import RegrokError
from regrok.files import set_aside, whole
from regrok.pipeline import locks
from regrok.pipeline.graph import Graph
from regrok.pipeline.script import job
from regrok.study.read import load_config

HOLDER = """
import sys, time
from pathlib import Path
from regrok.pipeline import locks
assert locks.take(Path("results/smoke")) is None
print("held", flush=True)
time.sleep(600)
"""

JOB = """
import sys, time
from regrok.pipeline.script import job
with job("results/smoke/logs/x.log"):
    print("held", flush=True)
    sys.stdin.readline()
    print("half done", file=sys.stderr)
"""

WAITING = "print('held', flush=True)" + JOB.replace('print("held", flush=True)', "pass")


@contextmanager
def process(code: str, folder: Path) -> Iterator[subprocess.Popen[str]]:
    """A Python process in `folder` that has said that it holds its lock."""
    started = subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        # A shell starts what it runs in the background deaf to Ctrl-C, and so all that this starts.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    try:
        assert started.stdout is not None
        assert started.stdout.readline() == "held\n"
        yield started
    finally:
        started.kill()
        started.communicate()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A working directory with a small study; its lock is let go of afterwards."""
    monkeypatch.chdir(tmp_path)
    write_study(tmp_path, small_study())
    (tmp_path / "workflow").symlink_to(ROOT / "workflow")
    yield tmp_path
    locks.release()


def study() -> Graph:
    return Graph(load_config("config.yaml"))


def test_a_second_build_is_refused_and_one_after_a_kill_is_not(folder, capsys):
    with process(HOLDER, folder) as first:
        study_file = folder / "results/smoke/config.json"
        with pytest.raises(RegrokError, match=f"process {first.pid} .*use another clone"):
            study().begin(["--cores", "2"])
        assert not study_file.exists(), "the plan of the running build is left alone"
        first.send_signal(signal.SIGKILL)
        first.wait()
        study().begin(["--cores", "2"])
        assert study_file.exists()
    assert "Traceback" not in capsys.readouterr().err


def test_a_dry_run_beside_a_build_looks_at_the_plan_that_is_being_built(folder):
    study().begin()
    before = {path: path.read_bytes() for path in Path("results/smoke").rglob("*.json")}
    locks.release()
    with process(HOLDER, folder):
        study().begin(["--cores", "1", "-np"])
        write_study(folder, small_study(decays=(0.1, 0.3, 1.0)))
        with pytest.raises(RegrokError, match="has changed since"):
            study().begin(["--cores", "1", "--dry-run"])
    assert {path: path.read_bytes() for path in Path("results/smoke").rglob("*.json")} == before


@pytest.mark.parametrize("flag", ["-n", "-np", "--dry-run", "--lint", "--report=a.html", "-S"])
def test_commands_that_only_look(flag):
    assert locks.only_looks(["--cores", "1", flag])


@pytest.mark.parametrize("flag", ["--unlock", "-F", "--forceall", "--nolock", "-k", "results/n"])
def test_commands_that_build(flag):
    assert not locks.only_looks(["--cores", "1", flag])


def test_what_a_killed_build_left_is_cleared_up_unless_another_lives(folder, capsys):
    output = folder / "results/smoke/fits/a.json"
    other = folder / "elsewhere.txt"
    for path in (output, other):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("half", encoding="utf-8")
    lock = folder / ".snakemake/locks/0.output.lock"
    marks = folder / ".snakemake/incomplete"
    for path in (lock, marks / "x"):
        path.parent.mkdir(parents=True, exist_ok=True)
    lock.write_text("results/smoke/fits/a.json", encoding="utf-8")
    encoded = base64.urlsafe_b64encode(b"results/smoke/fits/a.json").decode()
    # Snakemake cuts a long name into folders, each with an @ before it.
    (marks / f"@{encoded[:10]}").mkdir()
    mark = marks / f"@{encoded[:10]}" / encoded[10:]
    mark.write_text("{}", encoding="utf-8")
    outside = marks / base64.urlsafe_b64encode(b"../elsewhere.txt").decode()
    outside.write_text("{}", encoding="utf-8")
    theirs = lock.with_name("1.output.lock")
    theirs.write_text("results/laptop/fits/a.json", encoding="utf-8")
    with process(HOLDER.replace("smoke", "laptop"), folder):
        # Two scales in one folder used to end in "--unlock": the dead one's lock stayed as long as the other lived.
        study().begin()
        assert not (lock.exists() or output.exists() or mark.exists())
        assert theirs.exists() and outside.exists(), "the laptop build is alive"
    locks.clear_up(Path("results"), Path("results/smoke"))
    assert not (theirs.exists() or outside.exists())
    assert other.exists()
    assert "killed" in capsys.readouterr().err


def test_a_job_waits_for_the_one_that_a_killed_build_left(folder):
    with process(JOB, folder) as left, process(WAITING, folder) as next_one:
        assert next_one.stderr is not None and left.stdin is not None
        said = next_one.stderr.readline()
        assert f"process {left.pid} " in said and "waiting for it" in said
        assert next_one.poll() is None
        left.stdin.write("\n")
        left.stdin.flush()
        assert left.wait() == 0
        assert next_one.communicate("\n")[1].endswith("half done\n")
        assert next_one.returncode == 0


IMPORTING = """
snakemake = object()  # as in a script of the workflow
import time
import regrok.pipeline.script
print("held", flush=True)
time.sleep(600)  # stands for the imports that follow
"""


@pytest.mark.parametrize(("code", "status"), [(JOB, 130), (IMPORTING, -signal.SIGINT)])
def test_an_interrupted_job_prints_no_traceback(folder, code, status):
    with process(code, folder) as job:
        job.send_signal(signal.SIGINT)
        _, said = job.communicate(timeout=60)
        assert job.returncode == status
        assert said == ""
    if code is JOB:
        log = (folder / "results/smoke/logs/x.log").read_text(encoding="utf-8")
        assert "interrupted" in log and "Traceback" not in log


def test_asking_who_is_alive_takes_no_lock_away(folder):
    """Two builds that start at once look at each other's locks."""
    path = folder / "results/smoke" / locks.LOCK
    path.parent.mkdir(parents=True)
    with path.open("a+", encoding="utf-8") as asking:
        fcntl.flock(asking, fcntl.LOCK_SH)
        threading.Timer(0.1, lambda: fcntl.flock(asking, fcntl.LOCK_UN)).start()
        assert locks.take(Path("results/smoke")) is None


def test_a_job_whose_log_cannot_be_written_says_so(tmp_path, capsys):
    blocked = tmp_path / "logs"
    blocked.write_text("a file where the folder should be", encoding="utf-8")
    with pytest.raises(SystemExit), job(str(blocked / "x.log")):
        raise AssertionError("the job must not begin")
    said = capsys.readouterr().err
    assert said.startswith(f"regrok: {blocked}") and said.count("\n") == 1


def test_a_job_on_a_full_disk_ends_in_one_message(tmp_path, capsys):
    # /dev/full refuses every write as a full disk does, whatever the library that writes.
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    with (
        pytest.raises(SystemExit),
        job(str(tmp_path / "x.log")),
        open("/dev/full", "w", encoding="utf-8") as full,
    ):
        full.write("figure")
    said = capsys.readouterr().err
    assert "the disk is full" in said and "start the same command again" in said
    assert said.count("\n") == 1


def test_a_cut_off_result_is_set_aside_and_made_again(folder, capsys):
    study().begin()
    frame = Path("results/smoke/runs.parquet")
    frame.write_bytes(b"PAR1 and then the machine stopp")
    kept = Path("results/smoke/curves.parquet")
    kept.write_bytes(b"PAR1 whole PAR1")
    study().begin()
    assert not frame.exists() and kept.exists()
    assert frame.with_name("runs.parquet.damaged-1").read_bytes().startswith(b"PAR1 and")
    assert str(frame) in capsys.readouterr().err


def test_a_file_that_another_process_has_set_aside_already_is_no_error(tmp_path, capsys):
    set_aside(tmp_path / "gone.parquet", "it is cut off", "it is made again")
    assert "set aside" in capsys.readouterr().err
    assert not whole(tmp_path / "gone.parquet")

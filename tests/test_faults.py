"""Builds that are killed, starved, edited and misplaced: each ends in success or in one message, and nothing is lost.

The faults are real: SIGKILL, a small file system that fills up, an unprivileged user, a network that is not there, a
PATH without the program. The study is real too, though small: two jobs of four runs.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from checkouts import (
    FRAMES,
    Build,
    build,
    finished_runs,
    jobs,
    make_checkout,
    results,
    small_study,
    study_of,
    until,
    write_study,
)
from regrok.files import read_parquet

pytestmark = [pytest.mark.long, pytest.mark.snakemake]

STUDY = small_study(steps=2000)
QUICK = small_study(steps=200)

needs_proc = pytest.mark.skipif(not Path("/proc").is_dir(), reason="finds jobs through /proc")
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


def needs(*programs: str) -> pytest.MarkDecorator:
    absent = [program for program in programs if shutil.which(program) is None]
    return pytest.mark.skipif(bool(absent), reason=f"needs {', '.join(absent)}")


def built(folder: Path, *arguments: str, **options: Any) -> str:
    """Build; what was said. Fails with that where the build fails."""
    status, said = build(folder, *arguments, **options)
    assert status == 0, said
    return said


def refused(folder: Path, *arguments: str, **options: Any) -> str:
    """Build in vain; what was said, in which there is no traceback."""
    status, said = build(folder, *arguments, **options)
    assert status != 0, said
    assert "Traceback" not in said, said
    return said


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished build of STUDY that nothing happened to."""
    folder = make_checkout(tmp_path_factory.mktemp("undisturbed") / "checkout", STUDY)
    built(folder)
    return folder


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished build of QUICK."""
    folder = make_checkout(tmp_path_factory.mktemp("quick") / "checkout", QUICK)
    built(folder)
    return folder


def copy_of(finished: Path, folder: Path) -> Path:
    """The whole checkout, with its results and what Snakemake remembers of them."""
    shutil.copytree(finished, folder, symlinks=True)
    return folder


# Kills ---------------------------------------------------------------------------------------------


@needs_proc
@pytest.mark.parametrize("seed", [1, 2])
def test_a_killed_job_ends_in_the_same_bytes(undisturbed, tmp_path, seed):
    """One of two training jobs dies by SIGKILL, at a moment between its start and its last run."""
    folder = make_checkout(tmp_path / "checkout", STUDY)
    moment = random.Random(seed)
    running = Build(folder, *FRAMES)
    try:
        until(lambda: len(list(jobs(folder, "train"))) == 2, running)
        if seed % 2:  # into a run, with others in the store
            enough = moment.randint(1, 4)
            until(lambda: len(finished_runs(folder)) >= enough, running)
        time.sleep(moment.uniform(0, 1))
        os.kill(moment.choice(list(jobs(folder, "train"))), signal.SIGKILL)
        status, said = running.wait()
    finally:
        running.end()
    assert status != 0
    assert "Traceback" not in said
    assert "the same command goes on from here" in said
    kept = finished_runs(folder)
    built(folder)
    assert kept <= finished_runs(folder)
    assert results(folder) == results(undisturbed)


def kill_snakemake(folder: Path, more: int, moment: random.Random) -> None:
    """SIGKILL of Snakemake alone, once `more` runs than before are finished, at most 3 s later."""
    enough = len(finished_runs(folder)) + more
    running = Build(folder, *FRAMES)
    try:
        while not running.over and not (
            list(jobs(folder, "train")) and len(finished_runs(folder)) >= enough
        ):
            time.sleep(0.02)
        time.sleep(moment.uniform(0, 3))
        running.process.kill()
        running.leave()
    except BaseException:
        running.end()
        raise


@needs_proc
def test_snakemake_killed_again_and_again_ends_in_the_same_bytes(undisturbed, tmp_path):
    """Its lock, its marks and its jobs are left behind. The same command then goes on, without another argument."""
    folder = make_checkout(tmp_path / "checkout", STUDY)
    moment = random.Random(0)
    finished: set[str] = set()
    for more in (0, 1, 0):
        kill_snakemake(folder, more, moment)
        assert finished <= finished_runs(folder)
        finished = finished_runs(folder)
    said = built(folder)
    assert "an earlier build here was killed; this one goes on from there" in said
    assert results(folder) == results(undisturbed)
    # Nothing is left to do, and nothing half done lies about.
    assert "Nothing to be done" in built(folder)
    assert not list((folder / "results").rglob("*.checkpoint"))
    assert not list((folder / "results").rglob("*.damaged-*"))


# Disks ---------------------------------------------------------------------------------------------


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A checkout whose results/ is a file system of 4 MB."""
    folder = make_checkout(tmp_path / "checkout", STUDY)
    disk = folder / "results"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(disk)]
    if shutil.which("mount") is None or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("mounting a small file system is not allowed here")
    yield folder
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


def fill(disk: Path) -> Path:
    """A file that takes what is left of the disk, to the last byte."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as handle:
        for size in (2**16, 2**12, 1):
            try:
                while True:
                    handle.write(b"\0" * size)
            except OSError:
                continue
    return filler


@needs_proc
def test_a_full_disk_loses_nothing_and_the_build_goes_on_once_there_is_space(
    undisturbed, small_disk
):
    running = Build(small_disk, *FRAMES)
    try:
        until(lambda: len(finished_runs(small_disk)) >= 2, running)
        filler = fill(small_disk / "results")
        status, said = running.wait()
    finally:
        running.end()
    assert status != 0
    assert "Traceback" not in said, said
    complaints = [line for line in said.splitlines() if line.startswith("regrok:")]
    # One for each job that met the full disk.
    assert 1 <= len(complaints) <= 2, said
    assert all("the disk is full" in line and "free some space" in line for line in complaints)
    store = sorted((small_disk / "results/store").glob("*/*.parquet"))
    before = {path: path.read_bytes() for path in store}
    assert len(before) >= 2
    # Still full: the same command says the same.
    again = refused(small_disk)
    assert "the disk is full" in again
    filler.unlink()
    built(small_disk)
    assert {path: path.read_bytes() for path in store} == before
    assert results(small_disk) == results(undisturbed)


def test_a_truncated_run_in_the_store_is_set_aside_and_trained_again(quick, tmp_path):
    folder = copy_of(quick, tmp_path / "checkout")
    damaged = next((folder / "results/store").glob("*/*.parquet"))
    others = {p: p.stat().st_mtime_ns for p in damaged.parent.glob("*.parquet") if p != damaged}
    content = damaged.read_bytes()
    damaged.write_bytes(content[: len(content) // 2])
    said = built(folder)
    assert f"{damaged.name} cannot be used" in said and "its run is trained again" in said
    aside = damaged.with_name(f"{damaged.name}.damaged-1")
    assert aside.read_bytes() == content[: len(content) // 2]
    assert {p: p.stat().st_mtime_ns for p in others} == others, "no other run is trained"
    assert results(folder) == results(quick)


@pytest.mark.parametrize("name", ["runs.parquet", "curves.parquet"])
def test_a_truncated_result_is_set_aside_and_made_again(quick, tmp_path, name):
    folder = copy_of(quick, tmp_path / "checkout")
    damaged = next((folder / "results/smoke").glob(name))
    damaged.write_bytes(damaged.read_bytes()[:1000])
    said = built(folder)
    assert f"{damaged.name} cannot be used" in said
    assert damaged.with_name(f"{damaged.name}.damaged-1").stat().st_size == 1000
    assert results(folder) == results(quick)


# Other hands ---------------------------------------------------------------------------------------


@needs_proc
def test_a_config_edited_during_a_build_waits_for_the_next_one(undisturbed, tmp_path):
    folder = make_checkout(tmp_path / "checkout", STUDY)
    more = small_study(steps=2000, decays=(0.1, 0.3, 1.0))
    running = Build(folder, *FRAMES)
    try:
        until(lambda: finished_runs(folder), running)
        write_study(folder, more)
        looked = refused(folder, "--dry-run", *FRAMES)
        assert "the configuration has changed since it began" in looked
        status, said = running.wait()
    finally:
        running.end()
    assert status == 0, said
    assert results(folder) == results(undisturbed)
    built(folder)
    runs = read_parquet(folder / FRAMES[0])
    assert sorted(runs["run_id"]) == sorted(study_of(folder).plan.runs)
    assert len(runs) == 12


@needs_proc
def test_a_second_build_in_the_folder_is_refused_and_the_first_is_not_disturbed(
    undisturbed, tmp_path
):
    folder = make_checkout(tmp_path / "checkout", STUDY)
    running = Build(folder, *FRAMES)
    try:
        until(lambda: list(jobs(folder, "train")), running)
        second = refused(folder)
        assert f"process {running.process.pid} " in second
        assert "Wait for it to end" in second and "use another clone" in second
        # What Snakemake would advise does not break the build either.
        refused(folder, "--unlock")
        status, said = running.wait()
    finally:
        running.end()
    assert status == 0, said
    assert results(folder) == results(undisturbed)


def test_two_builds_started_at_once_in_one_folder_end_as_one(quick, tmp_path):
    folder = make_checkout(tmp_path / "checkout", QUICK)
    both = [Build(folder, *FRAMES), Build(folder, *FRAMES)]
    (first, said), (second, also_said) = [each.wait() for each in both]
    # The one that came second was refused, unless the first was done by then.
    assert 0 in (first, second), said + also_said
    assert "Traceback" not in said + also_said
    if first or second:
        assert "is building the smoke scale in this folder" in (said if first else also_said)
    assert results(folder) == results(quick)


def test_builds_in_two_folders_share_nothing(quick, tmp_path):
    """One of them is in a path with spaces, accents and a sign that the shell would read."""
    folders = [
        make_checkout(tmp_path / name, QUICK) for name in ("plain", "Prüfung – мой (ordner) & co's")
    ]
    both = [Build(folder, *FRAMES) for folder in folders]
    for each in both:
        status, said = each.wait()
        assert status == 0, said
    for folder in folders:
        assert results(folder) == results(quick)
        assert len(finished_runs(folder)) == 8, "each has trained its own"


@needs_root
@needs("setpriv")
def test_a_read_only_checkout_is_refused_in_one_message():
    with tempfile.TemporaryDirectory(prefix="regrok-") as place:
        os.chmod(place, 0o755)
        folder = make_checkout(Path(place) / "checkout", QUICK)
        home = Path(place) / "home"
        home.mkdir()
        os.chown(home, 65534, 65534)
        nobody = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
        reads = subprocess.run([*nobody, sys.executable, "-c", ""], capture_output=True)
        if reads.returncode:
            pytest.skip("another user cannot run this environment's Python")
        environment = {
            "HOME": str(home),
            "XDG_CACHE_HOME": str(home),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        before = sorted(folder.rglob("*"))
        said = refused(folder, before=nobody, environment=environment)
        assert "checkout must be writable" in said
        assert sorted(folder.rglob("*")) == before


# What is not there ---------------------------------------------------------------------------------


@needs_root
@needs("unshare")
def test_no_network_is_needed(quick, tmp_path):
    alone = ("unshare", "--net")
    if subprocess.run([*alone, "true"], capture_output=True).returncode:
        pytest.skip("a network namespace is not allowed here")
    folder = make_checkout(tmp_path / "checkout", QUICK)
    built(folder, before=alone)
    assert results(folder) == results(quick)


def path_without(folder: Path, *absent: str) -> str:
    """A PATH with every program of this machine's but these."""
    folder.mkdir()
    for place in os.environ["PATH"].split(os.pathsep):
        for program in Path(place).glob("*") if place else ():
            link = folder / program.name
            if program.name not in absent and not link.is_symlink():
                link.symlink_to(program.resolve())
    return str(folder)


COMPILERS = ("c++", "g++", "gcc", "cc", "clang", "clang++")


def test_without_a_compiler_the_build_says_so_once_and_agrees(quick, tmp_path):
    folder = make_checkout(tmp_path / "checkout", QUICK)
    environment = {
        "PATH": path_without(tmp_path / "bin", *COMPILERS),
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
        "CXX": "",
    }
    said = built(folder, environment=environment)
    assert said.count("about three times slower") == 1
    assert not list((tmp_path / "cache").rglob("*.so"))
    native, reference = (read_parquet(each / FRAMES[0]) for each in (quick, folder))
    assert list(native["run_id"]) == list(reference["run_id"])
    curves = [read_parquet(each / FRAMES[1]) for each in (quick, folder)]
    early = [curve[curve["step"] <= 100].reset_index(drop=True) for curve in curves]
    assert len(early[0]) == 8 * 5
    for name in ("V", "train_loss", "validation_loss"):
        pd.testing.assert_series_equal(early[0][name], early[1][name], rtol=1e-3)

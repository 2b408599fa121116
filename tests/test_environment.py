"""Variables, folders and values of the caller's shell that are none of a build's business.

Public reports: sveval#20 (a home that cannot be written ends Snakemake), snakemake#840 (another environment's packages
reach a job), snakemake#17 (what no core means).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from configurations import ROOT
from regrok import dates, surroundings
from regrok.cli import main
from regrok.errors import RegrokError
from regrok.study.words import SCALES

NOWHERE = "/proc/nonexistent"
"""A folder that nobody can make, not even root."""


def cleaned(folder: Path, **given: str) -> dict[str, str]:
    environment = {"HOME": str(folder / "home"), **given}
    surroundings.clean(environment, folder)
    return environment


# Jobs -----------------------------------------------------------------------------------------------


def test_another_s_packages_and_start_up_files_do_not_reach_a_job(tmp_path):
    """snakemake#840"""
    foreign = tmp_path / "elsewhere"
    own = tmp_path / "checkout"
    found = cleaned(
        own,
        PYTHONPATH=os.pathsep.join([str(foreign), str(own / "src"), ""]),
        PYTHONHOME=str(foreign),
        PYTHONSTARTUP="hello.py",
        PYTHONINSPECT="1",
        PYTHONWARNINGS="error",
        PYTHONOPTIMIZE="2",
        MATPLOTLIBRC=str(foreign),
        CUDA_VISIBLE_DEVICES="1",
    )
    assert found["PYTHONPATH"] == str(own / "src")
    assert found["PYTHONNOUSERSITE"] == "1" and found["PYTHONUTF8"] == "1"
    assert found["CUDA_VISIBLE_DEVICES"] == "1", "what a cluster says of the machine stays"
    gone = {"PYTHONHOME", "PYTHONSTARTUP", "PYTHONINSPECT", "PYTHONWARNINGS", "PYTHONOPTIMIZE"}
    assert not (gone | {"MATPLOTLIBRC"}) & found.keys()
    assert "PYTHONPATH" not in cleaned(own, PYTHONPATH=str(foreign))


def test_a_folder_that_the_build_lives_on_is_kept(tmp_path, monkeypatch):
    """A cluster's module may bring packages through PYTHONPATH, and so may whoever runs Regrok from its sources."""
    sources = str(Path(surroundings.__file__).parents[1])
    assert cleaned(tmp_path, PYTHONPATH=sources)["PYTHONPATH"] == sources
    (tmp_path / "modules/only_here").mkdir(parents=True)
    (tmp_path / "modules/only_here/__init__.py").touch()
    modules = str(tmp_path / "modules")
    assert "PYTHONPATH" not in cleaned(tmp_path / "checkout", PYTHONPATH=modules)
    monkeypatch.syspath_prepend(modules)
    monkeypatch.setattr(surroundings, "PACKAGES", (*surroundings.PACKAGES, "only_here"))
    assert cleaned(tmp_path / "checkout", PYTHONPATH=modules)["PYTHONPATH"] == modules


def test_what_changes_last_digits_is_taken_out(tmp_path):
    """Threads, instructions and tuned libraries; a job has one thread, and the machine's own instructions."""
    given = {
        "OMP_NUM_THREADS": "7",
        "MKL_CBWR": "COMPATIBLE",
        "MKL_NUM_THREADS": "nonsense",
        "OPENBLAS_CORETYPE": "Prescott",
        "ATEN_CPU_CAPABILITY": "default",
        "ONEDNN_MAX_CPU_ISA": "SSE41",
        "NPY_DISABLE_CPU_FEATURES": "AVX2",
        "NVIDIA_TF32_OVERRIDE": "1",
        "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX2",
        "KMP_AFFINITY": "none",
    }
    kept = {"KMP_DUPLICATE_LIB_OK": "TRUE", "MKL_THREADING_LAYER": "GNU", "CXX": "g++"}
    found = cleaned(tmp_path, **given, **kept)
    assert not given.keys() & found.keys()
    assert kept.items() <= found.items()


FAULTS = """
import resource, numpy as np
faults = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for turn in range(101):
    if turn == 1:
        begun = faults()
    step = [np.ones(120_000) for _ in range(5)]
    del step
print(faults() - begun)
"""
"""Page faults of a hundred steps that make and free five arrays of a megabyte, 235 pages each."""


@pytest.mark.skipif(sys.platform != "linux", reason="of glibc")
def test_a_job_keeps_the_memory_that_its_steps_free(tmp_path):
    def faults(environment: dict[str, str]) -> int:
        command = [sys.executable, "-c", FAULTS]
        return int(subprocess.run(command, env=environment, capture_output=True, check=True).stdout)

    own = {"MALLOC_TRIM_THRESHOLD_": "0", "MALLOC_MMAP_THRESHOLD_": "65536"}
    assert faults(cleaned(tmp_path)) < 1_000
    assert faults(cleaned(tmp_path, **own)) > 100_000, "what a user has set stays"


def test_commands_that_train_take_it_out_as_well(monkeypatch, capsys):
    monkeypatch.setenv("ATEN_CPU_CAPABILITY", "default")
    assert main(["plan", "--config", "nowhere.yaml"]) == 2
    assert "ATEN_CPU_CAPABILITY" not in os.environ and "nowhere.yaml" in capsys.readouterr().err


def test_a_replay_counts_in_one_thread_as_a_job_does(monkeypatch, tmp_path, capsys):
    for name in surroundings.THREADS:
        monkeypatch.setenv(name, "8")
    assert main(["replay", "ffffff", "--store", str(tmp_path), "--bundle", str(tmp_path)]) == 2
    assert {os.environ[name] for name in surroundings.THREADS} == {"1"}
    assert "ffffff" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["nowhere", "file", "unset"])
def test_an_unwritable_home_and_a_lost_temporary_folder(kind, tmp_path):
    """sveval#20"""
    (tmp_path / "file").touch()
    home = {"nowhere": NOWHERE, "file": str(tmp_path / "file"), "unset": ""}[kind]
    found = cleaned(tmp_path, HOME=home, TMPDIR=f"{home or NOWHERE}/scratch")
    folders = ["XDG_CACHE_HOME", *surroundings.FOLDERS]
    assert all(Path(found[name]).is_relative_to(tmp_path) for name in folders)
    assert surroundings.writable(found["XDG_CACHE_HOME"])
    assert "TMPDIR" not in found

    writable = cleaned(tmp_path, TMPDIR=str(tmp_path), XDG_CACHE_HOME=str(tmp_path / "mine"))
    assert writable["TMPDIR"] == str(tmp_path)
    assert writable["XDG_CACHE_HOME"] == str(tmp_path / "mine"), "a cache that works is used"
    assert cleaned(tmp_path, XDG_CACHE_HOME=NOWHERE)["XDG_CACHE_HOME"] != NOWHERE


# Values ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value", ["yesterday", "-1", "1e9", "1.5", " 1", "٣", str(2**32), "9" * 5000]
)
def test_a_date_that_no_file_can_hold_is_refused(value, monkeypatch):
    """Garbage was refused, but ten digits more ended in OverflowError."""
    monkeypatch.setenv("SOURCE_DATE_EPOCH", value)
    with pytest.raises(RegrokError, match="SOURCE_DATE_EPOCH"):
        dates.epoch()


def test_a_date_and_none(tmp_path):
    """Jobs get none: matplotlib reads it even where a file is to have no date."""
    assert dates.epoch({"SOURCE_DATE_EPOCH": "0"}) == 0
    assert dates.epoch({"SOURCE_DATE_EPOCH": ""}) is None and dates.epoch({}) is None
    assert "SOURCE_DATE_EPOCH" not in cleaned(tmp_path, SOURCE_DATE_EPOCH="yesterday")


@pytest.mark.parametrize("counts", [(0, None), (-1, None), (None, 0)])
def test_snakemake_without_a_core_would_wait_for_ever(counts):
    with pytest.raises(RegrokError, match="--cores all"):
        surroundings.refuse_idle(*counts)
    surroundings.refuse_idle(1, None)
    surroundings.refuse_idle(None, 100)


@pytest.mark.parametrize("command", ["plan", "release"])
def test_no_core_is_refused_on_the_command_line(command, capsys):
    for value in ("0", "-2", "x", "1.5"):
        with pytest.raises(SystemExit) as left:
            main([command, "--cores", value])
        assert left.value.code == 2
        assert f"{value}: give a whole number from 1" in capsys.readouterr().err


# make -----------------------------------------------------------------------------------------------


def make(*arguments: str, **variables: str) -> tuple[int, str]:
    """A dry run: (exit status, what it said)."""
    done = subprocess.run(
        ["make", "--dry-run", *arguments],
        cwd=ROOT,
        env={**os.environ, **variables},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("CORES", "0", "a number from 1, or all"),
        ("CORES", "00", "a number from 1, or all"),
        ("CORES", "-1", "a number from 1, or all"),
        ("CORES", "two", "a number from 1, or all"),
        ("CORES", "2 3", "a number from 1, or all"),
        ("CORES", "", "a number from 1, or all"),
        ("SCALE", "big", "smoke, laptop or paper"),
        ("SCALE", "smoke laptop", "smoke, laptop or paper"),
        ("STUDY", "norm", "norm_delay"),
        ("STUDY", "norm_delay, x", "norm_delay"),
        ("SOURCE", "web", "trained, released or missing"),
    ],
)
def test_make_refuses_a_value_at_once_and_names_what_is_allowed(name, value, allowed):
    """`make paper CORES=0` waited for ever; snakemake#17 asks for 0 to mean all, and it means none."""
    for goal in ("paper", "report"):
        status, said = make(goal, f"{name}={value}")
        assert status == 2 and f"{name} is '{value}'" in said and allowed in said
    status, said = make("paper", **{name: value})
    # An empty variable of the shell is as good as none, but for the scale and the cores.
    assert status == 2 and "(environment)" in said


@pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
def test_make_takes_what_is_allowed():
    for scale in SCALES:
        given = f"scale={scale} 'studies=[norm_delay,depth_and_decay]' source=released"
        status, said = make(
            "paper",
            f"SCALE={scale}",
            "CORES=10",
            "STUDY=norm_delay,depth_and_decay",
            "SOURCE=released",
        )
        assert status == 0 and f"--cores 10 --config {given}" in said, said
    assert make("paper", "CORES=all")[0] == 0
    # A variable that another program has set does not stand in the way of a goal that has no use for it.
    assert make("test", CORES="0", SCALE="2")[0] == 0


HOSTILE = {
    "HOME": NOWHERE,
    "XDG_CACHE_HOME": NOWHERE,
    "TMPDIR": NOWHERE,
    "PYTHONPATH": "modules",
    "PYTHONHOME": NOWHERE,
    "PYTHONSTARTUP": NOWHERE,
    "PYTHONWARNINGS": "error",
    "PYTHONIOENCODING": "ascii",
    "PYTHONUTF8": "0",
    "LC_ALL": "C",
    "CDPATH": "/",
    "PIP_TARGET": "elsewhere",
}


def test_recipes_start_in_surroundings_of_their_own(tmp_path):
    """sveval#20, snakemake#840: the same for make's recipes, before any Python of ours runs."""
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules/json.py").write_text(
        "raise SystemExit('another json')\n", encoding="utf-8"
    )
    look = (
        "import json, os, sys, tempfile; print(json.dumps([sys.flags.utf8_mode, sys.stdout.encoding, "
        "os.environ['XDG_CACHE_HOME'], tempfile.gettempdir()]))"
    )
    script = f'. "$1/scripts/environment"; mktemp >made; "{sys.executable}" -c "$2"; env'
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script, "bash", str(ROOT), look],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], **HOSTILE},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith('[1, "utf-8", "' + str(tmp_path))
    assert NOWHERE not in done.stdout.replace(f"HOME={NOWHERE}", "")
    assert "PIP_TARGET" not in done.stdout

"""The scripts behind `make install` and `make tex`, on machines that lack things.

A machine is a PATH: a folder of links to the few programs that it has, with stand-ins for the rest.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PLAIN = [
    "bash",
    "sh",
    "env",
    "dirname",
    "cat",
    "cksum",
    "grep",
    "mkdir",
    "flock",
    "rm",
    "id",
    "c++",
    "sed",
    "sort",
]


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """Folder to use as PATH: shell tools, no Python, no apt, no TeX."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in PLAIN:
        if (program := shutil.which(name)) is not None:
            (folder / name).symlink_to(program)
    return folder


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """What the scripts read, in a path with spaces and letters outside ASCII."""
    folder = tmp_path / "ein Größen-λ folder"
    shutil.copytree(ROOT / "scripts", folder / "scripts")
    (folder / "paper").mkdir()
    for name in ("requirements.lock", "pyproject.toml", "paper/main.tex"):
        shutil.copy(ROOT / name, folder / name)
    return folder


def stand_in(folder: Path, name: str, script: str) -> None:
    path = folder / name
    path.unlink(missing_ok=True)
    path.write_text(f"#!/usr/bin/env bash\n{script}\n", encoding="utf-8")
    path.chmod(0o755)


def run(checkout: Path, machine: Path, script: str, *arguments: str, **variables: str):
    return subprocess.run(
        [str(checkout / "scripts" / script), *arguments],
        env={"PATH": str(machine), "LC_ALL": "C.UTF-8", **variables},
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )


def test_an_old_python_is_refused_by_name(checkout, machine):
    stand_in(machine, "python3", "exit 1")  # fails the version check, as 3.10 would
    result = run(checkout, machine, "install-python")
    assert result.returncode == 1
    assert "Python 3.11 or newer" in result.stderr
    assert "PYTHON=" in result.stderr


def test_debian_without_venv_is_told_the_line_to_run(checkout, machine):
    stand_in(
        machine,
        "python3",
        'case "$*" in *ensurepip*) exit 1;; *venv\\"*) echo python3.11-venv;;'
        " *--version*) echo Python 3.11.2;; esac",
    )
    stand_in(machine, "id", "echo 1000")  # not root
    result = run(checkout, machine, "install-python")
    assert result.returncode == 1
    assert "Python 3.11.2 lacks venv" in result.stderr
    assert "apt-get install -y python3.11-venv" in result.stderr


def install_for_show(machine: Path) -> None:
    """A Python whose venv has a pip that notes its arguments instead of installing."""
    stand_in(
        machine,
        "python3",
        'if [ "$1 $2" = "-m venv" ]; then for d; do :; done; mkdir -p "$d/bin"\n'
        'printf \'#!/usr/bin/env bash\\necho "$*" >>pip.log\\n\' >"$d/bin/python"\n'
        'chmod +x "$d/bin/python"; fi',
    )
    os.symlink(shutil.which("chmod"), machine / "chmod")


def test_install_happens_once_and_again_when_the_lock_changes(checkout, machine):
    install_for_show(machine)
    log = checkout / "pip.log"
    assert run(checkout, machine, "install-python").returncode == 0
    first = log.read_text(encoding="utf-8")
    assert "--requirement requirements.lock" in first
    assert "--no-deps --no-build-isolation --editable ." in first

    assert run(checkout, machine, "install-python").returncode == 0
    assert log.read_text(encoding="utf-8") == first

    with (checkout / "requirements.lock").open("a", encoding="utf-8") as lock:
        lock.write("# changed\n")
    assert run(checkout, machine, "install-python").returncode == 0
    assert log.read_text(encoding="utf-8") == first + first


def test_a_moved_checkout_gets_a_new_environment(checkout, machine):
    """A virtual environment holds its own absolute path."""
    install_for_show(machine)
    assert run(checkout, machine, "install-python").returncode == 0
    moved = checkout.rename(checkout.with_name("moved"))
    before = (moved / "pip.log").read_text(encoding="utf-8")
    assert run(moved, machine, "install-python").returncode == 0
    assert (moved / "pip.log").read_text(encoding="utf-8") == before + before


def test_another_torch_comes_from_the_index_that_was_named(checkout, machine):
    install_for_show(machine)
    run(checkout, machine, "install-python", TORCH_INDEX="somewhere")
    lines = (checkout / "pip.log").read_text(encoding="utf-8").splitlines()
    torch = next(i for i, line in enumerate(lines) if "--index-url somewhere" in line)
    rest = next(i for i, line in enumerate(lines) if "requirements.lock" in line)
    assert "torch==2.13.0" in lines[torch]
    assert torch < rest, (
        "torch must be there before the lock is installed, or the lock brings its own"
    )


def test_an_interrupted_install_is_not_taken_for_a_finished_one(checkout, machine):
    install_for_show(machine)
    works = (machine / "python3").read_text(encoding="utf-8")
    stand_in(machine, "python3", works.replace(">>pip.log", ">&2; exit 1"))
    result = run(checkout, machine, "install-python")
    assert result.returncode == 1
    assert "could not be installed" in result.stderr

    stand_in(machine, "python3", works)
    assert run(checkout, machine, "install-python").returncode == 0
    assert "requirements.lock" in (checkout / "pip.log").read_text(encoding="utf-8")


def test_missing_tex_is_one_line_for_each_way_to_have_it(checkout, machine):
    result = run(checkout, machine, "install-tex")
    assert result.returncode == 0, "a build without TeX goes on"
    for command in ("apt-get install -y latexmk", "brew install texlive", "conda install"):
        assert command in result.stderr
    assert "Everything but the PDF will be built" in result.stderr
    assert run(checkout, machine, "install-tex", "--required").returncode == 1


def test_a_tex_that_lacks_a_macro_file_is_not_enough(checkout, machine):
    stand_in(machine, "latexmk", "")
    stand_in(machine, "pdflatex", "")
    stand_in(machine, "kpsewhich", '[ "$1" != microtype.sty ]')
    result = run(checkout, machine, "install-tex")
    assert "TeX: microtype.sty is missing" in result.stderr

    stand_in(machine, "kpsewhich", "exit 0")
    result = run(checkout, machine, "install-tex", "--required")
    assert result.returncode == 0
    assert result.stderr == ""


def test_root_on_debian_gets_tex_installed(checkout, machine):
    stand_in(machine, "id", "echo 0")
    stand_in(machine, "apt-get", 'echo "$*" >>"$LOG"')
    log = checkout / "apt.log"
    run(checkout, machine, "install-tex", LOG=str(log))
    calls = log.read_text(encoding="utf-8").splitlines()
    assert calls[0].startswith("update")
    assert "texlive-latex-extra" in calls[1]


@pytest.mark.skipif(sys.platform != "linux", reason="flock is a Linux program")
def test_two_installs_at_once_install_once(checkout, machine):
    install_for_show(machine)
    stand_in(
        machine,
        "python3",
        "sleep 0.3\n" + (machine / "python3").read_text(encoding="utf-8").split("\n", 1)[1],
    )
    os.symlink(shutil.which("sleep"), machine / "sleep")
    command = [str(checkout / "scripts" / "install-python")]
    both = [subprocess.Popen(command, env={"PATH": str(machine)}) for _ in range(2)]
    assert [process.wait(timeout=60) for process in both] == [0, 0]
    assert (checkout / "pip.log").read_text(encoding="utf-8").count("requirements.lock") == 1

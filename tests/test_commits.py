"""A run is released only when a commit holds the code that trained it. Real repositories, in temporary folders."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from regrok.training import fingerprint

ROOT = Path(__file__).resolve().parents[1]
ASK = """
import sys
from regrok.errors import RegrokError
from regrok.training.fingerprint import fingerprint
from regrok.released.commits import commit_of
try:
    print(fingerprint("modular", "mlp"), commit_of(*sys.argv[1:] or [fingerprint("modular", "mlp")], "modular", "mlp"))
except RegrokError as error:
    print(error)
"""


def git(folder, *arguments):
    who = ["-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]
    done = subprocess.run(
        ["git", *who, *arguments], cwd=folder, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def commit(folder, message):
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "--allow-empty", "-m", message)
    return git(folder, "rev-parse", "HEAD")


def ask(folder, *trainer):
    done = subprocess.run(
        [sys.executable, "-c", ASK, *trainer],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder / "src"), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    """The package under git, with the commits that the tests ask about."""
    folder = tmp_path_factory.mktemp("git") / "a checkout"
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(fingerprint.PACKAGE, folder / "src/regrok", ignore=ignore)
    (folder / "README.md").write_text("one\n")
    git(folder.parent, "init", "-q", str(folder))
    return folder


def test_the_commit_is_the_last_that_touched_the_code_and_later_ones_leave_it(repository):
    first = commit(repository, "the code")
    optim = repository / "src/regrok/training/optim.py"
    trainer, named = ask(repository).split()
    assert named == first
    (repository / "README.md").write_text("two\n")
    commit(repository, "no code")
    assert ask(repository).split() == [trainer, first]

    before = optim.read_text(encoding="utf-8")
    optim.write_text(before + "\nCHANGED = 1\n", encoding="utf-8")
    assert "training code differs from the last commit (src/regrok/training/optim.py)" in ask(
        repository
    )
    second = commit(repository, "other code")
    now, named = ask(repository).split()
    assert now != trainer
    assert named == second
    # Runs of the old code are still those of the commit that held it.
    assert ask(repository, trainer).split() == [now, first]
    assert "no commit holds the code with fingerprint" in ask(repository, "feedfeedfeed")

    # Another task's file is no part of this code.
    parity = repository / "src/regrok/tasks/parity.py"
    parity.write_text(parity.read_text(encoding="utf-8") + "\nCHANGED = 1\n", encoding="utf-8")
    assert ask(repository).split() == [now, second]


def test_without_a_checkout_nothing_is_released(tmp_path):
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(fingerprint.PACKAGE, tmp_path / "src/regrok", ignore=ignore)
    assert "it needs the project's git checkout" in ask(tmp_path)

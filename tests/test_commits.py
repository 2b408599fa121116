"""A run is released only when a commit holds the code that trained it. Real repositories, in temporary folders."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from regrok.training import fingerprint

pytestmark = pytest.mark.beside

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
        ["git", *who, *arguments], cwd=folder, capture_output=True, encoding="utf-8", check=True
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
        encoding="utf-8",
        check=True,
    )
    return done.stdout.strip()


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    """The package under git, with the commits that the tests ask about."""
    folder = tmp_path_factory.mktemp("git") / "a checkout"
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(fingerprint.PACKAGE, folder / "src/regrok", ignore=ignore)
    (folder / "src/regrok/training/generations.yaml").write_text("{}\n", encoding="utf-8")
    (folder / "README.md").write_text("one\n", encoding="utf-8")
    git(folder.parent, "init", "-q", str(folder))
    return folder


def test_the_commit_of_a_run_s_code(repository):
    first = commit(repository, "the code")
    optim = repository / "src/regrok/training/optim.py"
    trainer, named = ask(repository).split()
    assert named == first
    (repository / "README.md").write_text("two\n", encoding="utf-8")
    commit(repository, "no code")
    assert ask(repository).split() == [trainer, first]

    before = optim.read_text(encoding="utf-8")
    optim.write_text(before + "\n# A reason.\n", encoding="utf-8")
    assert ask(repository).split() == [trainer, first], "a comment is no other code"
    optim.write_text(before.replace("EPSILON = 1e-6", "EPSILON = 1e-5"), encoding="utf-8")
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
    text = parity.read_text(encoding="utf-8").replace("labels = bits[", "labels = 1 - bits[")
    parity.write_text(text, encoding="utf-8")
    assert ask(repository).split() == [now, second]

    # A moved file says the same; the code's name is then the commit that moved it.
    parity.write_text(text.replace("1 - bits", "bits"), encoding="utf-8")
    git(repository, "mv", "src/regrok/tasks/streams.py", "src/regrok/tasks/counted.py")
    for path in (repository / "src").rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        text = text.replace("from regrok.tasks.streams import", "from regrok.tasks.counted import")
        text = text.replace("tasks import streams", "tasks import counted as streams")
        path.write_text(text, encoding="utf-8")
    moved = commit(repository, "moved")
    assert ask(repository).split() == [now, moved]
    # Runs of the first code are found beyond the move.
    assert ask(repository, trainer).split() == [now, first]

    # What is proven equal is named by the commit that it was proven equal to.
    declared = f"{second}:\n- trainers: {{modular/mlp: [{now}, feedfeedfeed]}}\n"
    (repository / "src/regrok/training/generations.yaml").write_text(declared, encoding="utf-8")
    assert ask(repository, "feedfeedfeed").split() == [now, second]


def test_without_a_checkout_nothing_is_released(tmp_path):
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(fingerprint.PACKAGE, tmp_path / "src/regrok", ignore=ignore)
    assert "it needs the project's git checkout" in ask(tmp_path, "feedfeedfeed")

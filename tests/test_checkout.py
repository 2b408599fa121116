"""Which repository git is asked about: the project's own, or none (setuptools-scm#423).

A tarball unpacked inside another repository had that one's commit recorded as its own, and as clean.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from regrok import checkout
from regrok.checkout import Commit, NoCommit, head
from regrok.paper.repository import source_links
from regrok.pipeline import machine

pytestmark = pytest.mark.filterwarnings("error")


def git(folder: Path, *arguments: str) -> str:
    who = ["-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]
    # A clone of a folder of this machine, also as a submodule.
    who += ["-c", "protocol.file.allow=always"]
    kept = {k: v for k, v in os.environ.items() if k not in checkout.ELSEWHERE}
    done = subprocess.run(
        ["git", *who, *arguments],
        cwd=folder,
        env=kept,
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    return done.stdout.strip()


def commit(folder: Path) -> str:
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "all")
    return git(folder, "rev-parse", "HEAD")


def unpacked(folder: Path) -> Path:
    """As much of the project as git is asked about, in a path that is not plain."""
    for name in (checkout.HELD, "Snakefile", "studies/own/study.yaml"):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("# one\n", encoding="utf-8")
    return folder


@pytest.fixture
def outer(tmp_path):
    """Somebody else's repository with a commit and an address."""
    folder = tmp_path / "somebody else’s"
    folder.mkdir()
    git(folder, "init", "-q")
    git(folder, "remote", "add", "origin", "https://github.com/somebody/else.git")
    (folder / "README").write_text("theirs\n", encoding="utf-8")
    commit(folder)
    return folder


@pytest.fixture
def clone(tmp_path):
    """The project's own checkout, committed."""
    folder = unpacked(tmp_path / "größe 漢字")
    git(folder, "init", "-q")
    git(folder, "remote", "add", "origin", "https://github.com/o/regrok.git")
    commit(folder)
    return folder


def test_a_tarball_inside_another_repository_has_no_commit(outer, monkeypatch):
    """setuptools-scm#423"""
    inside = unpacked(outer / "regrok-1.0")
    with pytest.raises(NoCommit, match="inside another git repository"):
        head(inside)
    assert source_links(inside) is None, "nor do its figures link there"
    (outer / ".gitignore").write_text("regrok-1.0\n", encoding="utf-8")
    commit(outer)
    with pytest.raises(NoCommit, match="inside another git repository"):
        head(inside)

    # Likewise where it fills the top of one.
    with pytest.raises(NoCommit, match=r"does not hold src/regrok/__init__\.py"):
        head(unpacked(outer))
    assert source_links(outer) is None


def test_the_record_says_why_there_is_no_commit(tmp_path, monkeypatch):
    """setuptools-scm#423: null alone left the reader to guess."""
    monkeypatch.setattr(machine, "head", lambda: head(unpacked(tmp_path / "regrok")))
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", "/")
    record = machine.commit()
    assert record == {
        "commit": None,
        "modified": None,
        "no_commit": "the project's folder is no git checkout",
    }
    monkeypatch.setenv("PATH", str(tmp_path))
    assert machine.commit()["no_commit"] == "git was not found"


def test_a_repository_without_a_commit_says_so(tmp_path):
    folder = unpacked(tmp_path / "regrok")
    git(folder, "init", "-q")
    with pytest.raises(NoCommit, match="has no commit yet"):
        head(folder)


def test_clean_and_modified(clone):
    """A source file that no commit holds is built with as well: such a tree is not clean."""
    name = git(clone, "rev-parse", "HEAD")
    assert head(clone) == Commit(name, modified=False)
    (clone / "notes.txt").write_text("mine\n", encoding="utf-8")
    assert head(clone) == Commit(name, modified=False)
    (clone / "studies/own/größe 漢字.yaml").write_text("mine\n", encoding="utf-8")
    assert head(clone) == Commit(name, modified=True)
    (clone / "studies/own/größe 漢字.yaml").unlink()
    (clone / "Snakefile").write_text("# other\n", encoding="utf-8")
    assert head(clone) == Commit(name, modified=True)


@pytest.mark.parametrize(
    "names",
    [
        ("GIT_DIR",),
        ("GIT_DIR", "GIT_WORK_TREE"),
        ("GIT_INDEX_FILE",),
        ("GIT_OBJECT_DIRECTORY",),
        ("GIT_COMMON_DIR",),
        ("GIT_NAMESPACE", "GIT_PREFIX"),
    ],
    ids="+".join,
)
def test_variables_of_a_hook_lead_nowhere_else(clone, outer, names, monkeypatch):
    """Git sets GIT_DIR for its hooks: a build that a hook of another repository starts asked that one."""
    values = {
        "GIT_DIR": outer / ".git",
        "GIT_WORK_TREE": outer,
        "GIT_INDEX_FILE": outer / ".git/index",
        "GIT_OBJECT_DIRECTORY": outer / ".git/objects",
        "GIT_COMMON_DIR": outer / ".git",
    }
    known = head(clone)
    for name in names:
        monkeypatch.setenv(name, str(values.get(name, "elsewhere")))
    assert head(clone) == known
    assert source_links(clone) == "https://github.com/o/regrok/blob/HEAD"


def test_a_ceiling_above_does_not_hide_the_checkout(clone, monkeypatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", f"{clone.parent}:{clone}")
    assert not head(clone).modified


def test_a_worktree_a_submodule_and_a_shallow_clone_are_checkouts(clone, outer, tmp_path):
    """In the first two, .git is a file."""
    known = head(clone)
    (clone / "Snakefile").write_text("# two\n", encoding="utf-8")
    newest = commit(clone)

    git(clone, "worktree", "add", "-q", "--detach", str(tmp_path / "tree"), known.name)
    assert (tmp_path / "tree/.git").is_file()
    assert head(tmp_path / "tree") == known

    git(outer, "submodule", "--quiet", "add", str(clone), "regrok")
    assert (outer / "regrok/.git").is_file()
    assert head(outer / "regrok") == Commit(newest, modified=False)

    git(tmp_path, "clone", "-q", "--depth", "1", clone.as_uri(), "shallow")
    assert head(tmp_path / "shallow") == Commit(newest, modified=False)
    assert checkout.shallow(tmp_path / "shallow") and not checkout.shallow(clone)

    # A worktree whose repository is gone.
    (outer / "regrok/.git").write_text("gitdir: ../nowhere\n", encoding="utf-8")
    with pytest.raises(NoCommit, match="no git checkout"):
        head(outer / "regrok")


def test_a_checkout_of_another_user_is_told_as_that(clone, monkeypatch):
    """Git calls it "dubious ownership"; the record says so and names the remedy."""
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    with pytest.raises(NoCommit, match=r"another user owns.*safe\.directory") as refused:
        head(clone)
    assert str(clone) not in str(refused.value), "a record that is published names no folder"
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    with pytest.raises(NoCommit, match="another user owns"):
        head(clone)

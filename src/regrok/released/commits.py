"""Which commit holds the code that trained a run: only runs of committed code are released."""

from __future__ import annotations

import io
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from regrok import checkout
from regrok.checkout import NoCommit
from regrok.errors import RegrokError
from regrok.training.fingerprint import PACKAGE, Code, training_sources
from regrok.training.generations import declared

NEEDED = "a release names the commit that trained its runs"
UNSHALLOW = "This clone is shallow, so fetch the whole history first: git fetch --unshallow"
AGAIN = "Build again, which trains them with the code as it is now, and release then"


def git(*arguments: str, folder: Path = PACKAGE) -> str:
    """What git prints. Raises RegrokError when this is no checkout of the project."""
    return _git(*arguments, folder=folder).decode("utf-8", "surrogateescape")


def _git(*arguments: str, folder: Path = PACKAGE) -> bytes:
    try:
        _refuse_another()
        return checkout.ask(*arguments, folder=folder)
    except NoCommit as error:
        raise RegrokError(
            f"{checkout.ROOT}: {error}; {NEEDED}, so it needs the project's git checkout"
        ) from error


@cache
def _refuse_another() -> None:
    checkout.refuse_another()


def resolve(name: str) -> str:
    """A commit's full name. Raises RegrokError when there is none of this name, or no checkout to look in."""
    found = _commit(name)
    if found is None:
        raise RegrokError(
            f"commit {name}: not in this clone" + (f". {UNSHALLOW}" if is_shallow() else "")
        )
    return found


def has_commit(name: str) -> bool:
    """Whether the clone holds the commit. Raises RegrokError where there is no checkout to look in."""
    return _commit(name) is not None


def _commit(name: str) -> str | None:
    git("rev-parse", "--git-dir")
    try:
        asked = ("rev-parse", "--verify", "--quiet", f"{name}^{{commit}}")
        return checkout.ask(*asked).decode("ascii").strip()
    except NoCommit:
        return None


def is_shallow() -> bool:
    """Whether the clone lacks older commits; false where git cannot tell."""
    try:
        return checkout.shallow()
    except NoCommit:
        return False


@contextmanager
def sources_at(commit: str) -> Iterator[Path]:
    """The folder `src` as it was in a commit, for as long as the context lasts."""
    source = PACKAGE.parent.relative_to(checkout.ROOT).as_posix()
    packed = _git("archive", "--format=tar", commit, source, folder=checkout.ROOT)
    with tempfile.TemporaryDirectory(prefix="regrok-commit-") as folder:
        with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
            archive.extractall(folder, filter="data")
        yield Path(folder) / source


def refuse_uncommitted(task: str, model: str) -> None:
    """Raise RegrokError naming training files that differ from the last commit."""
    changed = git("status", "--porcelain", "--", *_names(task, model)).splitlines()
    if changed and fingerprint_at("HEAD", task, model) != Code().trainer(task, model).digest():
        names = ", ".join(line[3:] for line in changed[:3])
        raise RegrokError(
            f"training code differs from the last commit ({names}): a run is released only when it was trained by "
            "committed code; commit or undo the change"
        )


def _names(task: str, model: str) -> list[str]:
    return [path.relative_to(PACKAGE).as_posix() for path in training_sources(task, model)]


def commit_of(trainer: str, task: str, model: str) -> str:
    """The commit whose code trained a run with the fingerprint `trainer`, or trains the same bits.

    That is the commit under which generations.yaml lists the fingerprint; for any other, the newest that touched the
    files of this training code and in which it has the fingerprint, so that later commits leave the name as it is.
    Raises RegrokError when no commit up to HEAD holds such code.
    """
    known = declared().commit(trainer, task, model)
    if known is not None:
        return known
    refuse_uncommitted(task, model)
    for place in (_names(task, model), ["."]):
        for commit in git("log", "--format=%H", "HEAD", "--", *place).split():
            found = fingerprint_at(commit, task, model)
            if found == trainer:
                return commit
            if found is None:
                break
    raise RegrokError(
        f"no commit holds the code with fingerprint {trainer} that trained runs of {task} with {model}, and "
        "generations.yaml names none that trains the same bits: a run is released only when it was trained by "
        "committed code. " + (UNSHALLOW if is_shallow() else AGAIN)
    )


@cache
def fingerprint_at(commit: str, task: str, model: str) -> str | None:
    """Fingerprint of the training code as it was in a commit; None where it was laid out in another way."""
    with sources_at(commit) as source:
        try:
            return Code(source / PACKAGE.name).trainer(task, model).digest()
        except (RegrokError, SyntaxError):
            return None

"""Which commit holds the code that trained a run: only runs of committed code are released."""

from __future__ import annotations

import io
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from regrok.errors import RegrokError
from regrok.training.fingerprint import PACKAGE, Code, training_sources
from regrok.training.generations import declared

NEEDED = "a release names the commit that trained its runs"


def git(*arguments: str, folder: Path = PACKAGE) -> str:
    """What git prints. Raises RegrokError when this is no checkout."""
    return _git(*arguments, folder=folder).decode()


def _git(*arguments: str, folder: Path = PACKAGE) -> bytes:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments], capture_output=True, check=True
        )
    except FileNotFoundError:
        raise RegrokError(f"git was not found; {NEEDED}") from None
    except subprocess.CalledProcessError as error:
        words = error.stderr.decode(errors="replace").strip().splitlines()
        reason = words[-1] if words else "no reason given"
        raise RegrokError(
            f"git {arguments[0]} failed in {folder} ({reason}); {NEEDED}, so it needs the project's git checkout"
        ) from error
    return done.stdout


def resolve(name: str) -> str:
    """A commit's full name. Raises RegrokError when there is none of this name."""
    try:
        return git("rev-parse", "--verify", "--quiet", f"{name}^{{commit}}").strip()
    except RegrokError as error:
        raise RegrokError(f"commit {name}: not in this clone ({error})") from error


def has_commit(name: str) -> bool:
    """Whether the clone holds the commit."""
    try:
        return bool(resolve(name))
    except RegrokError:
        return False


@contextmanager
def sources_at(commit: str) -> Iterator[Path]:
    """The folder `src` as it was in a commit, for as long as the context lasts."""
    top = git("rev-parse", "--show-toplevel").strip()
    source = PACKAGE.parent.relative_to(Path(top).resolve()).as_posix()
    packed = _git("archive", "--format=tar", commit, source, folder=Path(top))
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
        "committed code. Build again, which trains them with the code as it is now, and release then"
    )


@cache
def fingerprint_at(commit: str, task: str, model: str) -> str | None:
    """Fingerprint of the training code as it was in a commit; None where it was laid out in another way."""
    with sources_at(commit) as source:
        try:
            return Code(source / PACKAGE.name).trainer(task, model).digest()
        except (RegrokError, SyntaxError):
            return None

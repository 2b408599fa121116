"""Which commit holds the code that trained a run: only runs of committed code are released."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from regrok.errors import RegrokError
from regrok.training.fingerprint import PACKAGE, digest, meaning, training_sources


def git(*arguments: str, folder: Path = PACKAGE) -> str:
    """What git prints. Raises RegrokError when this is no checkout."""
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=True
        )
    except FileNotFoundError:
        raise RegrokError(
            "git was not found; a release names the commit that trained its runs"
        ) from None
    except subprocess.CalledProcessError as error:
        reason = (
            error.stderr.strip().splitlines()[-1] if error.stderr.strip() else "no reason given"
        )
        raise RegrokError(
            f"git {arguments[0]} failed in {folder} ({reason}); a release names the commit that trained its runs, "
            "so it needs the project's git checkout"
        ) from error
    return done.stdout


def refuse_uncommitted(task: str, model: str) -> None:
    """Raise RegrokError naming training files that differ from the last commit."""
    paths = [path.relative_to(PACKAGE).as_posix() for path in training_sources(task, model)]
    changed = git("status", "--porcelain", "--", *paths).splitlines()
    if changed:
        names = ", ".join(line[3:] for line in changed[:3])
        raise RegrokError(
            f"training code differs from the last commit ({names}): a run is released only when it was trained by "
            "committed code; commit or undo the change"
        )


def commit_of(trainer: str, task: str, model: str) -> str:
    """The newest commit that touched this training code and in which it has the fingerprint `trainer`.

    When the code has not changed since the run was trained, that is the last commit that touched it; later commits
    leave the name as it is. Raises RegrokError when no commit up to HEAD holds such code.
    """
    refuse_uncommitted(task, model)
    names = tuple(path.relative_to(PACKAGE).as_posix() for path in training_sources(task, model))
    for commit in git("log", "--format=%H", "HEAD", "--", *names).split():
        if fingerprint_at(commit, names) == trainer:
            return commit
    raise RegrokError(
        f"no commit holds the code with fingerprint {trainer} that trained runs of {task} with {model}: a run is "
        "released only when it was trained by committed code. Build again, which trains them with the code as it "
        "is now, and release then"
    )


def fingerprint_at(commit: str, names: tuple[str, ...]) -> str:
    """Fingerprint of the training code as it was in a commit. names: files relative to the package."""
    return digest(_meanings(commit, names))


def _meanings(commit: str, names: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    listing = git("ls-tree", "-r", commit, "--", *names)
    blobs = {line.partition("\t")[2]: line.split()[2] for line in listing.splitlines()}
    for name in names:
        # A file that the commit does not have yet is no part of its code.
        if name in blobs:
            yield name, _blob_meaning(blobs[name], Path(name).suffix)


@cache
def _blob_meaning(blob: str, suffix: str) -> str:
    return meaning(git("cat-file", "blob", blob), suffix)

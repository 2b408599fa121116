"""One process at a time: the build of a scale in a folder, and each of its jobs.

Snakemake's own lock is a file, which outlives a build that was killed, and then a person has to decide whether it
still means something. These locks belong to the kernel (flock): they end with the process that took them, so what
they say is true. Where a file system has none, nobody is ever in the way and Snakemake's lock alone decides.
"""

from __future__ import annotations

import base64
import fcntl
import os
import re
import socket
import sys
import time
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TextIO

from regrok.errors import RegrokError

LOCK = "build.lock"
SNAKEMAKE = Path(".snakemake")

PATIENCE = 0.5
"""Seconds for which a lock may be held by somebody who only asks whether it is."""

_taken: dict[Path, TextIO] = {}
"""Locks of this process; a lock ends when its file is closed, hence they are kept."""


def take(results: Path) -> str | None:
    """Take the lock of a scale's results for as long as this process lives.

    Returns who holds it where that is another process, None otherwise. Raises RegrokError when `results` cannot be
    written to.
    """
    path = results / LOCK
    if path.resolve() in _taken:
        return None
    try:
        results.mkdir(parents=True, exist_ok=True)
        handle = path.open("a+", encoding="utf-8")
    except OSError as error:
        raise RegrokError(
            f"{path}: cannot be written ({error.strerror}); the build writes below results/, so the "
            "checkout must be writable"
        ) from error
    given_up = time.monotonic() + PATIENCE
    while not _lock(handle):
        if time.monotonic() > given_up:
            with handle:
                handle.seek(0)
                return handle.read().strip() or "another process"
        time.sleep(PATIENCE / 10)
    _sign(handle)
    _taken[path.resolve()] = handle
    return None


def release() -> None:
    """Give back every lock that this process has taken; its end does the same."""
    while _taken:
        _taken.popitem()[1].close()


def clear_up(root: Path, results: Path, documents: Collection[str] = ()) -> None:
    """Remove what a killed build has left in .snakemake: all of it where no build below `root` (results/) is alive.

    Where one of another scale is, only what is about `results`, whose lock this process holds, and about `documents`,
    which are made of it: nobody else can be at work on those.

    What is left are Snakemake's locks, and its marks on the outputs of the jobs that were cut off; the outputs go with
    their marks, so the same command makes them again without being asked to.
    """
    marks = [path for path in (SNAKEMAKE / "incomplete").rglob("*") if path.is_file()]
    locks = [path for path in (SNAKEMAKE / "locks").glob("*") if path.is_file()]
    if not (marks or locks):
        return
    if any(map(_alive, root.glob(f"*/{LOCK}"))):

        def own(output: object) -> bool:
            return str(output).startswith(f"{results.as_posix()}/") or str(output) in documents

        marks = [mark for mark in marks if own(_marked(mark))]
        locks = [lock for lock in locks if any(map(own, _lines(lock)))]
    for mark in marks:
        output = _marked(mark)
        if output is not None:
            output.unlink(missing_ok=True)
        mark.unlink(missing_ok=True)
    for lock in locks:
        lock.unlink(missing_ok=True)
    if marks or locks:
        print(
            "Regrok: an earlier build here was killed; this one goes on from there.",
            file=sys.stderr,
        )


def _lines(path: Path) -> list[str]:
    """What a lock of Snakemake's is about, a path in each line; nothing where it has just been given back."""
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except OSError:
        return []


def _alive(path: Path) -> bool:
    """Whether another process holds a scale's lock."""
    if path.resolve() in _taken:
        return False
    with path.open("a+", encoding="utf-8") as handle:
        return not _lock(handle, fcntl.LOCK_SH)


def _marked(mark: Path) -> Path | None:
    """The output, inside this folder, that a mark of Snakemake's is about: its path in base 64, cut into parts."""
    parts = mark.relative_to(SNAKEMAKE / "incomplete").parts
    try:
        output = Path(
            base64.urlsafe_b64decode("".join(part.lstrip("@") for part in parts)).decode()
        )
    except ValueError:
        return None
    return (
        output
        if output.is_file() and not output.is_absolute() and ".." not in output.parts
        else None
    )


LOOKING = re.compile(
    r"-[npqrFR]*n[npqrFR]*|--(dry-?run|lint|report|summary|detailed-summary|dag|rulegraph|filegraph|list.*)(=.*)?|-[SDl]"
)
"""Arguments with which Snakemake only looks."""


def only_looks(arguments: Sequence[str]) -> bool:
    """Whether Snakemake, so called, builds nothing."""
    return any(LOOKING.fullmatch(argument) for argument in arguments)


def wait(handle: TextIO) -> None:
    """Wait until no other process holds the open file, saying so once; then hold it until it is closed.

    A build that is killed outright leaves its jobs running. The same job of the next build waits for such a job, and
    finds its runs in the store.
    """
    if not _lock(handle):
        handle.seek(0)
        print(
            f"regrok: {handle.readline().strip() or 'another process'} is still at work on {handle.name}, left by "
            "a build that was killed; waiting for it",
            file=sys.stderr,
            flush=True,
        )
        fcntl.flock(handle, fcntl.LOCK_EX)
    _sign(handle)


def _lock(handle: TextIO, how: int = fcntl.LOCK_EX) -> bool:
    """Whether nobody else holds the file; it is then ours, where the file system knows locks."""
    try:
        fcntl.flock(handle, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        pass
    return True


def _sign(handle: TextIO) -> None:
    handle.seek(0)
    handle.truncate()
    now = time.strftime("%H:%M", time.localtime())
    handle.write(f"process {os.getpid()} on {socket.gethostname()} (since {now})\n")
    handle.flush()

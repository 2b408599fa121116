"""A compiled library on disk: compiled once by whichever process comes first, opened by all.

It is kept under `$XDG_CACHE_HOME/regrok` (`~/.cache/regrok`). Where that folder cannot be written, or lies on a file
system from which nothing may be executed, it is kept in a folder of this user alone below the system's temporary one
(`/tmp/regrok-1000`). Where it is kept changes nothing of what it computes.
"""

from __future__ import annotations

import errno
import fcntl
import os
import platform
import stat
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from regrok.errors import RegrokError

T = TypeVar("T")

FULL = "No space left on device"


class CompilerFailed(Exception):
    """The compiler is there and failed; in its own words."""


def opened(name: str, command: Sequence[str], open_library: Callable[[Path], T]) -> T:
    """The library `name`, opened; compiled first by `command` with `-o FILE` added where no folder has it.

    Raises CompilerFailed, and RegrokError naming the folders when none of them can hold the library.
    """
    refused = []
    for folder in folders():
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if folder == temporary():
                _refuse_foreign(folder)
            path = folder / name
            if not path.exists():
                _compile(path, command)
            try:
                return open_library(path)
            except OSError:
                if os.statvfs(folder).f_flag & os.ST_NOEXEC:
                    raise
                path.unlink(missing_ok=True)  # damaged, such as by a copy that was cut off
                _compile(path, command)
                return open_library(path)
        except OSError as error:
            refused.append(f"{folder} ({error.strerror or error})")
    raise RegrokError(
        f"kernels: no folder can hold the compiled kernels: {'; '.join(refused)}. Make one of them writable, or name "
        "another in XDG_CACHE_HOME or TMPDIR; other arithmetic is not taken in their place"
    )


def folders() -> list[Path]:
    """Where libraries may be kept, in the order in which the folders are tried."""
    found = []
    asked = os.environ.get("XDG_CACHE_HOME", "")
    if os.path.isabs(asked):  # as its specification has it, a relative one counts for nothing
        found.append(Path(asked) / "regrok")
    else:
        with suppress(RuntimeError):  # no HOME, and a user of whom the system knows nothing
            found.append(Path.home() / ".cache" / "regrok")
    return [*found, temporary()]


def temporary() -> Path:
    """The folder of this user alone; it need not be there. Raises RegrokError where no temporary folder is usable."""
    try:
        return Path(tempfile.gettempdir()) / f"regrok-{os.getuid()}"
    except FileNotFoundError as error:
        raise RegrokError(f"kernels: {error.strerror}; name a writable folder in TMPDIR") from None


def _refuse_foreign(folder: Path) -> None:
    """Raise OSError unless nobody else can have put a library into the folder."""
    found = folder.lstat()
    others = found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or others:
        raise OSError(errno.EPERM, "it is not a folder that this user alone can write")


def _compile(path: Path, command: Sequence[str]) -> None:
    """Compile to `path`, once: a process that comes meanwhile waits for the one that compiles."""
    with _alone(path.with_suffix(".lock")):
        if path.exists():
            return
        # A name of its own, renamed when it is whole: a kill leaves no half of a library.
        handle, name = tempfile.mkstemp(prefix=f"{path.stem}-", suffix=".part", dir=path.parent)
        os.close(handle)
        try:
            said(command, "-o", name)
            os.replace(name, path)
        finally:
            Path(name).unlink(missing_ok=True)


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """While no other process is in here with this path; where the file system knows no locks, several may be."""
    with path.open("ab") as handle:
        with suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def said(command: Sequence[str], *arguments: str) -> str:
    """What the compiler writes to stdout, in English.

    Raises CompilerFailed with its own words, and OSError where there is no room for what it writes.
    """
    # In another language what it says of itself, by which libraries are named, would be another text.
    environment: Mapping[str, str] = {**os.environ, "LC_ALL": "C", "LANGUAGE": "C"}
    try:
        done = subprocess.run(
            [*command, *arguments],
            capture_output=True,
            text=True,
            encoding="utf-8",
            errors="replace",
            check=False,
            env=environment,
        )
    except OSError as error:
        raise CompilerFailed(f"{command[0]} cannot be started: {error.strerror}") from None
    if done.returncode == 0:
        return done.stdout
    if FULL in done.stderr:
        raise OSError(errno.ENOSPC, FULL)
    lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
    telling = [line for line in lines if "error" in line.lower()] or lines
    words = "; ".join(telling[:2]) or f"without a word, exit status {done.returncode}"
    raise CompilerFailed(f"{command[0]} failed: {words}")


def processor_flags() -> str:
    """What -march=native depends on: the processor's name and instructions, as the system gives them."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return f"{platform.machine()} {platform.processor()}"
    told = ("model name", "flags", "Features")
    return "\n".join(sorted({line for line in text.splitlines() if line.startswith(told)}))

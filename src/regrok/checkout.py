"""The project's own git checkout, and no repository that happens to lie around it.

A folder that was unpacked from an archive has no commit, also where a folder above it is a repository: git would answer
with that one's. So git is asked in the project's folder, told nothing by variables that a hook or another tool has set,
and believed where that folder is the top of a working tree whose commit holds the package.
"""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from regrok.errors import RegrokError

ROOT = Path(__file__).resolve().parents[2]
"""The folder that holds src/regrok."""

HELD = "src/regrok/__init__.py"
"""A commit without this file is none of this project."""

SOURCES = ("Snakefile", "config.yaml", "paper", "src", "studies", "workflow")
"""What a build is made from: a file here that no commit holds is a modification."""

ELSEWHERE = (
    *("GIT_DIR", "GIT_WORK_TREE", "GIT_IMPLICIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX"),
    *("GIT_COMMON_DIR", "GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES"),
    *("GIT_CEILING_DIRECTORIES", "GIT_NAMESPACE", "GIT_SHALLOW_FILE", "GIT_GRAFT_FILE"),
    *("GIT_REPLACE_REF_BASE", "GIT_NO_REPLACE_OBJECTS", "GIT_CONFIG", "GIT_QUARANTINE_PATH"),
    *("GIT_LITERAL_PATHSPECS", "GIT_GLOB_PATHSPECS", "GIT_NOGLOB_PATHSPECS"),
    "GIT_ICASE_PATHSPECS",
)
"""Variables that point git to another repository or give its arguments another meaning. Git sets some for its hooks."""


class NoCommit(RegrokError):
    """Git cannot name the project's commit; the message says why, without a path of this machine."""


@dataclass(frozen=True)
class Commit:
    """Where the working tree stands."""

    name: str
    """All digits."""
    modified: bool
    """Whether a tracked file differs, or an untracked one lies among the sources."""


def ask(*arguments: str, folder: Path | str = ROOT) -> bytes:
    """What git prints when it is asked in the folder. Raises NoCommit with git's reason."""
    kept = {name: value for name, value in os.environ.items() if name not in ELSEWHERE}
    # Its messages are read, and a look at the state waits for no lock and takes none.
    surroundings = kept | {"LC_ALL": "C", "LANGUAGE": "C", "GIT_OPTIONAL_LOCKS": "0"}
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments],
            env=surroundings,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
    except FileNotFoundError:
        raise NoCommit("git was not found") from None
    except OSError as error:
        raise NoCommit(f"git cannot be started ({error.strerror})") from None
    if done.returncode != 0:
        raise NoCommit(_reason(done.stderr.decode("utf-8", "replace"), arguments[0]))
    return done.stdout


def _reason(said: str, command: str) -> str:
    """Why git refused, in a sentence that names no folder."""
    if "dubious ownership" in said or "unsafe repository" in said:
        return (
            "git does not read the checkout, which another user owns; allow it with: "
            "git config --global --add safe.directory FOLDER"
        )
    if "not a git repository" in said:
        return "the project's folder is no git checkout"
    if "Needed a single revision" in said or "unknown revision" in said:
        return "the repository has no such commit"
    lines = said.strip().splitlines()
    return (
        f"git {command} failed: {lines[-1].removeprefix('fatal: ')}"
        if lines
        else (f"git {command} failed without a reason")
    )


def refuse_another(root: Path | str = ROOT) -> None:
    """Raise NoCommit where git would answer for another project than the one in the folder."""
    answer = ask("rev-parse", "--show-toplevel", folder=root).removesuffix(b"\n")
    try:
        own = bool(answer) and os.path.samefile(os.fsdecode(answer), root)
    except OSError:
        own = False
    if not own:
        raise NoCommit("the project's folder lies inside another git repository and is none itself")
    if _begun(root):
        try:
            ask("cat-file", "-e", f"HEAD:{HELD}", folder=root)
        except NoCommit as error:
            raise NoCommit(f"the repository's commit does not hold {HELD}") from error


def _begun(root: Path | str) -> bool:
    try:
        return bool(ask("rev-parse", "--verify", "--quiet", "HEAD^{commit}", folder=root))
    except NoCommit:
        return False


def head(root: Path | str = ROOT) -> Commit:
    """The project's commit and whether the working tree differs from it. Raises NoCommit where there is none."""
    refuse_another(root)
    if not _begun(root):
        raise NoCommit("the repository has no commit yet")
    name = ask("rev-parse", "HEAD", folder=root).decode("ascii").strip()
    state = ask("status", "--porcelain", "-z", "--untracked-files=normal", folder=root)
    return Commit(name, any(map(_differs, state.split(b"\0"))))


def _differs(entry: bytes) -> bool:
    """Whether an entry of `git status` is a change: an untracked file is one where builds read."""
    untracked, path = entry.startswith(b"?? "), os.fsdecode(entry[3:])
    return path.split("/")[0] in SOURCES if untracked else bool(entry)


def shallow(root: Path | str = ROOT) -> bool:
    """Whether the clone holds only the newest commits."""
    return ask("rev-parse", "--is-shallow-repository", folder=root).strip() == b"true"

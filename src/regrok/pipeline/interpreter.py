"""The Python of a build: one that Snakemake can start, and that imports the code of the checkout it builds in."""

from __future__ import annotations

import os
import re
from pathlib import Path

from regrok.errors import RegrokError

SPECIAL = re.compile(r"[\s\"'\\$`&;|<>()*?\[\]{}#!~]")
"""Characters that a shell would not take as they stand."""

PACKAGE = Path(__file__).resolve().parents[1]
"""The package that is imported."""


def refuse_foreign(checkout: Path | str) -> None:
    """Raise RegrokError where the imported package is not that of the checkout.

    Its code would train, fit and draw under this checkout's commit. The environment of another clone, PYTHONPATH or
    an installed copy bring that about.
    """
    own = (Path(checkout) / "src" / "regrok").resolve()
    if own == PACKAGE:
        return
    if os.fspath(PACKAGE.parent) in map(os.path.realpath, _python_path()):
        remedy = "PYTHONPATH names it: unset PYTHONPATH, or let it name src of this checkout"
    else:
        remedy = (
            "use this checkout's own environment (make install, then .venv/bin/snakemake), or let the active one "
            "find it: python -m pip install --no-deps --editable ."
        )
    raise RegrokError(
        f"Python imports regrok from {PACKAGE}, which is not this checkout's {own}; code of one place must not "
        f"work under the commit of another. {remedy}"
    )


def refuse_foreign_here(folder: Path | str = ".") -> None:
    """As `refuse_foreign` where the folder is a checkout with a package of its own; elsewhere any package will do."""
    if (Path(folder) / "Snakefile").is_file() and (Path(folder) / "src" / "regrok").is_dir():
        refuse_foreign(folder)


def _python_path() -> list[str]:
    return [each for each in os.environ.get("PYTHONPATH", "").split(os.pathsep) if each]


def startable(executable: str, folder: Path | str = ".") -> str:
    """The interpreter's path, or its path from `folder` where only that survives a shell: Snakemake quotes neither.

    A checkout in "My Documents" has such a path above .venv, but not within. Raises RegrokError when neither will do.
    """
    for path in (executable, os.path.relpath(executable, folder)):
        if not SPECIAL.search(path):
            return path
    raise RegrokError(
        f"Python is at {executable}, and Snakemake cannot start a Python whose path has spaces or quotes; "
        "make the environment in the checkout (make install) or in a folder without them"
    )

"""A Python that Snakemake can start: it puts `sys.executable` into a shell command without quotes."""

from __future__ import annotations

import os
import re
from pathlib import Path

from regrok.errors import RegrokError

SPECIAL = re.compile(r"[\s\"'\\$`&;|<>()*?\[\]{}#!~]")
"""Characters that a shell would not take as they stand."""


def startable(executable: str, folder: Path | str = ".") -> str:
    """The interpreter's path, or its path from `folder` where only that survives a shell.

    A checkout in "My Documents" has such a path above .venv, but not within. Raises RegrokError when neither will do.
    """
    for path in (executable, os.path.relpath(executable, folder)):
        if not SPECIAL.search(path):
            return path
    raise RegrokError(
        f"Python is at {executable}, and Snakemake cannot start a Python whose path has spaces or quotes; "
        "make the environment in the checkout (make install) or in a folder without them"
    )

"""matplotlib as it was installed: no matplotlibrc, MPLBACKEND or date of the environment takes part in a figure.

matplotlib reads a matplotlibrc of the working folder before anything else, and stops at import where it is no UTF-8 or
where MPLBACKEND is no backend. What is drawn has its own settings (regrok.figures.parts.style).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from importlib.util import find_spec
from pathlib import Path

from regrok.errors import RegrokError

DATE = "SOURCE_DATE_EPOCH"


def load_matplotlib() -> None:
    """Import matplotlib with its own settings alone. A process that has imported it already keeps what it has."""
    spec = find_spec("matplotlib")
    if spec is None or spec.origin is None:
        raise RegrokError("matplotlib is not installed; make install")
    for name in ("MATPLOTLIBRC", "MPLBACKEND"):
        os.environ.pop(name, None)
    # The folder of its defaults, whose matplotlibrc says nothing.
    with chdir(Path(spec.origin).parent / "mpl-data"):
        import matplotlib  # noqa: F401


@contextmanager
def without_date() -> Iterator[None]:
    """Without SOURCE_DATE_EPOCH, which matplotlib reads even where a file is to have no date."""
    kept = os.environ.pop(DATE, None)
    try:
        yield
    finally:
        if kept is not None:
            os.environ[DATE] = kept

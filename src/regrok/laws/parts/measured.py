"""Tables of probes among a law's frames. Which module measured one is told by its columns."""

from __future__ import annotations

import pandas as pd

from regrok.probes import columns_of, probes
from regrok.runs.frames import Frames

KEYS = ("run_id", "step")
"""What comes before a module's own columns."""


def module_of(table: pd.DataFrame) -> str | None:
    """The module of `regrok.probes` whose columns these are; None of another table."""
    own = set(table) - set(KEYS)
    return next((name for name in probes() if own and own == set(columns_of(name))), None)


def by_module(frames: Frames, module: str) -> pd.DataFrame:
    """All rows that a module measured; none, with its columns, where no run was measured by it."""
    tables = [t for t in frames.probes.values() if len(t) and module_of(t) == module]
    return pd.concat(tables) if tables else pd.DataFrame(columns=[*KEYS, *columns_of(module)])

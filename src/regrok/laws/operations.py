"""Every operation at every share of the data: counts and median times (arXiv 2201.02177, Figure 2, right)."""

from __future__ import annotations

from typing import Any

from regrok.laws.data_growth import by_share, described
from regrok.laws.parts import estimate as est
from regrok.laws.parts.selection import grouped
from regrok.runs.frames import Frames
from regrok.study.defaults import option

DEFAULTS: dict[str, Any] = {"groups": {}}
REFERS: dict[str, Any] = {"groups": "groups"}
ESTIMATES: dict[str, list[str]] = {"": ["cells", "cells_with_grokking"]}


def fit(frames: Frames, options: dict[str, Any], seed: int) -> est.Result:
    """One record per group of options.groups (see selection.group) and share, as those of law `data_growth`.

    Estimates: cells, and cells_with_grokking, counts.
    """
    cells: list[dict[str, Any]] = []
    groups = option(options, DEFAULTS)["groups"]
    for name, rows in grouped(frames.runs, frames.experiments, groups).items():
        cells += described(name, by_share(rows))
    n = sum(cell["runs"] for cell in cells)
    with_grokking = sum(cell["grokked"] > 0 for cell in cells)
    counts = {
        "cells": est.exact(len(cells), n, "count"),
        "cells_with_grokking": est.exact(with_grokking, n, "count"),
    }
    return {"estimates": counts, "points": [], "cells": cells}

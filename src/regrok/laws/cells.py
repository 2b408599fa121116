"""What became of every cell: outcomes, Kaplan–Meier medians of T_mem, T_grok and delay, norms."""

from __future__ import annotations

from typing import Any

from regrok.laws.parts import estimate as est
from regrok.laws.parts import lifetimes, resolution, restricted
from regrok.laws.parts.selection import cell_settings, duration, log_norm_ratio, within
from regrok.runs.frames import Frames
from regrok.study.defaults import option

DEFAULTS: dict[str, Any] = {"within": {}}
REFERS: dict[str, Any] = {"within": "limits"}
ESTIMATES: dict[str, list[str]] = {"": ["cells", "cells_with_grokking"]}


def fit(frames: Frames, options: dict[str, Any], seed: int) -> est.Result:
    """One record per cell. Estimates: cells, and cells_with_grokking.

    Censored runs count: medians and restricted means are Kaplan–Meier's, the latter up to the shortest time that
    a run of the cell was watched without grokking, or the longest T_grok where all grokked.
    """
    runs, experiments = frames.runs, frames.experiments
    runs = within(runs, option(options, DEFAULTS)["within"])
    served = experiments.groupby("cell")["experiment"].unique()
    cells = []
    for cell, rows in runs.groupby("cell", sort=True):
        grokked, memorised = rows["T_grok"].notna(), rows["T_mem"].notna()
        end, _ = duration(rows, "T_grok")
        between = resolution.ends(rows, "T_grok", end)
        horizon = float(end[~grokked].min() if (~grokked).any() else end.max())
        cells.append(
            cell_settings(rows)
            | {"experiments": sorted(served[cell]), "runs": len(rows)}
            | {"outcomes": {k: int(v) for k, v in rows["outcome"].value_counts(sort=False).items()}}
            | {
                "grokked": est.share(int(grokked.sum()), len(rows)),
                "memorised": est.share(int(memorised.sum()), len(rows)),
                "T_mem": lifetimes.median_of(rows, "T_mem"),
                "T_grok": lifetimes.median_of(rows, "T_grok"),
                "T_grok_restricted_mean": restricted.mean(end, grokked, horizon, between=between),
                "delay": lifetimes.median_of(rows, "delay"),
                "V_mem": est.mean(rows["V_mem"]),
                "V_final": est.mean(rows["V_final"]),
                "log_norm_ratio": est.mean(log_norm_ratio(rows)),
            }
        )
    with_grokking = sum((c["grokked"].value or 0) > 0 for c in cells)
    counts = {
        "cells": est.exact(len(cells), len(runs), "count"),
        "cells_with_grokking": est.exact(with_grokking, len(runs), "count"),
    }
    return {"estimates": counts, "points": [], "cells": cells}

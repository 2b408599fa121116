"""How much was run and how it ended."""

from __future__ import annotations

from typing import Any

from regrok.laws.parts import estimate as est
from regrok.measures.events import OUTCOMES
from regrok.runs.frames import Frames
from regrok.study.defaults import option

DEFAULTS: dict[str, Any] = {"published": []}
REFERS: dict[str, Any] = {"published": "experiments"}
ESTIMATES: dict[str, list[str]] = {
    "": [
        "runs",
        "cells",
        "experiments",
        "published_grid_runs",
        "published_distinct_runs",
        "outcome.*",
        "censored",
    ]
}


def fit(frames: Frames, options: dict[str, Any], seed: int) -> est.Result:
    """Counts. `published` names the experiments that are the paper's own.

    Estimates: runs (distinct trainings), cells, experiments, published_grid_runs (runs that the published grids
    ask for, a run that serves two of them counted twice, as papers count), published_distinct_runs,
    outcome.<outcome with underscores>, censored. Cells: the same per experiment.
    """
    runs, experiments = frames.runs, frames.experiments
    published = experiments[experiments["experiment"].isin(option(options, DEFAULTS)["published"])]

    def count(number: int, unit: str = "runs") -> est.Estimate:
        return est.exact(number, len(runs), "count", unit)

    estimates = {
        "runs": count(len(runs)),
        "cells": count(runs["cell"].nunique(), "cells"),
        "experiments": count(experiments["experiment"].nunique(), "experiments"),
        "published_grid_runs": count(len(published)),
        "published_distinct_runs": count(published["run_id"].nunique()),
        "censored": count(int((runs["T_mem"].notna() & runs["T_grok"].isna()).sum())),
    }
    for outcome in OUTCOMES:
        estimates[f"outcome.{outcome.replace(' ', '_')}"] = count(
            int((runs["outcome"] == outcome).sum())
        )
    outcome_of = runs.set_index("run_id")["outcome"]
    cells = []
    for name, rows in experiments.groupby("experiment", sort=True):
        outcomes = outcome_of[rows["run_id"].unique()]
        cells.append(
            {"experiment": name, "runs": len(outcomes), "cells": int(rows["cell"].nunique())}
            | {"outcomes": {o: int((outcomes == o).sum()) for o in OUTCOMES}}
        )
    return {"estimates": estimates, "points": [], "cells": cells}

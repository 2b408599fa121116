"""The runs of a bench of signals: which are watched, what is known of each, which are held out from which."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from regrok import signals
from regrok.errors import RegrokError
from regrok.laws.parts.folds import Fold, each_out, halves
from regrok.laws.parts.measured import module_of
from regrok.laws.parts.selection import distinct, of_experiments
from regrok.probes import columns_of
from regrok.runs.frames import Frames
from regrok.signals.parts.history import History
from regrok.study.columns import SETTINGS


@dataclass(frozen=True)
class Watched:
    """One run on the bench."""

    run: Mapping[str, Any]
    """Its row."""
    history: History
    steps: np.ndarray
    """(n,) at which signals are asked."""
    groks: bool

    @property
    def T_grok(self) -> float:
        return float(self.run["T_grok"]) if self.groks else math.nan


def on_bench(frames: Frames, settings: Mapping[str, Any]) -> tuple[list[Watched], int]:
    """The runs that are watched, sorted by id, and how many of the block's are left out."""
    found: list[Watched] = []
    left_out = 0
    curves = dict(iter(frames.curves.groupby("run_id", sort=False)))
    tables = measured(frames)
    for groks, key in ((True, "warned"), (False, "silent")):
        runs = distinct(of_experiments(frames.runs, frames.experiments, settings[key]))
        for run in runs.sort_values("run_id").to_dict("records"):
            fits = run["T_grok"] > run["T_mem"] if groks else pd.isna(run["T_grok"])
            if not fits or run["run_id"] not in curves:
                left_out += 1
                continue
            curve = curves[run["run_id"]].sort_values("step")
            last = int(run["T_grok"] if groks else curve["step"].iloc[-1])
            history = History(
                {c.name: run[c.name] for c in SETTINGS if c.name in run},
                {
                    c: curve[c].to_numpy(float)
                    for c in curve
                    if c != "run_id" and pd.api.types.is_numeric_dtype(curve[c])
                },
                {
                    module: rows[run["run_id"]]
                    for module, rows in tables.items()
                    if run["run_id"] in rows
                },
            )
            steps = np.arange(0, last + 1, settings["every"], dtype=float)
            found.append(Watched(run, history, steps, groks))
    return found, left_out


def measured(frames: Frames) -> dict[str, dict[str, dict[str, np.ndarray]]]:
    """Module of a probe → run → column → values: the mean over the rows of a state, such as the chains of a sampler.

    The module of a table is told by its columns. Raises RegrokError naming two probes of one module that measured one
    run: which of them a signal reads is not said.
    """
    found: dict[str, dict[str, dict[str, np.ndarray]]] = {}
    by: dict[tuple[str, str], str] = {}
    for name, table in frames.probes.items():
        module = module_of(table)
        if module is None:
            continue
        numbers = [c for c in sorted(columns_of(module)) if pd.api.types.is_numeric_dtype(table[c])]
        means = table.groupby(["run_id", "step"], sort=True)[numbers].mean().reset_index()
        for run_id, rows in means.groupby("run_id", sort=False):
            other = by.setdefault((module, str(run_id)), name)
            if other != name:
                raise RegrokError(
                    f"probes {other} and {name} are both of module {module} and have both measured run {run_id}; list "
                    "one of them"
                )
            values = {c: rows[c].to_numpy(float) for c in ("step", *numbers)}
            found.setdefault(module, {})[str(run_id)] = values
    return found


def reads(name: str, bench: list[Watched]) -> bool:
    """Whether all that a signal reads is there of every run. A column of the curve may be NaN, never absent."""
    made = signals.signal(name)
    return bool(bench) and all(
        all(module in each.history.probes for module in made.READS.get("probes", ()))
        and all(
            np.isfinite(each.history.curve.get(c, [])).any() for c in made.READS.get("curve", ())
        )
        for each in bench
    )


def by_seeds(bench: list[Watched]) -> list[Fold]:
    """Two folds: of all seeds on the bench every second one, and the others; a seed is on one side in every cell."""
    return halves([each.run["seed"] for each in bench])


def by_cells(bench: list[Watched]) -> list[Fold]:
    """A fold for each cell, which is held out."""
    return each_out([each.run["cell"] for each in bench])


def by_pairs(bench: list[Watched]) -> list[Fold]:
    """A fold for each cell that groks with each that does not: both are held out together, and nothing else."""
    cell = np.array([each.run["cell"] for each in bench])
    groks = np.array([each.groks for each in bench], dtype=bool)
    return [
        Fold(
            (cell != warned) & (cell != silent),
            (cell == warned) & groks | (cell == silent) & ~groks,
        )
        for warned in np.unique(cell[groks])
        for silent in np.unique(cell[~groks])
    ]


def untrained(folds: list[Fold], groks: np.ndarray) -> str:
    """Why detectors of these folds cannot all be chosen; "" where each has runs of both kinds to be chosen on."""
    for kind, runs in (("groks", groks), ("does not grok", ~groks)):
        if not all((fold.train & runs).any() for fold in folds if fold.judged.any()):
            return f"with some runs held out there is none left that {kind}"
    return ""

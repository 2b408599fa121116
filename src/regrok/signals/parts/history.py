"""A run as a signal sees it: its settings, what was logged, what probes measured, as far as it is known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from regrok.errors import RegrokError
from regrok.probes import columns_of

Rows = Mapping[str, np.ndarray]
"""Column → (rows,) values; one column is `step`, increasing."""


@dataclass(frozen=True)
class History:
    """What is known of one run. No column says anything of a later step than its row's."""

    settings: Mapping[str, Any]
    """Setting of the run, by its column in runs.parquet. No result is among them."""
    curve: Rows
    """What was logged."""
    probes: Mapping[str, Rows]
    """Module of regrok.probes → what it measured; means over the rows of a state."""

    def until(self, step: float) -> History:
        """The same run, known up to a step, itself included."""
        cut = {name: _until(rows, step) for name, rows in self.probes.items()}
        return History(self.settings, _until(self.curve, step), cut)

    def rows(self, source: str) -> Rows:
        """Those of the curve, or of a probe's module. Raises RegrokError naming what is not there."""
        if source != "curve" and source not in self.probes:
            raise RegrokError(f"no probe of module {source} was measured on these runs; name one")
        return self.curve if source == "curve" else self.probes[source]

    def at(self, steps: np.ndarray, column: str, source: str = "curve") -> np.ndarray:
        """(n,) the latest value that is known at each step; NaN before the first."""
        when, known = self._known(column, source)
        return np.append(np.nan, known)[np.searchsorted(when, steps, side="right")]

    def so_far(
        self, steps: np.ndarray, column: str, source: str = "curve", largest: bool = True
    ) -> np.ndarray:
        """(n,) the largest value (or the smallest) that is known at each step; NaN before the first."""
        when, known = self._known(column, source)
        extreme = np.maximum if largest else np.minimum
        values = np.append(np.nan, extreme.accumulate(known))
        return values[np.searchsorted(when, steps, side="right")]

    def first(self, column: str, level: float) -> float:
        """The first logged step at which a column of the curve is `level` or more; inf where there is none."""
        reached = self._with(column, "curve")[column] >= level
        return float(self.curve["step"][np.argmax(reached)]) if reached.any() else np.inf

    def _known(self, column: str, source: str) -> tuple[np.ndarray, np.ndarray]:
        """(rows,) steps and values of a column where it has one."""
        rows = self._with(column, source)
        finite = np.isfinite(rows[column])
        return rows["step"][finite], rows[column][finite]

    def _with(self, column: str, source: str) -> Rows:
        """The rows of a source that has this column. Raises RegrokError naming one that is not there."""
        rows = self.rows(source)
        if column not in rows:
            raise RegrokError(f"{source} has no column {column}; it has {', '.join(rows)}")
        return rows


def _until(rows: Rows, step: float) -> Rows:
    return {name: values[rows["step"] <= step] for name, values in rows.items()}


def planted(reads: Mapping[str, Any], seed: int) -> History:
    """A made-up history with the columns that a signal reads: whatever it answers, only the past may decide it."""
    rng = np.random.default_rng([seed, 11])
    steps = np.arange(0, 2_000, 50.0)
    walk = {c: np.exp(rng.normal(0, 0.2, steps.size).cumsum()) for c in reads.get("curve", ())}
    walk |= {c: v / (1 + v) for c, v in walk.items() if c.endswith("accuracy")}
    if "train_accuracy" in walk:
        walk["train_accuracy"] = np.minimum(1.0, steps / 400)
    measured = {
        module: {"step": steps[::2]}
        | {c: np.exp(rng.normal(0, 0.3, steps[::2].size)) for c in columns_of(module)}
        for module in reads.get("probes", ())
    }
    settings = {
        "learning_rate": 1e-3 * (1 + seed),
        "weight_decay": 1.0 / (1 + seed),
        "p": 47,
        "init_scale": 1.0,
        "log_every": 50,
        "train_size": 1_000 + 100 * seed,
        "validation_size": 1_000,
    }
    return History(settings, {"step": steps, **walk}, measured)

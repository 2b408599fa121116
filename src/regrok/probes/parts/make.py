"""A probe's table from the runs of a build: rows that are kept, rows that are measured, rows that were released."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import pandas as pd

from regrok.errors import RegrokError
from regrok.measures import events
from regrok.probes import key, probe, seed
from regrok.probes.parts import table
from regrok.probes.parts.replay import states
from regrok.runs.store import RunStore, StoredRun
from regrok.study.defaults import option
from regrok.study.probed import moments

if TYPE_CHECKING:
    from regrok.study.blocks import Moments
    from regrok.study.run import Run

Rows = dict[int, list[dict[str, Any]]]
"""Step → what was measured at it."""


def measured(
    name: str,
    module: str,
    at: Moments,
    options: Mapping[str, Any],
    runs: Iterable[tuple[Run, StoredRun, RunStore]],
) -> pd.DataFrame:
    """The table of a probe over these finished runs; what was measured before is read.

    name: of the block, for messages. A run that was not started gives no row. Raises RegrokError as
    `regrok.probes.parts.replay.states` and the module do, with the probe's name.
    """
    try:
        made = probe(module)
        told = option(options, made.DEFAULTS)
        rows: list[dict[str, Any]] = []
        for run, stored, store in runs:
            found = of_run(module, at, told, run, stored, store)
            rows += [
                {"run_id": run.run_id, "step": step, **row}
                for step in sorted(found)
                for row in found[step]
            ]
        return table.table(rows, made.COLUMNS)
    except RegrokError as error:
        raise RegrokError(f"probes.{name}: {error}") from error


def of_run(
    module: str,
    at: Moments,
    options: Mapping[str, Any],
    run: Run,
    stored: StoredRun,
    store: RunStore,
) -> Rows:
    """Step → rows of one run, at the steps that are asked for; those that are not kept are measured, and kept then."""
    if stored.facts.get("not_started"):
        return {}
    made, curve = probe(module), stored.curve
    crossings = events.event_columns(
        curve["step"].to_numpy(),
        curve["train_accuracy"].to_numpy(),
        curve["validation_accuracy"].to_numpy(),
    )
    steps = moments(at, int(curve["step"].iloc[-1]), crossings)
    path = table.kept_path(store.root, module, run.run_id, key(module, options))
    whose = table.fingerprint(curve)
    kept = table.read_kept(path, whose, made.COLUMNS)
    due = [step for step in steps if step not in kept]
    for state in states(run, stored, store, due, crossings["T_grok"]):
        where = f"{module} of run {run.run_id} at step {state.step}"
        found = made.measure(state, dict(options), seed(module, run.run_id, state.step))
        kept[state.step] = table.checked(found, made.COLUMNS, where)
    if due:
        table.write_kept(path, whose, made.COLUMNS, kept)
    return {step: kept[step] for step in steps}


def curve_of(frames: Any, run: Run) -> StoredRun:
    """A run as a bundle's frames have it, its curve thinned. Raises RegrokError where it is not among them."""
    rows = frames.runs[frames.runs["run_id"] == run.run_id]
    if rows.empty:
        raise RegrokError(f"run {run.run_id} is neither in the store nor among the released runs")
    row = rows.iloc[0]
    facts = {name: row[name] for name in ("device", "processor", "arithmetic")}
    facts["not_started"] = row["outcome"] == events.NOT_STARTED
    curve = frames.curves[frames.curves["run_id"] == run.run_id]
    curve = curve.sort_values("step", ignore_index=True)
    return StoredRun(run.run_id, facts, {}, {}, curve, pd.DataFrame())

"""What a probe's job does: the finished runs from the store, those of the bundle from there, one table of both."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from regrok.errors import RegrokError
from regrok.pipeline.rosters import STORE
from regrok.probes import columns_of
from regrok.probes.parts import table
from regrok.released import bundle
from regrok.released.probes import held
from regrok.runs.store import RunStore, StoredRun
from regrok.study.plan import make_plan
from regrok.training.generations import trained_by

if TYPE_CHECKING:
    import pandas as pd

    from regrok.runs.frames import Frames
    from regrok.study.blocks import Config
    from regrok.study.run import Run

NOT_RELEASED = "not among the released results, or not as the study asks for it"


def probed(config: Config, name: str, runs: Sequence[str]) -> pd.DataFrame:
    """The table of a probe over these runs of the plan.

    Of released runs it has the rows that were released with them, and is empty where none were. Raises RegrokError as
    `regrok.probes.parts.make.measured` does, and for a run that is nowhere.
    """
    block, scale = config.probes[name], config.scale
    columns = columns_of(block.probe)
    released = None
    if config.source != "trained":
        path = held(bundle.RELEASED, scale, name, config)
        released = None if path is None else table.read(path, columns, runs)
    if config.source == "released":
        if released is None:
            _lacking(name)
        return table.empty(columns) if released is None else released
    from regrok.probes.parts import make

    known = set() if released is None else set(released["run_id"])
    every = _Finished(config)
    left = (every.of(run_id) for run_id in runs if run_id not in known)
    made = make.measured(name, block.probe, block.moments(scale), block.told(scale), left)
    return _together(made, released, columns)


def _lacking(name: str) -> None:
    """Say that the build has no table of a probe, and go on."""
    print(f"regrok: probe {name}: {NOT_RELEASED}; what rests on it is left open", file=sys.stderr)


def _together(
    made: pd.DataFrame, released: pd.DataFrame | None, columns: table.Columns
) -> pd.DataFrame:
    if released is None:
        return made
    rows = [*made.to_dict("records"), *released.to_dict("records")]
    return table.table([{str(k): v for k, v in row.items()} for row in rows], columns)


class _Finished:
    """The runs of a build as they were trained, from the store, else from the bundle."""

    def __init__(self, config: Config):
        self.config = config
        self.planned = make_plan(config).runs
        self.stores: dict[tuple[str, str], RunStore] = {}

    def of(self, run_id: str) -> tuple[Run, StoredRun, RunStore]:
        run = self.planned[run_id]
        kind = run.task.name, run.model.name
        if kind not in self.stores:
            self.stores[kind] = RunStore(STORE, trained_by(*kind))
        store = self.stores[kind]
        stored = store.read(run)
        if stored is None and self.config.source == "missing":
            from regrok.probes.parts import make

            stored = make.curve_of(self._frames, run)
        if stored is None:
            raise RegrokError(
                f"run {run_id} is not in {store.folder}; build again: snakemake --cores all"
            )
        return run, stored, store

    @cached_property
    def _frames(self) -> Frames:
        return bundle.frames_of(bundle.RELEASED, self.config.scale)

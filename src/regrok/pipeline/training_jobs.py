"""The training jobs of a build: which runs each trains, by which code, and what of it the run store has.

What Snakemake cannot see of them is told to it through their rosters (regrok.pipeline.rosters).
"""

from __future__ import annotations

import json
from functools import cached_property
from pathlib import Path
from typing import Any

from regrok.pipeline.rosters import (
    STORE,
    as_asked,
    repairs,
    write_if_changed,
    write_trained,
)
from regrok.released import added, bundle
from regrok.runs.trained_by import TrainedBy, present
from regrok.study.blocks import Config
from regrok.study.cost import flops_per_step, prior_steps
from regrok.study.plan import Job, Plan, make_plan, without
from regrok.study.written import CONFIG, results_folder
from regrok.training.generations import trained_by

RELEASED = bundle.RELEASED


class TrainingJobs:
    """Those of one configuration at one scale. Paths are relative to the checkout."""

    def __init__(self, config: Config):
        self.config = config
        self.results = results_folder(config)

    @cached_property
    def plan(self) -> Plan:
        return make_plan(self.config)

    @cached_property
    def held(self) -> set[str]:
        """The planned runs that are taken from the bundle where only what it lacks is trained; else none."""
        if self.config.source != "missing":
            return set()
        return added.held(RELEASED, self.config.scale, self.plan.runs)

    @cached_property
    def training(self) -> Plan:
        """The part of the plan that is trained here."""
        return without(self.plan, self.held) if self.held else self.plan

    @property
    def jobs(self) -> list[str]:
        """The training jobs; those of which others need the runs come first."""
        return [] if self.config.source == "released" else list(self.training.jobs)

    def code(self, job: Job) -> TrainedBy:
        """The code that trains this job's runs, by its fingerprints."""
        run = job.runs[0]
        return trained_by(run.task.name, run.model.name)

    def priority(self, job: str) -> int:
        """Place of the job from 1, the shortest; the longest begins first, lest it end alone."""
        return self._by_work.index(job) + 1

    @cached_property
    def _by_work(self) -> list[str]:
        # From the settings alone, so that every process of a build finds the same order.
        work = {
            name: sum(prior_steps(run) * flops_per_step(run) for run in job.runs)
            for name, job in self.training.jobs.items()
        }
        return sorted(work, key=lambda name: (work[name], name))

    def roster(self, job: str) -> Path:
        return self.results / "plan" / f"{job}.json"

    def parents(self, job: str) -> list[str]:
        """What the jobs leave that train what this job's runs start from."""
        return [str(self._trained(name)) for name in self.training.before(job)]

    def missing(self, job: str) -> list[str]:
        """Runs of the job that the store has under no fingerprint that is equal to the present code's."""
        planned = self.training.jobs[job]
        code = self.code(planned)
        return [run.run_id for run in planned.runs if not present(STORE, code, run.run_id)]

    def finished(self, job: str) -> dict[str, str]:
        """Runs of the job that the store has, measured as they are asked for, with what computed them in words."""
        from regrok.runs.store import RunStore  # reads parquet, which few builds need here

        planned = self.training.jobs[job]
        store = RunStore(STORE, self.code(planned))
        known = {run.run_id: store.arithmetic_of(run) for run in planned.runs}
        return {run_id: kind for run_id, kind in known.items() if kind is not None}

    def _as_built(self) -> str:
        return self.config.model_dump_json(indent=1, exclude_unset=True) + "\n"

    def write_rosters(self) -> None:
        """Bring the rosters up to date: those that changed, and those whose runs went missing from the store.

        Snakemake compares the contents of small files, so a new date alone would not make a job due: a roster
        counts how often its job had to be repaired.

        The configuration as it is built goes beside them, for the jobs and for a reader.
        """
        write_if_changed(self.results / CONFIG, self._as_built())
        for name in self.jobs:
            path = self.roster(name)
            cohorts = {
                cohort.name: [as_asked(run) for run in cohort.runs]
                for cohort in self.training.jobs[name].cohorts
            }
            code = self._code_by_name(self.training.jobs[name])
            done = self._built(name) and self._trained_code(name) in (None, code)
            again = repairs(path) + bool(done and self.missing(name))
            roster = {"job": name, "repairs": again, "code": code, "cohorts": cohorts}
            write_if_changed(path, json.dumps(roster, indent=1) + "\n")
            if not self._built(name) and not self.missing(name):
                self._take_from_store(name)

    def _code_by_name(self, job: Job) -> dict[str, Any]:
        """The code that the job rests on: another name, unless it is proven equal, makes the job due."""
        code = self.code(job)
        measured = sorted({name for run in job.runs for name in run.protocol.measure})
        observables = {name: code.observables[name].name for name in measured}
        return {"trainer": code.trainer.name, "observables": observables}

    @property
    def membership(self) -> list[tuple[tuple[str, str], ...]]:
        """The plan's rows in a fixed order, as a rule's parameter: a changed plan is a reason to rerun."""
        return sorted(tuple(sorted(row.items())) for row in self.plan.membership)

    @property
    def kept_from(self) -> list[str]:
        """The bundle's files that the runs are taken from which are not trained."""
        part = RELEASED / self.config.scale
        return [str(part / name) for name in (CONFIG, *bundle.FRAME_FILES)]

    def _built(self, job: str) -> bool:
        return self._trained(job).exists()

    def _trained(self, job: str) -> Path:
        return self.results / "trained" / f"{job}.json"

    def _take_from_store(self, job: str) -> None:
        """Count the job as done where the store has all its runs, measured as they are asked for, and their states."""
        from regrok.runs.states import lacks
        from regrok.runs.store import RunStore  # reads parquet, which few builds need here

        planned = self.training.jobs[job]
        store = RunStore(STORE, self.code(planned))
        if all(store.finished(run) and not lacks(store, run) for run in planned.runs):
            write_trained(self._trained(job), self.roster(job), planned.runs, store)

    def _trained_code(self, job: str) -> Any:
        """The code that a finished job was done for, as its roster named it; None where that is not known."""
        try:
            return json.loads(self._trained(job).read_text(encoding="utf-8"))["code"]
        except (OSError, ValueError, KeyError):
            return None

    @cached_property
    def _trained_by_job(self) -> dict[str, set[str]]:
        return {name: {run.run_id for run in job.runs} for name, job in self.training.jobs.items()}

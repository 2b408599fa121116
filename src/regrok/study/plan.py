"""Grids → runs → cohorts → jobs: what a build trains, each run once."""

from __future__ import annotations

import math
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from regrok.errors import RegrokError
from regrok.study import cost
from regrok.study.columns import FREE
from regrok.study.expand import cells, family
from regrok.study.run import Run, digest
from regrok.study.words import SCALES

if TYPE_CHECKING:
    import pandas as pd

    from regrok.study.blocks import Config

# pandas is imported where a frame is made: Snakemake reads this module once per job, frameless.


@dataclass(frozen=True)
class Cohort:
    """The runs that a job trains side by side; their arrays have the same shapes."""

    name: str
    """Readable, with the signature and the part: `add-p97-transformer-adamw-3f2a1c-0`."""
    signature: str
    """6 hexadecimal digits: a hash of all that is the same in every run."""
    part: int
    runs: tuple[Run, ...]
    """In the order in which the experiments first name them."""


@dataclass(frozen=True)
class Job:
    """Cohorts of one task size and one model, which one process trains one after the other.

    A process takes seconds to start, as long as a small cohort takes to train. All runs of a job rest on the same
    source files.
    """

    name: str
    """`modular-p97-transformer-0`: what is trained, and the part. `modular-p97-transformer-start1-0`: the same of
    runs that start from others, whose own start from none."""
    cohorts: tuple[Cohort, ...]

    @property
    def generation(self) -> int:
        """That of all its runs: how many runs must be trained one after the other before one of them."""
        return self.cohorts[0].runs[0].generation

    @property
    def runs(self) -> tuple[Run, ...]:
        return tuple(run for cohort in self.cohorts for run in cohort.runs)


@dataclass(frozen=True)
class Plan:
    """What one configuration trains."""

    runs: dict[str, Run]
    """run_id → run; `protocol.measure` is the union over the experiments that share the run, and `protocol.keep` over
    the runs that start from it."""
    cohorts: dict[str, Cohort]
    jobs: dict[str, Job]
    """Those whose runs others start from come first."""
    membership: list[dict[str, str]] = field(repr=False)
    """One row per experiment and run: experiment, arm, run_id, cell. A run from which others start, of an experiment
    that this build leaves out, has none."""

    def before(self, job: str) -> list[str]:
        """The jobs that train what this job's runs start from."""
        starts = [run.start for run in self.jobs[job].runs if run.start is not None]
        return sorted({self._job_of[start.run.run_id] for start in starts})

    @cached_property
    def _job_of(self) -> dict[str, str]:
        return {run.run_id: name for name, job in self.jobs.items() for run in job.runs}

    @property
    def experiments(self) -> pd.DataFrame:
        """Columns experiment, arm, run_id, cell; a run of several experiments has several rows."""
        import pandas as pd

        return pd.DataFrame(self.membership, columns=["experiment", "arm", "run_id", "cell"])


def make_plan(config: Config) -> Plan:
    """Expand the experiments of the configuration's scale.

    Raises:
        RegrokError: a cell's settings do not fit together (`load_config` has checked this already).
    """
    runs: dict[str, Run] = {}
    rows: dict[tuple[str, str, str], dict[str, str]] = {}
    parents = family(config, config.scale)
    for cell in cells(config, config.scale):
        for seed in cell.seeds:
            run = parents.run(cell, seed)
            for each in _with_parents(run):
                run_id = each.run_id  # a hash of all settings
                if each is run:
                    row = {"experiment": cell.experiment, "arm": cell.arm}
                    row |= {"run_id": run_id, "cell": run.cell}
                    rows[cell.experiment, cell.arm, run_id] = row
                runs[run_id] = _shared(runs.get(run_id), each)
    cohorts = _cohorts(runs.values(), config.trainer.cohort_parts)
    return Plan(runs, cohorts, _jobs(cohorts.values()), list(rows.values()))


def _with_parents(run: Run) -> Iterator[Run]:
    """The run and all that it starts from, each of these keeping what the next one begins with."""
    yield run
    if run.start is not None:
        yield from _with_parents(run.start.parent)


def without(plan: Plan, held: Container[str]) -> Plan:
    """The plan with the runs alone that are not held, and what these start from: they are trained.

    Who serves which experiment stays whole.
    """
    trained = {
        each.run_id
        for run_id, run in plan.runs.items()
        if run_id not in held
        for each in _with_parents(run)
    }
    cohorts = {
        name: replace(cohort, runs=left)
        for name, cohort in plan.cohorts.items()
        if (left := tuple(run for run in cohort.runs if run.run_id in trained))
    }
    runs = {run_id: run for run_id, run in plan.runs.items() if run_id in trained}
    return Plan(runs, cohorts, _jobs(cohorts.values()), plan.membership)


def refuse_empty(plan: Plan, config: Config) -> None:
    """Raise RegrokError, naming the scales at which something would run, where the plan has no run.

    A configuration that computes something may do without.
    """
    if plan.runs or any(map(config.computes_here, config.computations)):
        return
    scales = [s for s in SCALES if any(s in each.scales for each in config.experiments.values())]
    where = f"but at {', '.join(scales)}" if scales else "nor at another"
    raise RegrokError(
        f"no experiment of {', '.join(config.studies)} runs at scale {config.scale}, {where}; "
        "an experiment's `scales` lists where it runs"
    )


def _shared(first: Run | None, second: Run) -> Run:
    """One run for two experiments: it measures what either asks for, as often as both need."""
    if first is None:
        return second
    one, other = first.protocol, second.protocol
    every = one.measure_every if one.measure else other.measure_every
    if one.measure and other.measure:
        every = math.gcd(one.measure_every, other.measure_every)
    measure = tuple(sorted({*one.measure, *other.measure}))
    protocol = one.keeping(other.keep or ()).model_copy(
        update={"measure": measure, "measure_every": every}
    )
    return first.model_copy(update={"protocol": protocol})


def signature(run: Run) -> str:
    """6 hexadecimal digits, shared by the runs that may be trained side by side."""
    common = run.model_dump(
        mode="json", exclude_none=True, exclude={"seed": True, "start": True, **FREE}
    )
    return digest(common | _drawn(run), 6)


def _drawn(run: Run) -> dict[str, Any]:
    """What else decides the sizes of the run's sets: the tasks of those whose examples it goes on with."""
    if run.start is None or run.start.examples == "own":
        return {}
    parent = run.start.run
    seen = {"task": parent.task.model_dump(mode="json", exclude_none=True), **_drawn(parent)}
    return {"seen": seen, "validation": run.start.validation}


def cohort_name(run: Run, parts: int) -> str:
    """The cohort that trains `run` when each signature is spread over `parts` jobs.

    The part follows from the run alone, so that another cell or seed moves no run. Within a cell
    the seeds go round the parts; where they start depends on the cell, so that remainders even out.

    """
    task = run.task
    what = task.operation if task.name == "modular" else task.name
    kind = f"{what}-{_size(run)}-{run.model.name}-{run.optimiser.name}{_begun(run)}"
    part = (run.seed + int(run.cell, 16)) % parts
    return f"{kind}-{signature(run)}-{part}"


def job_name(cohort: Cohort) -> str:
    """The job that trains the cohort; it follows from the cohort alone, so that another cohort moves none."""
    run = cohort.runs[0]
    return f"{run.task.name}-{_size(run)}-{run.model.name}{_begun(run)}-{cohort.part}"


def _begun(run: Run) -> str:
    """What says in a name that runs start from others. All runs of a job are of one generation, so no job waits for
    itself."""
    return f"-start{run.generation}" if run.generation else ""


def _size(run: Run) -> str:
    return f"p{run.task.p}" if run.task.name == "modular" else f"n{run.task.n}"


def _cohorts(runs: Any, parts: int) -> dict[str, Cohort]:
    members: dict[str, list[Run]] = {}
    for run in runs:
        members.setdefault(cohort_name(run, parts), []).append(run)
    return {name: Cohort(name, *_tail(name), runs=tuple(members[name])) for name in sorted(members)}


def _jobs(cohorts: Iterable[Cohort]) -> dict[str, Job]:
    members: dict[str, list[Cohort]] = {}
    for cohort in cohorts:
        members.setdefault(job_name(cohort), []).append(cohort)
    made = [Job(name, tuple(members[name])) for name in sorted(members)]
    return {job.name: job for job in sorted(made, key=lambda job: job.generation)}


def _tail(name: str) -> tuple[str, int]:
    _, code, part = name.rsplit("-", 2)
    return code, int(part)


def plan_frame(
    plan: Plan, history: pd.DataFrame | None = None, rate: float = cost.TYPICAL_RATE
) -> pd.DataFrame:
    """One row per run: its settings and what it will take.

    Args:
        plan: what is to be trained.
        history: finished runs with columns cell, cohort, steps, wall_seconds (a `runs.parquet`).
        rate: FLOP/s of training steps in one process (`regrok.study.cost.machine_rate`).

    Returns:
        Columns run_id, cell, cohort, job, experiments (joined by a comma), arms, seed, the settings as
        `task.p` …, then expected_steps and worst_steps, seconds_per_step, expected_seconds and
        worst_seconds, disk_bytes. Expected is what history or paper A suggests; worst spends every
        budget.
    """
    import pandas as pd

    past = cost.History(history)
    served: dict[str, list[dict[str, str]]] = {}
    for row in plan.membership:
        served.setdefault(row["run_id"], []).append(row)
    rows = []
    for cohort in plan.cohorts.values():
        job = job_name(cohort)
        for run in cohort.runs:
            mine = served.get(run.run_id, [])
            steps = past.steps(run)
            per_step = past.seconds_per_step(cohort.name, run, rate)
            rows.append(
                {
                    "run_id": run.run_id,
                    "cell": run.cell,
                    "cohort": cohort.name,
                    "job": job,
                    "experiments": ",".join(dict.fromkeys(row["experiment"] for row in mine)),
                    "arms": ",".join(dict.fromkeys(row["arm"] for row in mine if row["arm"])),
                    "seed": run.seed,
                    **_flat(run),
                    "expected_steps": steps,
                    "worst_steps": run.protocol.max_steps,
                    "seconds_per_step": per_step,
                    "expected_seconds": steps * per_step,
                    "worst_seconds": run.protocol.max_steps * per_step,
                    "disk_bytes": cost.disk_bytes(run, steps),
                }
            )
    return pd.DataFrame(rows)


def _flat(run: Run) -> dict[str, Any]:
    """`task.p`, `optimiser.weight_decay` … of one run."""
    nested = run.model_dump(exclude={"seed", "start"})
    return {
        f"{block}.{key}": ", ".join(map(str, value)) if isinstance(value, tuple) else value
        for block, keys in nested.items()
        for key, value in keys.items()
    }

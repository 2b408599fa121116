"""What the Snakefile asks: targets, rosters of runs, the source files behind each stage, what to tell a person.

Snakemake decides by file dates, parameters and code whether a job is due. Three things it cannot see are told to it
through files: which runs a training job has (its roster, rewritten only when it changes), which code trains them (the
roster names it: an edit that is proven to change no bit has the same name) and that the run store has lost a run of a
finished job (which the roster counts). So an added λ, a deleted run or other training code makes the jobs due that
they concern, and a job trains only what the store lacks.

No torch here: Snakemake reads this module once per job.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from regrok.errors import RegrokError
from regrok.figures import drawable
from regrok.files import set_aside, whole, write_atomically
from regrok.pipeline import locks
from regrok.released import bundle
from regrok.runs.trained_by import TrainedBy, present
from regrok.study.blocks import Config
from regrok.study.cost import flops_per_step, prior_steps
from regrok.study.plan import Job, Plan, make_plan
from regrok.study.read import load_config
from regrok.tables import buildable
from regrok.training.fingerprint import PACKAGE
from regrok.training.generations import trained_by

if TYPE_CHECKING:
    from regrok.runs.store import RunStore
    from regrok.study.run import Run

STORE = Path("results/store")
RELEASED = bundle.RELEASED
CONFIG = "config.json"


class Graph:
    """One configuration at one scale, as the workflow sees it. Paths are relative to the checkout."""

    def __init__(self, config: Config):
        self.config = config
        self.results = results_folder(config)

    @cached_property
    def plan(self) -> Plan:
        return make_plan(self.config)

    # Training ----------------------------------------------------------------------------------------

    @property
    def jobs(self) -> list[str]:
        """The training jobs."""
        return [] if self.config.source == "released" else list(self.plan.jobs)

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
            for name, job in self.plan.jobs.items()
        }
        return sorted(work, key=lambda name: (work[name], name))

    def roster(self, job: str) -> Path:
        return self.results / "plan" / f"{job}.json"

    def missing(self, job: str) -> list[str]:
        """Runs of the job that the store has under no fingerprint that is equal to the present code's."""
        planned = self.plan.jobs[job]
        code = self.code(planned)
        return [run.run_id for run in planned.runs if not present(STORE, code, run.run_id)]

    def begin(self, arguments: Sequence[str] = ()) -> None:
        """Claim the scale's results for this process, clear up after a killed build, bring the rosters up to date.

        arguments: Snakemake's own. Where another process builds this scale here, a command that only looks (a dry
        run, a report) goes on with the plan as it is, so that all jobs of the build work from the configuration that
        it began with. Raises RegrokError for any other command, and where the configuration has changed since.
        """
        self.refuse_lacking()
        holder = locks.take(self.results)
        if holder is None:
            locks.clear_up(self.results.parent)
            for path in self.results.glob("*.parquet"):
                if not whole(path):
                    set_aside(path, "it is cut off", "it is made again")
            self.write_rosters()
            return
        busy = f"{holder} is building the {self.config.scale} scale in this folder"
        if not locks.only_looks(arguments):
            raise RegrokError(
                f"{busy}. Wait for it to end, or end it: what it has finished is kept. To build beside it, use "
                "another clone."
            )
        if _read(self.results / CONFIG) != self._as_built():
            raise RegrokError(
                f"{busy}, and the configuration has changed since it began. Wait for it to end, then look again."
            )

    def as_begun(self) -> Graph:
        """The study as the build began with it: what a job on another machine works from, whatever was edited since."""
        return Graph(written_config(self.results))

    def _as_built(self) -> str:
        return self.config.model_dump_json(indent=1, exclude_unset=True) + "\n"

    def write_rosters(self) -> None:
        """Bring the rosters up to date: those that changed, and those whose runs went missing from the store.

        Snakemake compares the contents of small files, so a new date alone would not make a job due: a roster
        counts how often its job had to be repaired.

        The configuration as it is built goes beside them, for the jobs and for a reader.
        """
        _write_if_changed(self.results / CONFIG, self._as_built())
        for name in self.jobs:
            path = self.roster(name)
            cohorts = {
                cohort.name: [run.model_dump(mode="json") for run in cohort.runs]
                for cohort in self.plan.jobs[name].cohorts
            }
            code = self._code_by_name(self.plan.jobs[name])
            done = self._built(name) and self._trained_code(name) in (None, code)
            repairs = _repairs(path) + bool(done and self.missing(name))
            roster = {"job": name, "repairs": repairs, "code": code, "cohorts": cohorts}
            _write_if_changed(path, json.dumps(roster, indent=1) + "\n")
            if not self._built(name) and not self.missing(name):
                self._take_from_store(name)

    def _code_by_name(self, job: Job) -> dict[str, Any]:
        """The code that the job rests on: another name, unless it is proven equal, makes the job due."""
        code = self.code(job)
        measured = sorted({name for run in job.runs for name in run.protocol.measure})
        observables = {name: code.observables[name].name for name in measured}
        return {"trainer": code.trainer.name, "observables": observables}

    def refuse_lacking(self) -> None:
        """Raise RegrokError when the build is to come from released runs and the bundle is damaged or lacks some."""
        if self.config.source == "released":
            bundle.refuse_lacking(RELEASED, self.config.scale, self.plan.membership)

    @property
    def membership(self) -> list[tuple[tuple[str, str], ...]]:
        """The plan's rows in a fixed order, as a rule's parameter: a changed plan is a reason to rerun."""
        return sorted(tuple(sorted(row.items())) for row in self.plan.membership)

    @property
    def comparable(self) -> list[str]:
        """The released runs and verdicts that a trained build is laid beside; none where nothing was released."""
        trained = self.config.source == "trained"
        return bundle.compared(RELEASED, self.config.scale) if trained else []

    def _built(self, job: str) -> bool:
        return self._trained(job).exists()

    def _trained(self, job: str) -> Path:
        return self.results / "trained" / f"{job}.json"

    def _take_from_store(self, job: str) -> None:
        """Count the job as done where the store has all of its runs, measured as they are asked for."""
        from regrok.runs.store import RunStore  # reads parquet, which few builds need here

        planned = self.plan.jobs[job]
        store = RunStore(STORE, self.code(planned))
        if all(store.finished(run) for run in planned.runs):
            write_trained(self._trained(job), self.roster(job), planned.runs, store)

    def _trained_code(self, job: str) -> Any:
        """The code that a finished job was done for, as its roster named it; None where that is not known."""
        try:
            return json.loads(self._trained(job).read_text(encoding="utf-8"))["code"]
        except (OSError, ValueError, KeyError):
            return None

    # Analysis ----------------------------------------------------------------------------------------

    def sources(self, *names: str) -> list[str]:
        """Package files by name (`claims.py`, `laws/scaling.py`, `laws/*.py`), relative to the checkout."""
        found: list[str] = []
        for name in names:
            matches = sorted(PACKAGE.glob(name))
            if not matches:
                raise RegrokError(f"src/regrok/{name}: no such source file")
            found += [_relative(path) for path in matches]
        return found

    def fits(self, names: Iterable[str] | None = None) -> list[str]:
        """Files of the named fits, or of all."""
        chosen = self.config.fits if names is None else names
        return [str(self.results / "fits" / f"{name}.json") for name in chosen]

    def law_parts(self) -> list[str]:
        """Modules that the laws share."""
        return self.sources("laws/parts/*.py")

    def fit_block(self, name: str) -> dict[str, Any]:
        """A fit's block as plain values; the robustness law repeats other fits, so it carries their blocks."""
        own = self.config.fits[name].model_dump(mode="json")
        repeated = own["options"].get("fits", []) if own["law"] == "robustness" else []
        others = {other: self.config.fits[other].model_dump(mode="json") for other in repeated}
        return {**own, "repeats": others} if others else own

    @property
    def figures(self) -> list[str]:
        """Figures of this scale; the paper asks the same function which to include."""
        return drawable(self.config)

    @property
    def tables(self) -> list[str]:
        """Tables of this scale, likewise."""
        return buildable(self.config)

    def figure_sources(self, name: str) -> list[str]:
        kind = self.config.figures[name].draw
        return self.sources(
            f"figures/{kind}.py", "figures/__init__.py", "figures/parts/*.py", "latex.py"
        )

    def table_sources(self, name: str) -> list[str]:
        kind = self.config.tables[name].build
        return self.sources(
            f"tables/{kind}.py", "tables/__init__.py", "tables/parts/*.py", "latex.py"
        )

    def timed(self, block: dict[str, Any]) -> list[str]:
        """Benchmark files behind the compute card; none when nothing was computed here but the analysis."""
        if block["build"] != "compute" or self.config.source == "released":
            return []
        return [
            str(self.results / "benchmarks" / "fit" / f"{name}.tsv") for name in self.config.fits
        ]

    def elsewhere(self, block: dict[str, Any]) -> list[str]:
        """Ledgers of the other released scales, for the table that sets scales side by side."""
        if block["build"] != "scales":
            return []
        return [str(path) for path in bundle.other_ledgers(RELEASED, self.config.scale)]


def results_folder(config: Config) -> Path:
    """Where a build writes. One from released runs has a folder of its own: it must not overwrite a trained one."""
    suffix = "-released" if config.source == "released" else ""
    return Path("results") / f"{config.scale}{suffix}"


def latex() -> bool:
    """Whether the PDF can be typeset here."""
    return latex_command() is not None


def latex_command() -> str | None:
    """What typesets the PDF here: latexmk with pdflatex, else tectonic (conda's TeX), else None."""
    if shutil.which("latexmk") and shutil.which("pdflatex"):
        return "latexmk"
    return "tectonic" if shutil.which("tectonic") else None


def read_graph(path: str | Path, overrides: dict[str, Any]) -> Graph:
    """The study of a configuration file; raises RegrokError before any job starts if it is refused."""
    return Graph(load_config(path, overrides))


def _repairs(path: Path) -> int:
    """How often the job of this roster was due again because the store had lost a run; 0 for a new one."""
    try:
        return int(json.loads(path.read_text(encoding="utf-8"))["repairs"])
    except (OSError, ValueError, KeyError):
        return 0


def write_trained(
    path: str | Path, roster: str | Path, runs: Iterable[Run], store: RunStore
) -> None:
    """Write that the store has the runs of a roster, and the fingerprint of the code that trained each."""
    asked = json.loads(Path(roster).read_text(encoding="utf-8"))
    trainers = {run.run_id: store.trainer_of(run) for run in runs}
    made = {"job": asked["job"], "code": asked["code"], "runs": trainers}
    write_atomically(Path(path), (json.dumps(made, indent=1) + "\n").encode())


def read_roster(path: str | Path) -> dict[str, list[Any]]:
    """The runs of each cohort of a job, by its name, as `write_rosters` wrote them."""
    from regrok.study.run import Run

    content = json.loads(Path(path).read_text(encoding="utf-8"))
    # JSON has lists where the types have tuples, hence not strict.
    return {
        cohort: [Run.model_validate(run, strict=False) for run in runs]
        for cohort, runs in content["cohorts"].items()
    }


def written_config(results: str | Path) -> Config:
    """The configuration that a build of this scale works from (its jobs read it rather than parse YAML again)."""
    path = Path(results) / CONFIG
    try:
        return Config.model_validate_json(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RegrokError(
            f"{path} cannot be read ({error.strerror}); start the build again"
        ) from error


def _write_if_changed(path: Path, text: str) -> bool:
    """Whether the file had to be written; a file that already says this keeps its date."""
    try:
        if path.exists() and path.read_text(encoding="utf-8") == text:
            return False
    except OSError as error:
        raise RegrokError(f"{path}: cannot be read ({error.strerror})") from error
    write_atomically(path, text.encode())
    return True


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return ""


def _relative(path: Path) -> str:
    """Relative to the working directory where the package lies inside it, so that a checkout can be moved."""
    try:
        return path.relative_to(Path.cwd()).as_posix()
    except ValueError:
        return path.as_posix()

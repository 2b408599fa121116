"""What the Snakefile asks: targets, rosters of runs, the source files behind each stage, what to tell a person.

Snakemake decides by file dates, parameters and code whether a job is due. Two things it cannot see are told to it
through files: which runs a cohort has (its roster, rewritten only when it changes) and that the run store has lost
a run of a finished cohort (its roster is touched). So an added λ or a deleted run makes the one cohort job due, and
that job trains only what the store lacks.

No torch here: Snakemake reads this module once per job.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from functools import cached_property
from pathlib import Path
from typing import Any

from regrok.config import Config
from regrok.config.load import load_config
from regrok.errors import RegrokError
from regrok.plan import Cohort, Plan, make_plan
from regrok.progress import clock
from regrok.provenance import PACKAGE, fingerprint, training_sources
from regrok.store import present

STORE = Path("results/store")
RELEASED = Path("results/released")


class Study:
    """One configuration at one scale, as the workflow sees it. Paths are relative to the checkout."""

    def __init__(self, config: Config):
        self.config = config
        self.results = Path("results") / config.scale

    @cached_property
    def plan(self) -> Plan:
        return make_plan(self.config)

    # Training ----------------------------------------------------------------------------------------

    @property
    def cohorts(self) -> list[str]:
        return [] if self.config.source == "released" else list(self.plan.cohorts)

    def trainer(self, cohort: Cohort) -> str:
        """Fingerprint of the code that trains this cohort."""
        run = cohort.runs[0]
        return fingerprint(run.task.name, run.model.name)

    def training_sources(self, cohort: str) -> list[str]:
        """The files whose edit makes the cohort's training due."""
        run = self.plan.cohorts[cohort].runs[0]
        return [_relative(path) for path in training_sources(run.task.name, run.model.name)]

    def roster(self, cohort: str) -> Path:
        return self.results / "plan" / f"{cohort}.json"

    def missing(self, cohort: str) -> list[str]:
        """Runs of the cohort whose files the store lacks."""
        planned = self.plan.cohorts[cohort]
        trainer = self.trainer(planned)
        return [run.run_id for run in planned.runs if not present(STORE, trainer, run.run_id)]

    def write_rosters(self) -> None:
        """Bring the rosters up to date: rewrite those that changed, touch those whose runs went missing."""
        for name in self.cohorts:
            cohort = self.plan.cohorts[name]
            path = self.roster(name)
            runs = [run.model_dump(mode="json") for run in cohort.runs]
            text = json.dumps({"cohort": name, "runs": runs}, indent=1) + "\n"
            try:
                if not path.exists() or path.read_text(encoding="utf-8") != text:
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_text(text, encoding="utf-8")
                elif self.missing(name) and (self.results / "cohorts" / f"{name}.runs.parquet").exists():
                    os.utime(path)
            except OSError as error:
                raise RegrokError(
                    f"{path}: cannot be written ({error.strerror}); the build writes below results/, so the "
                    "checkout must be writable"
                ) from error

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

    def fits(self) -> list[str]:
        return [str(self.results / "fits" / f"{name}.json") for name in self.config.fits]

    # Words -------------------------------------------------------------------------------------------

    def announce(self, cores: int) -> str:
        """What is about to be done: runs, cohorts, minutes, disk."""
        from regrok.cost import machine_rate, makespan
        from regrok.plan import plan_frame

        if self.config.source == "released":
            return f"Regrok: {self.config.scale} scale from the released runs in {RELEASED}/; nothing is trained."
        missing = {name: set(self.missing(name)) for name in self.cohorts}
        absent = set().union(*missing.values()) if missing else set()
        frame = plan_frame(self.plan, self.history(), machine_rate())
        due = frame[frame["run_id"].isin(absent)]
        head = (
            f"Regrok: {self.config.scale} scale, {len(self.plan.runs)} runs in {len(self.plan.cohorts)} cohorts "
            f"for {self.plan.experiments['experiment'].nunique()} experiments"
        )
        if due.empty:
            return f"{head}. Every run is in the store."
        workers = max(1, min(cores, due["cohort"].nunique()))
        expected = makespan(due.groupby("cohort")["expected_seconds"].sum(), workers)
        worst = makespan(due.groupby("cohort")["worst_seconds"].sum(), workers)
        return (
            f"{head}.\n"
            f"  to train   {len(due)} runs, {int(due['expected_steps'].sum()):,} steps "
            f"({len(frame) - len(due)} runs are in the store)\n"
            f"  predicted  {clock(expected)} of training on {workers} of this machine's cores; "
            f"at most {clock(worst)} if no run groks\n"
            f"  disk       {due['disk_bytes'].sum() / 1e6:,.1f} MB\n"
            f"  watch      a line per cohort below; details: regrok plan --scale {self.config.scale}"
        )

    def history(self) -> Any:
        """Finished runs of any scale, for the prediction; None when there are none."""
        import pandas as pd

        found = [p for p in [*Path("results").glob("*/runs.parquet"), RELEASED / "runs.parquet"] if p.exists()]
        frames = []
        for path in found:
            try:
                frames.append(pd.read_parquet(path, columns=["cell", "cohort", "steps", "wall_seconds"]))
            except (OSError, ValueError):
                continue  # a prediction can do without a file that the build itself will complain about
        return pd.concat(frames, ignore_index=True) if frames else None

    def conclude(self, began: float) -> str:
        """What was built, where, and how long it took."""
        took = clock(time.time() - began)
        pdf = Path("paper/regrok.pdf")
        lines = [f"Regrok: {self.config.scale} scale built in {took}."]
        if latex() and pdf.exists():
            lines.append(f"  the paper           {pdf}")
        else:
            lines.append(f"  no PDF: {NO_LATEX}")
        lines += [
            f"  runs and curves     {self.results}/runs.parquet, {self.results}/curves.parquet",
            f"  fits and verdicts   {self.results}/fits/, {self.results}/ledger.json (regrok claims)",
            f"  figures and tables  {self.results}/figures/, {self.results}/tables/",
        ]
        return "\n".join(lines)


NO_LATEX = (
    "latexmk was not found, so everything but the PDF is built. Install TeX with one of\n"
    "    apt-get install latexmk texlive-latex-extra texlive-fonts-recommended\n"
    "    brew install --cask mactex\n"
    "    conda env create -f environment.yml\n"
    "  and run the same command again"
)


def latex() -> bool:
    """Whether the PDF can be typeset here."""
    return shutil.which("latexmk") is not None and shutil.which("pdflatex") is not None


def study(path: str | Path, overrides: dict[str, Any]) -> Study:
    """The study of a configuration file; raises RegrokError before any job starts if it is refused."""
    return Study(load_config(path, overrides))


def read_roster(path: str | Path) -> tuple[str, list[Any]]:
    """A cohort's name and its runs, as `write_rosters` wrote them."""
    from regrok.config import Run

    content = json.loads(Path(path).read_text(encoding="utf-8"))
    # JSON has lists where the types have tuples, hence not strict.
    return content["cohort"], [Run.model_validate(run, strict=False) for run in content["runs"]]


def _relative(path: Path) -> str:
    """Relative to the working directory where the package lies inside it, so that a checkout can be moved."""
    try:
        return path.relative_to(Path.cwd()).as_posix()
    except ValueError:
        return path.as_posix()

"""What Snakemake would redo after an edit, and that the workflow's files are clean.

Nothing is trained: the outputs of a finished smoke build are made up as files of eight bytes that Snakemake takes
for its own (`--touch`), and the store's runs likewise. What a dry run then lists is decided by the rules alone.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import forked
from checkouts import build, copy_project
from regrok.pipeline.graph import Graph
from regrok.pipeline.rosters import STORE
from regrok.study.read import load_config
from regrok.training import generations
from regrok.training.fingerprint import Code

pytestmark = pytest.mark.snakemake

ROOT = Path(__file__).resolve().parents[1]
SOURCES = (
    "Snakefile",
    "config.yaml",
    "studies",
    "environment.yml",
    "workflow",
    "src",
    "paper",
    "notebooks",
    "README.md",
)
SMOKE = ("--config", "scale=smoke")
LAPTOP = ("--config", "scale=laptop")
EMPTY = b"PAR1PAR1"  # begins and ends as a parquet file does
LONG_AGO = 1_600_000_000


def snakemake(folder: Path, *arguments: str) -> str:
    """Run Snakemake on one core; its output, stdout and stderr together."""
    status, said = forked.run(folder, "--cores", "1", *arguments)
    assert status == 0, said
    return said


def due(folder: Path, *arguments: str) -> Counter[str]:
    """Rule → number of jobs that a build would run now."""
    return Counter(rule for rule, _ in due_jobs(folder, *(arguments or SMOKE)))


def due_jobs(folder: Path, *arguments: str) -> set[tuple[str, str]]:
    """The jobs that a build would run now: rule, and the value of its wildcard where it has one."""
    output = snakemake(folder, "--dry-run", *arguments)
    blocks = re.findall(r"^(?:local)?rule (\w+):\n((?:    .*\n)+)", output, re.MULTILINE)
    assert blocks or "Nothing to be done" in output, output
    found = re.compile(r"^    wildcards: \w+=(\S+)$", re.MULTILINE)
    wildcards = [(rule, found.search(lines)) for rule, lines in blocks]
    return {(rule, match[1] if match else "") for rule, match in wildcards}


def pretend_finished(folder: Path, scale: str = "smoke") -> None:
    """Make every output of a build, and every run in the store, as a file that holds nothing."""
    at_scale = ("--config", f"scale={scale}")
    listing = snakemake(folder, "--summary", *at_scale)
    outputs = [line.split("\t")[0] for line in listing.splitlines() if "\t" in line][1:]
    assert any(name.endswith("runs.parquet") for name in outputs)
    # The table of what was computed reads the fits' benchmark files, which a summary does not list.
    fits = [Path(name) for name in outputs if "/fits/" in name]
    outputs += [str(fit.parents[1] / "benchmarks" / "fit" / f"{fit.stem}.tsv") for fit in fits]
    for name in outputs:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(EMPTY)
    study = Graph(load_config(folder / "config.yaml", {"scale": scale}))
    for job in study.plan.jobs.values():
        for run in job.runs:
            path = folder / STORE / study.code(job).trainer.code / f"{run.run_id}.parquet"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(EMPTY)
    # With the plan laid, the finished jobs are written down as a build does it.
    for name in study.plan.jobs:
        made = {
            "job": name,
            "code": json.loads((folder / study.roster(name)).read_text(encoding="utf-8"))["code"],
        }
        (folder / study.results / "trained" / f"{name}.json").write_text(
            json.dumps(made), encoding="utf-8"
        )
    # Forced, so that every job leaves the record (inputs' checksums, code, parameters) that a real one leaves.
    snakemake(folder, "--touch", "--forceall", *at_scale)


def smoke_study(folder: Path) -> Graph:
    return Graph(load_config(folder / "config.yaml", {"scale": "smoke"}))


def finished_checkout(folder: Path, scale: str) -> Path:
    """A copy of the project with a finished build."""
    copy_project(folder, *SOURCES)
    for path in folder.rglob("*"):
        os.utime(path, (LONG_AGO, LONG_AGO), follow_symlinks=False)
    pretend_finished(folder, scale)
    return folder


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project with a finished smoke build."""
    return finished_checkout(tmp_path_factory.mktemp("workflow") / "a checkout", "smoke")


@contextmanager
def edited(path: Path, old: str = "", new: str = "") -> Iterator[None]:
    """The file with a line more, or with its one `old` as `new`.

    A new date alone does not make Snakemake redo anything: it compares contents.
    """
    before = path.read_bytes()
    text = before.decode()
    if old:
        assert text.count(old) == 1, f"{path}: {old}"
    path.write_text(text.replace(old, new) if old else f"{text}\n# edited\n", encoding="utf-8")
    try:
        yield
    finally:
        path.write_bytes(before)
        os.utime(path, (LONG_AGO, LONG_AGO))


ANALYSIS = {"fit", "ledger", "check", "provenance", "figure", "table", "numbers"}


def test_an_edit_that_no_result_rests_on_leaves_nothing_to_do(checkout):
    with edited(checkout / "README.md"), edited(checkout / "src/regrok/commands/plan.py"):
        assert due(checkout) == {}


def test_plotting_code_redraws_and_typesets(checkout):
    figures = smoke_study(checkout).figures
    with edited(checkout / "src/regrok/figures/parts/style.py"):
        jobs = due(checkout)
    assert jobs["figure"] == len(figures)
    assert set(jobs) <= {"figure", "pages", "paper", "all"}


def test_one_figure_s_code_redraws_that_kind_alone(checkout):
    study = smoke_study(checkout)
    drawn = [name for name in study.figures if study.config.figures[name].draw == "weight_decay"]
    with edited(checkout / "src/regrok/figures/weight_decay.py"):
        assert due(checkout)["figure"] == len(drawn)


def test_training_code_retrains_everything_and_all_that_follows(checkout):
    trained = smoke_study(checkout).jobs
    with edited(checkout / "src/regrok/training/loop.py", "SHARE = 1e-3", "SHARE = 2e-3"):
        jobs = due(checkout)
        assert due(checkout) == jobs, "looking changes nothing"
    assert jobs["train"] == len(trained)
    assert set(jobs) >= ANALYSIS | {"collect", "all"}
    assert "train" not in due(checkout), "the edit was undone"


def test_a_task_s_code_retrains_its_own_runs(checkout):
    planned = smoke_study(checkout).plan.jobs.values()
    parity = [job for job in planned if job.runs[0].task.name == "sparse_parity"]
    with edited(checkout / "src/regrok/tasks/parity.py", "labels = bits[", "labels = 1 - bits["):
        jobs = due(checkout)
    assert 0 < jobs["train"] == len(parity) < len(planned)


@pytest.mark.parametrize(
    "name", ["training/loop.py", "training/optim.py", "tasks/modular.py", "measures/observables.py"]
)
def test_an_edit_of_training_code_that_says_the_same_trains_nothing(checkout, name):
    with edited(checkout / "src/regrok" / name):
        assert "train" not in due(checkout)


def test_an_edited_observable_retrains_the_jobs_that_measure_it(checkout):
    planned = smoke_study(checkout).plan.jobs.values()
    # The low resolution stands in one function with the high one.
    named = {"fourier_low", "fourier_high"}
    measured = [j for j in planned if any(named & set(r.protocol.measure) for r in j.runs)]
    change = ("LOW_RESOLUTION = (3, 5)", "LOW_RESOLUTION = (3, 6)")
    with edited(checkout / "src/regrok/measures/observables.py", *change):
        jobs = due(checkout)
    assert 0 < jobs["train"] == len(measured) < len(planned)


def test_an_edit_that_is_declared_equal_trains_nothing(checkout):
    loop = checkout / "src/regrok/training/loop.py"
    declared = checkout / "src/regrok/training/generations.yaml"
    known = generations.read(declared)
    with edited(loop, "SHARE = 1e-3", "SHARE = 1 / 1000"), edited(declared):
        code = Code(checkout / "src/regrok")
        pairs = {
            (job.runs[0].task.name, job.runs[0].model.name)
            for job in smoke_study(checkout).plan.jobs.values()
        }
        # An observable is read off what the trainer trains, so its fingerprint moves with the trainer's.
        proof = {
            "trainers": {
                f"{task}/{model}": code.trainer(task, model).digest() for task, model in pairs
            },
            "observables": {
                name: sorted(code.observable(name, task, model).digest() for task, model in pairs)
                for name in code.observables
            },
        }
        # The present code is equal to the commit that was entered last.
        generations.declare(list(known.entries)[-1], proof, declared)
        assert "train" not in due(checkout)


def test_an_edited_claim_trains_and_fits_nothing(checkout):
    with edited(checkout / "studies/norm_delay/claims.yaml"):
        jobs = due(checkout)
    assert jobs["ledger"] == 1
    assert not {"train", "collect", "fit"} & set(jobs)


def test_a_run_lost_from_the_store_is_due_with_its_job_alone(checkout):
    study = smoke_study(checkout)
    name, job = next(iter(study.plan.jobs.items()))
    lost = checkout / STORE / study.code(job).trainer.code / f"{job.runs[0].run_id}.parquet"
    roster = checkout / study.roster(name)
    lost.unlink()
    try:
        assert due(checkout)["train"] == 1
    finally:
        lost.write_bytes(EMPTY)
        os.utime(roster, (LONG_AGO, LONG_AGO))


def test_an_added_weight_decay_trains_the_jobs_that_gain_a_run(checkout):
    config = checkout / "studies/norm_delay/study.yaml"
    before = config.read_text(encoding="utf-8")
    before_jobs = smoke_study(checkout).plan.jobs
    rosters = {path: path.read_bytes() for path in (checkout / "results/smoke/plan").iterdir()}
    grid = "grid: {optimiser.weight_decay: [0.5, 1.0]}    # λ\n        seeds: [42, 43]"
    assert before.count(grid) == 1, "S2's smoke grid"
    try:
        config.write_text(
            before.replace("[0.5, 1.0]}    # λ\n        seeds", "[0.3, 0.5, 1.0]}\n        seeds"),
            encoding="utf-8",
        )
        gained = [
            name
            for name, job in smoke_study(checkout).plan.jobs.items()
            if name not in before_jobs or job.runs != before_jobs[name].runs
        ]
        assert due(checkout)["train"] == len(gained) < len(before_jobs)
    finally:
        config.write_text(before, encoding="utf-8")
        os.utime(config, (LONG_AGO, LONG_AGO))
        for path, content in rosters.items():
            path.write_bytes(content)
            os.utime(path, (LONG_AGO, LONG_AGO))


def test_a_wrong_key_is_refused_before_any_job(checkout):
    status, output = build(checkout, "--dry-run", "--config", "scale=smok")
    assert status != 0
    assert "smok" in output
    assert "smoke" in output
    assert "Traceback" not in output
    assert "Job stats" not in output


def test_snakemake_lint_is_clean(checkout):
    assert "Congratulations" in snakemake(checkout, "--lint")


def test_snakefmt_is_clean():
    files = [ROOT / "Snakefile", *sorted((ROOT / "workflow" / "rules").glob("*.smk"))]
    done = subprocess.run(
        [sys.executable, "-m", "snakefmt", "--check", *map(str, files)],
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr

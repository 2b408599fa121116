"""Checkouts with a study that trains in seconds, and builds in them that can be watched, stopped and compared."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml

from configurations import ROOT
from regrok.files import read_parquet
from regrok.pipeline.graph import Graph
from regrok.study.read import SECTIONS, load_config
from small import small_run

SOURCES = ("Snakefile", "environment.yml", "workflow", "src", "paper")
FRAMES = ("results/smoke/runs.parquet", "results/smoke/curves.parquet")
PATIENCE = 400.0  # seconds that one build of the small study may take on a busy machine


def small_study(
    steps: int = 200,
    seeds: int = 4,
    decays: tuple[float, ...] = (0.3, 1.0),
    **trainer: Any,
) -> dict[str, Any]:
    """Modular addition at p = 11 with a narrow MLP: two jobs of `seeds` runs each, no analysis."""
    often = {"log_every": 25, "curve_every": 100, "measure_every": 100}
    protocol = {"max_steps": steps, "tail_steps": steps, **often}
    values = small_run(protocol=protocol).model_dump(mode="json")
    del values["seed"], values["start"]
    machine = {
        "slots": 2,
        "threads": 1,
        "checkpoint_seconds": 0.3,
        "cohort_parts": 2,
        "device": "cpu",
        "memory_gib": 0.5,
    }
    sweep = {
        "title": "A small sweep",
        "question": "Do the bytes survive?",
        "ours": "a test",
        "settings": "small",
        "grid": {"optimiser.weight_decay": list(decays)},
        "seeds": list(range(seeds)),
        "scales": {"smoke": {}},
    }
    return {
        "scale": "smoke",
        "source": "trained",
        "anonymous": False,
        "trainer": {**machine, **trainer},
        "settings": {"small": values},
        "experiments": {"sweep": sweep},
        "fits": {},
        "figures": {},
        "tables": {},
    }


def write_study(folder: Path, study: dict[str, Any]) -> None:
    """A merged study as plain values, as the control panel and one study's folder `own`."""
    panel = {
        key: study[key]
        for key in ("scale", "source", "anonymous", "only", "trainer")
        if key in study
    }
    own = {key: study[key] for key in SECTIONS if key in study}
    paper = {"letter": "Z", "arxiv": "0000.00000", "short": "a test", "cite": "test"}
    for path, content in (
        (folder / "config.yaml", {**panel, "studies": ["own"]}),
        (folder / "studies/own/study.yaml", {"paper": paper, **own}),
    ):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    own = folder / "studies/own"
    (own / "section.tex").write_text("\\studysummary{A test.}\n", encoding="utf-8")
    cited = "@misc{test,\n  title = {A test},\n}\n"
    (own / "references.bib").write_text(cited, encoding="utf-8")


def copy_project(folder: Path, *names: str) -> Path:
    """These of the project's files and folders, without what a build leaves in them, and an environment."""
    folder.mkdir(parents=True)
    made = shutil.ignore_patterns("__pycache__", "generated", "*.egg-info", "*.pdf", "*.tar.gz")
    for name in names:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=made)
        else:
            shutil.copy(source, folder / name)
    # As `make install` leaves it: Snakemake cannot start a Python whose own path has spaces.
    (folder / ".venv").symlink_to(sys.prefix)
    return folder


def make_checkout(folder: Path, study: dict[str, Any]) -> Path:
    """A copy of the project's sources with this study in place of its own."""
    copy_project(folder, *SOURCES)
    write_study(folder, study)
    return folder


class Build:
    """`snakemake --cores 2 ARGUMENTS` in a checkout, in a process group of its own."""

    def __init__(
        self,
        folder: Path,
        *arguments: str,
        before: tuple[str, ...] = (),
        environment: dict[str, str] | None = None,
    ):
        python = folder / ".venv" / "bin" / Path(sys.executable).name
        command = [*before, str(python), "-m", "snakemake", "--cores", "2", *arguments]
        self.process = subprocess.Popen(
            command,
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(folder / "src"), **(environment or {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            start_new_session=True,
        )

    def wait(self) -> tuple[int, str]:
        """(exit status, everything it said)."""
        try:
            said, _ = self.process.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            self.end()
            raise
        return self.process.returncode, said

    def end(self) -> None:
        """Kill it and its jobs, whatever they are doing."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.leave()

    def leave(self) -> None:
        """Wait for Snakemake's own end, and stop listening; jobs that outlive it go on."""
        self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()

    @property
    def over(self) -> bool:
        return self.process.poll() is not None


def build(folder: Path, *arguments: str, **options: Any) -> tuple[int, str]:
    return Build(folder, *(arguments or FRAMES), **options).wait()


def jobs(folder: Path, script: str) -> Iterator[int]:
    """Processes that run this script of the workflow in this checkout. Linux alone has /proc."""
    for path in Path("/proc").glob("[0-9]*"):
        try:
            here = (path / "cwd").readlink() == folder.resolve()
            words = (path / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        # Snakemake copies the script to .snakemake/scripts/tmp….train.py; the shell around it is not the job.
        if here and len(words) > 1 and words[1].endswith(f".{script}.py".encode()):
            yield int(path.name)


def until(happened: Callable[[], Any], running: Build) -> Any:
    """Wait for a condition while a build runs; what it returned."""
    end = time.monotonic() + PATIENCE
    while not (found := happened()):
        assert not running.over, running.wait()[1]
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)
    return found


def study_of(folder: Path) -> Graph:
    return Graph(load_config(folder / "config.yaml"))


def finished_runs(folder: Path) -> set[str]:
    """run_ids in the store."""
    return {path.stem for path in (folder / "results/store").glob("*/*.parquet")}


def results(folder: Path) -> tuple[bytes, bytes]:
    """What a build found, as bytes: the curves' file, and the runs without how long they took."""
    runs = read_parquet(folder / FRAMES[0]).drop(columns="wall_seconds")
    return (folder / FRAMES[1]).read_bytes(), runs.to_csv(index=False).encode()

"""The profiles against a real Slurm (tests/slurm/with-slurm): `make test-slurm`.

A copy of the project builds a reduced smoke study through sbatch, with a time limit that a training job
exceeds; another copy builds the same here, undisturbed. `make test-slurm WHOLE=1` builds the whole smoke
study through sbatch, to the PDF.
"""

from __future__ import annotations

import math
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
import yaml

from checkouts import copy_project
from regrok.files import read_parquet
from regrok.pipeline.graph import Graph
from regrok.runs.store import RunStore
from regrok.study.read import load_config
from regrok.study.run import Run
from regrok.training.loop import train_cohort

pytestmark = [pytest.mark.slurm, pytest.mark.snakemake, pytest.mark.long]

ROOT = Path(__file__).resolve().parents[1]
SOURCES = (
    *("Snakefile", "config.yaml", "environment.yml", "CITATION.cff", "README.md"),
    *(
        "requirements.lock",
        "pyproject.toml",
        "workflow",
        "src",
        "studies",
        "paper",
        "notebooks",
        "tests/slurm",
    ),
)
RESULTS = Path("results/smoke")
STUDY = Path("studies/norm_delay/study.yaml")
LIMITED = "time_limit"
"""The experiment whose one run does not fit within the time limit."""

STARTING = 20.0
"""Seconds that a job may take before it trains, on a machine with nothing else to do: three Snakemakes and torch."""

QUICK = (
    "--slurm-status-command",
    "squeue",
    "--slurm-init-seconds-before-status-checks",
    "2",
    "--latency-wait",
    "5",
)
"""For one machine without accounting: what the profile says is for a cluster."""

OWN_TIME = ["wall_seconds"]
"""The one column that two trainings of a run do not share."""


def command(folder: Path, *arguments: str, cluster: bool = False) -> tuple[list[str], dict]:
    python = str(folder / ".venv" / "bin" / Path(sys.executable).name)
    snakemake = [python, "-m", "snakemake", *arguments]
    before = [str(folder / "tests/slurm/with-slurm")] if cluster else []
    return [*before, *snakemake], {
        "cwd": folder,
        "env": {**os.environ, "PYTHONPATH": str(folder / "src")},
        "stdout": subprocess.PIPE,
        "stderr": subprocess.STDOUT,
        "text": True,
    }


def through_slurm(
    folder: Path, *targets: str, profile: str = "slurm", check: bool = True, **settings: str
) -> str:
    """Build the targets with a profile on a Slurm of this machine; Snakemake's output, then Slurm's list of jobs."""
    script = 'status=0; "$@" || status=$?; scontrol --oneliner show jobs; exit $status'
    arguments = [*targets, "--profile", f"workflow/profiles/{profile}", *QUICK]
    arguments += [
        f"--{key.replace('_', '-')}={value}" for key, value in settings.items() if key != "config"
    ]
    arguments += [
        "--config",
        "scale=smoke",
        settings.get("config", "trainer={checkpoint_seconds: 5}"),
    ]
    called, options = command(folder, *arguments, cluster=True)
    called[1:1] = ["bash", "-c", script, "with-slurm"]
    done = subprocess.run(called, **options, timeout=3000, check=False)
    assert not check or done.returncode == 0, done.stdout[-8000:]
    return done.stdout


def ended(output: str) -> list[str]:
    """How Slurm says each job ended."""
    return re.findall(r"^JobId=\d+ .*?JobState=(\w+)", output, re.MULTILINE)


def reduced(folder: Path, max_steps: int) -> None:
    """Leave two experiments at smoke scale: sparse parity, and one run of `max_steps` steps that never groks."""
    for path in sorted(folder.glob("studies/*/study.yaml")):
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        for name, experiment in content.get("experiments", {}).items():
            if name != "S10":
                experiment["scales"].pop("smoke", None)
        # What is measured on runs that are left out is left out with them.
        for probe in content.get("probes", {}).values():
            probe["scales"].pop("smoke", None)
        content["probes"] = {k: v for k, v in content.get("probes", {}).items() if v["scales"]}
        for fit in content.get("fits", {}).values():
            fit["probes"] = [each for each in fit.get("probes", []) if each in content["probes"]]
        if path == folder / STUDY:
            content["experiments"][LIMITED] = {
                "title": "One run that outlasts a job",
                "question": "Does a run that a time limit cuts in two end in the same numbers?",
                "ours": "a time limit",
                "settings": "addition_smoke",
                "change": {
                    "optimiser": {"weight_decay": 0.001},
                    "protocol": {"max_steps": max_steps},
                },
                "seeds": [42],
                "scales": {"smoke": {}},
            }
            content["fits"][LIMITED] = {
                "law": "comparison",
                "experiments": [LIMITED],
                "options": {"groups": {"run": {}}},
            }
        path.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
        # Nor does a study tell at smoke scale how what is left out there differs from the published protocol.
        path = path.with_name("published.yaml")
        said = (ROOT / path.relative_to(folder)).read_text(encoding="utf-8")
        told = yaml.safe_load(said)
        for deviation in told["deviations"]:
            deviation["scales"] = [scale for scale in deviation["scales"] if scale != "smoke"]
        told["deviations"] = [each for each in told["deviations"] if each["scales"]]
        path.write_text(yaml.safe_dump(told, sort_keys=False), encoding="utf-8")


def limited_run(folder: Path) -> Run:
    study = Graph(load_config(folder / "config.yaml", {"scale": "smoke"}))
    name = next(row["run_id"] for row in study.plan.membership if row["experiment"] == LIMITED)
    return study.plan.runs[name]


def sized(folder: Path) -> tuple[int, int]:
    """Minutes for a training job, and steps of the limited run that exceed them, on a machine as busy as it is."""
    steps = 200
    reduced(folder, steps)
    run = limited_run(folder)
    train_cohort("warm up", [run], RunStore(folder / "warm", "timing"), slots=1)
    began, worked = time.perf_counter(), time.process_time()
    train_cohort("timing", [run], RunStore(folder / "timing", "timing"), slots=1)
    took = time.perf_counter() - began
    share = min(1.0, (time.process_time() - worked) / took)
    shutil.copy(ROOT / STUDY, folder / STUDY)
    minutes = math.ceil(STARTING / share / 60)
    # Slurm looks for jobs past their limit twice a minute.
    return minutes, round((60 * minutes + 60) * steps / took / 200) * 200


def same_frames(one: Path, other: Path) -> None:
    for name in ("runs", "curves", "spectra", "experiments"):
        frames = [read_parquet(folder / RESULTS / f"{name}.parquet") for folder in (one, other)]
        left, right = (frame.drop(columns=OWN_TIME, errors="ignore") for frame in frames)
        pd.testing.assert_frame_equal(left, right, check_exact=True)


def test_a_job_that_the_time_limit_ends_goes_on_from_its_checkpoint_to_the_same_results(tmp_path):
    cluster, here = (
        copy_project(tmp_path / "on a clüster", *SOURCES),
        copy_project(tmp_path / "here", *SOURCES),
    )
    minutes, steps = sized(cluster)
    for folder in (cluster, here):
        reduced(folder, steps)
    targets = [str(RESULTS / "runs.parquet"), str(RESULTS / "fits/parity.json")]
    called, options = command(here, *targets, "--cores", "1", "--config", "scale=smoke")
    undisturbed = subprocess.Popen(called, **options)
    try:
        output = through_slurm(cluster, *targets, set_resources=f"train:runtime={minutes}")
        said = undisturbed.communicate(timeout=1800)[0]
    finally:
        undisturbed.kill()
    assert undisturbed.returncode == 0, said[-4000:]
    states = ended(output)
    assert 1 <= states.count("TIMEOUT") <= 3, states
    # Two training jobs, the frames and the fit succeeded, the last attempt of the limited one among them.
    assert states.count("COMPLETED") == 4, states
    assert set(states) == {"TIMEOUT", "COMPLETED"}
    same_frames(cluster, here)
    fits = [(folder / RESULTS / "fits/parity.json").read_bytes() for folder in (cluster, here)]
    assert fits[0] == fits[1]
    rest, whole = (
        next((folder / RESULTS / "logs/train").glob("modular*.log")).read_text(encoding="utf-8")
        for folder in (cluster, here)
    )
    assert f"trained 1 runs, {steps:,} steps" in whole
    trained = re.search(r"trained 1 runs, ([\d,]+) steps", rest)
    if trained:  # the rest, not the whole
        assert 0 < int(trained[1].replace(",", "")) < steps, rest
    else:  # the limit struck after the last step and before the frames: only those were left to write
        assert "steps/s" not in rest, rest


def test_the_gpu_profile_asks_for_a_gpu_for_training_alone(tmp_path, monkeypatch):
    folder = copy_project(tmp_path / "checkout", *SOURCES)
    reduced(folder, 400)
    monkeypatch.setenv("SLURM_GPUS", "1")
    targets = [str(RESULTS / "runs.parquet")]
    config = "trainer={device: cuda, slots: 2, cohort_parts: 1}"
    output = through_slurm(
        folder, *targets, profile="slurm-gpu", check=False, restart_times="0", config=config
    )
    # The node schedules a GPU and has none, so the jobs start, see that, and say so.
    requests = re.findall(r"^JobId=.*TresPerJob=(\S+)", output, re.MULTILINE)
    assert len(requests) == len(ended(output)) > 0
    assert set(requests) == {"gres:gpu:1"}
    assert set(ended(output)) == {"FAILED"}
    logs = "".join(
        path.read_text(encoding="utf-8") for path in (folder / RESULTS / "logs/train").glob("*.log")
    )
    assert "torch finds no GPU" in logs
    assert "Traceback" not in logs


@pytest.mark.skipif(not os.environ.get("WHOLE"), reason="minutes more: make test-slurm WHOLE=1")
@pytest.mark.tex
def test_the_whole_smoke_study_through_sbatch_is_the_one_built_here(tmp_path):
    cluster, here = (
        copy_project(tmp_path / "on a clüster", *SOURCES),
        copy_project(tmp_path / "here", *SOURCES),
    )
    output = through_slurm(cluster)
    assert set(ended(output)) == {"COMPLETED"}
    shutil.copytree(cluster / "results/store", here / "results/store")
    called, options = command(here, "--cores", "all", "--config", "scale=smoke")
    done = subprocess.run(called, **options, timeout=3000, check=False)
    assert done.returncode == 0, done.stdout[-4000:]
    made = [RESULTS / "ledger.json", RESULTS / "numbers.tex"]
    made += [path.relative_to(here) for path in sorted((here / RESULTS / "figures").iterdir())]
    for name in made:
        assert (cluster / name).read_bytes() == (here / name).read_bytes(), name

"""docs/add-your-own.md, followed literally: its blocks are applied to a copy of the project, planned and trained."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from checkouts import FRAMES, SOURCES, build, copy_project
from configurations import ROOT
from regrok.files import read_parquet

PAGE = ROOT / "docs" / "add-your-own.md"
ADDED = {"small_modulus": 4, "carry": 2, "majority": 2, "gated": 2, "signs": 2}
"""Experiments that the page adds, and their runs."""


def blocks(kind: str) -> list[str]:
    """The fenced blocks of one language, in the order of the page."""
    return re.findall(rf"^```{kind}\n(.*?)^```$", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)


def follow(folder: Path) -> None:
    """Make every change that the page shows, as it says."""
    command, *_ = blocks("bash")
    assert command.startswith("regrok new-study ")
    regrok(folder, *command.split()[1:])
    for kind, mark in (("python", "# "), ("tex", "% ")):
        for block in blocks(kind):
            first, _, content = block.partition("\n")
            path = folder / first.removeprefix(mark)
            assert kind == "tex" or not path.exists(), "the page says that the file is new"
            path.write_text(content, encoding="utf-8")
    for block in blocks("diff"):
        done = subprocess.run(
            ["git", "apply", "-"], cwd=folder, input=block, encoding="utf-8", capture_output=True
        )
        assert done.returncode == 0, done.stderr
    for block in blocks("yaml"):
        first, _, lines = block.partition("\n")
        place = re.fullmatch(r'# (studies/[\w/.]+)(?:, below "(\w+:)")?', first)
        assert place is not None, first
        path = folder / place[1]
        if place[2] is None:
            path.write_text(lines, encoding="utf-8")
            continue
        text = path.read_text(encoding="utf-8")
        assert len(re.findall(rf"^{place[2]}$", text, re.MULTILINE)) == 1
        added = re.sub(rf"^{place[2]}$", lambda at, add=lines: f"{at[0]}\n{add}", text, flags=re.M)
        path.write_text(added, encoding="utf-8")


@pytest.fixture(scope="module")
def followed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project in which the page was followed."""
    folder = copy_project(
        tmp_path_factory.mktemp("added") / "checkout", *SOURCES, "studies", "config.yaml"
    )
    # So that `git apply` takes the copy for the repository, not one above it.
    subprocess.run(["git", "init", "--quiet"], cwd=folder, check=True)
    follow(folder)
    return folder


def regrok(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "regrok.cli", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder / "src")},
        capture_output=True,
        encoding="utf-8",
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
def test_the_page_s_blocks_apply_and_its_experiments_are_planned(followed):
    chosen = [word for name in ADDED for word in ("--experiment", name)]
    listed = regrok(followed, "plan", "--scale", "smoke", "--format", "csv", *chosen)
    runs = pd.read_csv(pd.io.common.StringIO(listed))
    assert runs.groupby("experiments").size().to_dict() == ADDED
    # The page's command is this one with one experiment.
    assert blocks("bash")[-1] == "regrok plan --scale smoke --experiment small_modulus\n"


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
def test_a_signal_of_the_page_that_reads_on_stops_the_plan(followed, tmp_path):
    """As it stands on the page it is taken, which the plan above shows; with the whole curve's peak it is not."""
    folder = shutil.copytree(followed, tmp_path / "checkout", symlinks=True)
    path = folder / "src/regrok/signals/training_loss.py"
    text = path.read_text(encoding="utf-8")
    assert 'history.so_far(steps, "train_loss")' in text
    peak = text.replace('history.so_far(steps, "train_loss")', 'history.curve["train_loss"].max()')
    path.write_text(peak, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "regrok.cli", "plan", "--scale", "smoke"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder / "src")},
        capture_output=True,
        encoding="utf-8",
    )
    assert done.returncode == 2
    assert "signal 'training_loss' reads the future" in done.stderr


@pytest.mark.long
@pytest.mark.snakemake
@pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
def test_a_signal_of_the_page_is_on_the_bench(followed):
    """Its file alone: no list names it."""
    fit = "results/smoke-early_warning/fits/bench.json"
    status, said = build(followed, fit, "--config", "scale=smoke", "studies=[early_warning]")
    assert status == 0, said
    made = json.loads((followed / fit).read_text(encoding="utf-8"))
    names = {point["signal"] for point in made["points"]}
    assert {"training_loss", "waiting", "commutator_defect", "learning_coefficient"} <= names
    lead = made["estimates"]["bench.training_loss.cells_lead"]
    assert 0 <= lead["value"] <= 1
    assert made["estimates"]["bench.training_loss.cost"]["value"] == 0


@pytest.mark.long
@pytest.mark.snakemake
@pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
def test_what_the_page_adds_is_trained_and_in_the_runs(followed):
    """The page's own experiments alone, from the configuration that the page made."""
    status, said = build(followed, *FRAMES, "--config", "scale=smoke", f"only=[{','.join(ADDED)}]")
    assert status == 0, said
    runs = read_parquet(followed / "results/smoke/runs.parquet").set_index("run_id")
    members = read_parquet(followed / "results/smoke/experiments.parquet")
    assert members.groupby("experiment").size().to_dict() == ADDED
    for name, column, value in (
        ("small_modulus", "p", 23),
        ("carry", "operation", "carry"),
        ("majority", "task", "majority"),
        ("gated", "model", "gated"),
        ("signs", "optimiser", "signum"),
    ):
        mine = runs.loc[members.loc[members["experiment"] == name, "run_id"]]
        assert (mine[column] == value).all()
        assert (mine["steps"] > 0).all()
        assert mine["outcome"].notna().all() and not (mine["outcome"] == "diverged").any()


@pytest.mark.snakemake
@pytest.mark.tex
@pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
def test_the_page_s_paper_is_trained_judged_and_typeset_alone(followed):
    """`make paper STUDY=first_look SCALE=smoke`, without make: it would install."""
    assert blocks("bash")[1] == "make paper STUDY=first_look SCALE=smoke\n"
    status, said = build(followed, "--config", "scale=smoke", "studies=[first_look]")
    assert status == 0, said
    [pdf] = (followed / "paper").glob("*first_look*.pdf")
    assert str(pdf.relative_to(followed)) in said
    text = subprocess.run(
        ["pdftotext", pdf, "-"], capture_output=True, encoding="utf-8", check=True
    ).stdout
    assert "A first look" in text
    [results] = (followed / "results").glob("smoke*first_look*")
    runs = read_parquet(results / "runs.parquet")
    assert len(runs) == 6 and (runs["p"] == 23).all()
    [claim] = json.loads((results / "ledger.json").read_text(encoding="utf-8"))["claims"]
    assert claim["id"] == "Z1" and claim["runs"] == 6
    assert claim["verdict"] in text.replace("\n", " ")

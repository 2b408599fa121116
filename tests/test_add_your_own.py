"""docs/add-your-own.md, followed literally: its blocks are applied to a copy of the project, planned and trained."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml

from checkouts import build, make_checkout
from configurations import ROOT
from regrok.study.yaml import parse_yaml

PAGE = ROOT / "docs" / "add-your-own.md"
ADDED = {"small_modulus": 4, "majority": 2, "signs": 2}
"""Experiments that the page adds, and their runs."""


def blocks(kind: str) -> list[str]:
    """The fenced blocks of one language, in the order of the page."""
    return re.findall(rf"^```{kind}\n(.*?)^```$", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)


def follow(folder: Path) -> None:
    """Make every change that the page shows, as it says."""
    for block in blocks("python"):
        first, _, content = block.partition("\n")
        path = folder / first.removeprefix("# ")
        assert not path.exists(), "the page says that the file is new"
        path.write_text(content, encoding="utf-8")
    for block in blocks("diff"):
        done = subprocess.run(
            ["git", "apply", "-"], cwd=folder, input=block, text=True, capture_output=True
        )
        assert done.returncode == 0, done.stderr
    config = folder / "config.yaml"
    text = config.read_text(encoding="utf-8")
    for block in blocks("yaml"):
        first, _, lines = block.partition("\n")
        place = re.fullmatch(r'# config\.yaml, below "(\w+:)"', first)
        assert place is not None, first
        assert len(re.findall(rf"^{place[1]}$", text, re.MULTILINE)) == 1
        text = re.sub(rf"^{place[1]}$", lambda at, add=lines: f"{at[0]}\n{add}", text, flags=re.M)
    config.write_text(text, encoding="utf-8")


@pytest.fixture(scope="module")
def followed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project in which the page was followed."""
    folder = make_checkout(tmp_path_factory.mktemp("added") / "checkout", {})
    shutil.copy(ROOT / "config.yaml", folder)
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
        text=True,
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
    assert blocks("bash") == ["regrok plan --scale smoke --experiment small_modulus\n"]


@pytest.mark.long
@pytest.mark.snakemake
@pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
def test_what_the_page_adds_is_trained_and_in_the_runs(followed):
    """The page's own experiments alone, from the configuration that the page made."""
    config = followed / "config.yaml"
    study = parse_yaml(config.read_text(encoding="utf-8"), "config.yaml")
    study |= {"scale": "smoke", "fits": {}, "figures": {}, "tables": {}}
    study["experiments"] = {name: study["experiments"][name] for name in ADDED}
    config.write_text(yaml.safe_dump(study, sort_keys=False), encoding="utf-8")
    status, said = build(followed)
    assert status == 0, said
    runs = pd.read_parquet(followed / "results/smoke/runs.parquet").set_index("run_id")
    members = pd.read_parquet(followed / "results/smoke/experiments.parquet")
    assert members.groupby("experiment").size().to_dict() == ADDED
    for name, column, value in (
        ("small_modulus", "p", 23),
        ("majority", "task", "majority"),
        ("signs", "optimiser", "signum"),
    ):
        mine = runs.loc[members.loc[members["experiment"] == name, "run_id"]]
        assert (mine[column] == value).all()
        assert (mine["steps"] > 0).all()
        assert mine["outcome"].notna().all() and not (mine["outcome"] == "diverged").any()

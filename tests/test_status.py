"""`regrok status` and `regrok open`: what is built, why it would go on, and where it lies."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from checkouts import small_study, write_study
from configurations import ROOT
from regrok.cli import main
from regrok.commands import open as opening
from regrok.pipeline.graph import Graph
from regrok.pipeline.rosters import STORE
from regrok.pipeline.state import changes, few, makings, stage
from regrok.runs.store import RunStore
from regrok.study.read import load_config


@pytest.fixture
def checkout(tmp_path, monkeypatch) -> Path:
    """A small study in a folder with the project's workflow and texts; nothing is built."""
    monkeypatch.chdir(tmp_path)
    for name in ("workflow", "paper"):
        (tmp_path / name).mkdir()
    (tmp_path / "workflow/scripts").symlink_to(ROOT / "workflow/scripts")
    for name in ("sections", "main.tex", "regrok.sty", "references.bib"):
        (tmp_path / "paper" / name).symlink_to(ROOT / "paper" / name)
    write_study(tmp_path, small_study(steps=50, seeds=1))
    return tmp_path


def status(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["status", *arguments]) == 0
    return capsys.readouterr().out


def build() -> Graph:
    """The rosters of a build and, with nothing in them, its runs and every other file that it is to make."""
    graph = Graph(load_config("config.yaml"))
    graph.write_rosters()
    for name in graph.jobs:
        job = graph.training.jobs[name]
        for run in job.runs:
            stored = RunStore(STORE, graph.code(job)).path(run.run_id)
            fill(stored)
            stored.write_bytes(b"PAR1PAR1")
        fill(graph.results / "trained" / f"{name}.json")
    for files in makings(graph).values():
        for name in files:
            fill(Path(name))
    return graph


def fill(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()


def test_nothing_built_says_what_to_run_and_what_ships(checkout, capsys):
    said = status(capsys)
    assert "nothing is built here. Build it with `make paper SCALE=smoke`" in said
    bundle = ROOT / "results/released"
    said = status(capsys, "--bundle", str(bundle), "--scale", "laptop")
    assert "nothing is built here at the laptop scale" in said
    assert f"{bundle / 'laptop'}: ships " in said and "code of " in said


def test_a_build_that_has_begun_says_what_is_missing_and_how_to_go_on(checkout, capsys):
    Graph(load_config("config.yaml")).write_rosters()
    said = status(capsys)
    assert "results/smoke: smoke scale, trained here, not finished" in said
    assert "stale    2 of 2 runs are to be trained" in said
    assert (
        "there    nothing yet" in said
        and "runs: not made yet" in said
        and "paper: not made yet" in said
    )
    assert "go on    snakemake --cores all --config scale=smoke" in said


def test_a_whole_build_is_fresh_until_a_source_a_setting_or_a_run_changes(checkout, capsys):
    graph = build()
    said = status(capsys)
    assert "there    runs, verdicts, paper" in said
    assert "fresh    nothing would be done again" in said
    section = checkout / "studies/own/section.tex"
    later = max(path.stat().st_mtime for path in checkout.rglob("*")) + 60
    os.utime(section, (later, later))
    said = status(capsys)
    assert "stale    paper: regrok-smoke older than studies/own/section.tex" in said
    assert "runs are to be trained" not in said
    job = graph.training.jobs[graph.jobs[0]]
    RunStore(STORE, graph.code(job)).path(job.runs[0].run_id).unlink()
    assert "1 of 2 runs are to be trained" in status(capsys)
    study = small_study(steps=50, seeds=1)
    study["experiments"]["sweep"]["title"] = "Another"
    write_study(checkout, study)
    assert "experiments: sweep changed" in status(capsys)


def test_a_folder_of_results_that_cannot_be_told_does_not_hide_the_others(checkout, capsys):
    build()
    (checkout / "results/laptop").mkdir()
    (checkout / "results/laptop/config.json").write_text("{}", encoding="utf-8")
    said = status(capsys)
    assert "results/laptop\n  cannot be told: " in said and "results/smoke: " in said
    assert "results/laptop" not in status(capsys, "--scale", "smoke")


def test_changes_name_what_was_added_taken_out_and_changed(checkout):
    built = load_config("config.yaml")
    other = built.experiments["sweep"].model_copy(update={"title": "x"})
    now = built.model_copy(update={"experiments": {"sweep": other, "more": other}})
    assert changes(built, now) == ["experiments: more added", "experiments: sweep changed"]
    assert changes(now, built) == ["experiments: more taken out", "experiments: sweep changed"]
    assert few(["a", "b", "c"]) == "a, b and 1 more"


def test_a_file_is_stale_by_the_newest_of_its_sources(tmp_path):
    for name, date in (("made", 20), ("old", 10), ("new", 30), ("newest", 40)):
        fill(tmp_path / name)
        os.utime(tmp_path / name, (date, date))
    at = {name: str(tmp_path / name) for name in ("made", "old", "new", "newest", "absent")}
    sources = [at["old"], at["new"], at["newest"], at["absent"]]
    found = stage("x", {at["made"]: sources, at["absent"]: []})
    assert found.older == {tmp_path / "made": tmp_path / "newest"}
    assert found.absent == [tmp_path / "absent"] and found.made == 1
    assert stage("x", {at["made"]: [at["old"]]}).older == {}


def opened(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    status = main(["open", *arguments])
    said = capsys.readouterr()
    return status, said.out, said.err


def test_open_prints_the_path_of_the_build_else_of_the_reanalysed_else_how_to_make_it(
    checkout, capsys, monkeypatch
):
    monkeypatch.setattr(opening, "viewer_of", lambda *_: [])
    status, _, said = opened(capsys)
    assert status == 2
    assert "paper/regrok-smoke.pdf is not there" in said and "snakemake --cores all" in said
    fill(checkout / "paper/regrok-smoke-released.pdf")
    assert opened(capsys)[:2] == (0, "paper/regrok-smoke-released.pdf\n")
    fill(checkout / "paper/regrok-smoke.pdf")
    assert opened(capsys)[:2] == (0, "paper/regrok-smoke.pdf\n")
    assert "make report SCALE=smoke" in opened(capsys, "report")[2]
    assert "make site SCALE=smoke" in opened(capsys, "site")[2]
    fill(checkout / "results/smoke/site/index.html")
    assert opened(capsys, "site")[:2] == (0, "results/smoke/site/index.html\n")
    assert "there is none" in opened(capsys, "figure", "nothing")[2]
    assert "only a figure has a name" in opened(capsys, "paper", "x")[2]


def test_a_desktop_opens_the_file(checkout, capsys, monkeypatch):
    fill(checkout / "paper/regrok-smoke.pdf")
    called: list[list[str]] = []
    monkeypatch.setattr(opening, "viewer_of", lambda *_: ["viewer"])
    monkeypatch.setattr(opening.subprocess, "Popen", lambda command, **_: called.append(command))
    assert opened(capsys)[0] == 0
    assert called == [["viewer", "paper/regrok-smoke.pdf"]]


def test_there_is_a_desktop_where_a_display_and_an_opener_are(tmp_path):
    program = tmp_path / "xdg-open"
    program.write_text("#!/bin/sh\n", encoding="utf-8")
    program.chmod(0o755)
    here = {"PATH": str(tmp_path)}
    assert opening.viewer_of("linux", here) == []
    assert opening.viewer_of("linux", {**here, "DISPLAY": ":0"}) == [str(program)]
    assert opening.viewer_of("linux", {"PATH": "/nowhere", "DISPLAY": ":0"}) == []
    assert opening.viewer_of("darwin", {}) == ["open"]
    assert opening.viewer_of("darwin", {"SSH_CONNECTION": "x"}) == []

"""Files laid over config.yaml by `--configfile`, and the words of a build that is refused before it begins.

Public reports: PyPSA-Eur#1806 and snakemake#730 (the configuration file that is given is not the one used),
gflow-cli#760 (code of one clone under the commit of another).
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from checkouts import build, make_checkout, small_study, write_study
from configurations import ROOT
from regrok.errors import RegrokError
from regrok.study.blocks import Config
from regrok.study.read import load_config, load_panel


def study() -> dict[str, Any]:
    """Two jobs at two scales."""
    data = small_study()
    data["experiments"]["sweep"]["scales"] = {"smoke": {}, "laptop": {"seeds": [7]}}
    return data


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_study(tmp_path, study())
    monkeypatch.chdir(tmp_path)
    return tmp_path


def over(name: str, content: Any) -> Path:
    path = Path(name)
    path.write_text(
        content if isinstance(content, str) else yaml.safe_dump(content), encoding="utf-8"
    )
    return path


def loaded(*files: Path, alone: bool = False, **overrides: Any) -> Config:
    return load_config("config.yaml", overrides, files, alone)


def test_a_file_is_laid_over_the_panel_and_the_studies(folder: Path) -> None:
    # PyPSA-Eur#1806
    given = over("over.yaml", {"scale": "laptop", "trainer": {"slots": 7}})
    config = loaded(given)
    assert (config.scale, config.trainer.slots) == ("laptop", 7)
    assert config.trainer.checkpoint_seconds == 0.3, "keys that are not listed stay"
    sweep = over("sweep.yaml", {"experiments": {"sweep": {"seeds": [5, 6]}}})
    assert loaded(sweep).experiments["sweep"].seeds == [5, 6], "a list replaces a list"
    assert loaded(sweep).whole


def test_a_later_file_has_the_last_word_and_the_command_line_after_it(folder: Path) -> None:
    # snakemake#730
    first = over("first.yaml", {"scale": "laptop", "trainer": {"slots": 7, "cohort_parts": 3}})
    second = over("second.yaml", {"trainer": {"slots": 9}})
    config = loaded(first, second, anonymous="true")
    trainer = config.trainer
    assert (config.scale, trainer.slots, trainer.cohort_parts) == ("laptop", 9, 3)
    assert config.anonymous
    assert loaded(second, first).trainer.slots == 7
    assert loaded(first, trainer={"slots": "11"}).trainer.slots == 11


def test_what_is_laid_over_is_checked_as_the_files_are(folder: Path) -> None:
    nonsense = over("d.yaml", {"nonsense": 3, "scael": "smoke", "trainer": {"slots": 1}})
    with pytest.raises(RegrokError) as refusal:
        loaded(nonsense)
    for word in ("d.yaml", "nonsense = 3: unknown key", "scael = 'smoke'", "Did you mean 'scale'"):
        assert word in str(refusal.value)
    for content, words in (
        (
            {"experiments": {"sweep": {"seedz": [1]}}},
            r"study\.yaml with e\.yaml over it.*\n.*'seeds'",
        ),
        ({"trainer": {"slotz": 1}}, r"config\.yaml with e\.yaml over it.*\n.*'slots'"),
        ({"trainer.slots": 4}, r"trainer\.slots = 4: unknown key"),
        ({"trainer": {"slots": "4"}}, r"trainer\.slots = '4'.*integer"),
        ("experiments: {sweep: {seeds: [042]}}", r"e\.yaml, line 1.*042"),
        ("scale: smoke\nscale: laptop", r"e\.yaml, line 2.*twice"),
        ("scale: smoke\n\ttrainer: 1", r"e\.yaml, line 2.*tab.*spaces"),
        ('{"scale": "smoke", "scale": "laptop"}', r"e\.yaml.*'scale' is given twice"),
        ("[1]", r"e\.yaml.*keys and values"),
        ("__use_yte__: true\nscale: smoke", r"e\.yaml.*\n.*__use_yte__.*write out"),
    ):
        with pytest.raises(RegrokError, match=f"(?s){words}"):
            loaded(over("e.yaml", content))


def test_json_is_read_with_its_tabs(folder: Path) -> None:
    assert loaded(over("over.json", '{\n\t"scale":\t"laptop"\n}')).scale == "laptop"


def test_the_panel_over_itself_changes_nothing(folder: Path) -> None:
    assert loaded(folder / "config.yaml") == load_config("config.yaml")
    over("config.yaml", {"scael": 1})
    with pytest.raises(RegrokError, match=r"^config\.yaml is refused"):
        loaded(folder / "config.yaml")


def test_a_whole_panel_may_stand_in_the_file_s_place(folder: Path) -> None:
    panel = yaml.safe_load(Path("config.yaml").read_text(encoding="utf-8"))
    mine = over("mine.yaml", {**panel, "scale": "laptop"})
    over("config.yaml", "scale: smoke\nonly: [sweep]\ntrainer: {}\nstudies: [own]\n")
    assert loaded(mine, alone=True).only == []
    assert loaded(mine).only == ["sweep"]
    Path("config.yaml").unlink()
    config = loaded(mine)
    assert config.scale == "laptop" and config.whole
    assert load_panel("config.yaml", {}, [mine]) == (load_panel(mine)[0], True)
    with pytest.raises(RegrokError, match=r"config\.yaml: cannot be read"):
        load_config("config.yaml")


def test_bytes_that_are_no_utf8_are_refused_with_their_line(folder: Path) -> None:
    for path in ("config.yaml", "studies/own/study.yaml"):
        before = Path(path).read_bytes()
        line = before.count(b"\n") + 1
        Path(path).write_bytes(before + b"# caf\xe9\n")
        with pytest.raises(
            RegrokError, match=rf"{path}, line {line}: not UTF-8 text \(byte 0xe9\)"
        ):
            load_config("config.yaml")
        Path(path).write_bytes(before)


# Snakemake itself --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout in which nothing is ever trained."""
    return make_checkout(tmp_path_factory.mktemp("configfile") / "checkout", study())


def dry(checkout: Path, *arguments: str, **options: Any) -> tuple[int, str]:
    return build(checkout, "--dry-run", *arguments, **options)


@pytest.mark.snakemake
def test_snakemake_builds_what_the_given_file_says(checkout: Path) -> None:
    # PyPSA-Eur#1806: with `scale: laptop` in over.yaml the smoke scale of config.yaml was planned.
    (checkout / "elsewhere").mkdir()
    (checkout / "elsewhere/over.yaml").write_text("scale: laptop\n", encoding="utf-8")
    wanted = ("--configfile", "elsewhere/over.yaml", "--", "results/laptop/runs.parquet")
    status, said = dry(checkout, *wanted)
    assert status == 0, said
    assert "results/laptop/runs.parquet" in said and "results/smoke" not in said
    recorded = json.loads((checkout / "results/laptop/config.json").read_text(encoding="utf-8"))
    assert recorded["scale"] == "laptop", "what is recorded is what was built"
    (checkout / "elsewhere/over.yaml").write_text("nonsense: 1\n", encoding="utf-8")
    status, said = dry(checkout, *wanted)
    assert status != 0 and "nonsense = 1: unknown key" in said and "elsewhere/over.yaml" in said


@pytest.mark.snakemake
def test_a_tab_in_the_panel_is_refused_in_our_words(checkout: Path) -> None:
    panel = checkout / "config.yaml"
    before = panel.read_bytes()
    try:
        panel.write_bytes(before + b"\tscale: smoke\n")
        status, said = dry(checkout)
    finally:
        panel.write_bytes(before)
    line = before.count(b"\n") + 1
    assert status != 0 and f"config.yaml, line {line}" in said and "indent with spaces" in said
    assert "valid JSON" not in said and "Traceback" not in said


@pytest.mark.snakemake
def test_another_checkout_s_code_builds_nothing_here(checkout: Path) -> None:
    # gflow-cli#760
    status, said = dry(checkout, environment={"PYTHONPATH": str(ROOT / "src")})
    assert status != 0 and "Traceback" not in said
    assert str(ROOT / "src/regrok") in said and str(checkout.resolve() / "src/regrok") in said
    assert "unset PYTHONPATH" in said


def test_no_command_and_no_job_runs_another_checkout_s_code(checkout: Path, tmp_path: Path) -> None:
    # gflow-cli#760: this project's package, with the other checkout as working directory.
    job = "from regrok.pipeline.script import job\nwith job('x.log'): print('ran')"
    for command in (["-m", "regrok.cli", "plan"], ["-c", job]):
        done = subprocess.run(
            [sys.executable, *command],
            cwd=checkout,
            env={"PYTHONPATH": str(ROOT / "src"), "PATH": ""},
            capture_output=True,
            encoding="utf-8",
            check=False,
        )
        assert done.returncode != 0 and not done.stdout
        assert done.stderr.startswith("regrok: Python imports regrok from")
        assert "Traceback" not in done.stderr
    assert not (checkout / "x.log").exists()

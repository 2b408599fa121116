"""The command line: what it prints, and how it refuses."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pandas as pd
import pytest

from configurations import CONFIG, ROOT
from regrok import commands
from regrok.cli import main, parser
from regrok.kernels import backend
from regrok.processor import processor


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path, monkeypatch) -> None:
    """The machine's rate is cached under the working directory."""
    monkeypatch.chdir(tmp_path)


def plan(*arguments: str) -> int:
    return main(["plan", "--config", str(CONFIG), "--scale", "smoke", *arguments])


def test_csv_and_json_list_the_same_runs(capsys: pytest.CaptureFixture[str]) -> None:
    assert plan("--format", "csv") == 0
    table = pd.read_csv(io.StringIO(capsys.readouterr().out), dtype={"run_id": str})
    assert plan("--format", "json") == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["run_id"] for row in rows] == table["run_id"].to_list()
    assert [row["expected_steps"] for row in rows] == table["expected_steps"].to_list()
    assert table["run_id"].is_unique


def test_the_table_lists_every_experiment_and_sums_up(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    assert plan("--cores", "2") == 0
    out = capsys.readouterr().out
    starts = {line.split()[0] for line in out.splitlines() if line.strip()}
    assert {"S1", "S2", "S3", "S10", "smoke:"} <= starts
    assert "if every budget is spent" in out
    assert f"{processor()}, {backend()} kernels, 2 at once" in " ".join(out.split())


def test_one_experiment_alone(capsys: pytest.CaptureFixture[str]) -> None:
    assert plan("--experiment", "S10", "--format", "csv") == 0
    table = pd.read_csv(io.StringIO(capsys.readouterr().out))
    assert set(table["task.name"]) == {"sparse_parity"}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--set", "trainer.slotz=3"], ["trainer.slotz", "'slots'"]),
        (["--set", "experiments.S3.seeds=x"], ["experiments.S3.seeds"]),
        (["--set", "nonsense"], ["KEY=VALUE"]),
        (["--set", "studies=[depth_and_decay]"], ["depth_and_decay", "smoke", "laptop, paper"]),
        (["--experiment", "S33"], ["S33", "'S3'"]),
        (["--experiment", "S9"], ["S9", "smoke", "laptop"]),
        (["--config", "nowhere.yaml"], ["nowhere.yaml"]),
    ],
)
def test_what_the_user_can_mend_is_a_message(
    arguments: list[str], words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert plan(*arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("regrok: ")
    assert "Traceback" not in captured.err
    for word in words:
        assert word in captured.err


def test_schemas_are_written_where_they_are_asked_for(tmp_path, capsys) -> None:
    assert main(["schema", "--output", str(tmp_path / "schemas")]) == 0
    written = capsys.readouterr().out.split()
    assert sorted(map(Path, written)) == sorted((tmp_path / "schemas").iterdir())
    for path in (tmp_path / "schemas").iterdir():
        assert path.read_bytes() == (ROOT / "workflow/schemas" / path.name).read_bytes()
    (tmp_path / "file").touch()
    assert main(["schema", "--output", str(tmp_path / "file")]) == 2
    assert "file" in capsys.readouterr().err


def test_a_mistyped_command_is_told_the_nearest_and_the_version_is_known(capsys) -> None:
    for wrong, words in (
        (["claim"], "did you mean 'claims'?"),
        (["claims", "--verdict", "not-reproducd"], "did you mean 'not-reproduced'?"),
        (["quux"], "invalid choice"),
    ):
        with pytest.raises(SystemExit) as left:
            main(wrong)
        assert left.value.code == 2
        assert words in capsys.readouterr().err
    with pytest.raises(SystemExit) as left:
        main(["--version"])
    assert left.value.code == 0
    assert capsys.readouterr().out.split() == ["regrok", metadata.version("regrok")]


def test_every_command_explains_itself(capsys: pytest.CaptureFixture[str]) -> None:
    overview = parser().format_help()
    for name in (module.replace("_", "-") for module in commands.NAMES):
        assert re.search(rf"^ +{name}\s", overview, re.MULTILINE)
        with pytest.raises(SystemExit) as left:
            main([name, "--help"])
        assert left.value.code == 0
        said = capsys.readouterr().out
        assert "usage: regrok" in said
        assert re.search(rf"examples?: regrok {name}\b", said), name


def test_the_types_and_the_plan_load_neither_torch_nor_pandas() -> None:
    # Snakemake reads them once per job.
    code = (
        "import sys; from regrok.study.read import load_config; from regrok.study.plan import make_plan; "
        f"make_plan(load_config({str(CONFIG)!r})); "
        "print([m for m in ('torch', 'pandas', 'numpy') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=True, cwd=ROOT
    )
    assert done.stdout.strip() == "[]"

"""The paper from released runs: trained nowhere, the same bytes on another day in another folder. Real builds."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import bundles
import synthetic
from checkouts import copy_project
from regrok.study.read import load_config

pytestmark = [pytest.mark.snakemake, pytest.mark.long]

ROOT = Path(__file__).resolve().parents[1]
SOURCES = (
    "Snakefile",
    "config.yaml",
    "environment.yml",
    "workflow",
    "src",
    "studies",
    "paper",
    "notebooks",
)
RELEASED = ("--config", "scale=smoke", "source=released")


def checkout(folder: Path, bundle: Path) -> Path:
    """A copy of the project with a bundle and nothing else that a build makes."""
    copy_project(folder, *SOURCES)
    shutil.copytree(bundle, folder / "results/released")
    return folder


def run(folder: Path, *command: str, check: bool = True, **environment: str) -> str:
    """A Python module in the checkout, as make starts it; stdout and stderr together."""
    python = folder / ".venv/bin" / Path(sys.executable).name
    kept = {k: v for k, v in os.environ.items() if k not in ("SOURCE_DATE_EPOCH", "TZ")}
    done = subprocess.run(
        [str(python), "-m", *command],
        cwd=folder,
        env={**kept, "PYTHONPATH": str(folder / "src"), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        timeout=1800,
        check=False,
    )
    assert not check or done.returncode == 0, done.stdout
    return done.stdout


def build(folder: Path, *arguments: str, **options) -> str:
    cores = str(os.cpu_count() or 1)
    return run(folder, "snakemake", "--cores", cores, *arguments, *RELEASED, **options)


def made(folder: Path) -> dict[str, bytes]:
    """Everything whose bytes are promised: figures, tables, numbers, fits, ledger and the PDF."""
    results = folder / "results/smoke-released"
    files = [results / "numbers.json", results / "numbers.tex", results / "ledger.json"]
    files += [folder / "paper/regrok-smoke-released.pdf"] if shutil.which("latexmk") else []
    for name in ("figures", "tables", "fits"):
        files += sorted((results / name).iterdir())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    """The whole smoke study, planted and released, fitted in processes of their own as `regrok release` does."""
    folder = tmp_path_factory.mktemp("bundle")
    config = load_config(ROOT / "config.yaml", {"scale": "smoke"})
    results = bundles.write_results(folder / "smoke", config, synthetic.make_frames(config))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bundles.fill, "commit_of", lambda *_: bundles.COMMIT)
        bundles.fill.release(results, folder / "released", ROOT / "studies")
    return folder / "released"


@pytest.fixture(scope="module")
def first(bundle, tmp_path_factory):
    folder = checkout(tmp_path_factory.mktemp("first") / "a checkout", bundle)
    build(folder, TZ="UTC", PYTHONHASHSEED="1")
    return folder


def test_the_build_trains_nothing_and_equals_the_release(first):
    results = first / "results/smoke-released"
    assert not (results / "trained").exists()
    assert not (first / "results/store").exists()
    told = run(first, "regrok.cli", "verify", "--reanalysed", "smoke")
    assert "equal those of results/released/smoke" in told
    # One installation: not only equal within rounding, but to the byte.
    shipped = first / "results/released/smoke"
    for name in ("ledger.json", "numbers.json"):
        assert (results / name).read_bytes() == (shipped / name).read_bytes()
    for path in [*(shipped / "fits").iterdir(), *(shipped / "tables").iterdir()]:
        assert (results / path.relative_to(shipped)).read_bytes() == path.read_bytes(), path.name


def test_another_day_and_folder_give_the_same_bytes(first, bundle, tmp_path):
    second = checkout(tmp_path / "zweiter Ort – ü" / "deeper", bundle)
    library = sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))
    later = {"LD_PRELOAD": str(library[0]), "FAKETIME": "+400d"} if library else {}
    # Without libfaketime the two builds differ in place, time zone and hash seed, and by minutes.
    build(second, TZ="Pacific/Kiritimati", PYTHONHASHSEED="2", LC_ALL="C.UTF-8", **later)
    one, other = made(first), made(second)
    assert sorted(one) == sorted(other)
    assert [name for name in one if one[name] != other[name]] == []


def test_a_second_build_has_nothing_to_do(first):
    assert "Nothing to be done" in build(first, "--dry-run")


def test_a_missing_scale_is_one_message_before_any_job(first):
    output = run(
        first,
        *("snakemake", "--cores", "1", "--config", "scale=laptop", "source=released"),
        check=False,
    )
    assert "has no runs of the laptop scale; it holds smoke" in output
    assert "Traceback" not in output and "Job stats" not in output


def test_an_experiment_that_the_bundle_lacks_is_one_message(first, bundle, tmp_path):
    folder = checkout(tmp_path / "checkout", bundle)
    config = folder / "studies/norm_delay/study.yaml"
    text = config.read_text(encoding="utf-8")
    added = """experiments:

  my_sweep:
    title: Weight decay at a smaller training share
    question: Does 1/λ still hold when fewer pairs are seen?
    ours: a smaller share
    settings: addition
    change: {task: {train_fraction: 0.4}}
    grid: {optimiser.weight_decay: [0.3, 1.0]}
    seeds: [1, 2, 3]
    scales: {smoke: {}}
"""
    fit = "fits:\n\n  my_sweep:\n    law: scaling\n    options: {factor: weight_decay}\n    experiments: [my_sweep]\n"
    for section, more in (("experiments", added), ("fits", fit)):
        assert text.count(f"\n{section}:\n") == 1
        text = text.replace(f"\n{section}:\n", "\n" + more)
    config.write_text(text, encoding="utf-8")
    output = build(folder, "--dry-run", check=False)
    assert "my_sweep (6 of 6 runs)" in output
    assert "Traceback" not in output and "Job stats" not in output
    whole = "only=[" + output.split("'only=[")[1].split("]")[0] + "]"
    assert "my_sweep" not in whole and "S2" in whole
    assert "Job stats" in run(folder, "snakemake", "--cores", "1", "--dry-run", *RELEASED, whole)


def test_a_damaged_bundle_stops_the_build_with_the_file_s_name(bundle, tmp_path):
    folder = checkout(tmp_path / "checkout", bundle)
    path = folder / "results/released/smoke/runs.parquet"
    whole = bytearray(path.read_bytes())
    whole[len(whole) // 2] ^= 1
    path.write_bytes(bytes(whole))
    output = build(folder, "--dry-run", check=False)
    assert "smoke/runs.parquet: its bytes are not those" in output
    assert "Traceback" not in output


def test_a_trained_build_gets_its_comparison_page_where_the_scale_was_released(bundle, tmp_path):
    folder = checkout(tmp_path / "checkout", bundle)
    listed = run(folder, *("snakemake", "--cores", "1", "--dry-run", "--config", "scale=smoke"))
    assert "results/smoke/comparison.html" in listed
    shutil.rmtree(folder / "results/released")
    listed = run(folder, *("snakemake", "--cores", "1", "--dry-run", "--config", "scale=smoke"))
    assert "comparison.html" not in listed

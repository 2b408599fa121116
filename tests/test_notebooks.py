"""Notebooks run from their percent files, and a cell that fails is named."""

from __future__ import annotations

import os

import jupytext
import nbformat
import pytest

from regrok.errors import RegrokError
from regrok.files import write_parquet
from regrok.pipeline.notebook import execute
from studies import ROOT, study

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.py"))


def percent(folder, *cells):
    path = folder / "small.py"
    path.write_text("".join(f"# %%\n{cell}\n\n" for cell in cells), encoding="utf-8")
    return path


def printed(path):
    """What the cells of an executed notebook printed, joined."""
    notebook = nbformat.read(path, as_version=4)
    outputs = [o for cell in notebook.cells if cell.cell_type == "code" for o in cell.outputs]
    return "".join(o.text for o in outputs if o.output_type == "stream"), outputs


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_percent_files_hold_no_outputs_and_compile(path):
    notebook = jupytext.read(path, fmt="py:percent")
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert code
    assert notebook.cells[0].cell_type == "markdown"
    for cell in code:
        assert not cell.get("outputs")
        compile(cell.source, str(path), "exec")


@pytest.mark.long
def test_a_failing_cell_is_named_and_what_ran_before_is_kept(tmp_path):
    path = percent(tmp_path, "x = 1\nprint('before')", "\nx / 0", "print('after')")
    target = tmp_path / "out" / "small.ipynb"
    with pytest.raises(RegrokError) as refusal:
        execute(path, target, tmp_path)
    assert "small.py: code cell 2 (“x / 0”) failed with ZeroDivisionError" in str(refusal.value)
    assert not target.exists()
    kept, _ = printed(tmp_path / "out" / "small.ipynb.failed")
    assert kept == "before\n"


@pytest.mark.long
def test_a_kernel_that_dies_is_named(tmp_path):
    path = percent(tmp_path, "import os", "os._exit(1)")
    with pytest.raises(RegrokError, match=r"small\.py: code cell 2 .*ended its Python"):
        execute(path, tmp_path / "small.ipynb", tmp_path)


@pytest.mark.long
def test_the_tour_groks_and_draws(tmp_path):
    target = tmp_path / "tour.ipynb"
    execute(ROOT / "notebooks/tour.py", target, ROOT)
    words, outputs = printed(target)
    assert words.startswith("grokked after")
    assert sum("image/png" in o.get("data", {}) for o in outputs) == 2


@pytest.mark.long
def test_the_reanalysis_moves_estimates_with_the_threshold(tmp_path, monkeypatch):
    made = study("smoke")
    results = tmp_path / "smoke"
    for name in ("runs", "curves", "experiments", "spectra"):
        write_parquet(getattr(made.frames, name), results / f"{name}.parquet")
    monkeypatch.setitem(os.environ, "REGROK_RESULTS", str(results))
    target = tmp_path / "reanalyse.ipynb"
    execute(ROOT / "notebooks/reanalyse.py", target, ROOT)
    words, outputs = printed(target)
    assert f"{len(made.frames.runs)} runs" in words
    assert "verdicts change with the threshold" in words
    assert sum("image/png" in o.get("data", {}) for o in outputs) == 1

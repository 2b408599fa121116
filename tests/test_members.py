"""What a fit reads: the runs whole, of the long frames the rows of its own runs, as choosing them later would give."""

from __future__ import annotations

import pandas as pd
import pytest

from regrok.errors import RegrokError
from regrok.files import write_parquet
from regrok.laws import chosen
from regrok.runs.frames import NAMES, load
from regrok.runs.members import LONG, load_of


@pytest.fixture
def folder(tmp_path):
    """Three runs, of which `b` serves two experiments; their rows are not in order."""
    frames = {
        "runs": pd.DataFrame({"run_id": list("abc"), "outcome": "grokked"}),
        "curves": pd.DataFrame({"run_id": list("cabba"), "step": [1, 2, 2, 1, 1], "V": 0.5}),
        "experiments": pd.DataFrame({"experiment": ["S1", "S1", "S2"], "run_id": ["a", "b", "b"]}),
        "spectra": pd.DataFrame({"run_id": ["c"], "step": [1], "power": [2.0]}),
    }
    for name, frame in frames.items():
        write_parquet(frame, tmp_path / f"{name}.parquet")
    return tmp_path


@pytest.mark.parametrize("experiments", [["S1"], ["S2"], ["S1", "S2"], ["S9"]])
def test_choosing_before_is_choosing_after(folder, experiments):
    part, whole = load_of(folder, experiments), load(folder)
    for name in set(NAMES) - set(LONG):
        pd.testing.assert_frame_equal(getattr(part, name), getattr(whole, name))
    members = whole.experiments[whole.experiments["experiment"].isin(experiments)]
    for name in LONG:
        before, after = (chosen(getattr(each, name), members) for each in (part, whole))
        pd.testing.assert_frame_equal(before, after)
        assert set(getattr(part, name)["run_id"]) <= set(members["run_id"])


def test_a_scale_without_spectra_has_none_of_any_run(folder):
    write_parquet(pd.DataFrame(columns=["run_id", "step", "power"]), folder / "spectra.parquet")
    found = load_of(folder, ["S1"]).spectra
    assert list(found.columns) == ["run_id", "step", "power"]
    assert found.empty


def test_a_fit_that_names_no_experiment_reads_all(folder):
    for name in NAMES:
        pd.testing.assert_frame_equal(
            getattr(load_of(folder, []), name), getattr(load(folder), name)
        )


@pytest.mark.parametrize("name", NAMES)
def test_a_file_that_is_missing_or_damaged_is_named(folder, name):
    path = folder / f"{name}.parquet"
    path.write_bytes(b"no parquet")
    with pytest.raises(RegrokError, match=rf"{name}\.parquet cannot be read"):
        load_of(folder, ["S1"])
    path.unlink()
    with pytest.raises(RegrokError, match=rf"{name}\.parquet does not exist"):
        load_of(folder, ["S1"])

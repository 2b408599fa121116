"""Files as jobs read them."""

from __future__ import annotations

import json
import subprocess
import sys

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as some

from configurations import ROOT
from regrok.files import LONGEST, laid_out, read_parquet, write_json, write_parquet

THREADS = """
import os, sys
import pyarrow.parquet, pandas
from regrok.files import read_parquet, write_parquet
before = len(os.listdir("/proc/self/task"))
write_parquet(read_parquet(sys.argv[1]), sys.argv[1] + ".again")
print(len(os.listdir("/proc/self/task")) - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="counts threads in /proc")
def test_reading_a_frame_leaves_no_thread_that_could_abort_the_process_at_its_end(tmp_path):
    """apache/arrow#34314: "terminate called without an active exception", in 2 of 100 busy jobs, all work done."""
    path = tmp_path / "frame.parquet"
    write_parquet(pd.DataFrame({name: range(1000) for name in "abcdefgh"}), path)
    done = subprocess.run(
        [sys.executable, "-c", THREADS, str(path)],
        env={"PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    assert done.stdout.strip() == "0"


def test_a_frame_is_read_as_it_was_written(tmp_path):
    path = tmp_path / "frame.parquet"
    frame = pd.DataFrame({"run_id": ["a", None], "steps": [1, 2], "V_mem": [0.5, float("nan")]})
    write_parquet(frame, path)
    pd.testing.assert_frame_equal(read_parquet(path), pd.read_parquet(path))  # noqa: TID251
    pd.testing.assert_frame_equal(read_parquet(path, ["V_mem"]), frame[["V_mem"]])


PLAIN = some.recursive(
    some.none()
    | some.booleans()
    | some.integers()
    | some.floats(allow_nan=False, allow_infinity=False)
    | some.text(),
    lambda inside: some.lists(inside) | some.dictionaries(some.text(), inside),
)


@given(PLAIN)
def test_what_is_laid_out_reads_back_the_same_in_the_same_order(value):
    # As text, so that 1 and 1.0, and 0.0 and -0.0, are told apart.
    assert json.dumps(json.loads(laid_out(value))) == json.dumps(value)


def test_a_table_takes_a_line_a_row_and_a_long_list_is_broken(tmp_path):
    path = tmp_path / "fit.json"
    rows = [{"run_id": f"{i:012x}", "T_grok": i / 3, "T_mem": float("nan")} for i in range(5)]
    runs = [f"{i:012x}" for i in range(200)]
    write_json({"points": rows, "runs": runs, "none": [], "note": "η·λ"}, path)
    lines = path.read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if "T_grok" in line] == [
        "  " + json.dumps(row | {"T_mem": None}) + "," * (row is not rows[-1]) for row in rows
    ]
    assert max(map(len, lines)) < 120 and len(lines) < 50
    assert json.loads(path.read_text(encoding="utf-8"))["runs"] == runs
    assert "η·λ" in path.read_text(encoding="utf-8")
    long = {str(i): "x" * 20 for i in range(LONGEST // 20)}
    assert laid_out(long).count("\n") == len(long) + 1

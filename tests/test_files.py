"""Files as jobs read them."""

from __future__ import annotations

import subprocess
import sys

import pandas as pd
import pytest

from configurations import ROOT
from regrok.files import read_parquet, write_parquet

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

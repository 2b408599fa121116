"""The bundle's parquet files take less room and hold the same values to the last bit."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from regrok.files import METADATA_KEY, parquet_bytes, read_parquet, read_table, write_parquet
from regrok.released.compact import compact, smallest


def curves() -> pd.DataFrame:
    """Losses that fall from 4 to 1e-7 with noise in their last digits, a count with gaps, words."""
    rng = np.random.default_rng(0)
    loss = 4 * np.exp(-np.linspace(0, 17, 20_000)) * (1 + 1e-3 * rng.normal(size=20_000))
    loss[7], loss[8], loss[9] = np.nan, np.inf, -0.0
    frame = pd.DataFrame({"run_id": "a", "step": np.arange(20_000) * 25, "loss": loss})
    frame["V"] = loss[::-1] + 900
    frame["examples"] = pd.array(np.where(np.arange(20_000) % 3, 512, 0), dtype="Int64")
    frame.loc[::5, "examples"] = pd.NA
    return frame


def test_measured_numbers_take_less_room_and_keep_every_bit(tmp_path):
    path, frame = tmp_path / "paper/curves.parquet", curves()
    path.parent.mkdir()
    path.write_bytes(parquet_bytes(frame, {METADATA_KEY: {"points": 1000}}))
    before, size = read_table(path), path.stat().st_size
    compact(tmp_path)
    after = read_table(path)
    assert path.stat().st_size < 0.92 * size
    assert after.schema.equals(before.schema, check_metadata=True)
    assert [c.null_count for c in after.columns] == [c.null_count for c in before.columns]
    pd.testing.assert_frame_equal(read_parquet(path), frame, check_exact=True)
    for column in ("loss", "V"):  # NaN, infinity and the sign of zero too
        bits = [table[column].to_numpy().view(np.int64) for table in (before, after)]
        assert (bits[0] == bits[1]).all()
    encodings = [pq.ParquetFile(path).metadata.row_group(0).column(i).encodings for i in (1, 2)]
    assert ["BYTE_STREAM_SPLIT" in each for each in encodings] == [False, True]


def test_what_repeats_stays_in_its_dictionary_and_a_second_time_changes_nothing(tmp_path):
    repeated = pd.DataFrame({"learning_rate": np.tile([1e-3, 3e-4, 1e-2], 5_000)})
    write_parquet(repeated, tmp_path / "runs.parquet")
    write_parquet(curves(), tmp_path / "curves.parquet")
    assert b"BYTE_STREAM" not in smallest(tmp_path / "runs.parquet")
    column = pq.ParquetFile(tmp_path / "runs.parquet").metadata.row_group(0).column(0)
    assert "RLE_DICTIONARY" in column.encodings
    compact(tmp_path)
    once = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    compact(tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == once
    pd.testing.assert_frame_equal(read_parquet(tmp_path / "runs.parquet"), repeated)

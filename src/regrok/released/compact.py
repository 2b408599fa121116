"""Parquet files of the bundle, written so that measured numbers take less room; no value is changed.

The last digits of a measurement are noise, which nothing makes smaller; its sign, exponent and first digits are not.
Parquet's BYTE_STREAM_SPLIT lays the first bytes of all numbers side by side, then the second, and so on, so that zstd
finds those that repeat: a sixth of a curve's bytes less, a quarter of a spectrum's. Columns of numbers that repeat as a
whole are smaller by a dictionary, so that each file is written in both ways and the smaller one is kept.
"""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from regrok.files import read_table, write_atomically

LEVEL = 9
"""Of zstd: higher ones take ten times as long for two per cent less."""


def compact(folder: Path) -> None:
    """Write the parquet files below a folder again, those that become smaller."""
    for path in sorted(folder.rglob("*.parquet")):
        content = smallest(path)
        if len(content) < path.stat().st_size:
            write_atomically(path, content)


def smallest(path: Path) -> bytes:
    """A parquet file of the same table, by the encoding of its floating-point numbers that takes the fewest bytes."""
    table = read_table(path)
    names = zip(table.column_names, table.schema.types, strict=True)
    numbers = [name for name, kind in names if pa.types.is_floating(kind)]
    others = [name for name in table.column_names if name not in numbers]
    split = {
        "use_dictionary": others,
        "column_encoding": dict.fromkeys(numbers, "BYTE_STREAM_SPLIT"),
    }
    return min((_written(table, **how) for how in ({}, split)), key=len)


def _written(table: pa.Table, **how: object) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd", compression_level=LEVEL, **how)
    return bytes(sink.getvalue())

"""Files that are whole or absent: written beside, synced, renamed; what cannot be used is set aside, never deleted."""

from __future__ import annotations

import errno
import json
import math
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from regrok.errors import RegrokError

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

# pandas and pyarrow are imported where a frame is written: Snakefile and jobs need the rest without them.

METADATA_KEY = b"regrok"

FULL = (errno.ENOSPC, errno.EDQUOT)
"""Error numbers that mean: no space is left."""


def disk_full(path: Path | str, size: int | None = None) -> str:
    """What to say when `path` could not be written for want of space."""
    wanted = f" ({size:,} bytes were to be written)" if size else ""
    return (
        f"{path}: the disk is full{wanted}. Finished runs are safe; "
        "free some space and start the same command again."
    )


def write_atomically(path: Path, content: bytes) -> None:
    """Write beside, sync, rename. Raises RegrokError naming the file when the disk is full or not writable."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as handle:
            handle.write(content)
            handle.flush()
            os.fsync(handle.fileno())
        os.replace(temporary, path)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink()
        if error.errno in FULL:
            raise RegrokError(disk_full(path, len(content))) from error
        raise RegrokError(f"{path}: cannot be written ({error.strerror}).") from error


def parquet_bytes(frame: pd.DataFrame, metadata: dict[bytes, Any] | None = None) -> bytes:
    """A parquet file of the frame, in memory; the same frame and libraries give the same bytes.

    metadata: key → what is kept under it, as JSON.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.Table.from_pandas(frame, preserve_index=False)
    if metadata is not None:
        packed = {
            key: json.dumps(value, sort_keys=True, allow_nan=True).encode()
            for key, value in metadata.items()
        }
        table = table.replace_schema_metadata({**(table.schema.metadata or {}), **packed})
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    return bytes(sink.getvalue())


def write_parquet(frame: pd.DataFrame, path: Path | str) -> None:
    """Write a frame atomically."""
    write_atomically(Path(path), parquet_bytes(frame))


def read_table(path: Path | str, columns: list[str] | None = None) -> pa.Table:
    """A parquet file, or these columns of it, as an Arrow table. Raises OSError, ValueError or pyarrow's errors.

    Without threads: those that Arrow reads with, and pandas through it, now and then abort the process when it ends
    (apache/arrow#34314), and a job whose work is done counts as failed.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    with pa.OSFile(str(path)) as source, pq.ParquetFile(source, pre_buffer=False) as file:
        return file.read(columns=columns, use_threads=False, use_pandas_metadata=True)


def read_parquet(path: Path | str, columns: list[str] | None = None) -> pd.DataFrame:
    """A parquet file, or these columns of it, as a frame. Raises as `read_table` does."""
    return read_table(path, columns).to_pandas(use_threads=False)


def set_aside(path: Path, reason: object, remedy: str) -> Path:
    """Rename a file that cannot be used, and say so; never delete it."""
    number = 1
    while (target := path.with_name(f"{path.name}.damaged-{number}")).exists():
        number += 1
    # Gone: another process was faster, or there is nothing to keep.
    with suppress(FileNotFoundError):
        os.replace(path, target)
    why = str(reason).partition("\n")[0] or type(reason).__name__
    print(
        f"regrok: {path} cannot be used ({why}); set aside as {target.name}, {remedy}",
        file=sys.stderr,
        flush=True,
    )
    return target


PARQUET = b"PAR1"


def whole(path: Path) -> bool:
    """Whether a parquet file begins and ends as one, which a truncated file does not; nothing between is read."""
    try:
        with path.open("rb") as handle:
            begins = handle.read(len(PARQUET)) == PARQUET
            return (
                begins and handle.seek(-len(PARQUET), os.SEEK_END) > 0 and handle.read() == PARQUET
            )
    except OSError:
        return False


def write_json(value: Any, path: Path | str) -> None:
    """Write JSON atomically, keys as given, NaN as null (a number that does not exist has no digits).

    What holds no other container takes one line, so that a table is a line a row: a tenth less to clone than a line a
    number, and a change shows which row it is in. Long lists are broken at a hundred characters.
    """
    write_atomically(Path(path), (laid_out(_plain(value)) + "\n").encode())


LONGEST = 1000
"""Characters of a row; one that is longer has a line for each of its entries."""


def laid_out(value: Any, indent: int = 0) -> str:
    """JSON of plain values, nested ones a space further in. indent: of the line that it stands on.

    >>> print(laid_out({"n": 2, "points": [{"step": 1, "V": 2.5}, {"step": 2, "V": None}]}))
    {
     "n": 2,
     "points": [
      {"step": 1, "V": 2.5},
      {"step": 2, "V": null}
     ]
    }
    """
    if not isinstance(value, dict | list) or not value:
        return json.dumps(value, ensure_ascii=False)
    inside = value.values() if isinstance(value, dict) else value
    flat = not any(isinstance(item, dict | list) and item for item in inside)
    if flat and len(line := json.dumps(value, ensure_ascii=False)) <= LONGEST:
        return line
    if isinstance(value, dict):
        parts = [f"{laid_out(key)}: {laid_out(item, indent + 1)}" for key, item in value.items()]
    else:
        parts = [laid_out(item, indent + 1) for item in value]
    lines = [*_filled(parts)] if flat and isinstance(value, list) else parts
    opened, closed = "{}" if isinstance(value, dict) else "[]"
    edge = "\n" + " " * indent
    return opened + ",".join(f"{edge} {line}" for line in lines) + edge + closed


def _filled(parts: Iterable[str], width: int = 100) -> Iterator[str]:
    """Entries side by side, as many as fit."""
    held: list[str] = []
    for part in parts:
        if held and sum(map(len, held)) + 2 * len(held) + len(part) > width:
            yield ", ".join(held)
            held = []
        held.append(part)
    yield ", ".join(held)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if hasattr(value, "item"):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def read_fits(paths: Iterable[Path | str]) -> dict[str, dict[str, Any]]:
    """Name of a fit or computation → content of its JSON file. Raises RegrokError naming a file that cannot be read."""
    fits = {}
    for path in map(Path, paths):
        try:
            fits[path.stem] = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise RegrokError(
                f"{path} cannot be read ({error}); delete it and build again"
            ) from error
    return fits

"""A probe's table: its columns, what may stand in them, and the rows that are kept of each run.

    results/<scale>/probes/<name>.parquet                  what a build reads: run_id, step, the module's COLUMNS
    results/store/probes/<module>/<run_id>-<key>.parquet   rows of one run that were measured before

A kept row is used again where module, code, options and the run's own curve are the same. A file of the store that
cannot be read is set aside, and its run is measured again.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from regrok.errors import RegrokError
from regrok.files import (
    METADATA_KEY,
    parquet_bytes,
    read_parquet,
    read_table,
    set_aside,
    write_atomically,
)

NAMES = {
    "run_id": ("", "the run"),
    "step": ("step", "optimiser steps taken when it was measured"),
}
"""The first columns of every probe's table."""

Columns = Mapping[str, tuple[str, str]]
"""Column → unit and meaning."""


def empty(columns: Columns) -> pd.DataFrame:
    """A table without a row."""
    types = {"run_id": "object", "step": "int64", **{c: _type(columns[c]) for c in columns}}
    return pd.DataFrame({name: pd.Series([], dtype=kind) for name, kind in types.items()})


def table(rows: Iterable[Mapping[str, Any]], columns: Columns) -> pd.DataFrame:
    """Rows as a table in a fixed order of rows (run, step, then as they were measured) and columns."""
    made = pd.DataFrame(list(rows))
    if made.empty:
        return empty(columns)
    made = made[["run_id", "step", *columns]]
    made = made.astype({"step": "int64", **{c: _type(columns[c]) for c in columns}})
    return made.sort_values(["run_id", "step"], kind="stable", ignore_index=True)


def read(path: Path, columns: Columns, runs: Iterable[str]) -> pd.DataFrame:
    """The rows of these runs in a table that is written. Raises RegrokError naming a file that lacks a column."""
    found = read_parquet(path)
    if absent := [c for c in ("run_id", "step", *columns) if c not in found]:
        raise RegrokError(
            f"{path}: it has no column {absent[0]}, which its module has now; measure the runs again "
            "(source: trained) and release them"
        )
    chosen = found[found["run_id"].isin(set(runs))]
    return table([{str(k): v for k, v in r.items()} for r in chosen.to_dict("records")], columns)


def checked(rows: list[dict[str, Any]], columns: Columns, where: str) -> list[dict[str, Any]]:
    """The rows, where each has the columns' keys and values. where: module, run and step, for a message.

    A number is finite, or NaN where there is none. Raises RegrokError naming the column.
    """
    for row in rows:
        if absent := sorted(set(columns) ^ set(row)):
            raise RegrokError(
                f"{where}: its rows have the keys {', '.join(row)}, and COLUMNS says {', '.join(columns)}; "
                f"they differ in {', '.join(absent)}"
            )
        for name, value in row.items():
            if _type(columns[name]) == "object":
                right = isinstance(value, str)
            else:
                right = isinstance(value, int | float) and not math.isinf(value)
            if not right:
                wish = "a word" if _type(columns[name]) == "object" else "a finite number, or NaN"
                raise RegrokError(f"{where}: {name} = {value!r}, which should be {wish}")
    return rows


def _type(column: tuple[str, str]) -> str:
    return "object" if column[0] == "word" else "float64"


# What is kept of each run -----------------------------------------------------------------------------------------


def fingerprint(curve: pd.DataFrame) -> str:
    """12 hexadecimal digits of a run's curve: its steps and V at each."""
    digest = hashlib.sha256(curve["step"].to_numpy("int64").tobytes())
    digest.update(curve["V"].to_numpy("float64").tobytes())
    return digest.hexdigest()[:12]


def kept_path(root: Path, module: str, run_id: str, key: str) -> Path:
    """Where the rows of a run are kept. root: the run store."""
    return root / "probes" / module / f"{run_id}-{key}.parquet"


def read_kept(path: Path, curve: str, columns: Columns) -> dict[int, list[dict[str, Any]]]:
    """Step → the rows that were measured at it before; empty where there are none of a run with this curve."""
    if not path.exists():
        return {}
    try:
        content = read_table(path)
        about = json.loads(content.schema.metadata[METADATA_KEY])
        if about["curve"] != curve:
            return {}
        frame = content.to_pandas(use_threads=False)
        # A step at which nothing came out is kept too.
        found: dict[int, list[dict[str, Any]]] = {int(step): [] for step in about["steps"]}
        for row in frame[["step", *columns]].to_dict("records"):
            found[int(row.pop("step"))].append({str(name): value for name, value in row.items()})
        return found
    except Exception as error:  # parquet and JSON raise many types on a damaged file
        set_aside(path, error, "its run is measured again")
        return {}


def write_kept(
    path: Path, curve: str, columns: Columns, rows: Mapping[int, list[dict[str, Any]]]
) -> None:
    """Keep the rows of a run. Raises RegrokError naming the file when it cannot be written."""
    flat = [
        {"run_id": path.stem, "step": step, **row} for step in sorted(rows) for row in rows[step]
    ]
    about = {"curve": curve, "steps": sorted(rows)}
    write_atomically(path, parquet_bytes(table(flat, columns), {METADATA_KEY: about}))

"""The data dictionary: every column and key of the bundle, with its unit and meaning."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from regrok.probes import columns_of, probes
from regrok.probes.parts.table import NAMES
from regrok.runs.columns import RUNS, Entry

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from regrok.runs.frames import Frames

CURVES: dict[str, Entry] = {
    "run_id": ("", "the run"),
    "step": ("step", "optimiser steps taken so far"),
    "train_loss": (
        "nat",
        ("mean cross-entropy on the training examples that were evaluated, or the square loss, a pure number, where "
        "a run has that; empty: none was"),
    ),
    "train_accuracy": ("", "share of them that are right"),
    "train_examples": ("example", "training examples evaluated at this step; fewer than train_size is a sample"),
    "validation_loss": (
        "nat",
        ("mean cross-entropy on the validation examples that were evaluated, or the square loss, a pure number, where "
        "a run has that; empty: none was"),
    ),
    "validation_accuracy": ("", "share of them that are right"),
    "validation_examples": ("example", "validation examples evaluated at this step"),
    "V": ("", "‖θ‖², the sum of squares of all parameters"),
    "V_<group>": ("", "the part of V in one group of parameters; the groups sum to V"),
    "logit_max": ("", "largest absolute logit over the examples evaluated"),
    "fourier_residual_low": ("", "R at low resolution (3 values of b, 5 classes): power outside dominant frequencies"),
    "fourier_residual_high": ("", "R at high resolution (all b, all classes): power outside dominant frequencies"),
    "top5_share": ("", "share of the token embedding's energy in its five strongest frequencies"),
}  # fmt: skip

EXPERIMENTS: dict[str, Entry] = {
    "experiment": ("", "name in a study's study.yaml"),
    "arm": ("", "arm of the experiment that the run belongs to; empty when it has none"),
    "run_id": ("", "the run; a run that serves several experiments has a row for each"),
    "cell": ("", "the run's cell"),
}

SPECTRA: dict[str, Entry] = {
    "run_id": ("", "the run"),
    "step": ("step", "optimiser steps taken so far"),
    "kind": ("", "fourier_low or fourier_high (of the logits), or embedding_spectrum"),
    "index": ("", "frequency over the residues, 0 to p/2"),
    "power": (
        "",
        "power at the frequency: mean squared modulus; for embedding_spectrum the share of the energy",
    ),
}

LEDGER: dict[str, Entry] = {
    "id": ("", "the claim, as in a study's claims.yaml"),
    "paper": ("", "letter of the paper that makes it"),
    "arxiv": ("", "its arXiv number"),
    "origin": ("", "printed by the paper; released: against its authors' runs; ours"),
    "corrected": ("", "date, reason and the entries that took its place; null: it stands"),
    "place": ("", "where it is printed"),
    "statement": ("", "the claim in our words"),
    "published_value": ("unit", "the printed number; null for a qualitative claim"),
    "published_text": ("", "as printed"),
    "estimand": ("", "the estimate that decides: fit or computation, and key"),
    "fit": ("", "file in fits/ or computations/ that holds it"),
    "verdict": ("", "one of seven words; README.md of the project explains them"),
    "reason": ("", "why the predicate says so"),
    "criterion": ("", "the predicate in words"),
    "value": ("unit", "the estimate"),
    "low": ("unit", "lower end of its interval; null: not known"),
    "high": ("unit", "upper end of its interval; null: not known"),
    "level": ("", "level of the interval"),
    "n": ("run", "runs (or cells) that the estimate rests on"),
    "unit": ("", "unit of value, low and high"),
    "estimator": ("", "how the estimate and its interval were made"),
    "note": ("", "what was left out or assumed"),
    "range": (
        "",
        "of a claim with choices: low, high (least, largest value), choices, met, contradicted (counts); else none",
    ),
    "simultaneous": (
        "",
        "the verdict by an interval that holds at once with those of the paper's other claims; null: not asked",
    ),
    "robustness": ("", "verdict, value, low and high under each other reading of the same runs"),
    "survives": ("", "whether every other reading gives the same verdict; null: there is none"),
    "experiments": ("", "experiments with runs here that feed the claim"),
    "run_ids": ("", "their runs"),
    "runs": ("run", "number of those"),
    "minutes": ("min", "of training that they took"),
    "command": ("", "what brings the evidence"),
}

FITS: dict[str, Entry] = {
    "fit": ("", "name in a study's study.yaml"),
    "law": ("", "module of regrok.laws"),
    "experiments": ("", "experiments whose runs it reads; empty: all"),
    "options": ("", "the law's options"),
    "probes": ("", "probes whose tables it read; absent: none"),
    "runs": ("", "ids of the runs that it read"),
    "estimates": (
        "",
        "<fit>.<key> → value, low, high, level, n, unit, estimator, note, as in the ledger; reason, absent, choices",
    ),
    "points": ("", "records behind a figure, one a run or snapshot"),
    "cells": ("", "records behind a figure or table, one a cell"),
    "variants": ("", "law robustness: the estimates under other readings of the runs"),
}

COMPUTATIONS: dict[str, Entry] = {
    "computation": ("", "name in a study's study.yaml"),
    "compute": ("", "module of regrok.computations"),
    "options": ("", "everything that the module was told"),
    "estimates": (
        "",
        "<computation>.<key> → value, low, high (the solver's error), level, n, unit, estimator, note, reason, choices",
    ),
    "points": ("", "records behind a figure or table"),
    "code": ("", "fingerprint of the definitions that it was computed by"),
    "processor": ("", "the machine's processor"),
}

RETEST: dict[str, Entry] = {
    "runs": ("", "SHA-256 of the runs.parquet that was compared"),
    "ledger": ("", "SHA-256 of the ledger.json beside it then"),
    "retests": ("", "records, one an earlier commit whose released runs were compared with these"),
    "commit": ("", "the commit that released them"),
    "trained_by": ("", "the commits whose code trained them"),
    "common": ("run", "runs that both trainings have; only these are compared"),
    "outcomes": ("run", "runs whose outcome is equal, of how many"),
    "T_mem": ("", "as T_grok, of T_mem"),
    "T_grok": (
        "",
        (
            "of the runs that reached it in both: equal, of; median and maximum of |log ratio|; ratio, then to now: "
            "the geometric mean with its interval"
        ),
    ),
    "compared": ("", "claims that stand and that both trainings judge"),
    "corrected": ("", "claims that both judge and that others took the place of"),
    "differ": ("", "claims whose verdict differs: verdict, value, low, high, n of now and then"),
}

FRAMES = {"runs": RUNS, "curves": CURVES, "experiments": EXPERIMENTS, "spectra": SPECTRA}
_FILES: dict[str, Mapping[str, Entry]] = {
    **{f"{name}.parquet": entries for name, entries in FRAMES.items()},
    "ledger.json": LEDGER,
    "fits/*.json": FITS,
    "computations/*.json": COMPUTATIONS,
    "retest.json": RETEST,
}


PROBES = "probes/*.parquet"


def probe_files() -> dict[str, Mapping[str, Entry]]:
    """The table of each module of regrok.probes → its columns, by the module's own words."""
    return {f"{PROBES}, by {name}": {**NAMES, **columns_of(name)} for name in probes()}


def rows() -> Iterator[dict[str, str]]:
    """One record per column or key: file, column, unit, meaning."""
    for file, entries in (_FILES | probe_files()).items():
        for column, (unit, meaning) in entries.items():
            yield {"file": file, "column": column, "unit": unit, "meaning": meaning}


def dictionary_csv(folder: Path | None = None) -> str:
    """dictionary.csv; of a bundle's folder, only with what one of its scales has of runs.parquet and of probes."""
    import csv

    sink = io.StringIO()
    writer = csv.DictWriter(sink, ("file", "column", "unit", "meaning"), lineterminator="\n")
    writer.writeheader()
    held = _held(folder) if folder else RUNS.keys()
    probed = folder is None or any(folder.glob(f"*/{PROBES}"))
    writer.writerows(
        row
        for row in rows()
        if (row["file"] != "runs.parquet" or row["column"] in held)
        and (probed or not row["file"].startswith(PROBES))
    )
    return sink.getvalue()


def _held(folder: Path) -> set[str]:
    """The columns of the runs of a bundle's scales."""
    import pyarrow.parquet as pq

    return {name for path in folder.glob("*/runs.parquet") for name in pq.read_schema(path).names}


def read_dictionary(text: str) -> dict[str, set[str]]:
    """File → the columns that a dictionary.csv explains (those with a meaning)."""
    import csv

    found: dict[str, set[str]] = {}
    for row in csv.DictReader(io.StringIO(text)):
        if row["meaning"]:
            found.setdefault(row["file"], set()).add(row["column"])
    return found


def unexplained(
    known: Mapping[str, set[str]],
    frames: Frames,
    ledger: Mapping[str, Any],
    fits: Mapping[str, Mapping[str, Any]],
) -> list[str]:
    """`file: column` of everything in the bundle's data that the dictionary `known` lacks."""
    held: dict[str, set[str]] = {
        f"{name}.parquet": set(_columns(getattr(frames, name))) for name in FRAMES
    }
    told = {
        column for file, columns in known.items() if file.startswith(PROBES) for column in columns
    }
    probed = {f"probes/{name}.parquet": _columns(table) for name, table in frames.probes.items()}
    known = {**known, **dict.fromkeys(probed, told)}
    held |= {file: set(columns) for file, columns in probed.items()}
    held["ledger.json"] = {key for entry in ledger["claims"] for key in entry}
    for kind, mark in (("fits/*.json", "law"), ("computations/*.json", "compute")):
        held[kind] = {key for made in fits.values() if mark in made for key in made}
    return [
        f"{file}: {column}"
        for file, columns in held.items()
        for column in sorted(columns)
        if not _explained(column, known.get(file, set()))
    ]


def _columns(frame: pd.DataFrame) -> list[str]:
    return [str(column) for column in frame.columns]


def _explained(column: str, known: set[str]) -> bool:
    """A name in angle brackets stands for any word."""
    patterns = [re.sub(r"<\w+>", r"\\w+", name) for name in known if "<" in name]
    return column in known or any(re.fullmatch(pattern, column) for pattern in patterns)

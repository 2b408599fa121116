"""What it cost: hours of training, runs that failed included, and of every other stage where it was measured."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from regrok import latex
from regrok.errors import RegrokError
from regrok.runs.frames import unasked
from regrok.tables import Built, Material
from regrok.tables.parts.booktabs import table

READS = ("frames", "benchmarks")
DEFAULTS: dict[str, Any] = {}

COUNTS = ("runs", "grokked", "did_not", "steps")
HEADER = ("stage", "runs", "grokked", "did not", "steps", "hours")


def training(runs: pd.DataFrame) -> pd.DataFrame:
    """One row per kind of run: task, model, optimiser; runs, grokked, not grokked, steps, hours of one core.

    A run that was not started, or has nothing to validate on, neither grokked nor did not.
    """
    rows = []
    for (task, model, optimiser, device), part in runs.groupby(
        ["task", "model", "optimiser", "device"], sort=True
    ):
        grokked = int(part.outcome.eq("grokked").sum())
        where = "" if device == "cpu" else f" on {device}"
        rows.append(
            {
                "stage": f"training: {task.replace('_', ' ')}, {model}, {optimiser}{where}",
                "runs": len(part),
                "grokked": grokked,
                "did_not": int((~unasked(part)).sum()) - grokked,
                "steps": int(part.steps.sum()),
                "hours": part.wall_seconds.sum() / 3600,
            }
        )
    return pd.DataFrame(rows)


def stages(benchmarks: list[Path]) -> pd.DataFrame:
    """Hours per rule from Snakemake's benchmark files, training left out (its runs are timed one by one).

    A file lies at <benchmarks>/<rule>.tsv or <benchmarks>/<rule>/<job>.tsv and has a column `s`, seconds.
    """
    seconds: dict[str, float] = {}
    for path in benchmarks:
        rule = path.stem if path.parent.name == "benchmarks" else path.parent.name
        if rule == "train":
            continue
        try:
            spent = float(pd.read_csv(path, sep="\t")["s"].iloc[0])
        except (OSError, KeyError, ValueError, IndexError) as error:
            raise RegrokError(
                f"{path}: no benchmark file of Snakemake ({error}); delete it and build again"
            ) from error
        seconds[rule] = seconds.get(rule, 0.0) + spent
    rows = [{"stage": rule, "hours": seconds[rule] / 3600} for rule in sorted(seconds)]
    return pd.DataFrame(rows, columns=["stage", "hours"])


def build(name: str, entry: Any, material: Material) -> Built:
    """Training by kind of run, then the other rules, then the sum."""
    records = training(material.frames.runs).to_dict("records")
    records += stages(list(material.benchmarks)).to_dict("records")
    frame = pd.DataFrame(records, columns=["stage", *COUNTS, "hours"])
    rows = [_row(row) for row in records]
    total = frame[[*COUNTS, "hours"]].sum().to_dict()
    rows.append([rf"\textbf{{{cell}}}" for cell in _row({"stage": "all", **total})])
    caption = (
        r"\textbf{Compute card.} Wall-clock hours of one core (or of the device named), by stage; runs that did "
        r"not grok "
        r"are included. A run's time is its share of the job that trained it."
    )
    tex = table(name, "@{}lrrrrr@{}", HEADER, rows, caption)
    return Built(tex, frame)


def _row(row: dict[str, Any]) -> list[str]:
    counts = [
        latex.exact(int(row[column])) if column in row else latex.NOTHING for column in COUNTS
    ]
    return [latex.escape(row["stage"].replace("_", " ")), *counts, latex.number(row["hours"])]

"""Where results come from: commit, machine, versions, time. Kept beside the results, never inside them."""

from __future__ import annotations

import os
import platform
import time
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from regrok.checkout import NoCommit, head
from regrok.processor import processor
from regrok.runs.arithmetic import kinds
from regrok.runs.frames import Frames

PACKAGES = (
    "torch",
    "numpy",
    "scipy",
    "pandas",
    "pyarrow",
    "statsmodels",
    "lifelines",
    "matplotlib",
    "snakemake",
)


def commit() -> dict[str, Any]:
    """The checkout's commit and whether the sources differ from it; nulls and the reason where there is none."""
    try:
        found = head()
    except NoCommit as error:
        return {"commit": None, "modified": None, "no_commit": str(error)}
    return {"commit": found.name, "modified": found.modified}


def origin(frames: Frames) -> dict[str, Any]:
    """The record for one scale's results."""
    versions: dict[str, str | None] = {}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = None
    runs = frames.runs
    return {
        **commit(),
        "built": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "system": platform.platform(),
        "python": platform.python_version(),
        "processor": processor(),
        "cores": os.cpu_count(),
        "versions": versions,
        "runs": len(runs),
        "training_hours": float(runs["wall_seconds"].sum() / 3600),
        "devices": sorted(runs["device"].unique()),
        "trainers": sorted(runs["trainer"].unique()),
        "arithmetic": kinds(runs),
    }

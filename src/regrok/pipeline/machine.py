"""Where results come from: commit, machine, versions, time. Kept beside the results, never inside them."""

from __future__ import annotations

import os
import platform
import subprocess
import time
from importlib.metadata import PackageNotFoundError, version
from typing import Any

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
    """The checkout's commit and whether tracked files differ from it; nulls outside a checkout."""
    try:
        head = subprocess.run(
            ["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True
        )
        changed = subprocess.run(
            ["git", "status", "--porcelain", "--untracked-files=no"],
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return {"commit": None, "modified": None}
    return {"commit": head.stdout.strip(), "modified": bool(changed.stdout.strip())}


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

"""What every test runs under: one thread, fixed seeds for hypothesis, no display, honest skips.

A test that needs a program the machine lacks is skipped with the name of what is missing, except on
CI, where a missing program is a failure: otherwise a green run could have tested nothing.
"""

from __future__ import annotations

import os
import shutil

os.environ["MPLBACKEND"] = "Agg"
os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")

import pytest
import torch
from hypothesis import settings

from regrok import checkout, surroundings

# What the caller's shell has set for other programs is no part of a test: which repository git takes, how Python reads
# files, how wide and how coloured a terminal is, which date a build has.
SHELL = "SOURCE_DATE_EPOCH FORCE_COLOR NO_COLOR CLICOLOR_FORCE COLUMNS LINES PYTHONIOENCODING"
for name in (*checkout.ELSEWHERE, *surroundings.STEERING, *SHELL.split()):
    os.environ.pop(name, None)
# Of the programs that tests start.
os.environ["PYTHONUTF8"] = "1"

# More threads would make sums depend on the machine's core count, and tests fight over cores.
torch.set_num_threads(1)

settings.register_profile("regrok", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("regrok")

ON_CI = os.environ.get("CI") == "true"

# marker → the programs it needs; a tuple lists alternatives
PROGRAMS: dict[str, list[tuple[str, ...]]] = {
    "tex": [("latexmk",), ("pdflatex",), ("pdftotext",)],
    "browser": [("chromium", "chromium-browser", "google-chrome"), ("chromedriver",)],
    "slurm": [("slurmctld",), ("slurmd",), ("munged",)],
}


def missing_programs(marker: str) -> list[str]:
    return [
        " or ".join(names)
        for names in PROGRAMS[marker]
        if not any(shutil.which(name) for name in names)
    ]


def pytest_runtest_setup(item: pytest.Item) -> None:
    for marker in PROGRAMS:
        if item.get_closest_marker(marker) is None:
            continue
        if missing := missing_programs(marker):
            message = f"this test is marked `{marker}` and needs {', '.join(missing)}"
            # Slurm cannot be installed everywhere that CI runs, so its absence is no failure.
            if ON_CI and marker != "slurm":
                pytest.fail(message, pytrace=False)
            pytest.skip(message)

"""Prints `CASE SECONDS …` a line: CPU seconds (user and system) of processes, the median of some.

    python -m benchmarks.processes [CASE …] [--rounds N]

dry-run: `snakemake -n` where a laptop build is finished: all that Snakemake and the Snakefile do before a job.
job: the same for one job on another machine, which reads what the build began with.
A name of workflow/scripts: that script up to its work, that is Python, imports and nothing else.

The finished build is made up in a temporary folder: files of eight bytes that Snakemake takes for its own.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

DRY_RUN = ("-m", "snakemake", "--cores", "1", "--dry-run", "--config", "scale=laptop")
JOB = (
    *DRY_RUN,
    "--mode",
    "remote",
    "--force",
    "--target-jobs",
    "ledger:",
    "--allowed-rules",
    "ledger",
)
CASES = {"dry-run": DRY_RUN, "job": JOB}
SCRIPTS = sorted(path.stem for path in (ROOT / "workflow/scripts").glob("*.py"))


def cpu_seconds(arguments: tuple[str, ...], folder: Path) -> float:
    """User and system seconds of one Python in `folder`, its children included."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder / "src")},
        check=True,
        capture_output=True,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def start(script: str) -> tuple[str, ...]:
    """Arguments of a Python that runs a script up to its work."""
    text = (ROOT / "workflow/scripts" / f"{script}.py").read_text(encoding="utf-8")
    return "-W", "ignore", "-c", text.partition("with job(")[0]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.processes", description=__doc__)
    known = [*CASES, *SCRIPTS]
    parser.add_argument("cases", nargs="*", help=f"of {', '.join(known)}; all by default")
    parser.add_argument("--rounds", type=int, default=5, help="processes a case")
    arguments = parser.parse_args()
    if unknown := set(arguments.cases) - set(known):
        parser.error(f"no case {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    asked = arguments.cases or known
    with tempfile.TemporaryDirectory() as scrap:
        folder = ROOT
        if set(asked) & set(CASES):
            from test_workflow import finished_checkout

            folder = finished_checkout(Path(scrap) / "checkout", "laptop")
        for case in asked:
            command, place = (CASES[case], folder) if case in CASES else (start(case), ROOT)
            rounds = sorted(cpu_seconds(command, place) for _ in range(arguments.rounds))
            print(
                f"{case} {statistics.median(rounds):.2f}  # {rounds[0]:.2f} to {rounds[-1]:.2f} s of CPU",
                flush=True,
            )


if __name__ == "__main__":
    main()

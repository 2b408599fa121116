"""One progress line per cohort: what a person watching a build wants to know.

    add-p97-transformer-adamw-3f2a1c-0  runs 3/12, 20/44 of the job · 6 min left · 612 steps/s · λ=0.1 s42 @4,200

On a terminal a line every few seconds, otherwise a plain one every 30 s. Several jobs train at once and share
the terminal, so lines are appended rather than rewritten; where the build itself shows what is at work
(`regrok.pipeline.display`), a job notes its line in a small file and leaves the terminal alone.
"""

from __future__ import annotations

import os
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, TextIO

SHOWN = "REGROK_SHOWN"
"""Set for the jobs of a build that shows itself what is at work: `live` where it rewrites lines, or `plain`."""

NOTED = ".now"
"""Suffix of the file beside a job's log that holds its present line."""


class Silent:
    """Shows nothing."""

    def update(self, trainer: Any) -> None:
        pass

    def finish(self, trainer: Any) -> None:
        pass


def clock(seconds: float) -> str:
    """A duration as a person says it: 40 s, 12 min, 3 h 05 min."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


class Lines:
    """Appends a line to `stream` at most every `every` seconds, through the cohorts of one job.

    total: runs that the job trains, where it has several cohorts.
    """

    def __init__(
        self, stream: TextIO | None = None, every: float | None = None, total: int | None = None
    ):
        self.stream = stream or sys.stderr
        self.every = every if every is not None else (5.0 if self.stream.isatty() else 30.0)
        self.total = total
        self.done = 0  # runs of the cohorts before this one
        self.began = self.shown = time.monotonic()

    def update(self, trainer: Any) -> None:
        now = time.monotonic()
        if now - self.shown >= self.every:
            self.shown = now
            self._print(self.line(trainer, now))

    def finish(self, trainer: Any) -> None:
        took = time.monotonic() - self.began
        rate = trainer.steps_taken / max(took, 1e-9)
        self._print(
            f"{trainer.cohort}  trained {trainer.done} runs, {trainer.steps_taken:,} steps "
            f"in {clock(took)} ({rate:,.0f} steps/s)"
        )
        self.done += trainer.done
        self.began = time.monotonic()

    def end(self) -> None:
        """The job has trained all it was to train."""

    def line(self, trainer: Any, now: float) -> str:
        """The line for the trainer's present state."""
        rate = trainer.steps_taken / max(now - self.began, 1e-9)
        slots = " · ".join(
            f"{describe(state.run)} @{state.curve[-1]['step']:,}"
            for _, state in sorted(trainer.occupied.items())
        )
        left = f"{clock(trainer.steps_left() / rate)} left" if rate else "starting"
        runs = f"runs {trainer.done}/{trainer.total}"
        if self.total is not None and self.total > trainer.total:
            runs += f", {self.done + trainer.done}/{self.total} of the job"
        return f"{trainer.cohort}  {runs} · {left} · {rate:,.0f} steps/s · {slots}"

    def _print(self, text: str) -> None:
        print(text, file=self.stream, flush=True)


class Noted(Lines):
    """Keeps the present line in a file, and appends it to the job's log now and then.

    log: the job's log, open for writing. path: the log's path, beside which the file lies.
    """

    EVERY = 2.0
    """Seconds between two lines of the file."""

    def __init__(self, log: TextIO, path: Path | str, total: int | None = None):
        super().__init__(log, every=30.0, total=total)
        self.path = Path(path).with_suffix(NOTED)
        self.noted = float("-inf")

    def update(self, trainer: Any) -> None:
        now = time.monotonic()
        if now - self.noted >= self.EVERY:
            self.noted = now
            with suppress(OSError):  # a full disk is the job's to report, where it loses something
                self.path.write_text(self.line(trainer, now) + "\n", encoding="utf-8")
        super().update(trainer)

    def end(self) -> None:
        """Take the file away."""
        with suppress(OSError):
            self.path.unlink(missing_ok=True)


def shown() -> bool:
    """Whether the build shows what is at work, so that its jobs need not."""
    return bool(os.environ.get(SHOWN))


def describe(run: Any) -> str:
    """The run's most telling settings in a few characters."""
    optimiser = run.optimiser
    return f"η={optimiser.learning_rate:g} λ={optimiser.weight_decay:g} seed {run.seed}"

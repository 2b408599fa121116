"""One progress line per cohort: what a person watching a build wants to know.

    add-p97-transformer-adamw-3f2a1c-0  runs 3/12, 20/44 of the job · 612 steps/s · λ=0.1 s42 @4,200 · 6 min left

On a terminal a line every few seconds, otherwise a plain one every 30 s. Several jobs train at once and share
the terminal, so lines are appended rather than rewritten.
"""

from __future__ import annotations

import sys
import time
from typing import Any, TextIO


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
        return f"{trainer.cohort}  {runs} · {rate:,.0f} steps/s · {slots} · {left}"

    def _print(self, text: str) -> None:
        print(text, file=self.stream, flush=True)


def describe(run: Any) -> str:
    """The run's most telling settings in a few characters."""
    optimiser = run.optimiser
    return f"η={optimiser.learning_rate:g} λ={optimiser.weight_decay:g} seed {run.seed}"

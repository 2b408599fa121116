"""What a build shows while it runs: a few lines where Snakemake's own are thousands.

A handler of Python's logging, put beside Snakemake's on Snakemake's logger. It takes over what is routine (each job's
inputs, outputs and reasons) and leaves warnings and errors to Snakemake's handler, in full. Snakemake's log file under
.snakemake/log keeps everything.

    trained       add-p97-transformer-adamw-3f2a1c-0 in 6 min
    fits          61 in 1 min
    paper         in 12 s

On a terminal what is at work has lines below these, which are rewritten in place: one for each job that trains and one
for all else. Elsewhere a line says it every half minute. A training job says how far it is in a small file beside its
log (`regrok.training.progress.Noted`).
"""

from __future__ import annotations

import logging
import os
import re
import shutil
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from regrok.pipeline.locks import only_looks
from regrok.training.progress import NOTED, SHOWN, clock

OWN = "DefaultStreamHandler"
"""The name of Snakemake's handler that writes to the terminal."""

VERBOSE = "VERBOSE"
"""Set to anything but 0, it leaves the terminal to Snakemake."""

KINDS = {
    "collect": "runs",
    "added": "runs",
    "released": "runs",
    "fit": "fits",
    "computation": "computations",
    "probe": "probes",
    "ledger": "verdicts",
    "figure": "figures",
    "table": "tables",
    "paper": "paper",
    "artifact": "artifact",
    "arxiv": "arxiv",
    "notebook": "notebooks",
}
"""Rule → what its jobs make; each kind gets one line when the last is made. Other rules get none."""

TRAIN = "train"

TOLD = (
    "Nothing to be done",
    "Unlocked",
    "Trying to restart",
    "Will exit after",
    "Terminating processes",
    "Waiting at most",
    "Shutting down",
)
"""How those of Snakemake's plain messages begin that are shown; all are in its log."""

REPEATED = (
    "Exiting because a job execution failed",
    "WorkflowError:\nAt least one job did not complete successfully",
)
"""How those of its errors begin that say once more what `failed` lines and the build's last words have said."""

COMMAND = re.compile(
    r"CalledProcessError.*\nCommand '.*' "
    r"(?:returned non-zero exit status (?P<status>\d+)|died with (?:<Signals\.)?(?P<signal>[^:>.]+))",
    re.DOTALL,
)
"""Its error where a script has failed: the line that started Python, which nobody typed."""

TOLD_WHY = (1, 130)
"""Exit statuses of a script that has said why it ends, and of one that Ctrl-C ended."""

EVERY = 30.0
"""Seconds between lines on what is at work, where they are appended; twice as many where nothing trains."""

PLAIN_WIDTH = 150
"""Characters of such a line."""

CLEAR = "\r\x1b[J"
"""Back to the line's start, and away with all that follows."""


@dataclass
class Running:
    """A job at work."""

    rule: str
    name: str
    log: Path | None
    began: float
    heard: bool = False
    """Whether it has said how far it is."""


class Display(logging.Handler):
    """Shows a build's progress on `stream`; see the module.

    live: whether the stream is a terminal whose lines can be rewritten. now: the time in seconds.
    """

    def __init__(
        self, stream: TextIO, live: bool = False, now: Callable[[], float] = time.monotonic
    ):
        super().__init__()
        self.stream, self.live, self.now = stream, live, now
        self.totals: Counter[str] = Counter()
        self.training = 0
        self.done: Counter[str] = Counter()
        self.running: dict[int, Running] = {}
        self.begun: dict[str, float] = {}
        self.shown = now()
        self.drawn = False
        self._over = threading.Event()
        self._ticker: threading.Thread | None = None

    # Records -----------------------------------------------------------------------------------------

    def leaves(self, record: logging.LogRecord) -> bool:
        """Whether a record is Snakemake's own handler's to show: a warning, an error, but not a job's list of files.

        Nor the command line of a script that failed, which has said why; nor that the build stopped, said by others.
        """
        mine = record.levelno < logging.WARNING or _event(record) in ("job_error", "group_error")
        if not mine:
            words = record.getMessage()
            mine = words.startswith(REPEATED) or COMMAND.search(words) is not None
        if not mine:
            self.clear()
        return not mine

    def emit(self, record: logging.LogRecord) -> None:
        """Take note of what a record says, and show what of it is to be shown."""
        told: Mapping[str, Any] = record.__dict__
        event = _event(record)
        try:
            if event == "run_info":
                self.plan(told["stats"])
            elif event == "job_info":
                self.begin(told)
            elif event == "job_finished":
                self.finish(told["job_id"])
            elif event == "job_error":
                self.fail(told)
            elif event is None and record.levelno == logging.INFO:
                words = record.getMessage()
                if words.startswith(TOLD):
                    self.say(words)
            elif (ended := COMMAND.search(record.getMessage())) and (words := unsaid(ended)):
                self.say(f"ended         {words}")
        except Exception:  # the build is not to end because of what it shows
            self.handleError(record)

    def plan(self, stats: Mapping[str, int]) -> None:
        """What is to be made. stats: rule → jobs of it that are due."""
        self.training = stats.get(TRAIN, 0)
        for rule, kind in KINDS.items():
            if number := stats.get(rule, 0):
                self.totals[kind] += number
        if self._ticker is None:
            self._ticker = threading.Thread(target=self._watch, daemon=True)
            self._ticker.start()

    def to_make(self) -> str:
        """What the build will make, in a line; empty where that is none of `KINDS`."""
        parts = [f"{n} {kind}" if n > 1 else kind for kind, n in self.totals.items()]
        return f"  to make    {', '.join(parts)}" if parts else ""

    def begin(self, told: Mapping[str, Any]) -> None:
        """A job begins. told: as Snakemake's record has it."""
        rule, logs = told["rule_name"], told["log"]
        name = " ".join(map(str, dict(told["wildcards"] or {}).values())) or rule
        job = Running(rule, name, Path(logs[0]) if logs else None, self.now())
        self.running[told["jobid"]] = job
        self.begun.setdefault(KINDS.get(rule, rule), job.began)

    def finish(self, number: int) -> None:
        """A job has ended well; the last of a kind gives a line, and so does each that trained."""
        job = self.running.pop(number, None)
        if job is None:
            return
        if job.rule == TRAIN:
            self.done[TRAIN] += 1
            self.say(f"trained       {job.name} in {clock(self.now() - job.began)}")
        kind = KINDS.get(job.rule)
        if kind is None:
            return
        self.done[kind] += 1
        if self.done[kind] >= self.totals[kind]:
            count = f"{self.done[kind]} " if self.done[kind] > 1 else ""
            self.say(f"{kind:<13} {count}in {clock(self.now() - self.begun[kind])}")

    def fail(self, told: Mapping[str, Any]) -> None:
        """A job has failed: where its log is; and what is in it, where another machine wrote it."""
        self.running.pop(told["jobid"], None)
        logs = [Path(each) for each in told["log"] or []]
        kept = f"; log: {', '.join(map(str, logs))}" if logs else ""
        self.say(f"failed        {told['rule_name']}: {', '.join(told['output'] or [])}{kept}")
        if told["aux"]:
            for path in filter(Path.is_file, logs):
                self.say(path.read_text(encoding="utf-8", errors="replace").rstrip())

    # Lines -------------------------------------------------------------------------------------------

    def say(self, line: str) -> None:
        """A line that stays."""
        self.clear()
        print(line, file=self.stream, flush=True)

    def clear(self) -> None:
        """Take the rewritten lines away."""
        if self.drawn:
            self.stream.write(CLEAR)
            self.stream.flush()
            self.drawn = False

    def at_work(self) -> list[str]:
        """What is at work: a line for each job that trains, and one for everything else."""
        jobs = list(self.running.values())
        lines = [f"train         {noted(job)}" for job in jobs if job.rule == TRAIN]
        kinds = {KINDS[job.rule] for job in jobs if job.rule in KINDS}
        counts = [
            f"{kind} {self.done[kind]}/{self.totals[kind]}" for kind in self.totals if kind in kinds
        ]
        return [*lines, f"at work       {' · '.join(counts)}"] if counts else lines

    def in_a_line(self) -> str:
        """The same in one line: of each job that trains how many runs are done and how long it will take."""
        jobs = [job for job in self.running.values() if job.rule == TRAIN]
        if not jobs:
            return "".join(self.at_work())
        parts = [f"{self.done[TRAIN]} of {self.training} jobs done"]
        parts += [" · ".join(noted(job).split(" · ")[:2]) for job in jobs]
        return f"train         {'; '.join(parts)}"

    def draw(self) -> None:
        """Show what is at work: in place on a terminal, in a line that stays where it is none."""
        if not self.live:
            if line := self.in_a_line():
                self.say(cut(line, PLAIN_WIDTH))
            return
        width = shutil.get_terminal_size().columns - 1
        lines = [cut(line, width) for line in self.at_work()]
        # The cursor stays where the lines begin, so that whatever is printed next begins there.
        back = f"\r\x1b[{len(lines) - 1}A" if len(lines) > 1 else "\r"
        self.stream.write(CLEAR + "\n".join(lines) + back)
        self.stream.flush()
        self.drawn = True

    def tick(self) -> None:
        """Show what is at work where it is time to."""
        training = any(job.rule == TRAIN for job in self.running.values())
        if self.live or self.now() - self.shown >= (EVERY if training else 2 * EVERY):
            self.shown = self.now()
            self.draw()

    def _watch(self) -> None:
        while not self._over.wait(0.5):
            self.acquire()
            try:
                self.tick()
            finally:
                self.release()

    def stop(self) -> None:
        """End the lines that are rewritten; what is said later stays below."""
        self._over.set()
        if self._ticker is not None and self._ticker is not threading.current_thread():
            self._ticker.join(2)
        self.clear()

    def close(self) -> None:
        self.stop()
        super().close()


def _event(record: logging.LogRecord) -> str | None:
    event = getattr(record, "event", None)
    return None if event is None else str(event)


def unsaid(ended: re.Match[str]) -> str:
    """How a script ended that could not say why itself; "" where it has. ended: a match of `COMMAND`."""
    if signal := ended["signal"]:
        return f"a job, by {signal} from outside this build: out of memory or time, or stopped by somebody"
    status = int(ended["status"])
    return "" if status in TOLD_WHY else f"a job, with exit status {status}"


def noted(job: Running) -> str:
    """What a training job last said of itself; its name before it has said anything, and after it has trained."""
    try:
        said = job.log.with_suffix(NOTED).read_text(encoding="utf-8").strip() if job.log else ""
    except OSError:
        said = ""
    job.heard = job.heard or bool(said)
    return said or f"{job.name}  {'finishing' if job.heard else 'starting'}"


def cut(line: str, width: int) -> str:
    """The line, or as much of it as fits.

    >>> cut("abcdef", 4), cut("abc", 4)
    ('abc…', 'abc')
    """
    return line if len(line) <= width else line[: max(width - 1, 0)] + "…"


def install(
    logger: logging.Logger,
    settings: Any,
    environment: Mapping[str, str],
    arguments: Sequence[str] = (),
) -> Display | None:
    """Put a display beside Snakemake's handler on its logger; None where the terminal stays Snakemake's.

    settings: Snakemake's of its output; arguments: its own. The terminal stays Snakemake's where VERBOSE asks for it,
    where it only looks (a dry run, a report), where options ask for more or less (--verbose, --printshellcmds,
    --debug-dag, --quiet), and where another logger has taken it.
    """
    os.environ.pop(SHOWN, None)
    asked = (settings.verbose, settings.printshellcmds, settings.debug_dag, settings.quiet)
    verbose = environment.get(VERBOSE, "0") not in ("", "0")
    if verbose or settings.dryrun or any(asked) or only_looks(arguments):
        return None
    own = next((handler for handler in logger.handlers if handler.name == OWN), None)
    if not isinstance(own, logging.StreamHandler):
        return None
    terminal = own.stream.isatty() and environment.get("TERM") != "dumb"
    shown = Display(own.stream, live=terminal)
    shown.setLevel(logging.INFO)
    own.addFilter(shown.leaves)
    logger.addHandler(shown)
    os.environ[SHOWN] = "live" if terminal else "plain"  # for the jobs
    return shown

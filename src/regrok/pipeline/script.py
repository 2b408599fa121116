"""What every script of the workflow does around its one call: log, and errors that a person can read."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from regrok.errors import RegrokError
from regrok.files import FULL, disk_full
from regrok.pipeline.interpreter import refuse_foreign_here
from regrok.pipeline.locks import wait
from regrok.training.progress import SHOWN


def require_device(device: str) -> None:
    """Raise RegrokError where a job is to train on a GPU and torch has none to train on."""
    import torch

    if device.startswith("cuda") and not torch.cuda.is_available():
        build = (
            "is a CPU build"
            if torch.version.cuda is None
            else f"was built for CUDA {torch.version.cuda}"
        )
        raise RegrokError(
            f"trainer.device is {device}, and torch finds no GPU here (torch {torch.__version__} {build}); "
            "install a CUDA build (README.md), ask the cluster for a GPU, or set trainer.device to cpu"
        )


TOLD = "REGROK_TOLD"
"""Set for the jobs of a build that has said why its machine has no native kernels."""


def told() -> bool:
    """Whether the build has said that it trains without native kernels, which every job would say again."""
    return bool(os.environ.get(TOLD))


CLEAR = "\x1b[J"
"""Takes away what a terminal shows after the cursor."""


def rewritten() -> bool:
    """Whether the build rewrites lines on its terminal (see regrok.pipeline.display)."""
    return os.environ.get(SHOWN) == "live"


class Tee:
    """Writes to the job's log and to the terminal. Neither a full disk nor a terminal that has gone stops the job."""

    def __init__(self, log: TextIO, terminal: TextIO):
        self.log = log
        self.terminal = terminal

    def write(self, text: str) -> int:
        for stream in (self.log, self.terminal):
            with suppress(OSError, ValueError):
                # Lines that the build rewrites stand below the cursor; what stays takes their place.
                stream.write(CLEAR + text if stream is self.terminal and rewritten() else text)
                stream.flush()
        return len(text)

    def flush(self) -> None:
        """Nothing is held back."""

    def isatty(self) -> bool:
        return self.terminal.isatty()


def end_quietly() -> None:
    """Let Ctrl-C end this process without a traceback, also while it is still importing."""
    told = sys.excepthook
    sys.excepthook = lambda kind, *rest: (
        None if issubclass(kind, KeyboardInterrupt) else told(kind, *rest)
    )


if hasattr(sys.modules.get("__main__"), "snakemake"):
    # A script of the workflow; its next imports take seconds, and people press Ctrl-C twice.
    end_quietly()


@contextmanager
def job(log: str) -> Iterator[TextIO]:
    """Send stderr to `log` as well; end with the message alone where the message is meant for the user.

    Gives the open log, for what the terminal is not to show.

    One process at a time does a job: whoever holds its log (see `regrok.pipeline.locks.wait`). Ctrl-C, of which
    Snakemake speaks, ends a job with a line in its log alone.
    """
    terminal = sys.stderr
    try:
        refuse_foreign_here()
    except RegrokError as error:
        print(f"regrok: {error}", file=terminal)
        raise SystemExit(1) from None
    try:
        Path(log).parent.mkdir(parents=True, exist_ok=True)
        file = open(log, "a+", encoding="utf-8")  # noqa: SIM115 closed below, where a full disk does no harm
        wait(file)
    except OSError as error:
        reason = (
            disk_full(log)
            if error.errno in FULL
            else f"{log}: cannot be written ({error.strerror})"
        )
        print(f"regrok: {reason}", file=terminal)
        raise SystemExit(1) from None
    sys.stderr = Tee(file, terminal)
    try:
        yield file
    except RegrokError as error:
        print(f"regrok: {error}", file=sys.stderr)
        raise SystemExit(1) from None
    except KeyboardInterrupt:
        with suppress(OSError):
            print("regrok: interrupted; what it has finished is kept", file=file, flush=True)
        raise SystemExit(130) from None
    except Exception as error:
        if isinstance(error, OSError) and error.errno in FULL:
            print(f"regrok: {disk_full(error.filename or 'results')}", file=sys.stderr)
        else:
            traceback.print_exc()
        raise SystemExit(1) from None
    finally:
        sys.stderr = terminal
        with suppress(OSError):
            file.close()

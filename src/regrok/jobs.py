"""What every script of the workflow does around its one call: log, and errors that a person can read."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from regrok.errors import RegrokError


class Tee:
    """Writes to the job's log and to the terminal."""

    def __init__(self, *streams: TextIO):
        self.streams = streams

    def write(self, text: str) -> int:
        for stream in self.streams:
            stream.write(text)
        return len(text)

    def flush(self) -> None:
        for stream in self.streams:
            stream.flush()

    def isatty(self) -> bool:
        return self.streams[-1].isatty()


@contextmanager
def job(log: str) -> Iterator[None]:
    """Send stderr to `log` as well; end with the message alone where the message is meant for the user."""
    Path(log).parent.mkdir(parents=True, exist_ok=True)
    terminal = sys.stderr
    with open(log, "w", encoding="utf-8") as file:
        sys.stderr = Tee(file, terminal)
        try:
            yield
        except RegrokError as error:
            print(f"regrok: {error}", file=sys.stderr)
            raise SystemExit(1) from None
        except Exception:
            traceback.print_exc()
            raise SystemExit(1) from None
        finally:
            sys.stderr = terminal

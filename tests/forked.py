"""Snakemake's program in a process that has its libraries: a dry run in half the time, the project's code read anew.

Half of a dry run is Python reading Snakemake, pandas and scipy. Here one process reads them, none of the project's
own code, and becomes a copy of itself for each start; the copy then runs `python -m snakemake` as a checkout's own
Python would.
"""

from __future__ import annotations

import atexit
import json
import os
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

PATIENCE = 600
"""Seconds after which a start is killed, as one that hangs."""


def run(folder: Path, *arguments: str) -> tuple[int, str]:
    """`python -m snakemake ARGUMENTS` in a checkout: its exit status, and what it said on stdout and stderr."""
    with tempfile.TemporaryDirectory() as place:
        said = Path(place) / "said"
        asked = {"folder": str(folder.resolve()), "arguments": arguments, "said": str(said)}
        host = _host()
        host.stdin.write(json.dumps(asked) + "\n")
        host.stdin.flush()
        status = int(host.stdout.readline())
        return status, said.read_text(encoding="utf-8")


@cache
def _host() -> subprocess.Popen[str]:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    host = subprocess.Popen(
        [sys.executable, __file__],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        encoding="utf-8",
    )
    atexit.register(host.communicate)
    return host


def _serve() -> None:
    # What a start of Snakemake imports beside the project's own code.
    import jinja2  # noqa: F401
    import pandas  # noqa: F401
    import pydantic  # noqa: F401
    import scipy.special
    import scipy.stats  # noqa: F401
    import snakemake.cli
    import snakemake.report  # noqa: F401
    import yaml  # noqa: F401

    assert not [name for name in sys.modules if name.partition(".")[0] == "regrok"]
    for line in sys.stdin:
        child = os.fork()
        if not child:
            _become(**json.loads(line))
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


def _become(folder: str, arguments: list[str], said: str) -> None:
    """Be Snakemake in this folder, to the end of the process."""
    import runpy
    import signal

    signal.alarm(PATIENCE)
    out = os.open(said, os.O_CREAT | os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(out, stream)
    os.chdir(folder)
    os.environ["PYTHONPATH"] = f"{folder}/src"
    sys.executable = f"{folder}/.venv/bin/{Path(sys.executable).name}"
    # As `-m` and PYTHONPATH would have them, in place of the folder of this file.
    sys.path[:1] = [folder, f"{folder}/src"]
    sys.argv = ["", *arguments]
    status = 1
    try:
        runpy.run_module("snakemake", run_name="__main__", alter_sys=True)
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


if __name__ == "__main__":
    _serve()

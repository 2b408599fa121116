"""Short jobs of one build share one process that has the libraries loaded: it forks for each of them.

    hand_over(__file__, snakemake)      first line of a script of the workflow, before its imports

Importing pandas, scipy and matplotlib takes a job two to three seconds of CPU, and most fits, figures and tables a
tenth of a second beside that. So the first such job of a build starts a process that imports them once
(regrok.pipeline.warm_server); a job hands its script over, and a fork of that process executes it with the job's own
streams, environment and folder. Each job is a process of its own as before, with the rule, log and inputs of its own.

A job does its own work, as if this module were not there, wherever that process is missing, cannot be started or has
other code loaded than the files now hold; on other systems than Linux; and in a build that does not offer it.
"""

from __future__ import annotations

import fcntl
import os
import pickle
import select
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import MutableMapping
from contextlib import suppress
from pathlib import Path
from typing import Any

PLACE = "REGROK_WARM"
"""Names the folder of the socket in the environment of a build's jobs."""

BUILD = "REGROK_WARM_FOR"
"""Process id of the build, with which the process of its jobs ends."""

SOCKET = "jobs"
"""Of the process that forks, in that folder."""

STARTING = 60.0
"""Seconds within which that process must have loaded the libraries."""

BEGUN = b"+"
"""What a fork says before it does anything."""


def offer(environment: MutableMapping[str, str]) -> None:
    """Let the jobs of this process, a build, share one: names a folder for it in the environment."""
    withdraw(environment)
    if sys.platform != "linux":
        return
    with suppress(OSError):
        environment[PLACE] = tempfile.mkdtemp(prefix="regrok-")
        environment[BUILD] = str(os.getpid())


def withdraw(environment: MutableMapping[str, str]) -> None:
    """Let jobs do their own work: those of a build on another machine, and those after the build."""
    environment.pop(BUILD, None)
    place = environment.pop(PLACE, None)
    if place is not None:
        shutil.rmtree(place, ignore_errors=True)


def hand_over(script: str, snakemake: Any) -> None:
    """Have the script executed by a fork of the build's process and exit as it does; return where there is none.

    script: the file of the workflow. snakemake: what Snakemake gives to a script; it is pickled.
    """
    place = os.environ.get(PLACE)
    if place is None:
        return
    connection = _connected(Path(place))
    if connection is None:
        return
    environment = {name: value for name, value in os.environ.items() if name not in (PLACE, BUILD)}
    with connection:
        code = _ask(connection, (script, os.getcwd(), environment, pickle.dumps(snakemake)))
    if code is not None:
        raise SystemExit(code)


def _ask(connection: socket.socket, request: tuple[Any, ...]) -> int | None:
    """The fork's exit status; None where none was made. A fork that ends without a word counts as failed."""
    body = pickle.dumps(request)
    try:
        # The streams go along as they are, so that the fork writes where this process would.
        socket.send_fds(connection, [len(body).to_bytes(8, "big")], [0, 1, 2])
        connection.sendall(body)
        if connection.recv(1) != BEGUN:
            return None
    except OSError:
        return None
    try:
        said = connection.recv(1)
    except OSError:
        said = b""
    if not said:
        print("regrok: the job's process was ended from outside", file=sys.stderr)
        return 1
    return said[0]


def _connected(place: Path) -> socket.socket | None:
    """A connection to the build's process, which is started where it is not there; None where that fails."""
    connection = _connect(place)
    if connection is not None:
        return connection
    try:
        # Of the jobs that begin together one starts it, the others wait for that.
        with open(place / "lock", "w", encoding="utf-8") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            return _connect(place) or (_connect(place) if _start(place) else None)
    except OSError:
        return None


def _connect(place: Path) -> socket.socket | None:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.connect(str(place / SOCKET))
    except OSError:
        connection.close()
        return None
    return connection


def _start(place: Path) -> bool:
    """Start the process that forks; whether it is ready."""
    failed = place / "failed"
    if failed.exists():
        return False
    command = [sys.executable, "-m", "regrok.pipeline.warm_server"]
    server = subprocess.Popen(
        [*command, str(place / SOCKET), os.environ[BUILD]],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert server.stdout is not None
    with server.stdout as said:
        ready = bool(select.select([said], [], [], STARTING)[0]) and said.read(1) == BEGUN
    if not ready:
        server.kill()
        failed.touch()  # the other jobs need not try
    return ready

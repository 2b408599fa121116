"""The process that forks for the short jobs of a build: see regrok.pipeline.warm.

    python -m regrok.pipeline.warm_server SOCKET BUILD

It imports what fits, figures and tables import, says so on its standard output, and then forks for each request. It
does nothing else: no thread runs in it and no file is read, so that a fork is what a process that has just imported
would be. It ends with the process BUILD, or where the code that it has loaded is no longer what the files hold.
"""

from __future__ import annotations

import importlib
import os
import pickle
import pkgutil
import select
import shutil
import signal
import socket
import sys
import threading
import traceback
import types
from contextlib import suppress
from pathlib import Path
from typing import Any

from regrok.pipeline.warm import BEGUN

LOOK = 1.0
"""Seconds after which it looks whether its build is still there."""

LOOKED_UP = ("laws", "figures", "tables")
"""Rooms whose modules scripts look up by name."""

SCRIPTS = (
    *("regrok.figures.parts.drawing", "regrok.pipeline.script", "regrok.runs.frames"),
    *("regrok.released.bundle", "regrok.study.published", "regrok.study.written"),
    *("pyarrow.parquet", "snakemake.script"),
)
"""What scripts import besides."""


def load() -> None:
    """Import what jobs will. A module that cannot be imported is left to the job that needs it, which says why."""
    from regrok.figures.parts.isolated import load_matplotlib

    load_matplotlib()
    rooms = [importlib.import_module(f"regrok.{room}") for room in LOOKED_UP]
    names = [
        f"{room.__name__}.{module.name}"
        for room in rooms
        for module in pkgutil.iter_modules(room.__path__)
    ]
    for name in (*SCRIPTS, *names):
        with suppress(Exception):
            importlib.import_module(name)


def loaded() -> dict[str, float]:
    """File → time of its last change, for every module of the package that is loaded."""
    files = [
        module.__file__
        for name, module in list(sys.modules.items())
        if name.partition(".")[0] == "regrok" and getattr(module, "__file__", None)
    ]
    return {file: _changed(file) for file in files if file}


def _changed(file: str) -> float:
    try:
        return os.stat(file).st_mtime
    except OSError:
        return -1.0


def serve(listener: socket.socket, build: int) -> None:
    """Fork for each request until the build ends or a loaded file changes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the jobs
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # a fork that ends is no one's to wait for
    known = loaded()
    while _alive(build):
        if not select.select([listener], [], [], LOOK)[0]:
            continue
        connection, _ = listener.accept()
        with connection:
            if any(_changed(file) != date for file, date in known.items()):
                return
            with suppress(OSError, EOFError, ValueError, pickle.UnpicklingError):
                size, streams, _, _ = socket.recv_fds(connection, 8, 3)
                request = pickle.loads(_read(connection, int.from_bytes(size, "big")))
                if os.fork() == 0:
                    listener.close()
                    _be(connection, streams, *request)
                for stream in streams:
                    os.close(stream)


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except OSError:
        return False
    return True


def _read(connection: socket.socket, size: int) -> bytes:
    parts = []
    while size:
        part = connection.recv(min(size, 1 << 20))
        if not part:
            raise EOFError
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


# The fork ----------------------------------------------------------------------------------------------------


def _be(
    connection: socket.socket,
    streams: list[int],
    script: str,
    folder: str,
    environment: dict[str, str],
    snakemake: bytes,
) -> None:
    """Execute the script as the job that asked; says its exit status and never returns."""
    code = 1
    try:
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
            os.close(stream)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.environ.clear()
        os.environ.update(environment)
        os.chdir(folder)
        connection.sendall(BEGUN)
        threading.Thread(target=_end_with, args=(connection,), daemon=True).start()
        code = _execute(script, pickle.loads(snakemake))
    finally:
        with suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
        with suppress(OSError):
            connection.sendall(bytes([code]))
        os._exit(code)


def _end_with(connection: socket.socket) -> None:
    """End this process where the job that asked is gone: it was killed, and its outputs are not to appear."""
    with suppress(OSError):
        if connection.recv(1):
            return
    os._exit(1)


def _execute(script: str, snakemake: Any) -> int:
    """The exit status of the script, as Python would give it."""
    main = types.ModuleType("__main__")
    main.__dict__.update(snakemake=snakemake, __file__=script)
    sys.modules["__main__"] = main
    try:
        exec(compile(Path(script).read_text(encoding="utf-8"), script, "exec"), main.__dict__)
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            return (end.code or 0) & 0xFF
        print(end.code, file=sys.stderr)
        return 1
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


def main() -> None:
    """Load, listen, say so, serve."""
    place, build = Path(sys.argv[1]), int(sys.argv[2])
    load()
    place.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(place))
        listener.listen(64)
        os.write(1, BEGUN)
        # Whoever waits for it reads no further; nothing is written to a closed pipe.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        try:
            serve(listener, build)
        finally:
            place.unlink(missing_ok=True)
            if not _alive(build):
                shutil.rmtree(place.parent, ignore_errors=True)


if __name__ == "__main__":
    main()

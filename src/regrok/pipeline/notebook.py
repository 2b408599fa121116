"""Runs a notebook that is kept as a jupytext percent file, and keeps the outcome elsewhere."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from regrok.errors import RegrokError
from regrok.files import write_atomically

TIMEOUT = 1800
"""Seconds that one cell may take."""


def execute(source: Path | str, target: Path | str, folder: Path | str = ".") -> None:
    """Run every cell of `source` in `folder` and write the notebook with its outputs to `target`.

    Raises RegrokError naming the notebook, the cell and its first line of code when a cell fails, takes longer than
    `TIMEOUT` or ends its kernel. `target` is written in that case too, up to the cell that failed, under the name
    `<target>.failed`.
    """
    import jupytext
    import nbformat
    from jupyter_client.kernelspec import KernelSpecManager
    from jupyter_client.manager import AsyncKernelManager
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

    source, target = Path(source), Path(target)
    try:
        notebook = jupytext.read(source, fmt="py:percent")
    except OSError as error:
        raise RegrokError(f"{source} cannot be read ({error.strerror})") from error
    # This very Python, whatever kernels the user's own Jupyter knows.
    manager = AsyncKernelManager(
        kernel_name="python3", kernel_spec_manager=KernelSpecManager(kernel_dirs=[])
    )
    begun: list[int] = []
    client = NotebookClient(
        notebook,
        timeout=TIMEOUT,
        km=manager,
        resources={"metadata": {"path": str(folder)}},
        on_cell_execute=lambda cell, cell_index: begun.append(cell_index),
    )
    inline = "module://matplotlib_inline.backend_inline"
    try:
        # Its kernel and sockets end with it: nbclient leaves those of a manager that it is given.
        client.execute(cleanup_kc=True, env={**os.environ, "MPLBACKEND": inline})
    except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
        failed = target.with_name(f"{target.name}.failed")
        write_atomically(failed, nbformat.writes(notebook).encode())
        raise RegrokError(
            f"{source}: {_where(notebook.cells, begun[-1] if begun else 0)} {_what(error)}; up to there: {failed}"
        ) from None
    for cell in notebook.cells:
        # Times of execution would make every build's file another one.
        cell.metadata.pop("execution", None)
    write_atomically(target, nbformat.writes(notebook).encode())


def _where(cells: Sequence[Any], index: int) -> str:
    """The cell that was being run: `code cell 3 (“store = …”)`."""
    number = sum(cell.cell_type == "code" for cell in cells[: index + 1])
    first = next((line for line in cells[index].source.splitlines() if line.strip()), "")
    return f"code cell {number} (“{first.strip()}”)"


def _what(error: Exception) -> str:
    name = getattr(error, "ename", "")
    if name:
        value = getattr(error, "evalue", "").strip().splitlines() or [""]
        return f"failed with {name}: {value[0]}"
    if type(error).__name__ == "CellTimeoutError":
        return f"took longer than {TIMEOUT} s"
    return "ended its Python; it may have run out of memory"

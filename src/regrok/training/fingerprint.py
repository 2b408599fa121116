"""Which source files a run's numbers rest on, and a fingerprint of what they say.

The run store keeps runs under this fingerprint: after an edit that changes the training code's meaning the old
runs stay where they are, untouched and unused, and the new code trains its own; undoing the edit finds them again.
Comments, docstrings and formatting are not part of the fingerprint, since they cannot change a number.
"""

from __future__ import annotations

import ast
import hashlib
import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from regrok.tasks import TASKS

PACKAGE = Path(__file__).resolve().parents[1]

TRAINING = (
    "training/loop.py",
    "training/slots.py",
    "training/evaluate.py",
    "measures/events.py",
    "measures/observables.py",
    "training/optim.py",
    "runs/rows.py",
    "tasks/streams.py",
    "kernels/__init__.py",
    "kernels/native.py",
    "kernels/native.cpp",
    "kernels/products.cpp",
    "kernels/products.py",
    "kernels/reference.py",
    "models/__init__.py",
    "models/layers.py",
    "models/layout.py",
    "models/program.py",
    "tasks/__init__.py",
    "tasks/examples.py",
    "tasks/sizes.py",
)
"""Files that every run rests on, relative to the package."""


def training_sources(task: str, model: str) -> list[Path]:
    """The files that a run of this task and model rests on; a new task or model file leaves other runs alone."""
    task_file = TASKS[task].rpartition(".")[2]
    names = [*TRAINING, f"tasks/{task_file}.py", f"models/{model}.py"]
    return [PACKAGE / name for name in names if (PACKAGE / name).exists()]


def _meaning(path: Path) -> str:
    return meaning(path.read_text(encoding="utf-8"), path.suffix)


def meaning(text: str, suffix: str) -> str:
    """A source file's content without what cannot change a number: comments, docstrings, white space."""
    if suffix != ".py":
        text = re.sub(r"/\*.*?\*/", " ", text, flags=re.DOTALL)
        text = re.sub(r"//[^\n]*", " ", text)
        # Line structure is kept: the preprocessor reads lines.
        return "\n".join(" ".join(line.split()) for line in text.splitlines() if line.strip())
    tree = ast.parse(text)
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if not isinstance(body, list):
            continue
        kept = [
            part
            for part in body
            if not (
                isinstance(part, ast.Expr)
                and isinstance(part.value, ast.Constant)
                and isinstance(part.value.value, str)
            )
        ]
        node.body = kept or [ast.Pass()]  # type: ignore[attr-defined]
    return ast.unparse(tree)


@cache
def fingerprint(task: str, model: str) -> str:
    """12 hex digits of what the training code for this task and model says."""
    return digest(
        (path.relative_to(PACKAGE).as_posix(), _meaning(path))
        for path in training_sources(task, model)
    )


def digest(meanings: Iterable[tuple[str, str]]) -> str:
    """The fingerprint of training files, given as names relative to the package and what `meaning` keeps of them."""
    made = hashlib.sha256()
    for name, kept in meanings:
        made.update(name.encode())
        made.update(kept.encode())
    return made.hexdigest()[:12]

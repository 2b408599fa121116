"""What is learned: a task turns its block of the configuration and a seed into labelled examples.

A task is one file with a function `make(task, seed) -> Data`, listed in `TASKS`, and its sizes in
`regrok.study.sizes`. Importing this package does not import torch: the plan reads sizes only.
"""

from __future__ import annotations

from dataclasses import dataclass
from pkgutil import resolve_name
from typing import TYPE_CHECKING

from regrok.errors import RegrokError
from regrok.study.sizes import TaskInfo, task_info

if TYPE_CHECKING:
    from torch import Tensor

    from regrok.study.task import Task

__all__ = ["TASKS", "Data", "TaskInfo", "make_data", "task_info"]

TASKS = {
    "modular": "regrok.tasks.modular:make",
    "sparse_parity": "regrok.tasks.parity:make",
    "xor_clusters": "regrok.tasks.xor_clusters:make",
}
"""The function that makes each task's data."""


@dataclass(frozen=True)
class Data:
    """The examples of one run: m to train on, v to validate on."""

    train_inputs: Tensor
    """(m, 2) int64 token pairs, or (m, n) float32 vectors."""
    train_labels: Tensor
    """(m,) int64 in [0, classes)."""
    validation_inputs: Tensor
    """(v, 2) int64 or (v, n) float32."""
    validation_labels: Tensor
    """(v,) int64."""
    classes: int
    """Number of classes."""


def make_data(task: Task, seed: int) -> Data:
    """The task's examples for the run with this seed; equal arguments give equal tensors.

    Raises RegrokError when the task asks for something impossible.
    """
    if task.name not in TASKS:
        raise RegrokError(f"task.name = '{task.name}'; known tasks: {', '.join(TASKS)}")
    data: Data = resolve_name(TASKS[task.name])(task, seed)
    return data

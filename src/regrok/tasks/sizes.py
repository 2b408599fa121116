"""The sizes of a task's data, without the data: the plan must know them and must not load torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from regrok.errors import RegrokError

if TYPE_CHECKING:
    from regrok.study.run import Run
    from regrok.study.task import Task


@dataclass(frozen=True)
class TaskInfo:
    """What a model has to know about its task."""

    kind: str
    """`pairs`: two tokens (a, b); `vectors`: a real vector."""
    tokens: int | None
    """Vocabulary p of a pair task."""
    width: int | None
    """Input dimension n of a vector task."""
    classes: int
    train_size: int
    validation_size: int


def task_info(task: Task) -> TaskInfo:
    """Sizes of the task's inputs, classes and sets.

    The training set has round(train_fraction · N) of N examples, halves rounded to even. That gives
    4,704 of the 9,409 pairs at p = 97 and one half (2603.13331: floor) as well as 1,882 at one
    fifth (2603.25009, section 3.2: nearest); for every odd p it equals the floor at one half, since
    p² leaves the remainder 1 on division by 8.
    """
    sizes = {"train_size": task.train_size, "validation_size": task.validation_size}
    if task.name == "modular":
        return TaskInfo("pairs", tokens=task.p, width=None, classes=task.p, **sizes)
    if task.name in ("sparse_parity", "xor_clusters"):
        return TaskInfo("vectors", tokens=None, width=task.n, classes=2, **sizes)
    raise RegrokError(f"task.name = '{task.name}' has no sizes in regrok.tasks.sizes")


def mirrored(run: Run) -> bool:
    """Whether (a, b) and (b, a) are trained on as one example that counts twice.

    The network must add its embeddings and see the full batch; the split and the labels must be
    those of every seed, so that runs side by side keep one shape.
    """
    model, task = run.model, run.task
    symmetric = model.name == "mlp" and model.input == "sum"
    one_split = task.name == "modular" and task.split_seed is not None and task.labels == "true"
    return symmetric and one_split and run.protocol.batch == "full"

"""The sizes of a task's data, without the data: the plan must know them and must not load torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from regrok.errors import RegrokError
from regrok.study.model import ByAutograd

if TYPE_CHECKING:
    from regrok.study.run import Run, Settings
    from regrok.study.task import Modular, SparseParity, Task, XorClusters


@dataclass(frozen=True)
class TaskInfo:
    """What a model has to know about its task."""

    kind: str
    """`pairs`: two tokens (a, b); `vectors`: a real vector."""
    tokens: int | None
    """Vocabulary p of a pair task: what each operand may be."""
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
    if task.name not in SIZES:
        raise RegrokError(f"task.name = '{task.name}' has no sizes in regrok.study.sizes")
    return SIZES[task.name](task)


def run_info(run: Run) -> TaskInfo:
    """The sizes of a run's data: its task's, but for what it validates on where it trains on what its parent saw."""
    info, start = task_info(run.task), run.start
    if start is None or start.examples == "own":
        return info
    parent = run_info(start.run)
    left_out = parent.train_size - info.train_size if start.validation == "left_out" else 0
    return replace(info, validation_size=parent.validation_size + left_out)


def source(run: Run) -> Run:
    """The run whose task and seed draw the run's examples: itself, or the ancestor that has seen them first."""
    start = run.start
    return run if start is None or start.examples == "own" else source(start.run)


def pairs(task: Modular) -> TaskInfo:
    """Pairs of p elements; p classes, or as many as the operation says."""
    sizes = task.train_size, task.validation_size
    return TaskInfo("pairs", task.p, None, task.classes, *sizes)


def two_classes(task: SparseParity | XorClusters) -> TaskInfo:
    """Vectors of n numbers, and two classes."""
    sizes = task.train_size, task.validation_size
    return TaskInfo("vectors", None, task.n, 2, *sizes)


SIZES: dict[str, Callable[..., TaskInfo]] = {
    "modular": pairs,
    "sparse_parity": two_classes,
    "xor_clusters": two_classes,
}
"""What each task's data looks like, by the task's name."""


def least_bytes(settings: Settings) -> int:
    """Memory in bytes that no training of these settings does without: data, square weights and what is kept of each.

    Weights, their gradient and the optimiser's averages (two of Adam's, one of SGD with momentum) are float32, as are
    the vectors of a task. A lower bound: biases, embeddings, activations and other runs come on top.
    """
    task, model, optimiser = settings.task, settings.model, settings.optimiser
    info = task_info(task)
    if isinstance(model, ByAutograd):
        weights = model.matrix_elements(info.tokens or 0, info.classes)
    elif model.name == "mlp":
        squares = model.depth * (2 if model.residual else 1) - (0 if model.residual else 1)
        weights = squares * model.width**2
    else:
        layers = model.layers if model.name == "decoder" else 1
        weights = layers * (4 * model.d_model**2 + 2 * model.d_model * model.ffn)
    averages = 2 if optimiser.name != "sgd" else int(optimiser.momentum > 0)
    numbers = (info.width or 0) * (info.train_size + info.validation_size)
    return 4 * (weights * (2 + averages) + numbers)


def mirrored(run: Run) -> bool:
    """Whether (a, b) and (b, a) are trained on as one example that counts twice.

    The network must add its embeddings, drop nothing, and see the full batch; the split and the labels must be
    those of every seed, so that runs side by side keep one shape. Outliers are drawn by the seed.
    """
    model, task = run.model, source(run).task
    symmetric = model.name == "mlp" and model.input == "sum" and model.dropout is None
    if task.name != "modular" or task.outliers:
        return False
    one_split = task.split_seed is not None and task.labels == "true"
    return symmetric and one_split and run.protocol.batch == "full"

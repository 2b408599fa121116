"""a ∘ b on pairs of p elements, most often residues mod p (2201.02177, 2603.13331, 2603.25009)."""

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from regrok.tasks import Data
from regrok.tasks.pairs import equations, split
from regrok.tasks.streams import generator

if TYPE_CHECKING:
    from regrok.study.task import Modular


def make(task: "Modular", seed: int) -> Data:
    """All pairs of the task, cut into training and validation (`regrok.tasks.pairs.split`), with their labels."""
    pairs, results = equations(task)
    inputs = torch.tensor(pairs)
    if task.labels == "random":
        # One label per pair in row-major order: a pair keeps its label whatever the split.
        labels = torch.randint(task.classes, (len(pairs),), generator=generator(seed, "labels"))
    else:
        labels = torch.tensor(results)
    train, validation = (torch.tensor(part, dtype=torch.int64) for part in split(task, seed))
    train_labels = with_outliers(labels[train], task.outliers or 0, task.classes, seed)
    return Data(inputs[train], train_labels, inputs[validation], labels[validation], task.classes)


def with_outliers(labels: Tensor, count: int, classes: int, seed: int) -> Tensor:
    """Labels (m,) of which `count` are replaced by draws from all classes, the true one among them (2201.02177, A.4).

    Which are replaced, and by what, is drawn from a stream of its own; fewer outliers are a part of more.
    """
    if not count:
        return labels
    stream = generator(seed, "outliers")
    chosen = torch.randperm(len(labels), generator=stream)[:count]
    drawn = torch.randint(classes, (len(labels),), generator=stream)
    return labels.index_put((chosen,), drawn[chosen])

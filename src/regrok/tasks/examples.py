"""The examples of a run as the trainer takes them: mirror images merged where a network cannot tell them apart.

A network that reads E[a] + E[b] has the same logits for (a, b) and (b, a). Where both are in a set and have
one label they are one example that counts twice: the mean loss, its gradient and the accuracy stay the same,
at three quarters of the cost for half of all pairs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from regrok.tasks.seen import data_of

if TYPE_CHECKING:
    from regrok.study.run import Run


class Examples(NamedTuple):
    """Examples and how often each counts; a leading dimension where runs are stacked."""

    inputs: Tensor
    """(k, 2) int64 or (k, n) floats."""
    labels: Tensor
    """(k,) int64."""
    counts: Tensor
    """(k,); their sum is the size of the task's set."""


def examples(run: Run, *, merged: bool, dtype: torch.dtype) -> dict[str, Examples]:
    """The sets `train` and `validation` of a run; counts, and inputs that are vectors, in `dtype`."""
    data = data_of(run)
    sets = {
        "train": (data.train_inputs, data.train_labels),
        "validation": (data.validation_inputs, data.validation_labels),
    }
    found: dict[str, Examples] = {}
    for name, (inputs, labels) in sets.items():
        kept = merge(inputs, labels) if merged else unmerged(inputs, labels)
        real = kept.inputs.to(dtype) if kept.inputs.is_floating_point() else kept.inputs
        found[name] = Examples(real, kept.labels, kept.counts.to(dtype))
    return found


def merge(inputs: Tensor, labels: Tensor) -> Examples:
    """The examples without the mirror images of those before them; first come, first kept.

    inputs: (m, 2) int64 pairs; labels: (m,) int64. A mirror image with another label stays.
    """
    if not len(labels):
        return unmerged(inputs, labels)
    tokens, classes = int(inputs.max()) + 1, int(labels.max()) + 1
    low, high = inputs.amin(1), inputs.amax(1)
    keys = (low * tokens + high) * classes + labels
    _, group, counts = torch.unique(keys, return_inverse=True, return_counts=True)
    place = torch.arange(len(keys))
    first = torch.full_like(counts, len(keys)).scatter_reduce(0, group, place, "amin")
    kept, order = first.sort()
    return Examples(inputs[kept], labels[kept], counts[order])


def unmerged(inputs: Tensor, labels: Tensor) -> Examples:
    """The examples as they are, each counting once."""
    return Examples(inputs, labels, torch.ones_like(labels))

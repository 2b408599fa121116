"""The data of a run that starts from another one: its task's own, or a part of what its parent has seen.

A part is the first D' of the parent's shuffled training set, so every smaller one is contained in every larger one.
What such a run is validated on can be read in two ways (2309.02390 starts from a network that has seen the whole table,
where they agree): `left_out` is everything that it does not train on, the rest of the parent's training set first;
`unseen` is what the parent did not train on either.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from regrok.tasks import Data, make_data

if TYPE_CHECKING:
    from regrok.study.run import Run


def data_of(run: Run) -> Data:
    """The examples of a run; equal runs give equal tensors. Raises RegrokError as `make_data` does."""
    start = run.start
    if start is None or start.examples == "own":
        return make_data(run.task, run.seed)
    seen = data_of(start.run)
    kept = run.task.train_size
    inputs, labels = seen.validation_inputs, seen.validation_labels
    if start.validation == "left_out":
        inputs = torch.cat((seen.train_inputs[kept:], inputs))
        labels = torch.cat((seen.train_labels[kept:], labels))
    return Data(seen.train_inputs[:kept], seen.train_labels[:kept], inputs, labels, seen.classes)

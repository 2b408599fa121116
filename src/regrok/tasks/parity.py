"""Sparse parity: the parity of k of n bits (2603.13331, S10, whose script is not released)."""

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from regrok.errors import RegrokError
from regrok.tasks import Data
from regrok.tasks.streams import generator

if TYPE_CHECKING:
    from regrok.study.task import SparseParity

ENUMERABLE_BITS = (
    20  # up to here the unseen inputs are listed; beyond, a redraw almost never collides
)
HASHABLE_BITS = 62  # beyond, two draws agree with a chance below 2⁻⁶²: nothing to look for


def make(task: "SparseParity", seed: int) -> Data:
    """Uniform bits as inputs ±1; the label is the parity of the inputs −1 in the support.

    The support is k positions drawn from the seed's own stream. To a network whose initialisation
    treats inputs alike it makes no difference which they are, and no run can profit from their
    being the first. Training samples may repeat. Validation samples are drawn from the inputs that
    the training set lacks, in their own stream, so the one set does not change with the other's
    size unless they collide.

    Raises RegrokError when the training set already holds every input.
    """
    support = torch.randperm(task.n, generator=generator(seed, "support"))[: task.k]
    train = _draw(task.train_count, task.n, generator(seed, "train inputs"))
    validation = _draw_unseen(task, train, generator(seed, "validation inputs"))
    bits = torch.cat((train, validation))
    if task.labels == "random":
        labels = torch.randint(2, (len(bits),), generator=generator(seed, "labels"))
    else:
        labels = bits[:, support].sum(1) % 2
    inputs = (1 - 2 * bits).to(torch.float32)
    m = task.train_count
    return Data(inputs[:m], labels[:m], inputs[m:], labels[m:], classes=2)


def _draw(count: int, n: int, stream: torch.Generator) -> Tensor:
    return torch.randint(2, (count, n), generator=stream)


def _draw_unseen(task: "SparseParity", train: Tensor, stream: torch.Generator) -> Tensor:
    """Validation bits (validation_count, n), none of them a row of `train`."""
    count, n = task.validation_count, task.n
    if n > HASHABLE_BITS or not count:
        return _draw(count, n, stream)
    seen = _codes(train).unique()
    if len(seen) == 2**n:
        raise RegrokError(
            f"sparse_parity with n = {n}: all {2**n} inputs are in the training set "
            f"(train_count = {task.train_count}), none is left to validate on; lower train_count "
            "or raise n"
        )
    if n <= ENUMERABLE_BITS:
        unseen = torch.ones(2**n, dtype=torch.bool).index_fill(0, seen, False).nonzero()[:, 0]
        chosen = unseen[torch.randint(len(unseen), (count,), generator=stream)]
        return (chosen[:, None] >> torch.arange(n)) & 1
    validation = _draw(count, n, stream)
    while len(again := torch.isin(_codes(validation), seen).nonzero()[:, 0]):
        validation[again] = _draw(len(again), n, stream)
    return validation


def _codes(bits: Tensor) -> Tensor:
    """Each row of bits (m, n) as one int64, bit i at 2ⁱ."""
    return (bits << torch.arange(bits.shape[1])).sum(1)

"""(a ∘ b) mod p on pairs of residues (2201.02177, 2603.13331, 2603.25009)."""

import random
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from regrok.tasks import Data
from regrok.tasks.streams import generator

if TYPE_CHECKING:
    from regrok.study.task import Modular


def make(task: "Modular", seed: int) -> Data:
    """All pairs of the task, shuffled and cut into training and validation.

    The pairs are listed row-major, (0, 0), (0, 1), …, shuffled with Python's `random.Random(seed)`,
    and the first `train_size` train: the split of the published scripts of 2603.13331. It changes
    with the seed unless the task has a `split_seed` (2603.25009: one split for all experiments).
    """
    inputs = pairs(task)
    if task.labels == "random":
        # One label per pair in row-major order: a pair keeps its label whatever the split.
        labels = torch.randint(task.p, (len(inputs),), generator=generator(seed, "labels"))
    else:
        labels = result(task.operation, inputs[:, 0], inputs[:, 1], task.p)
    order = list(range(len(inputs)))
    random.Random(seed if task.split_seed is None else task.split_seed).shuffle(order)
    train, validation = torch.tensor(order).split([task.train_size, task.validation_size])
    return Data(inputs[train], labels[train], inputs[validation], labels[validation], task.p)


def pairs(task: "Modular") -> Tensor:
    """The task's pairs (N, 2) int64, row-major.

    Without zero, pairs with a zero operand are left out; a division never has b = 0; unordered
    pairs are those with a ≤ b.
    """
    a, b = torch.cartesian_prod(torch.arange(task.p), torch.arange(task.p)).unbind(1)
    kept = torch.ones_like(a, dtype=torch.bool)
    if task.zero == "exclude":
        kept &= (a > 0) & (b > 0)
    if task.operation == "divide":
        kept &= b > 0
    if not task.ordered:
        kept &= a <= b
    return torch.stack((a[kept], b[kept]), 1)


def result(operation: str, a: Tensor, b: Tensor, p: int) -> Tensor:
    """a ∘ b mod p, element by element; for `divide` b must be a unit modulo the prime p."""
    if operation == "add":
        return (a + b) % p
    if operation == "subtract":
        return (a - b) % p
    if operation == "multiply":
        return (a * b) % p
    if operation == "divide":
        return (a * inverses(p)[b]) % p
    return a ^ b  # below p, since p is a power of two


def inverses(p: int) -> Tensor:
    """The inverse (p,) int64 of each residue modulo the prime p; 0 for 0, which has none."""
    return torch.tensor([0] + [pow(b, -1, p) for b in range(1, p)])

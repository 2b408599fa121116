"""The equations a ∘ b = c of a task, and which of them train. No torch here: the plan looks for untrained classes."""

import random
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from regrok.tasks.operations import OPERATIONS

if TYPE_CHECKING:
    from regrok.study.task import Modular

Pair = tuple[int, int]


def pairs(task: "Modular") -> Sequence[Pair]:
    """The task's pairs (a, b), row-major.

    Without zero, pairs with a zero operand are left out; a division never has b = 0; unordered pairs are those with
    a ≤ b.
    """
    return equations(task)[0]


def equations(task: "Modular") -> tuple[Sequence[Pair], Sequence[int]]:
    """The task's pairs, and the true result of each."""
    return _equations(task.operation, task.p, task.zero == "exclude", task.ordered)


@lru_cache(maxsize=16)
def _equations(
    name: str, p: int, without_zero: bool, ordered: bool
) -> tuple[Sequence[Pair], Sequence[int]]:
    operation = OPERATIONS[name]
    found = [
        (a, b)
        for a in range(without_zero, p)
        for b in range(without_zero or operation.divides, p)
        if ordered or a <= b
    ]
    return found, [operation.result(a, b, p) for a, b in found]


def split(task: "Modular", seed: int) -> tuple[Sequence[int], Sequence[int]]:
    """Places in `pairs(task)` of the `train_size` training pairs and of the others.

    The pairs, listed row-major, are shuffled with Python's `random.Random(seed)`, and the first train: the split of the
    published scripts of 2603.13331. It changes with the seed unless the task has a `split_seed` (2603.25009: one split
    for all experiments). With split = 'unordered' see `mirrored_split`.
    """
    shuffle = random.Random(seed if task.split_seed is None else task.split_seed).shuffle
    if task.split == "unordered":
        return mirrored_split(pairs(task), task.train_size, shuffle)
    order = list(range(task.pairs))
    shuffle(order)
    return order[: task.train_size], order[task.train_size :]


def mirrored_split(
    listed: Sequence[Pair], train_size: int, shuffle: Callable[[list[list[int]]], None]
) -> tuple[list[int], list[int]]:
    """As `split`, with (a, b) and (b, a) on the same side; `listed` has both of every pair.

    Sets {a, b} are shuffled and train one after the other, as long as they fit: a last single place goes to the next
    set {a}, so that these train a little more often than their share, by less than one of them a split. Where all of
    them train already, the last makes room for two.
    """
    place = {pair: i for i, pair in enumerate(listed)}
    sets = [list(dict.fromkeys((i, place[b, a]))) for (a, b), i in place.items() if a <= b]
    shuffle(sets)
    train: list[list[int]] = []
    others: list[list[int]] = []
    room = train_size
    for each in sets:
        if len(each) <= room:
            train.append(each)
            room -= len(each)
        else:
            others.append(each)
    if room:
        single = next(each for each in reversed(train) if len(each) == 1)
        train[train.index(single)], others[0] = others[0], single
    return [i for each in train for i in each], [i for each in others for i in each]

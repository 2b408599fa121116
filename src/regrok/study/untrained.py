"""Classes of which a split trains no pair: no network can learn them, and validation asks for them all the same.

Said before any job, from the splits that the runs will have.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from regrok.tasks.pairs import equations, split

if TYPE_CHECKING:
    from regrok.study.run import Run
    from regrok.study.task import Modular

NEGLIGIBLE = 1e-9
"""Splits are drawn only of a task of which more of them than this share would leave a class untrained."""

SHOWN = 5
"""Seeds, and classes of one, that a line names before it counts the rest."""


def untrained_classes(task: Modular, seed: int) -> list[int]:
    """The classes that have pairs, none of which trains under this seed; random labels have no class to miss."""
    if task.labels == "random" or chance(task) < NEGLIGIBLE:
        return []
    _, results = equations(task)
    train, _ = split(task, seed)
    return sorted(set(results) - {results[i] for i in train})


def chance(task: Modular) -> float:
    """An upper bound of the share of splits that leave some class untrained.

    Of N pairs the share f trains. All n of a class are left out by at most (1 − f)ⁿ of the splits, and where mirror
    images stay together, by at most (1 − f)^(n/2), up to the rounding of f.
    """
    _, results = equations(task)
    left_out = task.validation_size / task.pairs
    together = 2 if task.split == "unordered" else 1
    return float(sum(left_out ** (n / together) for n in Counter(results).values()))


def untrained(runs: Iterable[Run]) -> list[str]:
    """One sentence for each task of which some split misses a class, with the classes and the seeds."""
    missed: dict[Modular, dict[int, list[int]]] = {}
    for task, seed in dict.fromkeys(
        (run.task, run.seed if run.task.split_seed is None else run.task.split_seed)
        for run in runs
        if run.task.name == "modular"
    ):
        if found := untrained_classes(task, seed):
            missed.setdefault(task, {})[seed] = found
    return [_sentence(task, found) for task, found in missed.items()]


def _sentence(task: Modular, found: dict[int, list[int]]) -> str:
    listed = [f"{_classes(classes)} with split {seed}" for seed, classes in found.items()]
    shown = "; ".join(listed[:SHOWN]) + _rest(listed, "splits")
    return (
        f"{task.operation} at p = {task.p}, {task.train_size} of {task.pairs} pairs: no training pair of "
        f"{shown}. Validation asks for what no run can learn; raise train_fraction or train_count"
    )


def _classes(classes: Sequence[int]) -> str:
    named = ", ".join(map(str, classes[:SHOWN])) + _rest(classes, "classes")
    return f"class {named}" if len(classes) == 1 else f"classes {named}"


def _rest(listed: Sequence[object], what: str) -> str:
    return f" and {len(listed) - SHOWN} more {what}" if len(listed) > SHOWN else ""

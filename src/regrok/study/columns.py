"""The columns that a run's settings fill, derived from the types of a run: name, block, unit, meaning, roles.

The rows of runs.parquet, the data dictionary, the names of cells, the appendix' table of settings and what may differ
in a cohort read them here. A new field of a task, a model, the optimiser or the protocol is at once a column of all
these; its docstring is its meaning. Needs neither torch nor pandas, since the plan reads it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from regrok.study.base import Role, Strict, Unit, kinds, marked
from regrok.study.literals import PACKAGE, literal
from regrok.study.model import Model
from regrok.study.run import Optimiser, Protocol, Run
from regrok.study.task import Task

CLASSES: dict[str, tuple[type[Strict], ...]] = {
    "task": kinds(Task),
    "model": kinds(Model),
    "optimiser": kinds(Optimiser),
    "protocol": kinds(Protocol),
}
"""Block → the classes that it may be."""


@dataclass(frozen=True)
class Column:
    """One column of runs.parquet that follows from a run's settings."""

    name: str
    block: str
    """task, model, optimiser or protocol."""
    field: str
    """The field of the block's classes; "" for what is counted from several."""
    unit: str
    """"" for a pure number or a word."""
    meaning: str
    roles: frozenset[Role] = frozenset()

    @property
    def words(self) -> bool:
        """Whether its values are words; those of a setting that is one of several words are."""
        fields = [each.model_fields.get(self.field) for each in CLASSES[self.block]]
        kinds = [_is_of_words(field.annotation) for field in fields if field is not None]
        return bool(kinds) and all(kinds)

    def of(self, run: Run) -> Any:
        """The run's value; None where the setting does not apply to this task, model or optimiser."""
        if self.name == "batch":
            return run.batch_size
        if self.name == "full_batch":
            return run.protocol.batch == "full"
        return getattr(getattr(run, self.block), self.field, None)


def _is_of_words(annotation: Any) -> bool:
    """Whether a setting is one of several words, or null."""
    if get_origin(annotation) in (Union, UnionType):
        return all(_is_of_words(each) for each in get_args(annotation) if each is not NoneType)
    return get_origin(annotation) is Literal


COUNTED = (
    Column("train_size", "task", "", "example", "training examples"),
    Column(
        "validation_size",
        *("task", "", "example", "validation examples"),
        frozenset({Role.UNNAMED}),
    ),
    Column(
        "parameters",
        *("model", "", "", "number of trained parameters"),
        frozenset({Role.UNNAMED}),
    ),
)
"""What follows from several settings of a block; such columns come last in it."""

BATCH = (
    Column("batch", "protocol", "batch", "example", "examples per step"),
    Column(
        "full_batch", *("protocol", "batch", ""), "whether every step sees the whole training set"
    ),
)
"""The columns of protocol.batch, which is a number or the word full."""


def merged(lists: Iterable[Sequence[str]]) -> Iterator[str]:
    """One order that keeps the order of every list, as Python orders the bases of a class (C3).

    Next comes the first list's head that no list has further down.

    >>> list(merged([["p", "train", "labels"], ["n", "k", "train", "labels"]]))
    ['p', 'n', 'k', 'train', 'labels']
    """
    left = [list(each) for each in lists]
    while left := [each for each in left if each]:
        later = {name for each in left for name in each[1:]}
        name = next((each[0] for each in left if each[0] not in later), None)
        if name is None:
            raise ValueError(f"no order keeps that of all of {left}")
        yield name
        for each in left:
            if each[0] == name:
                del each[0]


def _meaning(classes: Sequence[type[Strict]], name: str) -> str:
    """The docstrings of a field, each with the classes that it is true of where it is not true of all."""
    told: dict[str, list[type[Strict]]] = {}
    for each in classes:
        if name in each.model_fields:
            told.setdefault(_told(each.model_fields[name]), []).append(each)
    if name == "name" or list(told.values()) == [list(classes)]:
        return "; ".join(told)
    return "; ".join(f"{', '.join(map(_word, those))}: {text}" for text, those in told.items())


def _told(field: FieldInfo) -> str:
    """A field's docstring on one line, and the words that it may have where the docstring does not name them."""
    text = re.sub(r"\s+", " ", field.description or "").strip().rstrip(".")
    words = get_args(field.annotation) if get_origin(field.annotation) is Literal else ()
    if all(str(word) in text for word in words):
        return text
    return f"{text} ({', '.join(words[:-1])} or {words[-1]})"


def _word(kind: type[Strict]) -> str:
    """The `name` that chooses the class in a configuration."""
    return str(get_args(kind.model_fields["name"].annotation)[0])


def _field(block: str, name: str) -> Iterator[Column]:
    """The columns of one field: one under its own name, except for `name`, `batch` and what is unseen."""
    classes = CLASSES[block]
    fields = [each.model_fields[name] for each in classes if name in each.model_fields]
    roles = {role for field in fields for role in field.metadata if isinstance(role, Role)}
    units = [unit.name for field in fields for unit in field.metadata if isinstance(unit, Unit)]
    if Role.UNSEEN in roles:
        return
    if (block, name) == ("protocol", "batch"):
        yield from BATCH
        return
    column = block if name == "name" else name
    meaning = _meaning(classes, name)
    yield Column(column, block, name, units[0] if units else "", meaning, frozenset(roles))


def _settings() -> Iterator[Column]:
    for block, classes in CLASSES.items():
        for name in merged(list(each.model_fields) for each in classes):
            yield from _field(block, name)
        yield from (column for column in COUNTED if column.block == block)


SETTINGS: tuple[Column, ...] = tuple(_settings())
"""Every column that the settings fill, block by block, in the order of the types' fields."""

NAMING: tuple[str, ...] = tuple(
    column.name
    for block in ("task", "model", "optimiser")
    for seed in (False, True)
    for column in SETTINGS
    if column.block == block
    and Role.UNNAMED not in column.roles
    and (Role.SEED in column.roles) == seed
)
"""The columns that name a cell in a figure or a record: task, model and optimiser, in each block the seeds last."""

DECIDING: tuple[str, ...] = (
    *NAMING,
    *(c.name for c in SETTINGS if c.name not in NAMING and Role.LOGGING not in c.roles),
)
"""The columns that tell two conditions apart (`Run.condition`), those that name a cell first."""

FREE: dict[str, set[str]] = {
    block: free
    for block, classes in CLASSES.items()
    if (free := {name for each in classes for name in marked(each, Role.FREE)})
}
"""Block → the fields that may differ between the slots of one cohort, besides the seed."""


def block(name: str) -> tuple[str, ...]:
    """The columns of a block."""
    return tuple(column.name for column in SETTINGS if column.block == name)


def names() -> list[str]:
    """The columns of runs.parquet: settings from the types of a run, names and results from regrok.runs.columns."""
    files = (PACKAGE / "runs" / "columns.py", PACKAGE / "measures" / "events.py")
    return list(_names(*(path.read_text(encoding="utf-8") for path in files)))


@cache
def _names(runs: str, events: str) -> tuple[str, ...]:
    """As `names`, from the sources of regrok.runs.columns and regrok.measures.events."""
    others = [*literal(runs, "NAMES"), *literal(runs, "RESULTS")]
    thresholds = literal(events, "THRESHOLDS")
    spelt_out = [name.replace("<threshold>", suffix) for name in others for suffix in thresholds]
    return (*dict.fromkeys(spelt_out), *(column.name for column in SETTINGS))


NAMED = ("run_id", "cell", "condition", "cohort", "outcome", "device", "trainer")
"""Columns of words that are no settings."""


@cache
def wordy() -> frozenset[str]:
    """Columns of runs.parquet that hold words."""
    fields = {c.name: c.words for c in SETTINGS}
    return frozenset([*(name for name, words in fields.items() if words), *NAMED])

"""Partial settings: the same keys as a run's, each of which may be left out.

They are made from the run's own types, so a new field of a task or a model is at once a key that
a settings block, an experiment or an arm may change, and the editor's schema knows it. Whether the
values fit together is judged on the whole, when a cell's settings are complete
(`regrok.study.expand`).
"""

from collections.abc import Callable
from functools import reduce
from operator import or_
from typing import Any

from pydantic import Field, create_model

from regrok.study.base import Strict, kinds
from regrok.study.model import Model
from regrok.study.run import BLOCKS, Optimiser, Protocol
from regrok.study.task import Task

Partial = dict[str, dict[str, Any]]
"""Some keys of some blocks, as plain values."""


def _any_key_of(*types: type[Strict]) -> Callable[[type[Strict]], Any]:
    """Give a class every field of `types`, none needed; a shared field takes any type's value."""

    def fill(cls: type[Strict]) -> type[Strict]:
        fields: dict[str, Any] = {}
        for key in dict.fromkeys(key for each in types for key in each.model_fields):
            having = [each.model_fields[key] for each in types if key in each.model_fields]
            bare = [field.rebuild_annotation() for field in having]
            text = " ".join(dict.fromkeys(field.description or "" for field in having))
            fields[key] = (reduce(or_, bare), Field(default=None, description=text))
        return create_model(cls.__name__, __base__=Strict, __doc__=cls.__doc__, **fields)

    return fill


@_any_key_of(*kinds(Task))
class TaskChange(Strict):
    """Any keys of a task."""


@_any_key_of(*kinds(Model))
class ModelChange(Strict):
    """Any keys of a model."""


@_any_key_of(Optimiser)
class OptimiserChange(Strict):
    """Any keys of an optimiser."""


@_any_key_of(Protocol)
class ProtocolChange(Strict):
    """Any keys of a protocol."""


class Change(Strict):
    """What differs from the settings started from; keys not listed stay."""

    task: TaskChange = Field(default_factory=TaskChange)
    """Keys of the task. Another `name` replaces the block, so its keys must then be complete."""
    model: ModelChange = Field(default_factory=ModelChange)
    """Keys of the model. Another `name` replaces the block, so its keys must then be complete."""
    optimiser: OptimiserChange = Field(default_factory=OptimiserChange)
    """Keys of the optimiser; those that only another optimiser has are kept and not used."""
    protocol: ProtocolChange = Field(default_factory=ProtocolChange)
    """Keys of the protocol."""

    def listed(self) -> Partial:
        """The keys that were given, block by block, as plain values."""
        return {block: getattr(self, block).model_dump(exclude_unset=True) for block in BLOCKS}


def known_keys() -> list[str]:
    """Every dotted key that a grid may vary."""
    return [f"{block}.{key}" for block in BLOCKS for key in _type_of(block).model_fields]


def _type_of(block: str) -> type[Strict]:
    annotation = Change.model_fields[block].annotation
    assert isinstance(annotation, type)
    return annotation


def apply(settings: Partial, change: Partial) -> Partial:
    """`settings` with the keys of `change` put in their place; neither argument is altered.

    A task or model of another `name` replaces the block: its keys mean nothing to the new one.
    """
    result = dict(settings)
    for block, keys in change.items():
        old = settings.get(block, {})
        renamed = block in ("task", "model") and "name" in keys and keys["name"] != old.get("name")
        result[block] = dict(keys) if renamed else {**old, **keys}
    return result

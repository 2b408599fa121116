"""Partial settings: the same keys as a run's, each of which may be left out.

They are made from the run's own types, so a new field of a task or a model is at once a key that a
settings block, an experiment or an arm may change, and the editor's schema knows it. Whether the values
fit together is judged on the whole, when a cell's settings are complete (`regrok.plan`).
"""

from functools import reduce
from operator import or_
from typing import Any

from pydantic import Field, create_model

from .base import Strict
from .model import MLP, Transformer
from .run import Optimiser, Protocol
from .task import Modular, SparseParity, XorClusters


def _partial(name: str, *types: type[Strict]) -> type[Strict]:
    """A type with every field of `types`, none needed; a shared field takes any type's value."""
    fields: dict[str, Any] = {}
    for key in dict.fromkeys(key for each in types for key in each.model_fields):
        having = [each.model_fields[key] for each in types if key in each.model_fields]
        bare = [f.rebuild_annotation() for f in having]
        text = " ".join(dict.fromkeys(f.description or "" for f in having))
        fields[key] = (reduce(or_, bare), Field(default=None, description=text))
    return create_model(name, __base__=Strict, __doc__=f"{name}: any of its keys.", **fields)


TaskChange = _partial("TaskChange", Modular, SparseParity, XorClusters)
ModelChange = _partial("ModelChange", Transformer, MLP)
OptimiserChange = _partial("OptimiserChange", Optimiser)
ProtocolChange = _partial("ProtocolChange", Protocol)


class Change(Strict):
    """What differs from the settings started from; keys not listed stay."""

    task: TaskChange = Field(default_factory=TaskChange)
    """Keys of the task. Another `name` replaces the block, so its keys must then be complete."""
    model: ModelChange = Field(default_factory=ModelChange)
    """Keys of the model. Another `name` replaces the block, so its keys must then be complete."""
    optimiser: OptimiserChange = Field(default_factory=OptimiserChange)
    """Keys of the optimiser; those of another optimiser are kept and not used."""
    protocol: ProtocolChange = Field(default_factory=ProtocolChange)
    """Keys of the protocol."""

    def listed(self) -> dict[str, dict[str, Any]]:
        """The keys that were given, block by block, as plain values."""
        return {block: getattr(self, block).model_dump(exclude_unset=True) for block in BLOCKS}


BLOCKS = ("task", "model", "optimiser", "protocol")


def known_keys() -> list[str]:
    """Every dotted key that a grid may vary."""
    return [f"{block}.{key}" for block in BLOCKS for key in _fields(block)]


def _fields(block: str) -> list[str]:
    return list(Change.model_fields[block].annotation.model_fields)


def apply(
    settings: dict[str, dict[str, Any]], change: dict[str, dict[str, Any]]
) -> dict[str, dict[str, Any]]:
    """`settings` with the keys of `change` put in their place; neither argument is altered.

    A task or model of another `name` replaces the block: its keys mean nothing to the new one.
    """
    result = dict(settings)
    for block, keys in change.items():
        old = settings.get(block, {})
        renamed = block in ("task", "model") and keys.get("name", old.get("name")) != old.get(
            "name"
        )
        result[block] = dict(keys) if renamed else {**old, **keys}
    return result

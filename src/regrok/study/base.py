"""What every part of the study's types shares: strictness, bounded numbers, and what a field says about itself."""

from dataclasses import dataclass
from enum import Enum
from functools import cache
from typing import Annotated, Any, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(gt=0, lt=1)]
Momentum = Annotated[float, Field(ge=0, lt=1)]
Count = Annotated[int, Field(ge=1, lt=2**31)]
MOST_STEPS = 10**12
Steps = Annotated[int, Field(ge=0, le=MOST_STEPS)]
"""A number of steps. A sum of them over every run of a plan is still exact as int64 and as a float's whole number."""
SomeSteps = Annotated[int, Field(ge=1, le=MOST_STEPS)]
NONE_AT_ZERO = BeforeValidator(
    lambda given: None if type(given) in (int, float) and not given else given
)
"""For a setting that may be absent: 0 of it is null, so that such a run is the run without the setting."""
Seed = Annotated[int, Field(ge=0, lt=2**32)]


class Role(Enum):
    """What a setting does to a run, where it is more than a part of its identity: `Annotated[Count, Role.LOGGING]`."""

    FREE = "may differ between runs that are trained side by side"
    LOGGING = "only logs, cuts off or rounds: runs that differ in nothing else repeat one training"
    UNSEEN = "does not change the run: in neither its identity nor its columns"
    UNNAMED = "part of the identity, but left out where a cell is named by its settings"
    SEED = "draws something at random; named last"


@dataclass(frozen=True)
class Unit:
    """The unit of a setting: `Annotated[Count, Unit("step")]`. A setting without one is a pure number or a word."""

    name: str


class Strict(BaseModel):
    """Frozen, no unknown keys, no silent conversion (`"3"` and `true` are not numbers)."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        allow_inf_nan=False,
        use_attribute_docstrings=True,
    )


def kinds(union: Any) -> tuple[type[Strict], ...]:
    """The classes of a block of settings: those of a discriminated union (`Task`, `Model`), or the class itself."""
    return (union,) if isinstance(union, type) else get_args(get_args(union)[0])


@cache
def marked(kind: type[Strict], role: Role) -> frozenset[str]:
    """Names of the fields of a class that bear a role."""
    return frozenset(name for name, field in kind.model_fields.items() if role in field.metadata)

"""One quantity under every choice that a paper leaves open: the default's estimate, with the others beside it."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import replace
from typing import TypeVar

from regrok.laws.parts.estimate import Estimate

Choice = TypeVar("Choice", bound=Hashable)


def among(found: Mapping[Choice, Estimate], default: Choice) -> Estimate:
    """The estimate of the default choice, that carries value and interval of each one (`Estimate.choices`).

    A choice under which nothing can be told is left out, and the note says of how many.
    """
    own = found[default]
    told = tuple(
        (each.value, each.low, each.high) for each in found.values() if each.value is not None
    )
    lost = len(found) - len(told)
    noted = own.noting(f"{lost} of {len(found)} choices have none" if lost else "")
    return replace(noted, choices=told)

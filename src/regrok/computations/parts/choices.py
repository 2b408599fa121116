"""One quantity under every choice that a paper leaves open: the default's estimate, with the others beside it."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import replace

from regrok.laws.parts.estimate import Estimate


def among(found: Mapping[Hashable, Estimate], default: Hashable) -> Estimate:
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

"""The line on which an interval is drawn against its rule: in the terminal by characters, on the page by shares.

Positive numbers that span more than a factor of `SPAN` are placed by their logarithms.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from regrok.study.claims import Claim

SPAN = 30
"""Largest over smallest, from which logarithms place the numbers."""
MARGIN = 0.15
"""Share of the numbers' range that is left free on either side."""


@dataclass(frozen=True)
class Axis:
    """Where numbers lie between the two ends of a line."""

    least: float
    """What the left end stands for; of a logarithmic line its natural logarithm."""
    most: float
    """What the right end stands for, likewise."""
    log: bool
    """Whether the line is logarithmic."""

    def share(self, x: float) -> float:
        """How far along the line a number lies, from 0 to 1; one beyond an end lies at that end."""
        if math.isinf(x):
            return 0.0 if x < 0 else 1.0
        if self.log and x <= 0:
            return 0.0
        at = math.log(x) if self.log else x
        return min(max((at - self.least) / (self.most - self.least), 0.0), 1.0)

    def ends(self) -> tuple[float, float]:
        """The numbers that the two ends stand for."""
        return (math.exp(self.least), math.exp(self.most)) if self.log else (self.least, self.most)


def axis_of(numbers: Iterable[float | None]) -> Axis:
    """The line that holds all of these that are finite, with a margin. Raises ValueError where none is.

    >>> round(axis_of([0.0, 2.0, None]).share(1.0), 3)
    0.5
    """
    # The band of a sign begins at the smallest number above zero, which is drawn as zero.
    known = [0.0 if abs(x) < 1e-300 else x for x in numbers if x is not None and math.isfinite(x)]
    log = min(known) > 0 and max(known) > SPAN * min(known)
    at = math.log if log else float
    least, most = at(min(known)), at(max(known))
    margin = MARGIN * (most - least) or 0.5 * abs(most) or 1.0
    return Axis(least - margin, most + margin, log)


def band_of(claim: Claim, scale: str) -> tuple[float, float] | None:
    """What a claim's rule asks at a scale, as a band of numbers; None where there is no rule."""
    predicate: Any = claim.predicate.get(scale)  # type: ignore[call-overload]
    if predicate is None:
        return None
    if hasattr(predicate, "band"):
        low, high = predicate.band()
        return low, high
    return predicate.target, predicate.target


def drawn_numbers(
    estimate: Mapping[str, Any], band: tuple[float, float] | None
) -> list[float | None]:
    """The numbers that a line has to hold: an estimate's value and interval, and its band."""
    return [*(estimate.get(key) for key in ("value", "low", "high")), *(band or ())]

"""The arms of a computation: what it is told as it stands, and by its name what each arm changes of that.

Estimates of an arm bear its name before theirs, points have it as `arm`, and an error names it. All arms of one entry
of a study have the same seed: what they draw is the same unless an arm draws otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from regrok.errors import RegrokError
from regrok.laws.parts.estimate import Estimate

WHOLE = "all"
"""How points call what an entry is told without an arm's changes."""

Measured = tuple[Mapping[str, Estimate], Iterable[Mapping[str, Any]]]
"""The estimates and the points of one arm, neither of which says which."""


@dataclass(frozen=True)
class Arm:
    """One of the ways in which a computation is told."""

    name: str
    options: dict[str, Any]
    """The module's, less `arms`, as this arm changes them."""
    whole: bool
    """Whether it is the entry as it stands."""

    def estimates(self, found: Mapping[str, Estimate]) -> dict[str, Estimate]:
        """Under their keys in the result: an arm's name comes before its own."""
        prefix = "" if self.whole else f"{self.name}."
        return {f"{prefix}{key}": value for key, value in found.items()}

    def points(self, rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """The records, each with its arm."""
        return [{"arm": self.name, **row} for row in rows]

    @contextmanager
    def named(self) -> Iterator[None]:
        """Errors name the arm in which they are."""
        try:
            yield
        except RegrokError as error:
            where = "" if self.whole else f"options.arms.{self.name}: "
            raise RegrokError(f"{where}{error}") from error


def arms(options: Mapping[str, Any], whole: str = WHOLE) -> list[Arm]:
    """The entry as it stands, called `whole`, and its arms, in their order."""
    own = {key: value for key, value in options.items() if key != "arms"}
    others = [Arm(name, own | changes, False) for name, changes in options["arms"].items()]
    return [Arm(whole, own, True), *others]


def over(
    options: Mapping[str, Any], measured: Callable[[dict[str, Any]], Measured]
) -> dict[str, Any]:
    """What a computation returns, {"estimates", "points"}, of what `measured` makes of each arm's options.

    Raises RegrokError as that does, with the arm's place.
    """
    estimates: dict[str, Estimate] = {}
    points: list[dict[str, Any]] = []
    for arm in arms(options):
        with arm.named():
            found, rows = measured(arm.options)
        estimates |= arm.estimates(found)
        points += arm.points(rows)
    return {"estimates": estimates, "points": points}

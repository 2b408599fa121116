"""What a claim's estimate has to satisfy: the kinds of predicate, each with its number or band."""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import Field, model_validator

from regrok.study.base import Strict

MinimumRuns = Annotated[int, Field(ge=1)]

NUMBERED = {
    "within": "target",
    "holds": "target",
    "all_equal": "target",
    "proportion": "target",
    "at_least": "bound",
    "at_most": "bound",
}
"""Kind of predicate → its key for the number that is asked."""


class Criterion(Strict):
    """What a claim's estimate has to satisfy."""

    direction_only: bool = False
    """true: another regime is asked than the published one; meeting it reproduces the direction alone."""


class Within(Criterion):
    """The interval lies in a band around the published value."""

    kind: Literal["within"]
    """within: the interval lies inside the band."""
    target: float
    """The middle of the band; the published value where it is left out."""
    tolerance: Annotated[float, Field(ge=0)] | None = None
    """Half width of the band."""
    tolerance_relative: Annotated[float, Field(gt=0)] | None = None
    """Half width as a share of the target."""
    tolerance_factor: Annotated[float, Field(gt=1)] | None = None
    """The band is target/factor to target·factor."""

    @model_validator(mode="after")
    def _one_tolerance(self) -> Within:
        given = (self.tolerance, self.tolerance_relative, self.tolerance_factor)
        if sum(g is not None for g in given) != 1:
            raise ValueError("give one of tolerance, tolerance_relative, tolerance_factor")
        if self.tolerance_factor is not None and self.target <= 0:
            raise ValueError("tolerance_factor needs a positive target")
        return self

    def band(self) -> tuple[float, float]:
        if self.tolerance_factor is not None:
            return self.target / self.tolerance_factor, self.target * self.tolerance_factor
        relative = self.tolerance_relative
        half = abs(self.target) * relative if relative is not None else self.tolerance or 0.0
        return self.target - half, self.target + half


class Holds(Criterion):
    """The interval holds a number, and is precise enough for that to say something: two samples agree.

    For quantities with an error of their own, as a ratio of our mean to a published one with both spreads in its
    interval: an exact repeat meets it in 95 of 100 cases, if the precision is within reach of the runs.
    """

    kind: Literal["holds"]
    """holds: the interval holds the target and no more than the precision beside it."""
    target: float
    """The number; the published value where it is left out."""
    precision: Annotated[float, Field(gt=0)] | None = None
    """How far from the target an end of the interval may lie."""
    factor: Annotated[float, Field(gt=1)] | None = None
    """The same as a factor: between target/factor and target·factor."""

    @model_validator(mode="after")
    def _one_precision(self) -> Holds:
        if (self.precision is None) == (self.factor is None):
            raise ValueError("give one of precision, factor")
        if self.factor is not None and self.target <= 0:
            raise ValueError("factor needs a positive target")
        return self

    def band(self) -> tuple[float, float]:
        if self.factor is not None:
            return self.target / self.factor, self.target * self.factor
        half = self.precision or 0.0
        return self.target - half, self.target + half


class AtLeast(Criterion):
    """The interval lies at or above a bound."""

    kind: Literal["at_least"]
    """at_least: it lies at or above the bound."""
    bound: float
    """The least value; the published one where it is left out."""

    def band(self) -> tuple[float, float]:
        return self.bound, math.inf


class AtMost(Criterion):
    """The interval lies at or below a bound."""

    kind: Literal["at_most"]
    """at_most: it lies at or below the bound."""
    bound: float
    """The largest value; the published one where it is left out."""

    def band(self) -> tuple[float, float]:
        return -math.inf, self.bound


class Sign(Criterion):
    """The interval lies on one side of zero."""

    kind: Literal["sign"]
    """sign: it lies on one side of zero."""
    sign: Literal["positive", "negative"]
    """The side; zero itself is on neither."""

    def band(self) -> tuple[float, float]:
        least = math.ulp(0.0)
        return (least, math.inf) if self.sign == "positive" else (-math.inf, -least)


class AllEqual(Criterion):
    """A share of runs that is exactly 0 or exactly 1; one exception refutes it."""

    kind: Literal["all_equal"]
    """all_equal: every run, or none."""
    target: Annotated[float, Field(ge=0, le=1)]
    """0 or 1; the published value where it is left out."""
    minimum_runs: MinimumRuns
    """With fewer runs, no exception is not enough."""

    @model_validator(mode="after")
    def _none_or_all(self) -> AllEqual:
        if self.target not in (0, 1):
            raise ValueError(f"target = {self.target:g}: all_equal is about 0 or 1; see proportion")
        return self


class Proportion(Criterion):
    """A share of runs that the Wilson interval has to hold."""

    kind: Literal["proportion"]
    """proportion: the interval holds the share."""
    target: Annotated[float, Field(ge=0, le=1)]
    """The published share; the published value where it is left out."""
    minimum_runs: MinimumRuns
    """With fewer runs the interval holds almost anything."""
    published_runs: MinimumRuns | None = None
    """How many runs the published share is of: it has an error too. null: it is taken as exact."""


Predicate = Annotated[
    Within | Holds | AtLeast | AtMost | Sign | AllEqual | Proportion, Field(discriminator="kind")
]

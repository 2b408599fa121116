"""The published claims: `paper/claims.yaml`, its types and its checks.

Each claim is stated with its predicate before the runs that decide it exist; `regrok.judging.verdicts` applies it.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, ValidationError, model_validator

from regrok.errors import RegrokError
from regrok.study.base import Strict
from regrok.study.messages import SHOWN, explain
from regrok.study.parse import read_yaml
from regrok.study.words import Scale

if TYPE_CHECKING:
    from regrok.study.blocks import Config

Estimand = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]*(\.[A-Za-z0-9_]+)+$")]
"""<fit>.<key>"""
ClaimId = Annotated[str, Field(pattern=r"^[A-Z][0-9]+(-[a-z0-9]+)*$")]
MinimumRuns = Annotated[int, Field(ge=1)]


class Criterion(Strict):
    """What a claim's estimate has to satisfy."""

    direction_only: bool = False
    """true: another regime is asked than the published one; meeting it reproduces the direction alone."""


class Within(Criterion):
    """The interval lies in a band around the published value."""

    kind: Literal["within"]
    target: float
    """The published value."""
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


class AtLeast(Criterion):
    """The interval lies at or above a bound."""

    kind: Literal["at_least"]
    bound: float
    """The least value."""

    def band(self) -> tuple[float, float]:
        return self.bound, math.inf


class AtMost(Criterion):
    """The interval lies at or below a bound."""

    kind: Literal["at_most"]
    bound: float
    """The largest value."""

    def band(self) -> tuple[float, float]:
        return -math.inf, self.bound


class Sign(Criterion):
    """The interval lies on one side of zero."""

    kind: Literal["sign"]
    sign: Literal["positive", "negative"]
    """The side; zero itself is on neither."""

    def band(self) -> tuple[float, float]:
        least = math.ulp(0.0)
        return (least, math.inf) if self.sign == "positive" else (-math.inf, -least)


class AllEqual(Criterion):
    """A share of runs that is exactly 0 or exactly 1; one exception refutes it."""

    kind: Literal["all_equal"]
    target: Annotated[float, Field(ge=0, le=1)]
    """0 or 1."""
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
    target: Annotated[float, Field(ge=0, le=1)]
    """The published share."""
    minimum_runs: MinimumRuns
    """With fewer runs the interval holds almost anything."""


Predicate = Annotated[
    Within | AtLeast | AtMost | Sign | AllEqual | Proportion, Field(discriminator="kind")
]


class Direction(Strict):
    """A weaker reading of a claim: only the sign of an estimate."""

    estimand: Estimand
    """Fit and key."""
    sign: Literal["positive", "negative"]
    """The claimed one."""


class Published(Strict):
    """What the paper prints."""

    value: float | None
    """The number; null for a qualitative claim."""
    text: str
    """As printed."""


class Paper(Strict):
    """A source of claims."""

    arxiv: str
    """arXiv number."""
    short: str
    """A name of a few words."""


class Claim(Strict):
    """One published, checkable statement."""

    id: ClaimId
    """A letter for the paper, a number, and words for a part of the claim."""
    paper: str
    """Key of `papers`."""
    place: str
    """Where it is printed."""
    statement: str
    """The claim in our words."""
    published: Published
    """The printed number."""
    estimand: Estimand
    """The estimate that decides: fit and key."""
    experiments: Annotated[list[str], Field(min_length=1)]
    """Whose runs feed it."""
    predicate: Annotated[dict[Scale, Predicate], Field(min_length=1)]
    """The rule per scale; a scale that is absent is out of scope."""
    direction: Direction | None = None
    """The weaker reading, if there is one."""
    alternatives: dict[str, Estimand] = Field(default_factory=dict)
    """Other estimators of the same quantity, judged by the same predicate, for the robustness table."""
    command: str
    """What brings the evidence; {scale} stands for the scale, {only} for the experiments that its fit reads."""

    @property
    def fit(self) -> str:
        return self.estimand.partition(".")[0]

    def command_at(self, scale: Scale, experiments: Iterable[str]) -> str:
        """The command at a scale, where these of the fit's experiments run; the claim's own where none does."""
        only = ",".join(experiments) or ",".join(self.experiments)
        return self.command.replace("{scale}", scale).replace("{only}", only)


class Claims(Strict):
    """The whole of claims.yaml."""

    papers: dict[str, Paper]
    """Where the claims come from."""
    claims: Annotated[list[Claim], Field(min_length=1)]
    """The claims, in the order in which they are shown."""

    def find(self, claim_id: str) -> Claim:
        """The claim with this id. Raises RegrokError with the nearest ids."""
        by_id = {claim.id.lower(): claim for claim in self.claims}
        if claim_id.lower() in by_id:
            return by_id[claim_id.lower()]
        near = difflib.get_close_matches(claim_id.lower(), by_id, 3, cutoff=0.4)
        hint = f" Did you mean {' or '.join(by_id[n].id for n in near)}?" if near else ""
        raise RegrokError(f"there is no claim '{claim_id}'.{hint} `regrok claims` lists them all.")


def load_claims(path: Path | str, config: Config | None = None) -> Claims:
    """Read and check claims.yaml, against a configuration where given.

    Raises RegrokError naming the claim and the key: wrong types or keys, an id given twice, an unknown paper,
    an experiment that config.yaml does not hold.
    """
    data = read_yaml(Path(path))
    try:
        claims = Claims.model_validate(data)
    except ValidationError as error:
        problems = [_named(problem, data) for problem in explain(error, Claims, data)[:SHOWN]]
        raise RegrokError("\n  ".join([f"{path} is refused:", *problems])) from None
    problems = []
    seen: set[str] = set()
    known = config.experiments if config else {}
    for claim in claims.claims:
        if claim.id in seen:
            problems.append(f"{claim.id}: this id is given twice")
        seen.add(claim.id)
        if claim.paper not in claims.papers:
            papers = ", ".join(claims.papers)
            problems.append(f"{claim.id}: paper = '{claim.paper}'; papers: {papers}")
        for name in claim.experiments if config else ():
            if name not in known:
                near = difflib.get_close_matches(name, sorted(known), 1)
                hint = f" Did you mean '{near[0]}'?" if near else ""
                problems.append(f"{claim.id}: experiments: no such experiment as '{name}'.{hint}")
    if problems:
        raise RegrokError("\n  ".join([f"{path} is refused:", *problems[:SHOWN]]))
    return claims


def _named(problem: str, data: dict[str, Any]) -> str:
    """`claims[3].place: …` → `A2-norm-ratio.place: …`, where the claim has an id."""
    found = re.match(r"claims\[(\d+)\]\.?", problem)
    if found is None:
        return problem
    claim = data["claims"][int(found[1])]
    name = claim.get("id") if isinstance(claim, dict) else None
    return f"{name}: {problem[found.end() :]}" if isinstance(name, str) else problem

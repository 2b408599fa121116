"""Best evidence first: of a claim's verdicts that of the largest scale that judged it leads, the others stand beside.

A build judges its own scale. The ledgers of other scales come with the checkout (results/released), made by other
builds, so whoever shows one of their verdicts says of which scale it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from regrok.study.words import NO_SUCH_RUN, OUT_OF_SCOPE, SCALES, VERDICTS

JUDGEMENTS = tuple(word for word in VERDICTS if word not in (NO_SUCH_RUN, OUT_OF_SCOPE))
"""Verdicts on the claim itself; a scale without runs that it is about, or without a rule for it, did not judge it."""


@dataclass(frozen=True)
class Ruling:
    """What one scale's ledger says of a claim."""

    scale: str
    released: bool
    """Whether another build's ledger says it, one of those in results/released; else this build's own."""
    entry: Mapping[str, Any]
    """The claim's entry in that ledger."""

    @property
    def verdict(self) -> str:
        return str(self.entry["verdict"])

    @property
    def judges(self) -> bool:
        """Whether the verdict is one on the claim itself."""
        return self.verdict in JUDGEMENTS

    @property
    def speaks(self) -> bool:
        """Whether there is a verdict at all: a judgement, or that the runs it is about do not exist."""
        return self.judges or self.verdict == NO_SUCH_RUN


def rulings(
    own: Mapping[str, Any], elsewhere: Mapping[str, Mapping[str, Any]]
) -> dict[str, tuple[Ruling, ...]]:
    """Claim → its verdicts, in the order of a build's own ledger; the first leads.

    elsewhere: scale → released ledger. Claims that the own ledger lacks are left out: this build does not ask them.
    Judgements come first, from the largest scale down, then what says that there is no such run; this build's own
    before a released one of the same scale. A ledger that has nothing to say of the claim is left out; where none has,
    the own entry stands alone.
    """
    others = {scale: {e["id"]: e for e in made["claims"]} for scale, made in elsewhere.items()}
    found = {}
    for entry in own["claims"]:
        mine = Ruling(own["scale"], False, entry)
        theirs = [
            Ruling(scale, True, entries[entry["id"]])
            for scale, entries in others.items()
            if entry["id"] in entries
        ]
        spoken = [each for each in (mine, *theirs) if each.speaks]
        found[entry["id"]] = tuple(sorted(spoken, key=_place)) or (mine,)
    return found


def _place(ruling: Ruling) -> tuple[bool, int, bool]:
    return not ruling.judges, -SCALES.index(ruling.scale), ruling.released


def leading(
    own: Mapping[str, Any], elsewhere: Mapping[str, Mapping[str, Any]]
) -> dict[str, Ruling]:
    """Claim → the verdict that leads; see `rulings`."""
    return {name: found[0] for name, found in rulings(own, elsewhere).items()}

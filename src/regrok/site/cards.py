"""What the site says of each claim: its statement, and at every scale its estimate against its rule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from regrok import latex
from regrok.judging.axis import band_of
from regrok.report import tex
from regrok.site.intervals import common_axis, line, said, scale_line
from regrok.study.claims import command_in
from regrok.study.words import OUT_OF_SCOPE, REPRODUCED, SCALES, UNJUDGED

if TYPE_CHECKING:
    from regrok.judging.leading import Ruling
    from regrok.study.blocks import Config
    from regrok.study.claims import Claim, Claims


@dataclass(frozen=True)
class Reading:
    """A verdict under another reading of the same runs."""

    label: str
    verdict: str
    estimate: str
    """In plain words."""


@dataclass(frozen=True)
class Judged:
    """What one scale's ledger says of a claim."""

    scale: str
    released: bool
    verdict: str
    reason: str
    criterion: str
    estimate: str
    """Value and interval, as HTML."""
    unit: str
    n: int
    estimator: str
    note: str
    simultaneous: str | None
    survives: bool | None
    readings: Sequence[Reading]
    small: str
    """The interval on an axis of its own, as SVG; empty without a value."""
    wide: str
    """The interval on the axis that all scales of the claim share."""
    experiments: Sequence[str]
    runs: int
    minutes: float
    command: str
    then: Sequence[tuple[str, str]]
    """(commit, verdict) of earlier trainings of the same runs that gave another one."""


@dataclass(frozen=True)
class Card:
    """A claim and its verdicts, the leading one first."""

    id: str
    paper: str
    """The letter."""
    origin: str
    statement: str
    place: str
    published: str
    printed: bool
    """Whether a published number is marked on the axis."""
    estimand: str
    corrected: Mapping[str, Any] | None
    explanation: str
    """What is known of why it fails, as HTML; empty where it does not, or nothing is."""
    scales: Sequence[Judged]
    axis: str
    """The numbers under the wide intervals, as SVG."""
    figures: Sequence[str]
    """Figures that show what decides it."""

    @property
    def leading(self) -> Judged:
        """What the largest scale that judged it says."""
        return self.scales[0]

    @property
    def spoken(self) -> bool:
        """Whether any scale has a verdict on it."""
        return self.leading.verdict not in (OUT_OF_SCOPE, UNJUDGED)

    @property
    def by_size(self) -> list[Judged]:
        """Its scales, the largest first."""
        return sorted(self.scales, key=lambda each: -SCALES.index(each.scale))


def cards(
    config: Config,
    claims: Claims,
    rulings: Mapping[str, Sequence[Ruling]],
    changed: Mapping[str, Mapping[str, Sequence[tuple[str, str]]]],
    built: bool = True,
) -> list[Card]:
    """A card for every claim, in the order of the studies.

    rulings: claim → its verdicts. changed: scale → claim → (commit, verdict) of retests that gave another one.
    built: whether there is a build at all; if not, all that is said was released.
    """
    return [_card(config, claim, rulings[claim.id], changed, built) for claim in claims.claims]


def _card(
    config: Config,
    claim: Claim,
    rulings: Sequence[Ruling],
    changed: Mapping[str, Mapping[str, Sequence[tuple[str, str]]]],
    built: bool,
) -> Card:
    bands = [band_of(claim, each.scale) for each in rulings]
    printed = claim.published.value
    # A printed number may be on another scale than the estimate, as a median beside a ratio; then no rule asks it.
    printed = printed if _asked(printed, claim) else None
    pairs = [(each.entry, band) for each, band in zip(rulings, bands, strict=True)]
    shared = common_axis(pairs, printed)
    made = []
    for ruling, band in zip(rulings, bands, strict=True):
        entry = ruling.entry
        words = f"{ruling.scale} scale: {said(entry, entry['unit'])}; asked: {entry['criterion']}"
        own = common_axis([(entry, band)])
        made.append(
            Judged(
                scale=ruling.scale,
                released=ruling.released or not built,
                verdict=ruling.verdict,
                reason=entry["reason"],
                criterion=entry["criterion"],
                estimate=tex.to_html(latex.estimate(entry)),
                unit=entry["unit"],
                n=entry["n"],
                estimator=entry["estimator"],
                note=entry["note"],
                simultaneous=entry.get("simultaneous"),
                survives=entry["survives"],
                readings=[
                    Reading(label, read["verdict"], said(read))
                    for label, read in entry["robustness"].items()
                ],
                small=line(entry, band, own, None, words) if own else "",
                wide=line(entry, band, shared, printed, words) if shared else "",
                experiments=entry["experiments"],
                runs=entry["runs"],
                minutes=entry["minutes"],
                # A ledger's own command is that of the whole audit, trained.
                command=entry["command"]
                if ruling.released or not built
                else command_in(config, claim.fit, claim.experiments),
                then=changed.get(ruling.scale, {}).get(claim.id, ()),
            )
        )
    failed = rulings[0].judges and rulings[0].verdict != REPRODUCED
    return Card(
        id=claim.id,
        paper=claim.letter,
        origin=claim.origin,
        statement=claim.statement,
        place=claim.place,
        published=claim.published.text,
        printed=printed is not None,
        estimand=claim.estimand,
        corrected=claim.correction,
        explanation=_plain(claim.explanation) if failed else "",
        scales=made,
        axis=scale_line(shared) if shared else "",
        figures=[
            name
            for name, figure in config.figures.items()
            if claim.fit in {*figure.fits, *figure.computations}
        ],
    )


def _asked(printed: float | None, claim: Claim) -> bool:
    """Whether some rule of the claim names the printed number, as a target or a bound."""
    asked = [
        getattr(rule, key, None) for rule in claim.predicate.values() for key in ("target", "bound")
    ]
    return printed is not None and printed in asked


def _plain(explanation: str | None) -> str:
    """An explanation as HTML; empty where it quotes numbers, which only the paper fills in."""
    made = tex.to_html(explanation or "")
    return "" if "\\" in made else made

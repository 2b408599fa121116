"""What the front page says before the ledger: how each paper's claims fare, and where ours and theirs part."""

from __future__ import annotations

import html
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from regrok.paper import texts
from regrok.paper.numbers import NOT_ESTIMATED, leading_result, leads
from regrok.report import tex
from regrok.site.cards import Card
from regrok.study.words import NOT_REPRODUCED, ORIGINS, REPRODUCED, STUDIES, VERDICTS
from regrok.study.yaml import read_yaml
from regrok.tables.findings import holds

if TYPE_CHECKING:
    from regrok.judging.leading import Ruling
    from regrok.study.blocks import Config, Paper

BUILDER = "findings"
"""The kind of table whose options group claims into a paper's findings."""


@dataclass(frozen=True)
class Finding:
    """A published finding that several claims make up."""

    title: str
    answer: str
    """holds, holds in part, does not hold, undecided or not judged."""
    cards: Sequence[Card]


@dataclass(frozen=True)
class Headline:
    """A finding in a sentence of ours, as README has it."""

    title: str
    evidence: Sequence[tuple[str, Card]]
    """What was asked, in a few words, and the claim that answers it."""


@dataclass(frozen=True)
class OfPaper:
    """One paper, and what became of its claims."""

    paper: Paper
    summary: str
    """What the paper's abstract says of it, as HTML; each verdict links to its claim. Empty where there is none."""
    counts: dict[str, dict[str, int]]
    """Origin → verdict → how many standing claims; without those that are none."""
    tiles: dict[str, list[Card]]
    """Origin → its standing claims that some scale judged."""
    findings: Sequence[Finding]
    holds: Sequence[Card]
    """Printed claims that are reproduced."""
    fails: Sequence[Card]
    """Printed claims that are not."""


def standing(cards: Sequence[Card]) -> list[Card]:
    """The claims that no other has taken the place of."""
    return [card for card in cards if card.corrected is None]


def counts(cards: Sequence[Card]) -> dict[str, dict[str, int]]:
    """Origin → leading verdict → how many standing claims, in the usual order, without zeros."""
    found = Counter((card.origin, card.leading.verdict) for card in standing(cards) if card.spoken)
    return {
        origin: kept
        for origin in ORIGINS
        if (kept := {v: n for v in VERDICTS if (n := found[origin, v])})
    }


def headlines(path: Path, cards: Sequence[Card]) -> list[Headline]:
    """The findings of docs/findings.yaml that the leading verdicts bear out: those for which their words were written.

    path: that file; none where it is not there. A finding that names a claim which is not shown is left out.
    """
    by_id = {card.id: card for card in cards}
    told = read_yaml(path)["findings"] if path.is_file() else []
    return [
        Headline(each["title"], [(claim["asked"], by_id[claim["id"]]) for claim in each["claims"]])
        for each in told
        if all(
            claim["id"] in by_id and by_id[claim["id"]].leading.verdict == claim["verdict"]
            for claim in each["claims"]
        )
    ]


def summary(section: Path, rulings: Mapping[str, Sequence[Ruling]]) -> str:
    """What a study's section hands to the abstract, as HTML, with the verdicts and values that lead.

    Empty where it quotes anything else, since other numbers are of a build. Raises RegrokError for a section without
    one.
    """
    firsts = {claim: each[0] for claim, each in rulings.items()}
    known = {claim for claim, first in firsts.items() if leading_result(first) != NOT_ESTIMATED}
    made, at = "", 0
    text = texts.led(texts.summary(section), known)
    for found in QUOTED.finditer(text):
        kind, before, claim = found.groups()
        if claim not in firsts:
            return ""
        made += tex.inner(text[at : found.start()])
        made += f'<a href="claims/{claim}.html">{_quoted(kind, before, claim, firsts)}</a>'
        at = found.end()
    made += tex.inner(text[at:])
    return "" if "\\" in made else " ".join(made.split())


QUOTED = re.compile(r"\\(leadingphrase|leadingresult|published)(?:\[([^\]]+)\])?\{([^}]+)\}")
"""What a summary may quote of a claim: macro, the claim said before in the sentence, the claim."""


def _quoted(kind: str, before: str | None, claim: str, firsts: Mapping[str, Ruling]) -> str:
    first = firsts[claim]
    if kind == "published":
        return html.escape(str(first.entry["published_text"]))
    if kind == "leadingresult":
        return tex.inner(leading_result(first))
    said = leads(first)
    same = before is not None and before in firsts and leads(firsts[before]) == said
    return "likewise" if same else html.escape(said)


def of_papers(
    config: Config, cards: Sequence[Card], rulings: Mapping[str, Sequence[Ruling]], root: Path
) -> list[OfPaper]:
    """Each study's paper with its claims, in the order of the studies.

    rulings: claim → its verdicts. root: the checkout, with the studies' sections.
    """
    by_id = {card.id: card for card in cards}
    found = []
    for name, study in config.studies.items():
        section = root / STUDIES / name / "section.tex"
        mine = [card for card in standing(cards) if card.paper == study.paper.letter]
        judged = [card for card in mine if card.spoken]
        printed = [card for card in judged if card.origin == "printed"]
        found.append(
            OfPaper(
                paper=study.paper,
                summary=summary(section, rulings) if section.is_file() else "",
                counts=counts(mine),
                tiles={
                    origin: those
                    for origin in ORIGINS
                    if (those := [card for card in judged if card.origin == origin])
                },
                findings=[
                    finding for table in study.tables for finding in _grouped(config, table, by_id)
                ],
                holds=[card for card in printed if card.leading.verdict == REPRODUCED],
                fails=[card for card in printed if card.leading.verdict == NOT_REPRODUCED],
            )
        )
    return found


def _grouped(config: Config, table: str, cards: dict[str, Card]) -> list[Finding]:
    entry = config.tables[table]
    if entry.build != BUILDER:
        return []
    found = []
    for told in entry.options["findings"]:
        those = [cards[name] for name in told["claims"]]
        answer = holds(card.leading.verdict for card in those)
        found.append(Finding(told["title"], answer, those))
    return found

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
from regrok.paper.numbers import leads
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
    """What a study's section hands to the abstract, as HTML, with the verdicts that lead.

    Empty where it quotes more than verdicts, since other numbers are of a build. Raises RegrokError for a section
    without one.
    """
    parts = re.split(r"\\leadingphrase\{([^}]+)\}", texts.summary(section))
    made = ""
    for i, part in enumerate(parts):
        if i % 2 and part not in rulings:
            return ""
        made += (
            f'<a href="claims/{part}.html">{html.escape(leads(rulings[part][0]))}</a>'
            if i % 2
            else tex.inner(part)
        )
    return "" if "\\" in made else made.strip()


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

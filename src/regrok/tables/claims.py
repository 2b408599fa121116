"""The ledger as a table: every claim, what is printed, what the largest scale that judged it finds, and the verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from regrok import latex
from regrok.judging.leading import Ruling, rulings
from regrok.judging.ledger import ledger_frame, stands
from regrok.study.defaults import option
from regrok.study.words import ORIGINS, source
from regrok.tables import Built, Material
from regrok.tables.parts.booktabs import Wide, table

READS = ("ledger", "elsewhere")
DEFAULTS: dict[str, Any] = {"all": False}

HEADER = ("reproduced if", r"value, with 95\,\% interval", "$n$", "verdict, by scale")
WIDE = r">{{\raggedright\arraybackslash}}p{{{}in}}"
COLUMNS = rf"@{{\hspace{{1.2em}}}}{WIDE.format(1.85)}{WIDE.format(1.35)}r{WIDE.format(2.25)}@{{}}"
"""Over each row a line of the page's width has the claim and its statement: a column each took seven lines."""

PARTS = {
    "printed": "what it prints",
    "released": "our runs against those that its authors released",
    "ours": "what we ask of it",
}
"""Origin → the words that head its claims."""
CORRECTED = "entries that others took the place of, kept as they were written"


def _part(claim: Mapping[str, Any]) -> tuple[bool, int]:
    """Within a paper: those that stand first, by origin."""
    return not stands(claim), ORIGINS.index(claim["origin"]) * stands(claim)


def _instead(claim: Mapping[str, Any]) -> str:
    """For a corrected entry what was wrong with it, when that was seen, and which entries to read."""
    if stands(claim):
        return ""
    why = claim["corrected"]
    by = ", ".join(map(latex.escape, why["by"]))
    return rf" \emph{{Corrected on {why['date']}: {latex.escape(why['why'])} See {by}.}}"


def _head(claim: Mapping[str, Any]) -> str:
    """The claim, its statement, in grey brackets what is published, and why it was corrected."""
    published = rf"\textcolor{{regrokgrey}}{{({latex.escape(claim['published_text'])})}}"
    name = rf"\textbf{{{latex.escape(claim['id'])}}}"
    return rf"{name}\quad {latex.escape(claim['statement'])} {published}{_instead(claim)}"


def _together(claim: Mapping[str, Any]) -> str:
    """The verdict by intervals that hold at once, where it is another one."""
    word = claim.get("simultaneous")
    return "" if word in (None, claim["verdict"]) else rf" \emph{{(at once: {latex.escape(word)})}}"


def _beside(first: Ruling, others: Sequence[Ruling]) -> str:
    """The scale of the verdict that leads, and the verdicts of the others, in brackets."""
    said = [
        f"{each.scale}: {latex.escape(each.verdict)}"
        for each in others
        if each.verdict != first.verdict
    ]
    if not first.speaks:
        return ""
    same = [each.scale for each in (first, *others) if each.verdict == first.verdict]
    return rf" \textcolor{{regrokgrey}}{{({'; '.join([', '.join(same), *said])})}}"


def build(name: str, entry: Any, material: Material) -> Built:
    """The claims that some scale judged, in the order of claims.yaml; the others are counted in the caption.

    options: all, true to give those a row too.
    """
    claims = material.ledger["claims"]
    said = rulings(material.ledger, material.elsewhere)
    everything = option(entry.options, DEFAULTS)["all"]
    shown = [c for c in claims if everything or said[c["id"]][0].speaks]
    rows: list = []
    heading = None
    papers = list(dict.fromkeys(c["paper"] for c in shown))
    # Stable: papers in the order of the studies, within a part the order of claims.yaml.
    for claim in sorted(shown, key=lambda c: (papers.index(c["paper"]), _part(c))):
        if (claim["paper"], _part(claim)) != heading:
            heading = (claim["paper"], _part(claim))
            words = PARTS[claim["origin"]] if stands(claim) else CORRECTED
            what = "Study" if claim["arxiv"] is None else "Paper"
            rows.append(f"{what} {claim['paper']}, {latex.escape(source(claim['arxiv']))}: {words}")
        first, *others = said[claim["id"]]
        found = first.entry
        rows.append(Wide(_head(claim)))
        rows.append(
            [
                latex.escape(found["criterion"]) or latex.NOTHING,
                latex.estimate(found),
                latex.exact(found["n"]) if found["n"] else latex.NOTHING,
                latex.escape(first.verdict) + _together(found) + _beside(first, others),
            ]
        )
    caption = (
        r"\textbf{The ledger.} Each claim with the published value in grey, ours, and the verdict that its predicate "
        r"gives; the predicates were written before the runs. An entry's origin heads its group. Rule, value and "
        r"verdict are those of the largest scale that judged the claim, named first in brackets; after it stand other "
        r"scales of the same verdict, and those of another with theirs. An interval inside what is asked reproduces "
        r"the claim, one outside does not, and one across its "
        rf"edge is inconclusive. The {material.scope.scale} scale is this build; "
    )
    if material.elsewhere:
        caption += "those of another scale come from the ledgers released with this audit. "
    else:
        caption += "no ledger of another scale was released beside it. "
    caption += (
        r"$n$ is the number of runs (or simulated runs, or counts) behind "
        r"the estimate. "
        r"Each interval holds with 95\,\%, one in twenty misses; where intervals that all hold at once with 95\,\% "
        r"(Bonferroni, over the claims of a paper that are judged at the scale) would give another verdict, it follows "
        r"in brackets."
    )
    if outside := len(claims) - len(shown):
        caption += (
            f" {latex.count(outside, 'claim').capitalize()} that no scale judged"
            f" {'is' if outside == 1 else 'are'} left out."
        )
    return Built(
        table(name, COLUMNS, HEADER, rows, caption, long=True),
        _and_leading(plain(material.ledger), said),
    )


def plain(ledger: Any) -> pd.DataFrame:
    """The ledger for the CSV; a ledger without claims still has the columns that name one and say how it came out."""
    frame = ledger_frame(ledger)
    return frame if len(frame) else pd.DataFrame(columns=["id", "verdict"])


LEADING = ("verdict", "value", "low", "high", "n")
"""What the CSV repeats of the entry that leads, as `leading_verdict` and so on."""


def _and_leading(frame: pd.DataFrame, said: Mapping[str, Sequence[Ruling]]) -> pd.DataFrame:
    """The ledger's own columns, and beside them the verdict that leads; empty where no scale has one."""
    firsts = [said[name][0] for name in frame["id"]]
    added: dict[str, list[Any]] = {
        "leading_scale": [each.scale if each.speaks else None for each in firsts],
        "leading_released": [each.released if each.speaks else None for each in firsts],
    }
    for key in LEADING:
        added[f"leading_{key}"] = [each.entry[key] if each.speaks else None for each in firsts]
    return frame.assign(**added)

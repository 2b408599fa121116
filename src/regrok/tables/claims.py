"""The ledger as a table: every claim, what is printed, what we find, and the verdict."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from regrok import latex
from regrok.judging.ledger import ledger_frame, stands
from regrok.study.defaults import option
from regrok.study.words import ORIGINS, OUT_OF_SCOPE
from regrok.tables import Built, Material
from regrok.tables.parts.booktabs import table

READS = ("ledger",)
DEFAULTS: dict[str, Any] = {"all": False}

HEADER = ("claim", "statement", "published", r"here, with 95\,\% interval", "$n$", "verdict")
COLUMNS = (
    r"@{}>{\raggedright\arraybackslash}p{0.68in}>{\raggedright\arraybackslash}p{1.8in}"
    r">{\raggedright\arraybackslash}p{1.0in}>{\raggedright\arraybackslash}p{1.1in}r"
    r">{\raggedright\arraybackslash}p{0.72in}@{}"
)


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


def _together(claim: Mapping[str, Any]) -> str:
    """The verdict by intervals that hold at once, where it is another one."""
    word = claim.get("simultaneous")
    return "" if word in (None, claim["verdict"]) else rf" \emph{{(at once: {latex.escape(word)})}}"


def build(name: str, entry: Any, material: Material) -> Built:
    """Judged claims first, in the order of claims.yaml; those out of scope at this scale are counted in the caption.

    options: all, true to give those out of scope a row too.
    """
    claims = material.ledger["claims"]
    everything = option(entry.options, DEFAULTS)["all"]
    shown = [c for c in claims if everything or c["verdict"] != OUT_OF_SCOPE]
    rows: list = []
    heading = None
    papers = list(dict.fromkeys(c["paper"] for c in shown))
    # Stable: papers in the order of the studies, within a part the order of claims.yaml.
    for claim in sorted(shown, key=lambda c: (papers.index(c["paper"]), _part(c))):
        if (claim["paper"], _part(claim)) != heading:
            heading = (claim["paper"], _part(claim))
            words = PARTS[claim["origin"]] if stands(claim) else CORRECTED
            rows.append(f"Paper {claim['paper']}, arXiv {latex.escape(claim['arxiv'])}: {words}")
        rows.append(
            [
                latex.escape(claim["id"]),
                latex.escape(claim["statement"]) + _instead(claim),
                latex.escape(claim["published_text"]),
                latex.estimate(claim),
                latex.exact(claim["n"]) if claim["n"] else latex.NOTHING,
                latex.escape(claim["verdict"]) + _together(claim),
            ]
        )
    outside = len(claims) - len(shown)
    caption = (
        r"\textbf{The ledger.} Each claim with the published value, ours, and the verdict that its predicate "
        r"gives; the "
        r"predicates were written before the runs. $n$ is the number of runs (or simulated runs, or counts) behind "
        r"the estimate. "
        r"Each interval holds with 95\,\%, one in twenty misses; where intervals that all hold at once with 95\,\% "
        r"(Bonferroni, over the claims of a paper that are judged here) would give another verdict, it follows in "
        r"brackets."
    )
    if outside:
        caption += (
            f" {latex.count(outside, 'claim').capitalize()} out of scope at this scale"
            f" {'is' if outside == 1 else 'are'} left out."
        )
    return Built(table(name, COLUMNS, HEADER, rows, caption, long=True), plain(material.ledger))


def plain(ledger: Any) -> pd.DataFrame:
    """The ledger for the CSV; a ledger without claims still has the columns that name one and say how it came out."""
    frame = ledger_frame(ledger)
    return frame if len(frame) else pd.DataFrame(columns=["id", "verdict"])

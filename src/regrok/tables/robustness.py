"""Each judged claim's verdict under other readings of the same runs."""

from __future__ import annotations

from typing import Any

from regrok import latex
from regrok.judging.ledger import stands
from regrok.study.words import (
    DIRECTION,
    INCONCLUSIVE,
    NO_SUCH_RUN,
    NOT_REPRODUCED,
    OUT_OF_SCOPE,
    REPRODUCED,
    UNDERSPECIFIED,
)
from regrok.tables import Built, Material
from regrok.tables.claims import plain
from regrok.tables.parts.booktabs import table

READS = ("ledger",)
DEFAULTS: dict[str, Any] = {}

LETTERS = {
    REPRODUCED: "R",
    DIRECTION: "D",
    NOT_REPRODUCED: "N",
    INCONCLUSIVE: "I",
    UNDERSPECIFIED: "U",
    NO_SUCH_RUN: "0",
    OUT_OF_SCOPE: latex.NOTHING,
}
LEGEND = (
    "R: reproduced, D: reproduced in direction only, N: not reproduced, I: inconclusive, U: underspecified, "
    "0: no such run here"
)
"""What the letters mean, for a caption."""


def upright(tex: str) -> str:
    """The head of a column of single letters, read from below: studies add readings, and the page stays as wide."""
    return rf"\rotatebox{{90}}{{{tex}}}"


def build(name: str, entry: Any, material: Material) -> Built:
    """One row per claim that is judged here and touched by a reading, one column per reading; bold: it changes."""
    readings = material.ledger["readings"]
    rows = []
    untouched = 0
    for claim in material.ledger["claims"]:
        if claim["verdict"] == OUT_OF_SCOPE or not stands(claim):
            continue
        if claim["survives"] is None:
            untouched += 1
            continue
        cells = [latex.escape(claim["id"]), LETTERS[claim["verdict"]]]
        for reading in readings:
            other = claim["robustness"].get(reading)
            letter = LETTERS[other["verdict"]] if other else latex.NOTHING
            changed = other is not None and other["verdict"] != claim["verdict"]
            cells.append(rf"\textbf{{{letter}}}" if changed else letter)
        rows.append([*cells, "yes" if claim["survives"] else "no"])
    header = [
        "claim",
        *(upright(words) for words in ("as stated", *map(latex.symbols, readings), "survives")),
    ]
    caption = (
        rf"\textbf{{Robustness of the verdicts.}} {LEGEND}, a dash: the reading does not touch the claim. Bold: "
        r"the verdict changes. A claim survives when every reading gives its verdict. As stated: first crossing "
        r"of .99 by the published estimator, $V_{\mathrm{final}}$ at the end of the run."
    )
    if untouched:
        caption += (
            f" {latex.count(untouched, 'claim').capitalize()} that no reading touches"
            f" {'is' if untouched == 1 else 'are'} left out."
        )
    columns = "@{}l" + r"@{\hspace{4.8pt}}c" * (len(header) - 1) + "@{}"
    return Built(table(name, columns, header, rows, caption, long=True), plain(material.ledger))

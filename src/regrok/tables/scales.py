"""Claims on which several scales have a verdict, the scales side by side: that of the largest leads."""

from __future__ import annotations

from typing import Any

import pandas as pd

from regrok import latex
from regrok.judging.leading import Ruling, rulings
from regrok.study.words import SCALES
from regrok.tables import Built, Material
from regrok.tables.parts.booktabs import table
from regrok.tables.robustness import LEGEND, LETTERS

READS = ("ledger", "elsewhere")
DEFAULTS: dict[str, Any] = {}

PARTS = (r"value, with 95\,\% interval", "$n$", "verdict")
"""What a scale says of a claim."""
NONE = "On no claim has more than one scale a verdict."
FIELDS = ("id", "scale", "released", "verdict", "value", "low", "high", "n", "published_text")


def build(name: str, entry: Any, material: Material) -> Built:
    """A row per claim on which several scales have a verdict, the largest first; the CSV has one per scale."""
    several = {
        claim: said
        for claim, said in rulings(material.ledger, material.elsewhere).items()
        if len(said) > 1
    }
    scales = [s for s in reversed(SCALES) if any(s == e.scale for v in several.values() for e in v)]
    # Three of them beside one another leave no room for intervals; the ledger has that of the leading one.
    bounds = len(scales) < 3
    parts = PARTS if bounds else ("value", *PARTS[1:])
    rows: list = []
    plain = []
    for claim, said in several.items():
        by_scale = {each.scale: each for each in said}
        agree = len({each.verdict for each in said}) == 1
        cells = [_cells(by_scale.get(scale), not agree, bounds) for scale in scales]
        rows.append([latex.escape(claim), *(cell for three in cells for cell in three)])
        for each in said:
            known = {"scale": each.scale, "released": each.released}
            plain.append(known | {key: each.entry[key] for key in FIELDS if key not in known})
    if not rows:
        rows.append(NONE)
        plain.append({"id": NONE})
    caption = (
        r"\textbf{Claims at several scales.} Those on which more than one scale has a verdict, of which that of the "
        rf"largest leads; bold where they differ. The {material.scope.scale} scale is this build, another comes from "
        rf"its released ledger. The paper scale has the published seeds, budgets and precision. {LEGEND}."
    )
    header = [
        "claim",
        *(
            f"{scale}: {parts[0]}" if part is parts[0] else part
            for scale in scales
            for part in parts
        ),
    ]
    columns = "@{}l" + "lrc" * len(scales) + "@{}"
    frame = pd.DataFrame(plain, columns=list(FIELDS))
    return Built(table(name, columns, header, rows, caption, long=True), frame)


def _cells(said: Ruling | None, bold: bool, bounds: bool) -> list[str]:
    """Value, n and the verdict's letter of one scale; nothing where it has no verdict. bounds: with the interval."""
    if said is None:
        return [latex.NOTHING] * len(PARTS)
    found = said.entry
    letter = LETTERS[said.verdict]
    count = latex.exact(found["n"]) if found["n"] else latex.NOTHING
    return [latex.estimate(found, bounds), count, rf"\textbf{{{letter}}}" if bold else letter]

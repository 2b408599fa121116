"""Claims on which several scales have a verdict, scale by scale: that of the largest leads, the others follow."""

from __future__ import annotations

from typing import Any

import pandas as pd

from regrok import latex
from regrok.judging.leading import rulings
from regrok.tables import Built, Material
from regrok.tables.parts.booktabs import table

READS = ("ledger", "elsewhere")
DEFAULTS: dict[str, Any] = {}

HEADER = ("claim", "published", "scale", r"value, with 95\,\% interval", "$n$", "verdict")
WIDE = r">{{\raggedright\arraybackslash}}p{{{}in}}"
COLUMNS = rf"@{{}}l{WIDE.format(1.1)}l{WIDE.format(1.1)}r{WIDE.format(1.0)}@{{}}"
NONE = "On no claim has more than one scale a verdict."
FIELDS = ("id", "scale", "released", "verdict", "value", "low", "high", "n", "published_text")


def build(name: str, entry: Any, material: Material) -> Built:
    """A line per claim and scale, the leading one first, for every claim on which several scales have a verdict."""
    rows: list = []
    plain = []
    for claim, said in rulings(material.ledger, material.elsewhere).items():
        if len(said) < 2:
            continue
        for i, each in enumerate(said):
            found = each.entry
            rows.append(
                [
                    latex.escape(claim) if i == 0 else "",
                    latex.escape(found["published_text"]) if i == 0 else "",
                    each.scale,
                    latex.estimate(found),
                    latex.exact(found["n"]) if found["n"] else latex.NOTHING,
                    latex.escape(each.verdict),
                ]
            )
            known = {"scale": each.scale, "released": each.released}
            plain.append(known | {key: found[key] for key in FIELDS if key not in known})
    if not rows:
        rows.append([latex.NOTHING, NONE, *[latex.NOTHING] * 4])
        plain.append({"id": NONE})
    caption = (
        r"\textbf{Claims at several scales.} Those on which more than one scale has a verdict, a line a scale; the "
        rf"first leads. The {material.scope.scale} scale is this build, another comes from its released ledger. The "
        r"paper scale has the published seeds, budgets and precision."
    )
    frame = pd.DataFrame(plain, columns=list(FIELDS))
    return Built(table(name, COLUMNS, HEADER, rows, caption, long=True), frame)

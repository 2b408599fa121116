"""Which claims rest on which scale: those judged at another released scale, beside the verdict here."""

from __future__ import annotations

from typing import Any

import pandas as pd

from regrok import latex
from regrok.study.words import OUT_OF_SCOPE
from regrok.tables import Built, Material
from regrok.tables.parts.booktabs import table

READS = ("ledger", "elsewhere")
DEFAULTS: dict[str, Any] = {}

HEADER = ("claim", "published", "scale", r"value, with 95\,\% interval", "$n$", "verdict")
WIDE = r">{{\raggedright\arraybackslash}}p{{{}in}}"
COLUMNS = rf"@{{}}l{WIDE.format(1.1)}l{WIDE.format(1.1)}r{WIDE.format(1.0)}@{{}}"
NONE = "No claim is judged at another released scale."
FIELDS = ("id", "scale", "verdict", "value", "low", "high", "n", "published_text")


def build(name: str, entry: Any, material: Material) -> Built:
    """A line per claim and scale, this build's first, for every claim that another released scale judges."""
    elsewhere = {
        scale: {c["id"]: c for c in ledger["claims"] if c["verdict"] != OUT_OF_SCOPE}
        for scale, ledger in material.elsewhere.items()
    }
    rows: list = []
    plain = []
    for here in material.ledger["claims"]:
        others = [
            (s, claims[here["id"]]) for s, claims in elsewhere.items() if here["id"] in claims
        ]
        if not others:
            continue
        for scale, claim in [(material.scope.scale, here), *others]:
            named = claim is here
            rows.append(
                [
                    latex.escape(claim["id"]) if named else "",
                    latex.escape(claim["published_text"]) if named else "",
                    scale,
                    latex.estimate(claim),
                    latex.exact(claim["n"]) if claim["n"] else latex.NOTHING,
                    latex.escape(claim["verdict"]),
                ]
            )
            plain.append({key: claim[key] for key in FIELDS if key != "scale"} | {"scale": scale})
    if not rows:
        rows.append([latex.NOTHING, NONE, *[latex.NOTHING] * 4])
        plain.append({"id": NONE})
    caption = (
        r"\textbf{Claims at several scales.} Those that are also judged on released runs of another scale, one line a "
        r"scale. The paper scale has the published seeds, budgets and precision."
    )
    frame = pd.DataFrame(plain, columns=list(FIELDS))
    return Built(table(name, COLUMNS, HEADER, rows, caption, long=True), frame)

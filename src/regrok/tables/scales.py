"""Which claims rest on which scale: those judged at another released scale, beside the verdict here."""

from __future__ import annotations

from typing import Any

import pandas as pd

from regrok import latex
from regrok.claims import OUT_OF_SCOPE
from regrok.tables import Built, Material
from regrok.tables.booktabs import table

HEADER = ("claim", "published", "scale", r"value, with 95\,\% interval", "$n$", "verdict")
WIDE = r">{{\raggedright\arraybackslash}}p{{{}in}}"
COLUMNS = rf"@{{}}l{WIDE.format(1.1)}l{WIDE.format(1.1)}r{WIDE.format(1.0)}@{{}}"
NONE = "No claim is judged at another released scale."
FIELDS = ("id", "scale", "verdict", "value", "low", "high", "n", "published_text")


def build(name: str, entry: Any, material: Material) -> Built:
    """A line per claim and scale, this build's first, for every claim that another released scale judges."""
    ledgers = {material.config.scale: material.ledger, **material.elsewhere}
    by_scale = {
        scale: {claim["id"]: claim for claim in ledger["claims"]}
        for scale, ledger in ledgers.items()
    }
    judged = {
        claim["id"]
        for ledger in material.elsewhere.values()
        for claim in ledger["claims"]
        if claim["verdict"] != OUT_OF_SCOPE
    }
    rows: list = []
    plain = []
    for claim_id in [claim["id"] for claim in material.ledger["claims"] if claim["id"] in judged]:
        first = True
        for scale, claims in by_scale.items():
            claim = claims.get(claim_id)
            if claim is None or (claim["verdict"] == OUT_OF_SCOPE and scale in material.elsewhere):
                continue
            rows.append(
                [
                    latex.escape(claim_id) if first else "",
                    latex.escape(claim["published_text"]) if first else "",
                    scale,
                    latex.estimate(claim),
                    latex.exact(claim["n"]) if claim["n"] else latex.NOTHING,
                    latex.escape(claim["verdict"]),
                ]
            )
            plain.append({"scale": scale} | {key: claim[key] for key in FIELDS if key != "scale"})
            first = False
    if not rows:
        rows.append([latex.NOTHING, NONE, *[latex.NOTHING] * 4])
        plain.append({"id": NONE})
    caption = (
        r"\textbf{Claims at several scales.} Those that are also judged on released runs of another scale, one line a "
        r"scale. The paper scale has the published seeds, budgets and precision."
    )
    frame = pd.DataFrame(plain, columns=list(FIELDS))
    return Built(table(name, COLUMNS, HEADER, rows, caption, long=True), frame)

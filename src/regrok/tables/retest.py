"""Which claims are within noise: those whose verdict another training of the same runs changes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from regrok import latex
from regrok.study.words import DIRECTION, NOT_REPRODUCED, REPRODUCED
from regrok.tables import Built, Material
from regrok.tables.parts.booktabs import table

READS = ("retests",)
DEFAULTS: dict[str, Any] = {}

HEADER = ("claim", "verdict", r"value, with 95\,\% interval", "verdict then", "value then")
WIDE = r">{{\raggedright\arraybackslash}}p{{{}in}}"
COLUMNS = rf"@{{}}l{WIDE.format(1.0)}l{WIDE.format(1.0)}l@{{}}"
NONE = "No earlier training of released runs was compared."
NO_CLAIM = "no verdict differs"
FIELDS = (
    *("scale", "commit", "trained_by", "id", "verdict_now", "value_now", "low_now", "high_now"),
    *("n_now", "verdict_then", "value_then", "low_then", "high_then", "n_then"),
)
SIDES = ("now", "then")


def build(name: str, entry: Any, material: Material) -> Built:
    """A group of lines per scale and earlier training, a line per claim that stands and whose verdict differs."""
    rows: list = []
    plain = []
    together = []
    for scale, content in material.retests.items():
        for each in content["retests"]:
            rows.append(said(scale, each))
            together.append(len(rows) - 1)
            differ = [claim for claim in each["differ"] if claim["id"] in each["compared"]]
            for claim in differ:
                shown = [
                    cell
                    for side in SIDES
                    for cell in (latex.escape(claim[side]["verdict"]), latex.estimate(claim[side]))
                ]
                rows.append([latex.escape(claim["id"]), *shown])
                where = {"scale": scale, "commit": each["commit"], "id": claim["id"]}
                by = {"trained_by": " ".join(each["trained_by"])}
                told = {f"{key}_{side}": claim[side][key] for side in SIDES for key in claim[side]}
                plain.append(where | by | told)
            if not differ:
                rows.append(NO_CLAIM)
    if not rows:
        rows.append(NONE)
        plain.append({"id": NONE})
    frame = pd.DataFrame(plain, columns=list(FIELDS))
    text = caption(material.retests)
    tex = table(name, COLUMNS, HEADER, rows, text, long=True, together=frozenset(together))
    return Built(tex, frame)


def said(scale: str, each: Mapping[str, Any]) -> str:
    """The heading of one earlier training: how runs and verdicts compare."""
    by = ", ".join(commit[:7] for commit in each["trained_by"])
    differ = sum(claim["id"] in each["compared"] for claim in each["differ"])
    grok = each["T_grok"]
    ratio = latex.estimate(grok["ratio"])
    return (
        rf"{scale}, trained by {latex.escape(by)}: {differ} of {len(each['compared'])} verdicts differ; "
        rf"{each['outcomes']['equal']} of {each['outcomes']['of']} outcomes equal; $T_{{\mathrm{{grok}}}}$ equal in "
        rf"{grok['equal']} of {grok['of']}, ratio {ratio}"
    )


def turned(each: Mapping[str, Any]) -> list[str]:
    """Claims of a retest that are reproduced, or in direction, by one training and not reproduced by the other."""
    found = []
    for claim in each["differ"]:
        words = {claim[side]["verdict"] for side in SIDES}
        if (
            claim["id"] in each["compared"]
            and NOT_REPRODUCED in words
            and words & {REPRODUCED, DIRECTION}
        ):
            found.append(claim["id"])
    return found


def caption(retests: Mapping[str, Mapping[str, Any]]) -> str:
    text = (
        r"\textbf{Within noise.} The bundle's history holds earlier trainings of the same runs, by code whose sums are "
        r"rounded in another order; training amplifies a last digit, so that two of them differ as two machines do. "
        r"Both were fitted and judged by the laws and rules of today, on the runs that they share; a claim in this "
        r"table is decided by the rounding as much as by the runs. The ratio is that of $T_{\mathrm{grok}}$ then to "
        r"now, its geometric mean over runs: one without a bias."
    )
    every = [each for content in retests.values() for each in content["retests"]]
    if every:
        over = sorted({name for each in every for name in turned(each)})
        names = ", ".join(map(latex.escape, over))
        text += (
            rf" Reproduced, if in direction only, by one training and not by the other: {names}."
            if over
            else " None is reproduced, if in direction only, by one training and not by the other."
        )
    return text

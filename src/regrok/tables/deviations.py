"""What differs from the published protocol, or was not to be found in it, each with its reason."""

from __future__ import annotations

from typing import Any

import pandas as pd

from regrok import latex
from regrok.errors import RegrokError
from regrok.study.published import SETTING
from regrok.tables import Built, Material, Scope
from regrok.tables.parts.booktabs import table

READS = ("frames", "published")
DEFAULTS: dict[str, Any] = {}

PLAIN = ("where", "published", "here", "reason")
"""Columns of the CSV."""

HEADER = ("where", "published", "here", "reason")
COLUMNS = (
    r"@{}>{\raggedright\arraybackslash}p{0.78in}>{\raggedright\arraybackslash}p{1.45in}"
    r">{\raggedright\arraybackslash}p{1.97in}>{\raggedright\arraybackslash}p{1.55in}@{}"
)


def filled(text: str, frames: Any) -> str:
    """`text` as TeX with every {experiment.column} replaced by the setting of that experiment's own runs."""
    parts, end = [], 0
    for found in SETTING.finditer(text):
        experiment, column = found.groups()
        members = frames.experiments[frames.experiments.experiment == experiment].run_id
        runs = frames.runs[frames.runs.run_id.isin(members)]
        if runs.empty or column not in runs:
            raise RegrokError(
                f"deviations of a study's published.yaml: {found.group()}: no runs of {experiment!r} with a column "
                f"{column!r} at this scale; limit the entry's scales or correct the name"
            )
        parts += [latex.escape(text[end : found.start()]), latex.listing(runs[column])]
        end = found.end()
    return "".join([*parts, latex.escape(text[end:])])


def left_out(text: str, scope: Scope) -> bool:
    """Whether `text` speaks of an experiment that `only` leaves out of this build."""
    return any(experiment in scope.left_out for experiment, _ in SETTING.findall(text))


def build(name: str, entry: Any, material: Material) -> Built:
    """The deviations of this scale. Raises RegrokError for a placeholder that names no setting."""
    rows, plain = [], []
    for one in material.published.deviations if material.published else ():
        if material.scope.scale not in one.scales or left_out(one.here, material.scope):
            continue
        published = one.published or "not found"
        here = filled(one.here, material.frames)
        rows.append(
            [latex.escape(one.where), latex.escape(published), here, latex.escape(one.reason)]
        )
        plain.append({key: getattr(one, key) for key in PLAIN})
    caption = (
        r"\textbf{Deviations from the published protocol,} and choices where the paper does not say "
        r"(\emph{not found})."
    )
    return Built(
        table(name, COLUMNS, HEADER, rows, caption, long=True),
        pd.DataFrame(plain, columns=list(PLAIN)),
    )

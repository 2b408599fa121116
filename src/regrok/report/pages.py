"""One HTML page per item of the report, its caption for Snakemake, and the report's first page: the ledger.

Every page stands by itself: style and pictures are in it, nothing is fetched. Every number comes from the frames,
the ledger and the captions.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd
from markupsafe import Markup

from regrok import latex
from regrok.errors import RegrokError
from regrok.figures import source as drawn_by
from regrok.judging.leading import rulings
from regrok.judging.ledger import counts, stands
from regrok.measures.events import OUTCOMES
from regrok.report import tex
from regrok.report.items import Item, figure_caption, file_of, heading, items, origin
from regrok.report.tabular import read_table
from regrok.study.claims import asked_words, command_in
from regrok.study.words import VERDICTS

CLASSES = dict(
    zip(
        VERDICTS,
        ("reproduced", "direction", "refuted", "inconclusive", "open", "nothing", "outside"),
        strict=True,
    )
)
"""Verdict → class of its chip. The word is always there too: colour alone tells nobody anything."""


def write_pages(
    config: Any,
    results: Path | str,
    ledger: Mapping[str, Any],
    runs: pd.DataFrame,
    experiments: pd.DataFrame,
    front: Path | str,
    elsewhere: Mapping[str, Mapping[str, Any]] | None = None,
) -> None:
    """Write every item's page and caption below `results`/report, and the first page to `front` (RST).

    elsewhere: scale → released ledger of the other scales, whose verdicts lead where they judged at a larger one.
    Raises RegrokError naming a figure or table that is not there or cannot be read.
    """
    results = Path(results)
    writer = Writer(config, results, ledger, runs, experiments, elsewhere or {})
    for item in writer.items:
        try:
            page, caption = writer.page(item)
        except (OSError, ValueError) as error:
            raise RegrokError(
                f"the report's page of {item.kind} {item.name} cannot be made ({error}); build again"
            ) from error
        _write(Path(item.page), page)
        _write(Path(item.caption), raw(caption))
    _write(Path(front), raw(writer.front()))


class Writer:
    """Fills the templates of this package."""

    def __init__(
        self,
        config: Any,
        results: Path,
        ledger: Mapping[str, Any],
        runs: pd.DataFrame,
        experiments: pd.DataFrame,
        elsewhere: Mapping[str, Mapping[str, Any]],
    ):
        self.config = config
        self.results = results
        self.ledger = ledger
        self.said = rulings(ledger, elsewhere)
        self.runs = runs.merge(experiments[["experiment", "run_id"]], on="run_id")
        self.items = items(config, results)
        environment = jinja2.Environment(
            loader=jinja2.PackageLoader("regrok", "report"),
            autoescape=True,
            trim_blocks=True,
            lstrip_blocks=True,
            undefined=jinja2.StrictUndefined,
        )
        environment.filters["tex"] = lambda text: Markup(tex.to_html(text))
        environment.filters["text"] = lambda text: Markup(tex.to_html(latex.escape(text)))
        environment.filters["estimate"] = lambda claim: Markup(tex.to_html(latex.estimate(claim)))
        environment.globals |= {"classes": CLASSES, "scale": config.scale, "css": css()}
        environment.globals["said"] = self.said
        self.templates = environment

    def page(self, item: Item) -> tuple[str, str]:
        """The item's page, and its caption as HTML."""
        content = getattr(self, f"_{item.kind}")(item)
        given = {
            "item": item,
            "heading": heading(item, self.results).partition(": ")[2],
            "question": item.subcategory.partition(" · ")[2],
            "command": f"snakemake --cores all {self.results / item.data} --config {asked_words(self.config)}",
            **content,
        }
        render = self.templates.get_template
        return (
            render(f"{item.kind}.html.j2").render(given),
            render("caption.html.j2").render(given),
        )

    def front(self) -> str:
        """The first page: every verdict, question by question."""
        sections: dict[str, list[dict[str, Any]]] = {}
        for item in self.items:
            if item.kind == "question":
                shown = {"item": item, "experiment": self.config.experiments[item.name]}
                shown |= {"claims": self._claims(item.name), "beside": self._beside(item)}
                sections.setdefault(item.category, []).append(shown)
        claims = [c for c in self.ledger["claims"] if stands(c)]
        here = {c["id"] for s in sections.values() for q in s for c in q["claims"]}
        judged = [c for c in claims if self._speaks(c)]
        rest = [c for c in judged if c["id"] not in here]
        own = {c["id"] for c in rest if not all(each.released for each in self.said[c["id"]])}
        return self.templates.get_template("front.html.j2").render(
            counts=counts(c | {"verdict": self.said[c["id"]][0].verdict} for c in judged),
            sections=sections,
            others={
                "Simulations and counts": [c for c in rest if c["id"] in own],
                "Judged at another scale alone": [c for c in rest if c["id"] not in own],
            },
            outside=[c for c in claims if not self._speaks(c)],
            corrected=[c for c in self.ledger["claims"] if not stands(c)],
            runs=self.runs["run_id"].nunique(),
            hours=self.runs.drop_duplicates("run_id")["wall_seconds"].sum() / 3600,
            outcomes=_outcomes(self.runs),
            whole=[item for item in self.items if item.category not in sections],
            heading=lambda item: heading(item, self.results),
        )

    # Kinds of page -----------------------------------------------------------------------------------

    def _question(self, item: Item) -> dict[str, Any]:
        mine = self.runs[self.runs["experiment"] == item.name]
        return {
            "experiment": self.config.experiments[item.name],
            "file": file_of(self.config, item.name),
            "origin": origin(self.config, item.name),
            "claims": self._claims(item.name),
            "readings": self.ledger["readings"],
            "runs": mine["run_id"].nunique(),
            "cells": mine["cell"].nunique(),
            "outcomes": _outcomes(mine),
        }

    def _figure(self, item: Item) -> dict[str, Any]:
        folder = self.results / "figures"
        caption, description = figure_caption(_read(folder / f"{item.name}.tex"))
        picture = base64.b64encode((folder / f"{item.name}.png").read_bytes()).decode()
        block = self.config.figures[item.name]
        experiments = block.experiments
        return {
            "caption": caption,
            "description": tex.plain(description),
            "picture": f"data:image/png;base64,{picture}",
            "source": f"src/regrok/figures/{drawn_by(block.draw).name}",
            "claims": self._claims(experiments[0]) if experiments else self._computed(block),
        }

    def _table(self, item: Item) -> dict[str, Any]:
        table = read_table(_read(self.results / "tables" / f"{item.name}.tex"))
        return {"table": table, "caption": table.caption}

    # Parts -------------------------------------------------------------------------------------------

    def _claims(self, experiment: str) -> list[Mapping[str, Any]]:
        """Claims that some scale judged and whose first experiment this is, each with the command of this build."""
        return [c for c in self._judged() if c["experiments"][:1] == [experiment]]

    def _computed(self, block: Any) -> list[Mapping[str, Any]]:
        """The same of claims that rest on what a figure shows of computations."""
        return [c for c in self._judged() if c["fit"] in block.computations]

    def _judged(self) -> list[Mapping[str, Any]]:
        return [
            c | {"command": command_in(self.config, c["fit"], c["experiments"])}
            for c in self.ledger["claims"]
            if self._speaks(c) and stands(c)
        ]

    def _speaks(self, claim: Mapping[str, Any]) -> bool:
        return self.said[claim["id"]][0].speaks

    def _beside(self, item: Item) -> list[Item]:
        """The other items of the same question."""
        return [
            other
            for other in self.items
            if other.kind != "question" and other.subcategory == item.subcategory
        ]


def css() -> Markup:
    """The style of pages; `make report` gives the same file to Snakemake's frame around them."""
    return Markup(_read(Path(__file__).with_name("report.css")))


def raw(page: str) -> str:
    """HTML as reStructuredText that Snakemake's template engine leaves alone."""
    indented = "\n".join(f"   {line}" for line in page.splitlines())
    return f"{{% raw %}}\n.. raw:: html\n\n{indented}\n\n{{% endraw %}}\n"


def _outcomes(runs: pd.DataFrame) -> dict[str, int]:
    """Outcome → how many runs ended so; those that none did are left out."""
    found = runs.drop_duplicates("run_id")["outcome"].value_counts()
    return {outcome: int(found[outcome]) for outcome in OUTCOMES if outcome in found}


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")

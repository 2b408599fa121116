"""What the report lists and where: one item per question, figure and table of the scale, sorted under the questions.

No torch and no matplotlib here: Snakemake asks for the items once per job.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from regrok.figures import drawable
from regrok.tables import buildable

OWN = "Our own experiments"
WHOLE = "The audit as a whole"


@dataclass(frozen=True)
class Item:
    """One entry of the report."""

    kind: str
    """question, figure or table."""
    name: str
    """Its key in config.yaml."""
    category: str
    """The study."""
    subcategory: str
    """The research question."""
    folder: Path
    """Where its page and caption go."""

    @property
    def data(self) -> str:
        """The file behind it, below results/<scale>."""
        kinds = {"question": "ledger.json", "figure": "figures/{}.pdf", "table": "tables/{}.csv"}
        return kinds[self.kind].format(self.name)

    @property
    def page(self) -> str:
        return f"{self.folder}/{self.kind}_{self.name}.html"

    @property
    def caption(self) -> str:
        return f"{self.folder}/captions/{self.kind}_{self.name}.rst"


def study_of(config: Any, name: str) -> str:
    """The paper that an experiment repeats, or that it is ours."""
    study = config.study_of(name)
    if study is None or config.experiments[name].ours is not None:
        return OWN
    paper = study.paper
    return f"Paper {paper.letter}, {paper.short}, arXiv {paper.arxiv}"


def origin(config: Any, name: str) -> str:
    """Where the experiment is published (`arXiv 2603.13331, S1`), or why it is ours."""
    experiment, study = config.experiments[name], config.study_of(name)
    if experiment.ours is not None:
        return f"ours; {experiment.ours}"
    return f"arXiv {study.paper.arxiv}, {experiment.place}" if study else str(experiment.place)


def file_of(config: Any, name: str) -> str:
    """The file that holds the experiment's block."""
    studies = (each for each, study in config.studies.items() if name in study.experiments)
    return next((f"studies/{each}/study.yaml" for each in studies), "config.yaml")


def categories(config: Any) -> dict[str, str]:
    """Experiment → category, "" for what rests on none.

    Snakemake sorts categories by name, hence the numbers: the whole, papers as in config.yaml, then ours.
    """
    here = [name for name in config.experiments if config.runs_here(name)]
    studies = list(dict.fromkeys(study_of(config, name) for name in here))
    studies = [WHOLE, *(s for s in studies if s != OWN), OWN]
    numbered = {study: f"{i} · {study}" for i, study in enumerate(studies)}
    return {name: numbered[study_of(config, name)] for name in here} | {"": numbered[WHOLE]}


def items(config: Any, results: Path | str) -> list[Item]:
    """Every item of this scale.

    A figure belongs to the question of its first experiment, and so does a table of one experiment; a table of
    several to their paper; what rests on no experiment to the audit as a whole.
    """
    folder = Path(results) / "report"
    category = categories(config)
    here = [name for name in category if name]
    number = {name: i for i, name in enumerate(here, 1)}

    def question(name: str) -> tuple[str, str]:
        return category[name], f"{number[name]:02d} · {config.experiments[name].question}"

    def placed(experiments: list[str]) -> tuple[str, str]:
        running = [name for name in experiments if name in number]
        if len(running) == 1:
            return question(running[0])
        shared = {category[name] for name in running}
        where = shared.pop() if len(shared) == 1 else category[""]
        return where, "00 · All questions together"

    found = [Item("question", name, *question(name), folder) for name in here]
    for name in drawable(config):
        experiments = config.figures[name].experiments
        where = question(experiments[0]) if experiments else placed([])
        found.append(Item("figure", name, *where, folder))
    found += [
        Item("table", name, *placed(config.tables[name].experiments), folder)
        for name in buildable(config)
    ]
    return found


def labels(item: Item, results: Path | str) -> dict[str, str]:
    """The item's columns in the report's list.

    Snakemake's page turns a column with two values into a switch that hides half the entries, so the second and
    third columns differ from item to item.
    """
    return {
        "item": heading(item, results),
        "block": f"{PLURAL[item.kind]}.{item.name}",
        "file": Path(item.data).name,
    }


PLURAL = {"question": "experiments", "figure": "figures", "table": "tables"}


def heading(item: Item, results: Path | str) -> str:
    """What a person calls the item: the bold words of its caption."""
    from regrok.report import tex
    from regrok.report.tabular import read_table

    if item.kind == "question":
        return "Answer: claims and verdicts"
    path = Path(results) / PLURAL[item.kind] / f"{item.name}.tex"
    source = path.read_text(encoding="utf-8")
    caption = figure_caption(source)[0] if item.kind == "figure" else read_table(source).caption
    return f"{item.kind.capitalize()}: {tex.title(caption)}"


def figure_caption(source: str) -> tuple[str, str]:
    """Caption (TeX) and description of a figure's .tex, as `regrok.figures.write_figure` wrote them."""
    from regrok.report import tex

    found = []
    for macro in (r"\regrokcaption", r"\regrokdescription"):
        _, at = tex.argument(source, source.index(macro + "{") + len(macro))
        found.append(tex.argument(source, at)[0])
    return found[0], found[1]

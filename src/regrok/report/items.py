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
    return paper_of(study)


def paper_of(study: Any) -> str:
    """A study's paper, as a heading says it."""
    paper = study.paper
    what = "Study" if paper.arxiv is None else "Paper"
    return f"{what} {paper.letter}, {paper.short}, {paper.source}"


def computing(config: Any) -> dict[str, str]:
    """What this build computes without a run → the paper of its study."""
    return {
        name: paper_of(study)
        for study in config.studies.values()
        for name in study.computations
        if config.computes_here(name)
    }


def origin(config: Any, name: str) -> str:
    """Where the experiment is published (`arXiv 2603.13331, S1`), or why it is ours."""
    experiment, study = config.experiments[name], config.study_of(name)
    if experiment.ours is not None:
        return f"ours; {experiment.ours}"
    return f"{study.paper.source}, {experiment.place}" if study else str(experiment.place)


def file_of(config: Any, name: str) -> str:
    """The file that holds the experiment's block."""
    studies = (each for each, study in config.studies.items() if name in study.experiments)
    return next((f"studies/{each}/study.yaml" for each in studies), "config.yaml")


def categories(config: Any) -> dict[str, str]:
    """Experiment or computation → category, "" for what rests on none.

    Snakemake sorts categories by name, hence the numbers: the whole, papers as in config.yaml, then ours.
    """
    belongs = {
        name: study_of(config, name) for name in config.experiments if config.runs_here(name)
    }
    belongs |= computing(config)
    papers = [
        paper for paper in map(paper_of, config.studies.values()) if paper in belongs.values()
    ]
    numbered = {study: f"{i:02d} · {study}" for i, study in enumerate([WHOLE, *papers, OWN])}
    return {name: numbered[study] for name, study in belongs.items()} | {"": numbered[WHOLE]}


def said(config: Any) -> dict[str, list[str]]:
    """What the pages say of each experiment and computation.

    Of an experiment title, question, origin, file and category, of a computation its category.
    """
    category = categories(config)
    return {name: [*_words(config, name), where] for name, where in category.items() if name}


def _words(config: Any, name: str) -> list[str]:
    experiment = config.experiments.get(name)
    if experiment is None:
        return []
    return [experiment.title, experiment.question, origin(config, name), file_of(config, name)]


def items(config: Any, results: Path | str) -> list[Item]:
    """Every item of this scale.

    A figure belongs to the question of its first experiment, and so does a table of one experiment; a table of
    several to their paper, as does a figure of computations alone; what rests on neither to the audit as a whole.
    """
    folder = Path(results) / "report"
    category = categories(config)
    here = [name for name in category if name in config.experiments]
    number = {name: i for i, name in enumerate(here, 1)}

    def question(name: str) -> tuple[str, str]:
        return category[name], f"{number[name]:02d} · {config.experiments[name].question}"

    def placed(names: list[str]) -> tuple[str, str]:
        running = [name for name in names if name in number]
        if len(running) == 1:
            return question(running[0])
        shared = {category[name] for name in names if name in category}
        where = shared.pop() if len(shared) == 1 else category[""]
        return where, "00 · All questions together"

    found = [Item("question", name, *question(name), folder) for name in here]
    for name in drawable(config):
        figure = config.figures[name]
        where = (
            question(figure.experiments[0]) if figure.experiments else placed(figure.computations)
        )
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

"""What a script reads of the written configuration is an input or a parameter of its rule, so an edit makes it due.

The reading is watched where it happens, attribute by attribute; then each attribute is changed, and what the rule's own
text says, evaluated for the changed configuration, has to differ.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

import papers
from regrok.judging.ledger import ledger
from regrok.paper import artifact, assemble, lint, names, texts
from regrok.paper.numbers import write_numbers
from regrok.pipeline.graph import RELEASED, Graph
from regrok.report.items import items, said
from regrok.report.pages import write_pages
from regrok.study.base import Strict
from regrok.study.blocks import Computation, ComputedAt, Config
from studies import ROOT, published, study
from test_sources import rules

Attribute = tuple[str, str]
"""Class of the configuration, and its field."""

ELSEWHERE: dict[str, dict[Attribute, str]] = {
    "pages": {
        ("Config", "fits"): "a command repeats what the ledger's entry says of it",
        ("Fit", "experiments"): "likewise",
    },
    "paper": {("Study", "computations"): "decides only whether the study is among `sections`"},
    "artifact": {("Study", "computations"): "likewise"},
}
"""Rule → attributes that its script reads and that reach it in another way, or not at all."""


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A smoke study, its results with two figures, its claims and what is published."""
    made = SimpleNamespace(**vars(study("smoke")))
    chosen = {name: made.config.figures[name] for name in ("weight_decay", "censoring")}
    computed = {"computations": ["toy"]}
    chosen["censoring"] = chosen["censoring"].model_copy(update=computed)
    tables = made.config.tables
    planted = {"tables": {**tables, "claims": tables["claims"].model_copy(update=computed)}}
    toy = Computation(compute="circuits", scales={"smoke": ComputedAt()})
    computations = {**made.config.computations, "toy": toy}
    planted |= {"computations": computations, "figures": chosen}
    made.config = made.config.model_copy(update=planted)
    # Read beforehand: the checks of both look at much that reaches no output, and refuse a build before it starts.
    made.published = published(made.config)
    made.folder = papers.results(made, tmp_path_factory.mktemp("told"))
    return made


def script_ledger(made, folder):
    ledger(made.claims, made.fits, made.frames, made.config.scale)


def script_numbers(made, folder):
    given = made.published.constants
    files = (folder / "numbers.tex", folder / "numbers.json")
    write_numbers(made.fits, made.ledger, made.config, made.frames, given, *files)


def script_pages(made, folder):
    front = folder / "front.rst"
    runs, experiments = made.frames.runs, made.frames.experiments
    write_pages(made.config, made.folder, made.ledger, runs, experiments, front)


def script_paper(made, folder):
    here = assemble.assemble(ROOT, folder, made.folder, made.config, made.ledger, {})
    lint.lint_sources(ROOT, here, made.config, made.claims)


def script_artifact(made, folder):
    for name in ("runs", "curves", "spectra", "experiments"):
        getattr(made.frames, name).to_parquet(made.folder / f"{name}.parquet")
    artifact.facts(made.folder, made.config, {"tests": {}, "logged_points": 1}, ROOT)
    assemble.scope(made.config, [], [], None)
    known = {kind: {} for kind in lint.KINDS}
    artifact.lint([ROOT / "paper" / name for name in artifact.TEXT], known, made.config)


SCRIPTS = {
    name.removeprefix("script_"): script
    for name, script in list(globals().items())
    if name.startswith("script_")
}


def read_by(script: Any, made: Any, folder: Any) -> set[Attribute]:
    """The attributes of the configuration that a script reads."""
    kinds = ("Config", "Study", "Paper", "Experiment", "Fit", "Figure", "Table", "Trainer")
    kinds += ("Computation",)
    found: set[Attribute] = set()

    def watching(self: Any, name: str) -> Any:
        kind = type(self)
        if kind.__name__ in kinds and name in kind.__pydantic_fields__:
            found.add((kind.__name__, name))
        return object.__getattribute__(self, name)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Strict, "__getattribute__", watching, raising=False)
        script(made, folder)
    return found


def told(rule: str, config: Config) -> str:
    """What the rule's inputs and parameters come to for a configuration, and what its build is called."""
    graph = Graph(config)
    results = str(graph.results)
    known = {
        "graph": graph,
        "R": results,
        "RELEASED": RELEASED,
        "FRAMES": graph.frames,
        "SOURCES_AT": None,
        "PAPER_TEXT": [*texts.files(ROOT, config).values(), *texts.bibliographies(ROOT, config)],
        "ITEMS": items(config, results),
        "figures": lambda: graph.figures,
        "tables": lambda: graph.tables,
        "said": said,
        "told": lambda *given, **named: (given, {k: v for k, v in named.items() if k != "code"}),
    }
    sections = re.split(r"^    (\w+):\n", rules()[rule], flags=re.MULTILINE)
    parts = dict(zip(sections[1::2], sections[2::2], strict=True))
    values = [eval(f"told({parts[part]})", known) for part in ("input", "params")]
    return repr([values, results, names.suffix(config)])


def other(value: Any) -> Any:
    """Another value of the same kind; a list or mapping loses its first."""
    if isinstance(value, dict):
        return dict(list(value.items())[1:])
    if isinstance(value, list):
        return value[1:] if value else ["S1"]
    if isinstance(value, bool):
        return not value
    return f"{value or ''}x" if value is None or isinstance(value, str) else value + 1


def changed(config: Config, attribute: Attribute) -> Iterator[Config]:
    """The configuration with the attribute changed where it stands, one place after the other."""
    kind, field = attribute
    if kind == "Config":
        value = "released" if field == "source" else other(getattr(config, field))
        yield config.model_copy(update={field: value})
    elif kind == "Trainer":
        value = other(getattr(config.trainer, field))
        trainer = config.trainer.model_copy(update={field: value})
        yield config.model_copy(update={"trainer": trainer})
    elif kind in ("Study", "Paper"):
        for name in texts.shown_studies(config):
            each = config.studies[name]
            if kind == "Paper":
                if each.paper.arxiv is None:
                    continue  # a study of our own, of which nothing is said to be a paper's
                value = other(getattr(each.paper, field))
                new = {"paper": each.paper.model_copy(update={field: value})}
            else:
                # What a study computes shows it as well as what it runs.
                new = {field: [], **({"computations": []} if field == "experiments" else {})}
            if all(getattr(each, key) == value for key, value in new.items()):
                continue  # a study that has none of it
            studies = {**config.studies, name: each.model_copy(update=new)}
            yield config.model_copy(update={"studies": studies})
    else:
        section = f"{kind.lower()}s"
        for name, block in getattr(config, section).items():
            lives = {"experiments": config.runs_here, "computations": config.computes_here}
            here = lives.get(section, lambda name: True)(name)
            value = getattr(block, field)
            # An experiment of our own is printed nowhere.
            nowhere = kind == "Experiment" and field == "place" and block.ours is not None
            if here and value != [] and not nowhere:
                left = (
                    {k: v for k, v in value.items() if k != config.scale}
                    if field == "scales"
                    else other(value)
                )
                blocks = {**getattr(config, section), name: block.model_copy(update={field: left})}
                yield config.model_copy(update={section: blocks})


HOLDERS = {("Config", "trainer"), ("Study", "paper")}
"""Their own fields are read one by one."""


@pytest.mark.parametrize("rule", SCRIPTS)
def test_what_a_script_reads_of_the_configuration_is_told_to_its_rule(rule, built, tmp_path):
    read = read_by(SCRIPTS[rule], built, tmp_path)
    assert read
    before = told(rule, built.config)
    for attribute in sorted(read - HOLDERS - set(ELSEWHERE.get(rule, ()))):
        versions = [told(rule, config) for config in changed(built.config, attribute)]
        assert versions, attribute
        assert before not in versions, attribute


def test_nothing_is_said_to_reach_a_rule_elsewhere_that_it_does_not_read(built, tmp_path):
    for rule, attributes in ELSEWHERE.items():
        assert set(attributes) <= read_by(SCRIPTS[rule], built, tmp_path), rule

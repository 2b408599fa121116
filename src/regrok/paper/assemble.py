"""Everything that LaTeX needs for one build, in one folder that compiles alone: paper/generated/<document>/.

The common text and the chosen studies' sections are copied there, numbers, figures and tables of the results beside
them, and what follows from the choice of studies is written: which sections, their sentences in the abstract, a table
of the papers, the claims that did not come out, and the appendix of what no section shows. Builds of other scales or
studies have folders of their own, so none takes another's figures. arXiv takes the same folder (regrok.paper.arxiv).
"""

from __future__ import annotations

import shutil
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from regrok import latex
from regrok.errors import RegrokError
from regrok.figures import drawable, source
from regrok.judging.leading import Ruling, leading
from regrok.judging.ledger import stands
from regrok.paper import texts
from regrok.paper.glance import glance
from regrok.paper.numbers import NOT_ESTIMATED, leading_result
from regrok.paper.references import bibliography
from regrok.study.words import (
    DIRECTION,
    INCONCLUSIVE,
    NO_SUCH_RUN,
    NOT_REPRODUCED,
    OUT_OF_SCOPE,
    UNDERSPECIFIED,
    VERDICTS,
)
from regrok.tables import buildable
from regrok.tables.parts.booktabs import table

SECTION = r"\input{{studies/{}/section.tex}}\FloatBarrier"
"""A study keeps its figures to itself."""

CELLS = "cells"
"""The kind of table that lists cells; those that no section shows have an appendix of their own."""


def assemble(
    root: Path | str,
    folder: Path | str,
    results: Path | str,
    config: Any,
    ledger: Mapping[str, Any],
    explanations: Mapping[str, str | None],
    repository: str | None = None,
    elsewhere: Mapping[str, Mapping[str, Any]] | None = None,
) -> Path:
    """Fill `folder` with all that main.tex includes in this build, and nothing of another; returns it.

    root: the checkout, with paper/ and studies/. results: the build's numbers.tex, figures and tables.
    explanations: see `unreproduced`. repository: address of the sources for the figures' links; without one they point
    beside the PDF. elsewhere: scale → released ledger of the other scales. LaTeX's own files below `folder` are kept.
    Raises RegrokError naming a file that should be there and is not.
    """
    root, folder, results = Path(root), Path(folder), Path(results)
    figures, tables = drawable(config), buildable(config)
    for part in ("figures", "tables", "sections", "studies"):
        shutil.rmtree(folder / part, ignore_errors=True)
    wanted = ["numbers.tex", "numbers.json"]
    wanted += [f"figures/{name}.{kind}" for name in figures for kind in ("pdf", "tex")]
    wanted += [f"tables/{name}.tex" for name in tables]
    for name in wanted:
        if not (results / name).exists():
            raise RegrokError(
                f"{results / name} does not exist; build it with: snakemake --cores all"
            )
        _copy(results / name, folder / name)
    sources = texts.files(root, config)
    here = texts.shown_studies(config)
    hidden = {f"studies/{name}/section.tex" for name in config.studies if name not in here}
    for name, path in sources.items():
        if name not in hidden:
            _copy(path, folder / name)
    rest = unshown(sources, config)
    said = leading(ledger, elsewhere or {})
    written = {
        "scope.tex": scope(config, figures, tables, repository, [p for p in rest if rest[p]]),
        "studies.tex": "".join(f"{SECTION.format(name)}\n" for name in here),
        "abstract.tex": abstract(sources, here),
        "findings.tex": findings(config, sources, here, said),
        "discussion.tex": discussion(sources, here),
        "glance.tex": glance(config, ledger, said, repository),
        "overview.tex": overview(config, ledger, said),
        "unreproduced.tex": unreproduced(ledger, explanations, said),
        texts.REFERENCES: bibliography(texts.bibliographies(root, config)),
    }
    for part, names in rest.items():
        macro = "regrokfigure" if part == "figures" else "regroktable"
        written[f"rest_{part}.tex"] = "".join(f"\\{macro}{{{name}}}\n" for name in names)
    for name, content in written.items():
        (folder / name).write_text(content, encoding="utf-8")
    return folder


def _copy(path: Path, to: Path) -> None:
    to.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(path, to)


def unshown(sources: Mapping[str, Path], config: Any) -> dict[str, list[str]]:
    """Part of the appendix (see `texts.PARTS`) → the tables or figures of this build that no text of it shows.

    sources: as `texts.files` returns them. A figure inside a branch that this build does not take is not shown there.
    """
    here = texts.shown_studies(config)
    # Whatever the appendix may have, its own parts are not what shows a figure.
    holds = texts.conditions(config, texts.PARTS)
    included = [
        texts.live(texts.without_comments(path.read_text(encoding="utf-8")), holds)
        for name, path in sources.items()
        if not name.startswith("studies/") or name.split("/")[1] in here
    ]
    tables = [n for n in buildable(config) if n not in texts.shown(included, "regroktable")]
    return {
        "cells": [name for name in tables if config.tables[name].build == CELLS],
        "tables": [name for name in tables if config.tables[name].build != CELLS],
        "figures": [n for n in drawable(config) if n not in texts.shown(included, "regrokfigure")],
    }


def scope(
    config: Any,
    figures: Collection[str],
    tables: Collection[str],
    repository: str | None,
    parts: Collection[str] = (),
) -> str:
    """What the paper's conditionals ask: scale, anonymity, studies, experiments, figures with their sources, tables."""
    count = latex.count(len(texts.shown_studies(config)), "paper")
    absent = "was left out of this build" if config.only else "was not run at this scale"
    lines = [
        f"\\regrokset{{scope}}{{scale}}{{{config.scale}}}",
        f"\\regrokset{{scope}}{{papers}}{{{count}}}",
        f"\\regrokset{{scope}}{{absent}}{{{absent} ({config.scale})}}",
    ]
    if config.anonymous:
        lines.append(r"\regrokset{is}{anonymous}{yes}")
    if config.scale == "smoke":
        lines.append(r"\regrokset{is}{smoke}{yes}")
    named = {
        "experiment": [name for name in config.experiments if config.runs_here(name)],
        "computation": [name for name in config.computations if config.computes_here(name)],
        "part": parts,
        "table": tables,
    }
    for kind, names in named.items():
        lines += [f"\\regrokset{{{kind}}}{{{name}}}{{yes}}" for name in names]
    base = repository.rstrip("/") if repository else ".."
    for name in figures:
        path = f"src/regrok/figures/{source(config.figures[name].draw).name}"
        lines.append(f"\\regrokset{{figure}}{{{name}}}{{yes}}")
        lines.append(f"\\regrokset{{source}}{{{name}}}{{{latex.escape(path)}}}")
        if not config.anonymous:
            lines.append(f"\\regrokset{{link}}{{{name}}}{{{base}/{path}}}")
    return "\n".join(lines) + "\n"


def abstract(sources: Mapping[str, Path], studies: Collection[str]) -> str:
    """The sentences that the studies' sections give for the abstract, a paragraph's worth of lines each."""
    return "".join(f"{texts.summary(sources[f'studies/{name}/section.tex'])}\n" for name in studies)


def findings(
    config: Any, sources: Mapping[str, Path], studies: Collection[str], said: Mapping[str, Ruling]
) -> str:
    """What each study gives to the main text on what came out, under the paper's name.

    A study that gives nothing says there what it says in the abstract. said: claim → the verdict that leads.
    """
    known = [name for name, first in said.items() if leading_result(first) != NOT_ESTIMATED]
    parts = []
    for name in studies:
        section = sources[f"studies/{name}/section.tex"]
        paper = config.studies[name].paper
        text = texts.handed_over(section, "studyfindings") or texts.summary(section)
        text = texts.led(text, known).strip() or "No scale has judged a claim of it."
        title = _begun(texts.cited(paper))
        parts.append(rf"\paragraph{{{title} (Appendix~\ref{{sec:{name}}}).}} {text}" + "\n")
    return "\n".join(parts)


def _begun(words: str) -> str:
    """With a capital."""
    return words[:1].upper() + words[1:]


def discussion(sources: Mapping[str, Path], studies: Collection[str]) -> str:
    """What the studies give to the discussion of where ours and theirs part; most give nothing."""
    given = (
        texts.handed_over(sources[f"studies/{name}/section.tex"], "studydiscussion")
        for name in studies
    )
    return "\n\n".join(filter(None, given)) + "\n"


def overview(config: Any, ledger: Mapping[str, Any], said: Mapping[str, Ruling]) -> str:
    """The audited papers as a table: where each is treated, and how many of its printed claims have which verdict.

    said: claim → the verdict that leads.
    """
    here = texts.shown_studies(config)
    rows = []
    for name, study in config.studies.items():
        standing = [c for c in ledger["claims"] if c["paper"] == study.paper.letter and stands(c)]
        own = [said[c["id"]] for c in standing if c["origin"] == "printed"]
        words = [each.verdict if each.speaks else OUT_OF_SCOPE for each in own]
        rows.append(
            [
                study.paper.letter,
                texts.cited(study.paper),
                rf"\ref{{sec:{name}}}" if name in here else latex.NOTHING,
                latex.exact(len(standing) - len(own)),
                latex.exact(len(own)),
                *(latex.exact(words.count(verdict)) for verdict in VERDICTS),
            ]
        )
    # A word of a verdict that is clear without the rest, as the columns are narrow.
    short = {
        DIRECTION: "direction only",
        UNDERSPECIFIED: "open",
        NO_SUCH_RUN: "no run",
        OUT_OF_SCOPE: "not judged",
    }
    heads = [latex.stacked(short.get(v, v)) for v in VERDICTS]
    header = ["", "paper", "section", "ours", "printed", *heads]
    caption = (
        r"\textbf{The audited papers,} with the number of their printed claims and of each verdict on those, at the "
        r"largest scale that judged the claim; of entries that no paper prints (our readings, and comparisons with "
        r"released runs) the number. A claim's name begins with its paper's letter. Open: underspecified. No run: "
        r"the runs that the claim is about do not exist. Not judged: out of scope at every scale."
    )
    if len(here) < len(config.studies):
        caption += " A dash: no experiment of the paper is part of this build."
    columns = "@{}ll" + r"@{\hspace{10pt}}r" * (len(header) - 2) + "@{}"
    return table("studies", columns, header, rows, caption)


def unreproduced(
    ledger: Mapping[str, Any],
    explanations: Mapping[str, str | None],
    said: Mapping[str, Ruling],
) -> str:
    """A list of the claims that did not come out: statement, published, ours, why the predicate says so.

    explanations: id of a claim → what is known about why it may fail, in TeX, or None. said: claim → the verdict that
    leads, whose evidence is shown.
    """
    lines = []
    for verdict in (NOT_REPRODUCED, DIRECTION, INCONCLUSIVE, UNDERSPECIFIED):
        claims = [c for c in ledger["claims"] if said[c["id"]].verdict == verdict and stands(c)]
        if not claims:
            continue
        lines += [rf"\paragraph{{{verdict.capitalize()}.}}", r"\begin{description}"]
        for claim in claims:
            first = said[claim["id"]]
            place = f"At the {first.scale} scale" if first.released else "Here"
            words = (
                rf"\item[{latex.escape(claim['id'])}] {latex.escape(claim['statement'])} "
                rf"Published: {latex.escape(claim['published_text'])}. {place}: {latex.estimate(first.entry)}; "
                rf"{latex.escape(first.entry['reason'])}. {explanations.get(claim['id']) or ''}"
            )
            lines.append(words.rstrip())
        lines.append(r"\end{description}")
    if not lines:
        lines = ["Every claim that some scale judged is reproduced."]
    return "\n".join(lines) + "\n"

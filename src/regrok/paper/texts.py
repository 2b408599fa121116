"""The paper's text: which files make it up, and which of it a build shows.

What is common lies in paper/, what is about one study in studies/<name>/section.tex. `files` says where each file of
the folder that LaTeX sees comes from, so that a message can name the file that somebody edits. `live` blanks what the
conditionals of paper/regrok.sty leave out of a build:

    \\ifexperiment{S2}{…}{…}  \\ifcomputation{…}{…}{…}  \\iffigure{regimes}{…}{…}  \\iftable{…}{…}{…}
    \\ifpart{cells}{…}{…}  \\ifanonymous{…}{…}
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from regrok import latex
from regrok.errors import RegrokError
from regrok.figures import drawable
from regrok.tables import buildable

CONDITIONALS = ("ifexperiment", "ifcomputation", "iffigure", "iftable", "ifpart")
"""Conditionals that ask for a name."""

PARTS = ("cells", "tables", "figures")
"""Parts of the appendix that a build may have nothing for."""

PREAMBLE = "main.tex"
REFERENCES = "references.bib"


def cited(paper: Any) -> str:
    """A study's name in TeX, with the reference to what it audits, if it is not our own."""
    name = latex.escape(paper.short)
    return name if paper.cite is None else rf"{name}~\citep{{{paper.cite}}}"


def shown_studies(config: Any) -> list[str]:
    """The chosen studies of which this build runs or computes something, in their order: those with a section.

    A build of chosen experiments and computations shows the studies of those alone.
    """
    asked = config.only or config.computations
    return [
        name
        for name, study in config.studies.items()
        if any(map(config.runs_here, study.experiments))
        or any(each in asked and config.computes_here(each) for each in study.computations)
    ]


def files(root: Path | str, config: Any) -> dict[str, Path]:
    """Path in the folder that LaTeX sees → the file that it is a copy of.

    root: the checkout. Sections of every chosen study are named, also of one that this build does not show. Raises
    RegrokError naming a study without a section.tex.
    """
    root = Path(root)
    paper = root / "paper"
    found = {name: paper / name for name in (PREAMBLE, "regrok.sty")}
    found |= {f"sections/{path.name}": path for path in sorted(paper.glob("sections/*.tex"))}
    for name in config.studies:
        section = root / "studies" / name / "section.tex"
        if not section.is_file():
            raise RegrokError(
                f"{section} does not exist; it is the study's part of the paper, with \\studysummary{{…}} for the "
                "abstract"
            )
        found[f"studies/{name}/section.tex"] = section
    return found


def bibliographies(root: Path | str, config: Any) -> list[Path]:
    """The files of references: the common one, and that of each chosen study that has one."""
    root = Path(root)
    own = [root / "studies" / name / REFERENCES for name in config.studies]
    return [root / "paper" / REFERENCES, *(path for path in own if path.is_file())]


def without_comments(text: str) -> str:
    """The text with comments blanked, every line kept."""
    return re.sub(r"(?<!\\)%.*", "", text)


def blank(text: str) -> str:
    """As many spaces, every line kept."""
    return re.sub(r"[^\n]", " ", text)


def line_of(text: str, at: int) -> int:
    """The line, from 1, that a position of the text is on."""
    return text.count("\n", 0, at) + 1


def argument(text: str, at: int) -> tuple[int, int]:
    """Begin and end of what the braced argument at or after `at` holds, without its braces.

    Raises ValueError where there is none, or its braces do not match.
    """
    found = re.compile(r"\s*\{").match(text, at)
    if found is None:
        raise ValueError("an argument in braces is missing")
    depth = 0
    for position in range(found.end() - 1, len(text)):
        # An escaped brace is a character of the text.
        if text[position - 1] == "\\":
            continue
        depth += {"{": 1, "}": -1}.get(text[position], 0)
        if depth == 0:
            return found.end(), position
    raise ValueError("the braces do not match")


def conditions(config: Any, parts: Collection[str] = ()) -> dict[str, Collection[str]]:
    """Conditional → the names for which its first branch is taken in this build.

    parts: parts of the appendix that this build has (see `PARTS`).
    """
    return {
        "ifexperiment": [name for name in config.experiments if config.runs_here(name)],
        "ifcomputation": [name for name in config.computations if config.computes_here(name)],
        "iffigure": drawable(config),
        "iftable": buildable(config),
        "ifpart": parts,
        "ifanonymous": [""] if config.anonymous else [],
    }


def live(text: str, holds: Mapping[str, Collection[str]]) -> str:
    """The text with every branch blanked that its conditional does not take; lines are kept.

    holds: as `conditions` returns it. A conditional whose braces do not match is left as it is: LaTeX names it.
    """
    macro = re.compile(
        rf"\\(?:({'|'.join(CONDITIONALS)})\s*\{{([^{{}}]*)\}}|(ifanonymous)(?![A-Za-z]))"
    )
    at = 0
    while found := macro.search(text, at):
        at = found.end()
        kind, name = found[1] or found[3], found[2] or ""
        try:
            yes = argument(text, at)
            no = argument(text, yes[1] + 1)
        except ValueError:
            continue
        begin, end = no if name in holds[kind] else yes
        text = text[:begin] + blank(text[begin:end]) + text[end:]
    return text


def led(text: str, known: Collection[str]) -> str:
    """The text with each `\\ifleading{claim}{…}{…}` replaced by the branch that it takes.

    known: the claims for which some scale has a value. Raises RegrokError where braces do not match.
    """
    macro = re.compile(r"\\ifleading\{([^}]*)\}")
    while found := macro.search(text):
        try:
            yes = argument(text, found.end())
            no = argument(text, yes[1] + 1)
        except ValueError as error:
            raise RegrokError(f"\\ifleading{{{found[1]}}}: {error}") from None
        taken = slice(*(yes if found[1] in known else no))
        text = text[: found.start()] + text[taken] + text[no[1] + 1 :]
    return text


def summary(section: Path) -> str:
    """What `\\studysummary{…}` of a section holds, for the abstract. Raises RegrokError where it has none."""
    held = handed_over(section, "studysummary")
    if held is None:
        raise _lacking(section, "studysummary", "there is none")
    return held


def handed_over(section: Path, macro: str) -> str | None:
    """What `\\macro{…}` of a section holds, for another part of the paper; None where the section has none.

    macro: one of `HANDED_OVER`. Raises RegrokError where its braces do not match.
    """
    text = without_comments(section.read_text(encoding="utf-8"))
    found = re.search(rf"\\{macro}(?![A-Za-z])", text)
    if found is None:
        return None
    try:
        begin, end = argument(text, found.end())
    except ValueError as error:
        raise _lacking(section, macro, str(error)) from None
    return text[begin:end].strip()


HANDED_OVER = {
    "studysummary": "give a sentence or two for the abstract, in braces",
    "studyfindings": "give a paragraph on what came out, in braces",
    "studydiscussion": "give a paragraph on where ours and theirs part, in braces",
}
"""Macro of a section whose argument another part of the paper shows → what it is for."""


def _lacking(section: Path, macro: str, what: str) -> RegrokError:
    return RegrokError(f"{section}: \\{macro}: {what}; {HANDED_OVER[macro]}")


def shown(texts: Iterable[str], macro: str) -> set[str]:
    """The names for which some text uses `\\macro{name}`."""
    return {name for text in texts for name in re.findall(rf"\\{macro}\{{([^}}]*)\}}", text)}

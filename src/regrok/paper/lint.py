"""What must hold of the paper's text before and after it is typeset.

Before: no digit typed where a result belongs, no count of runs in words, every key and every cross-reference
defined, every macro of our own used, every figure and table of this scale shown. After: nothing sticks out of the
text block, no reference is undefined. Each finding is `file:line: what is wrong and what to do`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from regrok.errors import RegrokError
from regrok.paper.numbers import KINDS

KEYED = (*KINDS, "evidence")
ASKING = ("ifexperiment", "iffigure", "regrokfigure", "regroktable", "explain")

WITHOUT_PROSE = (
    *KEYED,
    *ASKING,
    *("cite", "citep", "citet", "ref", "eqref", "label", "input", "bibliography", "arxiv"),
    *("includegraphics", "texttt", "url", "href", "vspace", "hspace"),
)
"""Macros whose arguments are names, not prose."""

COUNT_WORDS = re.compile(
    r"\b(?:two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|dozens?)\s+(?:\w+\s+)?"
    r"(?:runs?|seeds?|cells?|claims?|experiments?)\b",
    re.IGNORECASE,
)

OVERFULL_LIMIT = 1.0
"""Points by which a box may stick out unseen."""


def lint_sources(paper: Path | str, config: Any, claims: Iterable[str] = ()) -> list[str]:
    """Findings in main.tex, sections/*.tex and regrok.sty, against paper/generated. Empty when all is well.

    claims: ids of claims.yaml, which `\\explain` must name.
    """
    paper = Path(paper)
    generated = paper / "generated"
    try:
        known = json.loads((generated / "numbers.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RegrokError(
            f"{generated}/numbers.json does not exist; build it with: snakemake --cores all"
        ) from None
    files = [paper / "main.tex", *sorted((paper / "sections").glob("*.tex"))]
    texts = {path: without_comments(path.read_text(encoding="utf-8")) for path in files}
    included = "\n".join(texts.values())
    findings = []
    for path, text in texts.items():
        prose = text if path.parent.name == "sections" else _document(text)
        findings += [f"{path}:{n}: {what}" for n, what in digits(prose)]
        findings += [
            f"{path}:{n}: {what}" for n, what in undefined_keys(text, known, config, set(claims))
        ]
    findings += unused_macros(texts, paper / "regrok.sty")
    findings += unshown(included, generated)
    return findings


def without_comments(text: str) -> str:
    """The text with comments blanked, every line kept."""
    return re.sub(r"(?<!\\)%.*", "", text)


def _document(text: str) -> str:
    """main.tex from \\title on, as far as it is prose; the preamble before is blanked line by line."""
    start = text.find(r"\title")
    if start < 0:
        return text
    return "\n" * text[:start].count("\n") + text[start:]


def _blank(text: str, pattern: str) -> str:
    return re.sub(pattern, lambda m: re.sub(r"[^\n]", " ", m.group()), text, flags=re.DOTALL)


def digits(text: str) -> list[tuple[int, str]]:
    """Line and complaint for every digit in prose, every decimal or long number in mathematics, every counted word.

    Mathematics may hold single digits: the 2 of 2ηλ, exponents, indices.
    """
    names = "|".join(WITHOUT_PROSE)
    plain = _blank(
        text, rf"\\(?:{names})\*?(?:\[[^\]]*\])?\s*\{{[^{{}}]*\}}(?:\{{[^{{}}]*\}}(?=\s*\{{))?"
    )
    plain = _blank(plain, r"\[[^\]\n]*\]")
    # Text inside mathematics is prose again; it has no digits unless somebody typed them.
    mathematics = r"\$[^$]*\$|\\begin\s*\{equation\}.*?\\end\s*\{equation\}"
    found = [
        (match.start() + number.start(), number.group())
        for match in re.finditer(mathematics, plain)
        for number in re.finditer(r"\d+[.,]\d+|\d{2,}", match.group())
    ]
    plain = _blank(plain, mathematics)
    plain = _blank(plain, r"\\(?:begin|end)\s*\{[^{}]*\}(?:\{[^{}]*\})?")
    found += [(m.start(), m.group()) for m in re.finditer(r"\d[\d.,]*", plain)]
    complaints = [
        (
            text.count("\n", 0, at) + 1,
            f"'{what}' is typed by hand; use \\result, \\setting, \\given or \\counted",
        )
        for at, what in found
    ]
    complaints += [
        (
            text.count("\n", 0, match.start()) + 1,
            f"'{match.group()}' counts by hand; use \\counted or \\setting",
        )
        for match in COUNT_WORDS.finditer(plain)
    ]
    return sorted(complaints)


def undefined_keys(
    text: str, known: Mapping[str, Mapping[str, str]], config: Any, claims: set[str]
) -> list[tuple[int, str]]:
    """Line and complaint for every key that numbers.json or config.yaml does not have."""
    universe: dict[str, Iterable[str]] = {kind: known[kind] for kind in KINDS}
    universe |= {"evidence": known["result"], "ifexperiment": _experiments(config)}
    universe |= dict.fromkeys(("iffigure", "regrokfigure"), config.figures)
    universe |= {"regroktable": config.tables}
    if claims:
        universe["explain"] = claims
    found = []
    for match in re.finditer(rf"\\({'|'.join(universe)})\s*\{{([^{{}}#]*)\}}", text):
        macro, key = match.groups()
        if key not in universe[macro]:
            line = text.count("\n", 0, match.start()) + 1
            found.append((line, f"\\{macro}{{{key}}}: no such key{_near(key, universe[macro])}"))
    return found


def _experiments(config: Any) -> set[str]:
    # Study two's experiments are asked for before config.yaml holds them.
    return {*config.experiments, *(f"B{i}" for i in range(1, 11))}


def _near(key: str, keys: Iterable[str]) -> str:
    from difflib import get_close_matches

    near = get_close_matches(key, list(keys), 1)
    return f"; did you mean {near[0]}?" if near else ""


def unused_macros(texts: Mapping[Path, str], package: Path) -> list[str]:
    """Macros that main.tex or regrok.sty defines and nothing uses."""
    sources = {**texts, package: without_comments(package.read_text(encoding="utf-8"))}
    definition = re.compile(
        r"\\(?:newcommand|renewcommand|providecommand|DeclareRobustCommand)\*?\s*\{?\\([A-Za-z@]+)"
    )
    everything = "\n".join(sources.values())
    generated = {"regrokset", "regrokcaption", "regrokdescription", "explanation"}
    findings = []
    for path, text in sources.items():
        for match in definition.finditer(text):
            if "renew" in match.group():
                continue
            name = match.group(1)
            uses = len(re.findall(rf"\\{name}(?![A-Za-z@])", everything))
            if uses < 2 and name not in generated:
                line = text.count("\n", 0, match.start()) + 1
                findings.append(f"{path}:{line}: \\{name} is defined and never used; delete it")
    return findings


def unshown(text: str, generated: Path) -> list[str]:
    """Figures and tables that were made for the paper and that no section shows."""
    findings = []
    for folder, macro in (("figures", "regrokfigure"), ("tables", "regroktable")):
        shown = set(re.findall(rf"\\{macro}\{{([^}}]*)\}}", text))
        findings += [
            f"{path}: made but not shown; put \\{macro}{{{path.stem}}} into a section"
            for path in sorted((generated / folder).glob("*.tex"))
            if path.stem not in shown
        ]
    return findings


BOX = re.compile(
    r"Overfull \\hbox \((?P<by>[\d.]+)pt too wide\) (?P<where>.*)|Overfull \\vbox \((?P<tall>[\d.]+)pt too high\)"
)


def lint_log(log: str) -> list[str]:
    """Findings in LaTeX's log: what sticks out, which references and citations are undefined or doubled."""
    findings = []
    for match in BOX.finditer(log):
        by = float(match["by"] or match["tall"])
        if by > OVERFULL_LIMIT:
            where = match["where"] or "a page"
            findings.append(f"overfull by {by:g} pt: {where}; reword, or narrow the table")
    findings += re.findall(r"LaTeX Warning: (.*(?:undefined|multiply defined).*)", log)
    findings += re.findall(r"Package natbib Warning: (Citation.*undefined.*)", log)
    return list(dict.fromkeys(findings))


def check(findings: list[str]) -> None:
    """Raise RegrokError with all findings, if any."""
    if findings:
        lines = "\n  ".join(findings)
        raise RegrokError(f"the paper has {len(findings)} finding(s):\n  {lines}")

"""What must hold of the paper's text before and after it is typeset.

Before: no digit typed where a result belongs, no count of runs in words, every key defined, every macro of our own
used, every study's section labelled, sentences that read as such (regrok.paper.prose). After: nothing sticks out of the
text block, no reference is undefined. Each finding is `file:line: what is wrong and what to do`, of the file that one
edits.

What a build does not show (a branch of `\\ifexperiment{S2}` at a scale without S2) is judged more mildly there: its
keys may be missing where their fit or experiment is not part of the build, not where they are misspelt.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from regrok.errors import RegrokError
from regrok.paper import prose, texts
from regrok.paper.log import placed
from regrok.paper.numbers import KINDS
from regrok.study.claims import Claims
from regrok.study.columns import SETTINGS

KEYED = (*KINDS, "evidence", "named", "ifestimate", "ifleading")
ASKING = (*texts.CONDITIONALS, "regrokfigure", "regroktable")

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


def lint_sources(root: Path | str, folder: Path | str, config: Any, claims: Claims) -> list[str]:
    """Findings in the common text, the chosen studies' sections and their explanations. Empty when all is well.

    root: the checkout. folder: the assembled one, for the keys of its numbers.json and the parts of its appendix.
    """
    folder = Path(folder)
    try:
        known = json.loads((folder / "numbers.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RegrokError(
            f"{folder}/numbers.json does not exist; build it with: snakemake --cores all"
        ) from None
    parts = [part for part in texts.PARTS if (folder / f"rest_{part}.tex").stat().st_size]
    holds = texts.conditions(config, parts)
    sources = {
        path: texts.without_comments(path.read_text(encoding="utf-8"))
        for path in texts.files(root, config).values()
    }
    findings = []
    for path, text in sources.items():
        if path.suffix == ".sty":
            continue
        written = _document(text) if path.name == texts.PREAMBLE else text
        found = [*digits(written), *undefined_keys(text, known, config, holds)]
        found += prose.repeated_verdicts(text)
        found += prose.unreadable(prose.rendered(texts.live(text, holds), known))
        if path.name == "abstract.tex":
            found += prose.named_claims(text)
        findings += [f"{path}:{line}: {what}" for line, what in found]
    for name in config.studies:
        section = Path(root) / "studies" / name / "section.tex"
        findings += _labelled(name, section, sources)
        findings += [
            f"{section}: \\studysummary: {what}"
            for _, what in prose.named_claims(texts.summary(section))
        ]
    findings += prose.captions(
        folder,
        [
            *(f"figures/{name}.tex" for name in config.figures),
            *(f"tables/{name}.tex" for name in config.tables),
        ],
    )
    findings += explanations(root, known, config, claims)
    every = Path(root).glob("studies/*/section.tex")
    others = [path.read_text(encoding="utf-8") for path in sorted(every) if path not in sources]
    return findings + unused_macros(sources, others)


def _labelled(study: str, path: Path, sources: Mapping[Path, str]) -> list[str]:
    """What is missing of \\section and the label by which the table of the papers points to the study."""
    start = sources[path].find(r"\section")
    if start < 0:
        return [f"{path}:1: has no \\section; a study is a section of the paper, in \\subsections"]
    if f"\\label{{sec:{study}}}" not in sources[path]:
        line = texts.line_of(sources[path], start)
        return [f"{path}:{line}: put \\label{{sec:{study}}} after the \\section"]
    return []


def explanations(
    root: Path | str,
    known: Mapping[str, Mapping[str, str]],
    config: Any,
    claims: Claims,
) -> list[str]:
    """Findings in the explanations of claims, which stand in the studies' claims.yaml."""
    folders = {study.paper.letter: name for name, study in config.studies.items()}
    findings = []
    for claim in claims.claims:
        text = claim.explanation or ""
        found = [*digits(text), *undefined_keys(text, known, config, texts.conditions(config))]
        path = Path(root) / "studies" / folders[claim.letter] / "claims.yaml"
        findings += [f"{path}: {claim.id}: explanation: {what}" for _, what in found]
    return findings


def _document(text: str) -> str:
    """main.tex from \\title on, as far as it is prose; the preamble before is blanked line by line."""
    start = text.find(r"\title")
    if start < 0:
        return text
    return "\n" * text[:start].count("\n") + text[start:]


def _blank(text: str, pattern: str) -> str:
    return re.sub(pattern, lambda m: texts.blank(m.group()), text, flags=re.DOTALL)


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
            texts.line_of(text, at),
            f"'{what}' is typed by hand; use \\result, \\setting, \\given or \\counted",
        )
        for at, what in found
    ]
    complaints += [
        (
            texts.line_of(text, match.start()),
            f"'{match.group()}' counts by hand; use \\counted or \\setting",
        )
        for match in COUNT_WORDS.finditer(plain)
    ]
    return sorted(complaints)


def undefined_keys(
    text: str,
    known: Mapping[str, Mapping[str, str]],
    config: Any,
    holds: Mapping[str, Collection[str]],
) -> list[tuple[int, str]]:
    """Line and complaint for every key that numbers.json or the configuration does not have.

    holds: as `texts.conditions` returns it.
    """
    universe: dict[str, Iterable[str]] = {kind: known[kind] for kind in KINDS}
    universe |= dict.fromkeys(("evidence", "ifestimate"), known["result"])
    universe |= {"ifleading": known["leadingresult"]}
    universe |= {"named": known["setting"], "ifexperiment": config.experiments}
    universe |= {"ifcomputation": config.computations}
    universe |= dict.fromkeys(("iffigure", "regrokfigure"), config.figures)
    universe |= dict.fromkeys(("iftable", "regroktable"), config.tables)
    universe |= {"ifpart": texts.PARTS}
    shown = texts.live(text, holds)
    found = []
    keyed = rf"\\({'|'.join(universe)})\s*(?:\[([^\]#]*)\])?\s*\{{([^{{}}#]*)\}}"
    for match in re.finditer(keyed, text):
        macro, before, key = match.groups()
        if before and before not in universe[macro]:
            complaint = f"no such key{_near(before, universe[macro])}"
            found.append((texts.line_of(text, match.start()), f"\\{macro}[{before}]: {complaint}"))
        here = shown[match.start() : match.end()] == match.group()
        head = key.partition(".")[0]
        if (
            macro in ("setting", "named")
            and here
            and head in set(config.experiments) - set(holds["ifexperiment"])
        ):
            complaint = f"{head} is not run here; put it into \\ifexperiment{{{head}}}{{…}}{{…}}"
        elif key in universe[macro] or (not here and _absent(macro, key, universe[macro], config)):
            continue
        else:
            complaint = f"no such key{_near(key, universe[macro])}"
        found.append((texts.line_of(text, match.start()), f"\\{macro}{{{key}}}: {complaint}"))
    return found


def _absent(macro: str, key: str, keys: Iterable[str], config: Any) -> bool:
    """Whether the key may be missing from a build that does not show it.

    It is a setting of an experiment that there is, or a result of a fit or computation that there is and this build has
    nothing of.
    """
    head, _, rest = key.partition(".")
    if macro in ("setting", "named"):
        return head in config.experiments and rest in {
            "seed",
            *(column.name for column in SETTINGS),
        }
    if macro not in ("result", "interval", "nruns", "evidence", "ifestimate"):
        return False
    made = {*config.fits, *config.computations}
    return head in made and not any(other.partition(".")[0] == head for other in keys)


def _near(key: str, keys: Iterable[str]) -> str:
    from difflib import get_close_matches

    near = get_close_matches(key, list(keys), 1)
    return f"; did you mean {near[0]}?" if near else ""


def unused_macros(sources: Mapping[Path, str], others: Iterable[str] = ()) -> list[str]:
    """Macros that the text or regrok.sty defines and nothing uses.

    sources: file → its text, without comments. others: sections of studies that this build leaves out.
    """
    definition = re.compile(
        r"\\(?:newcommand|renewcommand|providecommand|DeclareRobustCommand)\*?\s*\{?\\([A-Za-z@]+)"
    )
    everything = "\n".join([*sources.values(), *others])
    findings = []
    for path, text in sources.items():
        for match in definition.finditer(text):
            if "renew" in match.group():
                continue
            name = match.group(1)
            uses = len(re.findall(rf"\\{name}(?![A-Za-z@])", everything))
            if uses < 2 and name not in GENERATED:
                line = texts.line_of(text, match.start())
                findings.append(f"{path}:{line}: \\{name} is defined and never used; delete it")
    return findings


GENERATED = {"regrokset", "regrokcaption", "regrokdescription", "regroktile"}
"""Macros that generated files use."""


BOX = re.compile(
    r"Overfull \\(?P<box>[hv])box \((?P<by>[\d.]+)pt too (?:wide|high)\)"
    r"(?:.* at lines? (?P<line>\d+))?"
)
REFERENCE = re.compile(
    r"(?:LaTeX|Package natbib) Warning: "
    r"(?P<what>.*(?:undefined|multiply defined).*?)(?: on input line (?P<line>\d+))?\.?$"
)


def lint_log(log: str, sources: Mapping[str, Path] | None = None) -> list[str]:
    """Findings in LaTeX's log: what sticks out, which references and citations are undefined or doubled.

    sources: file of the folder that was typeset → what it is a copy of, for the findings' places. A table is boxed page
    by page: what sticks out by the same width in the same file is one finding, at its first line.
    """
    findings: dict[tuple[str, str], str] = {}
    for file, line in placed(log):
        place = str((sources or {}).get(file, file))
        if (box := BOX.match(line)) and float(box["by"]) > OVERFULL_LIMIT:
            over = f"{float(box['by']):g} pt too {'wide' if box['box'] == 'h' else 'high'}"
            what = f"{over} for the page; {_narrower(file, box['box'])}"
            findings.setdefault((file, over), _at(place, box["line"], what))
        elif reference := REFERENCE.match(line):
            if reference["what"].startswith("There were"):  # says at the end that there were some
                continue
            what = f"{reference['what']}; define what it names, or mend the name"
            findings.setdefault((file, what), _at(place, reference["line"], what))
    return list(findings.values())


def _at(place: str, line: str | None, what: str) -> str:
    return ":".join(filter(None, (place, line, f" {what}"))).lstrip()


def _narrower(file: str, box: str) -> str:
    """What to do about what sticks out."""
    if file.startswith("tables/"):
        return "shorten its longest cells, or give the table fewer columns"
    return "reword, or break the line" if box == "h" else "make the float or the table shorter"


def check(findings: list[str]) -> None:
    """Raise RegrokError with all findings, if any."""
    if findings:
        count = f"{len(findings)} finding{'s' if len(findings) > 1 else ''}"
        lines = "\n  ".join(findings)
        raise RegrokError(f"the paper has {count} and is not made:\n  {lines}")

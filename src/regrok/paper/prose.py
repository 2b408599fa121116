"""How the paper's sentences read once numbers and verdicts stand in them: what no reader should have to see.

Of the sources: a sentence that says one verdict twice, an abstract that names claims. Of what a build makes of them,
captions of figures and tables included: a number that the runs do not give, written into running text as if it were
one; a clause about nothing ("0 runs have no dot"); a point of a grid with the digits of a measurement.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from regrok.paper import texts
from regrok.paper.numbers import NOT_ESTIMATED

SENTENCE = re.compile(r"\.(?=[\s}])|\n\s*\n")
"""Where a sentence of TeX ends."""

PHRASE = re.compile(r"\\(verdictphrase|leadingphrase)(?:\[([^\]]*)\])?\{([^}]*)\}")

Finding = tuple[int, str]
"""Line, from 1, and complaint."""


def sentences(text: str) -> list[tuple[int, str]]:
    """Where each sentence of a text begins, and the sentence."""
    ends = [*(found.start() for found in SENTENCE.finditer(text)), len(text)]
    begins = [0, *ends[:-1]]
    return [(begin, text[begin:end]) for begin, end in zip(begins, ends, strict=True)]


def repeated_verdicts(text: str) -> list[Finding]:
    """Every verdict that is not the first of its sentence and does not name the one before it.

    Which verdicts are equal depends on the runs, so the text has to be right for equal ones:
    `\\verdictphrase[A3]{A4}` says "likewise" where A4 has the verdict that was just said of A3.
    """
    found = []
    for begin, sentence in sentences(text):
        before: dict[str, str] = {}
        for phrase in PHRASE.finditer(sentence):
            macro, named, claim = phrase.groups()
            if macro in before and named != before[macro]:
                again = f"\\{macro}[{before[macro]}]{{{claim}}}"
                what = f"\\{macro}{{{claim}}} may say the verdict of {before[macro]} again in one sentence"
                line = texts.line_of(text, begin + phrase.start())
                found.append((line, f"{what}; write {again}"))
            before[macro] = claim
    return found


CLAIM = re.compile(r"(?<![\\\w{.])[A-Z]\d+(?:-[a-z][\w-]*)?\b")


def named_claims(text: str) -> list[Finding]:
    """Every id of a claim that the abstract would show: its readers do not know them."""
    hidden = re.sub(r"\\[A-Za-z]+(?:\[[^\]]*\])?\{[^{}]*\}", lambda m: texts.blank(m.group()), text)
    hidden = re.sub(r"\$[^$]*\$", lambda m: texts.blank(m.group()), hidden)
    return [
        (
            texts.line_of(text, found.start()),
            f"the abstract names the claim {found.group()}; say it in words",
        )
        for found in CLAIM.finditer(hidden)
    ]


QUOTED = re.compile(r"\\(result|interval|nruns|evidence|leadingresult)\{([^}]*)\}")


def rendered(text: str, known: Mapping[str, Mapping[str, str]]) -> str:
    """The text with the values that its macros show, where the runs give any; lines are kept.

    known: numbers.json of the build. A key that it lacks leaves its macro as it is.
    """

    def value(found: re.Match[str]) -> str:
        macro, key = found.groups()
        kinds = ("result", "interval", "nruns") if macro == "evidence" else (macro,)
        parts = [known[kind].get(key) for kind in kinds]
        # What is not estimated is said in words (paper/regrok.sty), and an unknown key is a finding of its own.
        if None in parts or NOT_ESTIMATED in parts:
            return found.group()
        return " ".join(map(str, parts))

    return QUOTED.sub(value, text)


NOTHING = r"(?:0|zero|[Nn]one of (?:0|zero))"
THINGS = r"(?:runs?|snapshots?|cells?|seeds?|points?|dots?|networks?)"
UNREADABLE = (
    (
        re.compile(r"\(no estimate\)"),
        "stands in a sentence where a value should; leave the clause out with \\ifestimate",
    ),
    (
        re.compile(
            rf"(?<![\d.,{{}}\\=]){NOTHING} (?:[a-z-]+ ){{0,2}}?{THINGS} [^.;)]*?"
            r"(?:have|has|had|without|left out|are not|is not|no )"
        ),
        "is a clause about nothing; print it only where there is something",
    ),
    (
        # Zeros that follow it, and more than five significant digits, which no interval here deserves.
        re.compile(r"(?<![\d.])(?:\d+\.\d*[1-9]000+|0\.0*[1-9]\d{5,}|[1-9]\d*\.\d{5,})(?!\d)"),
        "has more digits than a measurement; of a point on a grid give the point",
    ),
)
"""What no text of the paper may show → why, and what to do."""


def unreadable(text: str) -> list[Finding]:
    """Line and complaint for everything of `UNREADABLE` in a text as it is shown."""
    plain = text.replace(r"\emph{(no estimate)}", "(no estimate)")
    found = [
        (texts.line_of(plain, match.start()), f"'{' '.join(match.group().split())}' {why}")
        for pattern, why in UNREADABLE
        for match in pattern.finditer(plain)
    ]
    return sorted(found)


def captions(folder: Path | str, names: Sequence[str]) -> list[str]:
    """Findings in the captions of an assembled paper's figures and tables, each with its file.

    names: paths within `folder`, such as figures/depth.tex. A file that the build does not have is passed over.
    """
    findings = []
    for name in names:
        path = Path(folder) / name
        if not path.is_file():
            continue
        text = path.read_text(encoding="utf-8")
        caption = text if name.startswith("figures/") else _caption(text)
        findings += [f"{path}: caption: {what}" for _, what in unreadable(caption)]
    return findings


def _caption(table: str) -> str:
    at = table.find(r"\caption")
    if at < 0:
        return ""
    begin, end = texts.argument(table, at + len(r"\caption"))
    return table[begin:end]

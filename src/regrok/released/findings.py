"""What a visitor reads first: the ledger that ships as a picture, and a few findings with their numbers.

docs/findings.yaml holds the words; verdicts, values and counts are read from the released ledgers, so nothing here can
go stale without the test of README.md saying so. The picture is SVG, drawn by hand: a card of its own colour, which is
as legible on a dark page as on a light one, with a letter in each tile beside its colour.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from regrok.errors import RegrokError
from regrok.judging.leading import Ruling, rulings
from regrok.judging.ledger import stands
from regrok.judging.looks import LOOKS
from regrok.released import bundle
from regrok.study.words import ORIGINS
from regrok.study.yaml import read_yaml

WORDS = Path("docs/findings.yaml")
PICTURE = Path("docs/ledger.svg")
README = Path("README.md")
BEGIN = "<!-- findings: written by regrok findings --write -->"
END = "<!-- end of findings -->"


@dataclass(frozen=True)
class Paper:
    """How a paper is called in the picture."""

    letter: str
    short: str
    arxiv: str | None


def leading_rulings(folder: Path | str) -> list[Ruling]:
    """The leading verdict of each standing claim of the bundle on which some scale has one, in the ledger's order.

    Raises RegrokError where there is no bundle.
    """
    scales = bundle.scales(folder)
    if not scales:
        raise RegrokError(f"{folder}: no scale has been released")
    made = bundle.ledgers(Path(folder) / scale / "ledger.json" for scale in scales)
    first = max(made.values(), key=lambda ledger: len(ledger["claims"]))
    others = {scale: ledger for scale, ledger in made.items() if ledger is not first}
    standing = {entry["id"] for entry in first["claims"] if stands(entry)}
    said = rulings(first, others)
    return [found[0] for name, found in said.items() if name in standing and found[0].speaks]


# Words ------------------------------------------------------------------------------------------------------------


def block(said: Sequence[Ruling], words: Sequence[Mapping[str, Any]]) -> str:
    """README's first block in Markdown, without its markers.

    Raises RegrokError naming a finding that names no claim with a verdict, or one with another verdict than it says.
    """
    by_id = {ruling.entry["id"]: ruling for ruling in said}
    lines = [
        f"![{described(said)}]({PICTURE.as_posix()})",
        "",
        "Each tile is a claim, with the verdict of the largest scale that judged it. Findings, each with its claims:",
        "",
    ]
    for place, finding in enumerate(words, start=1):
        lines.append(f"{place}. **{finding['title']}**")
        lines += [f"   {line}" for line in evidence(finding, by_id)]
    return "\n".join(lines)


def evidence(finding: Mapping[str, Any], by_id: Mapping[str, Ruling]) -> list[str]:
    """A line for each claim of a finding."""
    lines = []
    for claim in finding["claims"]:
        ruling = by_id.get(claim["id"])
        if ruling is None:
            raise RegrokError(
                f"{WORDS}: “{finding['title']}” rests on {claim['id']}, on which the released ledgers have no verdict"
            )
        if ruling.verdict != claim["verdict"]:
            raise RegrokError(
                f"{WORDS}: “{finding['title']}” was written for {claim['id']} being {claim['verdict']}, and the "
                f"released ledgers say {ruling.verdict}; write the finding anew"
            )
        entry = ruling.entry
        printed = f"; printed: {entry['published_text']}" if entry["origin"] == "printed" else ""
        lines.append(
            f"- {claim['asked']}: {measured(entry)}{printed}; **{ruling.verdict}** "
            f"(`{claim['id']}`, {ruling.scale} scale{runs(entry)})"
        )
    return lines


def measured(entry: Mapping[str, Any]) -> str:
    """`0.982 [0.958, 0.989]`; the value alone where it is exact, or no end is known."""
    value, low, high = (entry[key] for key in ("value", "low", "high"))
    if low == high:
        return rounded(value)
    return f"{rounded(value)} [{rounded(low)}, {rounded(high)}]"


def rounded(value: float | None) -> str:
    """Three digits, thousands with a comma; `?` for an end that is not known.

    >>> rounded(-1.6312), rounded(1642.9), rounded(None)
    ('−1.63', '1,640', '?')
    """
    if value is None:
        return "?"
    short = f"{value:.3g}"
    if 1000 <= abs(value) < 1e6:
        short = f"{float(short):,.0f}"
    return short.replace("-", "−")


def runs(entry: Mapping[str, Any]) -> str:
    """`, 25 runs`; nothing where a claim rests on none."""
    return f", {entry['n']} runs" if entry["runs"] and entry["n"] else ""


def tally(said: Iterable[Ruling]) -> str:
    """`65 reproduced, 20 not reproduced`, in the order of the signs."""
    counts = Counter(ruling.verdict for ruling in said)
    return ", ".join(f"{counts[verdict]} {verdict}" for verdict in LOOKS if counts[verdict])


def described(said: Sequence[Ruling]) -> str:
    """The picture in words, for who does not see it."""
    return f"The ledger at a glance: {len(said)} claims, {tally(said)}"


# Picture ----------------------------------------------------------------------------------------------------------

WIDTH, MARGIN, TILE, GAP = 860, 20, 18, 3
LABEL = 200
"""Pixels of a row before its tiles."""
SAID = {"printed": "printed in the paper", "released": "against its released runs", "ours": "ours"}
FONT = "-apple-system, 'Segoe UI', 'Noto Sans', Helvetica, Arial, sans-serif"


def picture(said: Sequence[Ruling], papers: Sequence[Paper]) -> str:
    """The ledger as SVG: a row for each paper and origin, a tile for each claim."""
    across = (WIDTH - 2 * MARGIN - LABEL) // (TILE + GAP)
    parts: list[str] = []
    top = MARGIN + 22
    parts.append(_text(MARGIN, top, "What became of the claims", 17, weight=600))
    top += 16
    left = MARGIN
    for verdict, (letter, fill, ink) in LOOKS.items():
        count = sum(ruling.verdict == verdict for ruling in said)
        if not count:
            continue
        words = f"{count} {verdict}"
        long = TILE + 5 + round(6.6 * len(words))
        if left + long > WIDTH - MARGIN:
            left, top = MARGIN, top + TILE + 6
        parts += [
            _tile(left, top, letter, fill, ink, verdict),
            _text(left + TILE + 5, top + 13, words, 12),
        ]
        left += long + 14
    top += TILE + 20
    for paper in papers:
        rows = [
            (
                origin,
                [
                    r
                    for r in said
                    if (r.entry["paper"], r.entry["origin"]) == (paper.letter, origin)
                ],
            )
            for origin in ORIGINS
        ]
        rows = [(origin, own) for origin, own in rows if own]
        if not rows:
            continue
        parts.append(
            _text(
                MARGIN,
                top + 13,
                f"{paper.short} ({paper.letter}, {paper.arxiv or 'ours'})",
                13,
                weight=600,
            )
        )
        top += 20
        for origin, own in rows:
            parts.append(
                _text(MARGIN + 12, top + 13, f"{SAID[origin]}: {len(own)}", 12, fill="#59636e")
            )
            for place, ruling in enumerate(own):
                row, column = divmod(place, across)
                letter, fill, ink = LOOKS[ruling.verdict]
                x, y = MARGIN + LABEL + column * (TILE + GAP), top + row * (TILE + GAP)
                parts.append(
                    _tile(x, y, letter, fill, ink, f"{ruling.entry['id']}: {ruling.verdict}")
                )
            top += (1 + (len(own) - 1) // across) * (TILE + GAP) + 3
        top += 9
    height = top + MARGIN - 12
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
        f'viewBox="0 0 {WIDTH} {height}" role="img" font-family="{FONT}">'
        f"<title>{escape(described(said))}</title>"
        f'<rect x="0.5" y="0.5" width="{WIDTH - 1}" height="{height - 1}" rx="8" fill="#ffffff" stroke="#d1d9e0"/>'
    )
    return "\n".join([head, *parts, "</svg>"]) + "\n"


def _text(x: int, y: int, words: str, size: int, weight: int = 400, fill: str = "#1f2328") -> str:
    return f'<text x="{x}" y="{y}" font-size="{size}" font-weight="{weight}" fill="{fill}">{escape(words)}</text>'


def _tile(x: int, y: int, letter: str, fill: str, ink: str, words: str) -> str:
    middle = x + TILE / 2
    return (
        f'<g><title>{escape(words)}</title><rect x="{x}" y="{y}" width="{TILE}" height="{TILE}" rx="3" fill="{fill}" '
        f'stroke="#8c959f" stroke-width="0.5"/><text x="{middle:g}" y="{y + 13}" font-size="11" '
        f'text-anchor="middle" fill="{ink}">{letter}</text></g>'
    )


# Files ------------------------------------------------------------------------------------------------------------


def replaced(text: str, made: str) -> str:
    """README's text with the block between its markers. Raises RegrokError where it has not both, in order."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise RegrokError(f"{README} has no lines {BEGIN} and {END}, between which the findings go")
    return f"{before}{BEGIN}\n{made}\n{END}{after}"


def files(root: Path, folder: Path | str, papers: Sequence[Paper]) -> dict[Path, str]:
    """Path → content of README and picture as the bundle in `folder` has them. root: the checkout."""
    said = leading_rulings(folder)
    words = read_yaml(root / WORDS)["findings"]
    made = block(said, words)
    readme = (root / README).read_text(encoding="utf-8")
    return {root / README: replaced(readme, made), root / PICTURE: picture(said, papers)}

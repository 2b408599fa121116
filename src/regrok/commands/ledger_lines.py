"""The ledger in a terminal: one line of at most 100 columns a claim, its interval drawn against what its rule asks.

    A3-population      T_grok is linear in…   R² = 0.97      0.982       ░░╞●╡░      ● ◐

The last columns are the verdicts at the paper, laptop and smoke scales, as signs; the first line says what they mean.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from regrok.judging.axis import axis_of, band_of, drawn_numbers
from regrok.study.words import (
    DIRECTION,
    INCONCLUSIVE,
    NO_SUCH_RUN,
    NOT_REPRODUCED,
    OUT_OF_SCOPE,
    REPRODUCED,
    UNDERSPECIFIED,
    UNJUDGED,
)

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

    from regrok.judging.leading import Ruling
    from regrok.study.claims import Claim, Claims

ORDER = ("paper", "laptop", "smoke")
"""Scales, the one that leads first."""


class Sign(NamedTuple):
    """How a verdict is shown."""

    unicode: str
    ascii: str
    style: str


SIGNS = {
    REPRODUCED: Sign("●", "R", "green"),
    DIRECTION: Sign("◐", "d", "yellow"),
    NOT_REPRODUCED: Sign("✗", "X", "red"),
    INCONCLUSIVE: Sign("?", "?", "magenta"),
    UNDERSPECIFIED: Sign("◇", "u", "blue"),
    NO_SUCH_RUN: Sign("∅", "0", "cyan"),
    OUT_OF_SCOPE: Sign("·", ".", "dim"),
    UNJUDGED: Sign(" ", " ", "dim"),
}
WIDTHS = {"claim": 31, "statement": 23, "printed": 11, "ours": 9, "interval": 17, "scales": 5}
"""Columns; with a space between them they are a line of 101, the last of which is blank."""


class Drawing(NamedTuple):
    """Characters of an interval that is drawn against a band."""

    band: str
    line: str
    inside: str
    low: str
    high: str
    value: str
    open_low: str
    open_high: str


UNICODE = Drawing("░", "─", "═", "├", "┤", "●", "←", "→")
ASCII = Drawing(":", "-", "=", "[", "]", "o", "<", ">")


def shows(encoding: str | None) -> bool:
    """Whether a stream of this encoding can show the signs."""
    try:
        "".join([*UNICODE, *(sign.unicode for sign in SIGNS.values())]).encode(encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def drawn(
    estimate: Mapping[str, Any], band: tuple[float, float] | None, width: int, looks: Drawing
) -> str:
    """An interval on a line of `width` characters, over the band that the rule asks for; blanks without a value.

    estimate: value, low, high; an end that is None is open where the other is known.

    >>> drawn({"value": 2.0, "low": 1.0, "high": 3.0}, (2.5, math.inf), 9, ASCII)
    ' [--o-=]:'
    """
    value, low, high = (estimate.get(key) for key in ("value", "low", "high"))
    if value is None:
        return " " * width
    open_low, open_high = low is None and high is not None, high is None and low is not None
    axis = axis_of(drawn_numbers(estimate, band))

    def place(x: float | None, otherwise: int) -> int:
        if x is None or not math.isfinite(x):
            return otherwise
        return min(math.floor(axis.share(x) * width), width - 1)

    shown = [" "] * width
    if band is not None:
        for i in range(place(band[0], 0), place(band[1], width - 1) + 1):
            shown[i] = looks.band
    if low is not None or high is not None:
        first, last = place(low, 0), place(high, width - 1)
        for i in range(first, last + 1):
            shown[i] = looks.inside if shown[i] == looks.band else looks.line
        shown[first] = looks.open_low if open_low else looks.low
        shown[last] = looks.open_high if open_high else looks.high
    shown[place(value, 0)] = looks.value
    return "".join(shown)


def cut(words: str, width: int, dots: str) -> str:
    """The words, or as many of their characters as fit with dots after them.

    >>> cut("late generalisation", 10, "…"), cut("late", 10, "…")
    ('late gene…', 'late')
    """
    plain = " ".join(words.split())
    return plain if len(plain) <= width else plain[: width - len(dots)].rstrip() + dots


def show(
    console: Console,
    entries: Mapping[str, Mapping[str, Any]],
    said: Mapping[str, Sequence[Ruling]],
    claims: Claims,
    noisy: Mapping[Any, Any],
    signs: bool,
) -> None:
    """The counts, what the signs mean, then a line a claim, grouped by paper and origin.

    entries, said: the claims to show and their verdicts. noisy: scale → claims whose verdict another training of the
    same runs changes. signs: whether the terminal shows more than ASCII.
    """
    counts(console, entries, said)
    key = "  ".join(
        f"[{sign.style}]{sign.unicode if signs else sign.ascii}[/{sign.style}] {verdict}"
        for verdict, sign in SIGNS.items()
        if verdict != UNJUDGED
    )
    console.print(f"\n{key}", soft_wrap=True)
    notes = "columns: paper, laptop, smoke; underlined: by this build, else released"
    notes += "; ~ within noise" if any(noisy.values()) else ""
    console.print(f"[dim]{notes}[/dim]", soft_wrap=True)
    for letter, paper in claims.papers.items():
        for origin in ("printed", "released", "ours"):
            group = {
                name: entry
                for name, entry in entries.items()
                if entry["paper"] == letter and entry["origin"] == origin
            }
            if not group:
                continue
            console.print(
                f"\n[bold]{letter}[/bold]  {paper.short}, {paper.source}: [bold]{origin}[/bold]"
            )
            for name, entry in group.items():
                made = line(entry, said[name], claims.find(name), noisy, signs)
                console.print(made, soft_wrap=True)


def counts(
    console: Console,
    entries: Mapping[str, Mapping[str, Any]],
    said: Mapping[str, Sequence[Ruling]],
) -> None:
    """How many standing claims have which verdict, origin by origin, and which scale gave it."""
    standing = [entry for entry in entries.values() if entry["corrected"] is None]
    for origin in dict.fromkeys(entry["origin"] for entry in standing):
        firsts = [said[entry["id"]][0] for entry in standing if entry["origin"] == origin]
        places = Counter(place_of(first) for first in firsts if first.speaks)
        verdicts = Counter(first.verdict for first in firsts)
        led = "".join(f", {n} by runs of {place}" for place, n in places.most_common())
        summary = ", ".join(f"{n} {word}" for word, n in verdicts.most_common())
        console.print(f"{origin}: {len(firsts)} claims{led}; {summary}.")


def place_of(ruling: Ruling) -> str:
    """`paper (released)`: which ledger a verdict is from."""
    return f"{ruling.scale} ({'released' if ruling.released else 'this build'})"


def line(
    entry: Mapping[str, Any],
    said: Sequence[Ruling],
    claim: Claim,
    noisy: Mapping[Any, Any],
    signs: bool,
) -> Text:
    """One claim: id, statement, printed value, ours, its interval against its rule, a sign a scale."""
    from rich.text import Text

    from regrok.judging.verdicts import number

    first, dots = said[0], "…" if signs else "..."
    value = first.entry["value"]
    looks = UNICODE if signs else ASCII
    cells = {
        "claim": entry["id"],
        "statement": cut(
            ("(corrected) " if entry["corrected"] else "") + entry["statement"],
            WIDTHS["statement"],
            dots,
        ),
        "printed": cut(entry["published_text"], WIDTHS["printed"], dots),
        "ours": number(value) if value is not None else "",
        "interval": drawn(first.entry, band_of(claim, first.scale), WIDTHS["interval"], looks),
    }
    made = Text(no_wrap=True, style="dim" if entry["corrected"] else "")
    for key, words in cells.items():
        width = WIDTHS[key]
        made.append(f"{words:>{width}} " if key == "ours" else f"{words:{width}} ")
    by_scale = {each.scale: each for each in said}
    for scale in ORDER:
        ruling = by_scale.get(scale)
        sign = SIGNS[ruling.verdict if ruling else UNJUDGED]
        own = ruling is not None and ruling.speaks and not ruling.released
        made.append(
            sign.unicode if signs else sign.ascii,
            f"{'bold underline ' if own else ''}{sign.style}",
        )
    made.append("~" if entry["id"] in noisy.get(first.scale, ()) else "")
    made.rstrip()
    return made

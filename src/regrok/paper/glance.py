"""The ledger at a glance: a tile for every claim that some scale judged, as a figure that LaTeX sets itself.

The same picture as docs/ledger.svg (regrok.released.findings), of this build's studies and claims: a row for each paper
and origin, a letter in each tile beside its colour.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from regrok import latex
from regrok.judging.leading import Ruling
from regrok.judging.ledger import stands
from regrok.judging.looks import LOOKS
from regrok.paper import texts
from regrok.study.words import ORIGINS

SOURCE = "src/regrok/paper/glance.py"
ROWS = {"printed": "printed", "released": "against released runs", "ours": "ours"}
"""Origin → what a row of tiles is called."""
WIDTH = r"\dimexpr\textwidth-1.75in\relax"
"""Of the tiles; the rest of a line is the row's name."""


def glance(
    config: Any,
    ledger: Mapping[str, Any],
    said: Mapping[str, Ruling],
    repository: str | None = None,
) -> str:
    """The figure `fig:ledger`; without a tile where no scale judged a claim of the build's studies.

    said: claim → the verdict that leads. repository: address of the sources, for the link; None points beside the PDF.
    """
    standing = [c for c in ledger["claims"] if stands(c) and said[c["id"]].speaks]
    lines = [r"\begin{figure}[tbp]\raggedright\footnotesize", *_colours()]
    lines.append(
        _legend([said[c["id"]].verdict for c in standing])
        if standing
        else r"\noindent No claim was judged at any scale.\par"
    )
    for study in config.studies.values():
        own = [c for c in standing if c["paper"] == study.paper.letter]
        if not own:
            continue
        name = f"{study.paper.letter}: {texts.cited(study.paper)}"
        lines.append(rf"\par\medskip\noindent\textbf{{{name}}}\par\nobreak\vspace{{1pt}}")
        for origin in ORIGINS:
            verdicts = [said[c["id"]].verdict for c in own if c["origin"] == origin]
            if verdicts:
                lines.append(_row(origin, verdicts))
    link = "" if config.anonymous else f"{(repository or '..').rstrip('/')}/{SOURCE}"
    shown = latex.escape(SOURCE)
    source = rf"\href{{{link}}}{{{shown}}}" if link else shown
    caption = (
        rf"\textbf{{The ledger at a glance.}} A tile for each of the {latex.exact(len(standing))} standing claims that "
        r"some scale judged, with the verdict of the largest that did, by paper and origin: what the paper prints, our "
        r"runs against those that its authors released, and what we ask of it. Within a row tiles are in the order of "
        rf"Table~\ref{{tab:claims}}. \textcolor{{regrokgrey}}{{\scriptsize\ttfamily [{source}]}}"
    )
    lines += [rf"\par\smallskip\caption{{{caption}}}\label{{fig:ledger}}", r"\end{figure}"]
    return "\n".join(lines) + "\n"


def _colours() -> list[str]:
    return [
        rf"\definecolor{{tile{place}}}{{HTML}}{{{fill.lstrip('#').upper()}}}"
        rf"\definecolor{{ink{place}}}{{HTML}}{{{ink.lstrip('#').upper()}}}"
        for place, (_, fill, ink) in enumerate(LOOKS.values())
    ]


def tile(verdict: str) -> str:
    """One tile: the verdict's letter on its colour."""
    place = list(LOOKS).index(verdict)
    return rf"\regroktile{{tile{place}}}{{ink{place}}}{{{LOOKS[verdict][0]}}}"


def _legend(verdicts: Iterable[str]) -> str:
    counts = Counter(verdicts)
    parts = [
        rf"\mbox{{{tile(verdict)}~{latex.exact(counts[verdict])} {latex.escape(verdict)}}}"
        for verdict in LOOKS
        if counts[verdict]
    ]
    return "\\noindent " + r"\quad ".join(parts) + r"\par"


def _row(origin: str, verdicts: Sequence[str]) -> str:
    tiles = r"\hskip 1.5pt plus 0.2pt\relax".join(tile(verdict) for verdict in verdicts)
    name = rf"\makebox[1.7in][l]{{\quad {ROWS[origin]}: {latex.exact(len(verdicts))}}}"
    return (
        rf"\noindent{name}\parbox[t]{{{WIDTH}}}{{\raggedright\baselineskip=10.5pt\lineskip=1pt {tiles}}}"
        r"\par\vspace{1.5pt}"
    )

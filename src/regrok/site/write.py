"""Writing the site's folder: pages from templates, scripts of data, pictures and documents of the build."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jinja2
from markupsafe import Markup

from regrok import latex
from regrok.errors import RegrokError
from regrok.figures import source as drawn_by
from regrok.files import write_atomically
from regrok.judging.leading import rulings
from regrok.paper import names
from regrok.released import bundle, dictionary
from regrok.released.findings import WORDS
from regrok.report import tex
from regrok.report.items import figure_caption
from regrok.report.pages import CLASSES, css
from regrok.site import bibtex, charts, curves
from regrok.site.cards import Card, cards
from regrok.site.findings import counts, headlines, of_papers, standing
from regrok.site.runs import FIELDS, Listed, listed
from regrok.study.words import ORIGINS, SCALES, UNJUDGED, VERDICTS

if TYPE_CHECKING:
    from regrok.site.source import Source
    from regrok.study.claims import Claims

PAGES = ("index", "ledger", "runs", "data", "cite")
"""Pages of which there is one; a claim has one of its own, below claims/."""
OWN = ("site.css", "ledger.js", "runs.js")
"""Files of this package that the site takes along."""
SIGNS = dict(zip((*VERDICTS, UNJUDGED), ("●", "◐", "✕", "?", "◇", "∅", "·", "·"), strict=True))
"""Verdict → the sign of its tile."""
ORIGIN_WORDS = {
    "printed": "that the papers print",
    "released": "against their authors’ released runs",
    "ours": "of our own",
}
PDF, BIB = "regrok.pdf", "regrok.bib"


@dataclass(frozen=True)
class Picture:
    """A figure of the build, as the site shows it."""

    file: str
    title: str
    caption: str
    """As HTML."""
    description: str
    source: str


@dataclass(frozen=True)
class Made:
    """What was written."""

    folder: Path
    pages: int
    runs: int
    bytes: int


def write_site(source: Source, claims: Claims, folder: Path, root: Path) -> Made:
    """Write the site anew, in the place of an earlier one. root: the checkout.

    Raises RegrokError for results or references that cannot be read, and where Altair is not installed.
    """
    said = rulings(source.ledger(claims), source.released())
    made = cards(
        source.config,
        claims,
        said,
        {scale: bundle.changed(part) for scale, part in source.folders().items()},
        built=source.folder is not None,
    )
    runs = listed(source.config, source.frames())
    files = {name: _read(Path(__file__).with_name(name)) for name in OWN}
    files["site.css"] = f"{css()}\n{files['site.css']}"
    files |= {
        "vega.js": charts.script(),
        "charts.js": curves.assigned("charts", charts.specifications()),
        "runs-data.js": curves.assigned(
            "runs", {"fields": FIELDS, "rows": runs.rows, "experiments": runs.experiments}
        ),
        **{f"curves/{key}.js": curves.script(key, part) for key, part in runs.scripts.items()},
    }
    pictures = _pictures(source, made)
    references = bibtex.references(root, source.config)
    own = bibtex.own_entry(root)
    files[BIB] = "\n\n".join([own, *references.values()]) + "\n"
    copied = {f"figures/{p.file}": _results(source) / "figures" / p.file for p in pictures.values()}
    pdf = root / names.pdf(source.config)
    if source.folder is not None and pdf.is_file():
        copied[PDF] = pdf
    given: dict[str, Any] = {
        "pdf": PDF in copied,
        "report": source.folder is not None and (source.folder / "report.html").is_file(),
        "pictures": pictures,
        "own_entry": own,
        "references": references,
    }
    papers = of_papers(source.config, made, said, root)
    given |= {"papers": papers, "headlines": headlines(root / WORDS, made)}
    files |= _pages(source, made, runs, given)
    return _written(folder, files, copied, len(runs.rows))


def refuse_foreign(folder: Path) -> None:
    """Raise RegrokError where a folder holds something else than a site, which writing one there would delete."""
    if folder.is_dir() and any(folder.iterdir()) and not (folder / "site.css").is_file():
        raise RegrokError(f"{folder} is no site, and not empty; name another folder")


def _results(source: Source) -> Path:
    return source.folder or source.bundle / str(source.config.scale)


def _pages(
    source: Source, made: list[Card], runs: Listed, given: Mapping[str, Any]
) -> dict[str, str]:
    """File → page."""
    environment = _environment()
    scales = [s for s in reversed(SCALES) if any(j.scale == s for c in made for j in c.scales)]
    shared = {
        "source": source.words,
        "own_scale": source.config.scale if source.folder else None,
        "cards": made,
        "standing": standing(made),
        "letters": {each.paper.letter: each.paper for each in given["papers"]},
        "counts": counts(made),
        "scales": scales,
        "verdicts": [v for v in (*VERDICTS, UNJUDGED) if any(c.leading.verdict == v for c in made)],
        "origins": ORIGINS,
        "runs": runs,
        "files": [
            (file, list(rows)) for file, rows in groupby(dictionary.rows(), lambda row: row["file"])
        ],
        **given,
    }
    pages = {
        f"{name}.html": environment.get_template(f"{name}.html.j2").render(shared, here=name, up="")
        for name in PAGES
    }
    card = environment.get_template("claim.html.j2")
    for i, each in enumerate(made):
        beside = {
            "before": made[i - 1] if i else None,
            "after": made[i + 1] if i + 1 < len(made) else None,
        }
        pages[f"claims/{each.id}.html"] = card.render(
            shared, card=each, here="ledger", up="../", **beside
        )
    return pages


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("regrok", "site"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters["text"] = lambda text: Markup(tex.to_html(latex.escape(text)))
    environment.filters["tex"] = lambda text: Markup(tex.to_html(text))
    environment.globals |= {
        "classes": CLASSES | {UNJUDGED: "outside"},
        "signs": SIGNS,
        "origin_words": ORIGIN_WORDS,
    }
    return environment


def _pictures(source: Source, made: list[Card]) -> dict[str, Picture]:
    """Figure → its picture, of those that a claim names and the build has drawn."""
    found = {}
    folder = _results(source) / "figures"
    for name in dict.fromkeys(name for card in made for name in card.figures):
        words, picture = folder / f"{name}.tex", folder / f"{name}.png"
        if not (words.is_file() and picture.is_file()):
            continue
        try:
            caption, description = figure_caption(words.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise RegrokError(f"{words} cannot be read ({error}); build again") from error
        found[name] = Picture(
            file=picture.name,
            title=tex.title(caption),
            caption=tex.to_html(caption),
            description=tex.plain(description),
            source=f"src/regrok/figures/{drawn_by(source.config.figures[name].draw).name}",
        )
    return found


def _written(folder: Path, files: Mapping[str, str], copied: Mapping[str, Path], runs: int) -> Made:
    """Write all files, and take away what an earlier site had besides."""
    size = 0
    for name, text in files.items():
        content = text.encode()
        size += len(content)
        write_atomically(folder / name, content)
    for name, path in copied.items():
        content = path.read_bytes()
        size += len(content)
        write_atomically(folder / name, content)
    known = {*files, *copied}
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_dir():
            if not any(path.iterdir()):
                path.rmdir()
        elif path.relative_to(folder).as_posix() not in known:
            path.unlink()
    return Made(folder, sum(name.endswith(".html") for name in files), runs, size)


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8")

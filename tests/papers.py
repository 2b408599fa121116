"""What tests of the paper share: results as the workflow leaves them, a copy of the text, folders put together."""

from __future__ import annotations

import shutil
import subprocess
from unittest import mock

from matplotlib.figure import Figure

from regrok import figures, tables
from regrok.figures.parts import drawing
from regrok.figures.parts.drawing import write_figure
from regrok.paper import texts
from regrok.paper.assemble import assemble
from regrok.paper.lint import lint_sources
from regrok.paper.numbers import write_numbers
from regrok.paper.typeset import typeset
from studies import ROOT, material, published


def results(made, folder, only=None, drawn=True):
    """What the workflow leaves in results/<scale>: numbers, figures (or those of `only`), tables.

    drawn: "boxes" for a grey box of each figure's size under its own caption, in half the time and without a PNG; false
    for the same grey box and caption in place of every figure, where the text alone is asked.
    """
    write_numbers(
        made.fits,
        made.ledger,
        made.config,
        made.frames,
        published(made.config).constants,
        folder / "numbers.tex",
        folder / "numbers.json",
    )
    for name in tables.buildable(made.config):
        paths = [folder / f"tables/{name}.{kind}" for kind in ("tex", "csv")]
        tables.write_table(name, made.config.tables[name], material(made), *paths)
    for name in figures.drawable(made.config) if only is None else only:
        paths = [folder / f"figures/{name}.{kind}" for kind in ("pdf", "png", "tex")]
        if not drawn:
            _stand_in(name, paths)
            continue
        with mock.patch.object(drawing, "save", _box if drawn == "boxes" else drawing.save):
            write_figure(name, made.config.figures[name], made.frames, made.fits, *paths)
    return folder


def _box(figure, pdf, png):
    Figure(figsize=figure.get_size_inches(), facecolor="0.8").savefig(pdf)


def _stand_in(name, paths):
    pdf, _, tex = paths
    pdf.parent.mkdir(parents=True, exist_ok=True)
    Figure(figsize=(2, 1), facecolor="0.8").savefig(pdf)  # two stand beside one another
    tex.write_text(f"\\regrokcaption{{{name}}}{{A stand-in.}}\n", encoding="utf-8")


def checkout(folder):
    """A copy of the paper's text, common and of every study, below `folder`; returns `folder`."""
    ignored = shutil.ignore_patterns("generated", "*.pdf", "*.tar.gz")
    shutil.copytree(ROOT / "paper", folder / "paper", ignore=ignored)
    shutil.copytree(ROOT / "studies", folder / "studies")
    return folder


class Build:
    """A build's paper in a checkout: assembled, and on demand linted and typeset."""

    def __init__(self, root, made, results, repository=None, anonymous=False):
        self.root, self.made = root, made
        self.config = made.config.model_copy(update={"anonymous": anonymous})
        self.folder = root / "paper/generated/regrok"
        self.sources = texts.files(root, self.config)
        explanations = {claim.id: claim.explanation for claim in made.claims.claims}
        assemble(root, self.folder, results, self.config, made.ledger, explanations, repository)

    def findings(self):
        return lint_sources(self.root, self.folder, self.config, self.made.claims)

    def typeset(self, pdf):
        return typeset(self.folder, pdf, self.sources)


def text_of(pdf):
    """The PDF's words; pages end with a form feed."""
    return subprocess.run(
        ["pdftotext", "-layout", pdf, "-"], capture_output=True, encoding="utf-8", check=True
    ).stdout

"""Which program typesets here."""

from __future__ import annotations

import shutil


def latex() -> bool:
    """Whether the PDF can be typeset here."""
    return latex_command() is not None


def latex_command() -> str | None:
    """What typesets the PDF here: latexmk with pdflatex, else tectonic (conda's TeX), else None."""
    if shutil.which("latexmk") and shutil.which("pdflatex"):
        return "latexmk"
    return "tectonic" if shutil.which("tectonic") else None

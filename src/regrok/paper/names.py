"""What a build's documents are called: paper/regrok.pdf is the whole study at the laptop scale, trained here.

Every other build says in the name what it is, so that none overwrites another's:

    paper/regrok-smoke.pdf                 another scale
    paper/regrok-smoke-norm_delay.pdf      some of the studies
    paper/regrok-S1-S6.pdf                 some of the experiments (`only`)
    paper/regrok-paper-released.pdf        from released runs
    paper/artifact….pdf, paper/regrok…-arxiv.tar.gz   likewise
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from regrok.study.written import chosen, joined, whence

PLAIN_SCALE = "laptop"


def suffix(config: Any) -> str:
    """What the build's documents have after their own name: empty, or `-` and what sets the build apart.

    config.whole: whether it is a build of every study that config.yaml lists; else the name has those of the chosen.
    """
    scale = "" if config.scale == PLAIN_SCALE else f"-{config.scale}"
    only = f"-{joined(config.only)}" if config.only else ""
    return f"{scale}{chosen(config)}{only}{whence(config)}"


def pdf(config: Any) -> str:
    """The paper, relative to the checkout."""
    return f"paper/regrok{suffix(config)}.pdf"


def artifact(config: Any) -> str:
    """The artifact appendix with the reproducibility checklist."""
    return f"paper/artifact{suffix(config)}.pdf"


def arxiv(config: Any) -> str:
    """The paper's sources as arXiv takes them."""
    return f"paper/regrok{suffix(config)}-arxiv.tar.gz"


def folder(document: Path | str) -> Path:
    """Where everything that a document is typeset from is put together: paper/generated/<name of the document>."""
    document = Path(document)
    return document.parent / "generated" / document.stem

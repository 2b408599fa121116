"""The references of the common text and of the chosen studies: one bibliography, and no citation without its entry."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from pathlib import Path

from regrok.errors import RegrokError
from regrok.paper import texts
from regrok.study.blocks import Config
from regrok.study.messages import SHOWN, nearest
from regrok.study.published import Published
from regrok.study.read import study_file
from regrok.study.words import STUDIES
from regrok.study.yaml import read_text

CITATION = re.compile(r"\\cite[a-z]*\*?(?:\[[^\]]*\])*\{([^}]*)\}")
"""\\cite{one,two}, \\citep[see][]{one} …"""


def entries(paths: Collection[Path]) -> dict[str, str]:
    """Key → entry of several files. Raises RegrokError where two of them say different things of one key."""
    found: dict[str, tuple[str, Path]] = {}
    for path in paths:
        for entry in re.split(r"(?m)^(?=@)", read_text(path)):
            key = re.match(r"@\w+\{\s*([^,\s]+)", entry)
            if key is None:
                continue
            before = found.setdefault(key[1], (entry.strip(), path))
            if before[0] != entry.strip():
                raise RegrokError(
                    f"{path}: {key[1]} is another entry than in {before[1]}; give one of them another key"
                )
    return {key: entry for key, (entry, _) in found.items()}


def bibliography(paths: Collection[Path]) -> str:
    """One file of several."""
    return "\n".join(entries(paths).values()) + "\n"


def refuse_unknown(root: Path | str, config: Config, published: Published) -> None:
    """Raise RegrokError, before anything is trained, for a citation of what no file of references has.

    root: the checkout. Looked at are the papers that the studies audit, what their published.yaml says of its source,
    and the text.
    """
    root = Path(root)
    known = entries(texts.bibliographies(root, config))
    problems = [
        f"{where}: no such reference as '{key}'.{nearest(key, known)}"
        for where, key in _cited(root, config, published)
        if key not in known
    ]
    if problems:
        shown = list(dict.fromkeys(problems))[:SHOWN]
        raise RegrokError("\n  ".join(["a citation has no entry in a references.bib:", *shown]))


def _cited(root: Path, config: Config, published: Published) -> Iterator[tuple[str, str]]:
    """Where something is cited, and its key."""
    for name, study in config.studies.items():
        if study.paper.cite is not None:
            yield f"{study_file(root / STUDIES, name)}: paper.cite", study.paper.cite
        for wording in {
            published.wordings[e] for e in study.experiments if e in published.wordings
        }:
            for key in _keys(wording):
                yield f"{root / STUDIES / name}/published.yaml: wording", key
    for path in texts.files(root, config).values():
        text = texts.without_comments(read_text(path))
        for found in CITATION.finditer(text):
            for key in found[1].split(","):
                yield f"{path}:{texts.line_of(text, found.start())}", key.strip()


def _keys(text: str) -> list[str]:
    return [key.strip() for found in CITATION.finditer(text) for key in found[1].split(",")]

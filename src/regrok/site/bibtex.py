"""How to cite the audit, its papers and its methods: CITATION.cff and the studies' references as one file of BibTeX."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from regrok.errors import RegrokError
from regrok.paper import texts
from regrok.paper.references import entries

if TYPE_CHECKING:
    from regrok.study.blocks import Config

CITATION = "CITATION.cff"


def own_entry(root: Path | str) -> str:
    """The audit's own entry, from CITATION.cff. Raises RegrokError for a file that is missing or lacks a key."""
    path = Path(root) / CITATION
    try:
        told: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
        fields = {
            "author": " and ".join(_author(each) for each in told["authors"]),
            "title": f"{{{told['title']}}}",
            "version": str(told["version"]),
            "note": f"Software, licence {told['license']}",
        }
    except (OSError, yaml.YAMLError, KeyError, TypeError) as error:
        raise RegrokError(
            f"{path}: no citation can be read from it ({error}); it needs authors, title, version and license"
        ) from None
    for key, field in (("repository-code", "url"), ("doi", "doi")):
        if key in told:
            fields[field] = str(told[key])
    if "date-released" in told:
        fields["year"] = str(told["date-released"])[:4]
    width = max(map(len, fields))
    lines = ",\n".join(f"  {name:{width}} = {{{value}}}" for name, value in fields.items())
    return f"@misc{{regrok,\n{lines}\n}}"


def _author(told: dict[str, Any]) -> str:
    """A person as BibTeX has it; an institution's name in braces, so that it is not taken apart."""
    if "family-names" in told:
        return f"{told['family-names']}, {told.get('given-names', '')}".rstrip(", ")
    return f"{{{told['name']}}}"


def references(root: Path | str, config: Config) -> dict[str, str]:
    """Key → entry of everything that the common text and the chosen studies refer to."""
    return entries(texts.bibliographies(root, config))

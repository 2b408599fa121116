"""JSON Schemas of the YAML files, so that an editor completes keys and marks what is not allowed."""

import json
from pathlib import Path
from typing import Any

from regrok.study.base import Strict
from regrok.study.blocks import Panel, StudyFile, Whole
from regrok.study.changes import known_keys
from regrok.study.claims import ClaimsFile
from regrok.study.predicates import NUMBERED
from regrok.study.published import PublishedFile

FOLDER = Path("workflow/schemas")

FILES: dict[str, tuple[type[Strict], str]] = {
    "config": (Panel, "config.yaml"),
    "study": (StudyFile, "studies/<name>/study.yaml"),
    "whole": (Whole, "studies/whole.yaml"),
    "claims": (ClaimsFile, "studies/<name>/claims.yaml"),
    "published": (PublishedFile, "studies/<name>/published.yaml"),
}
"""Name of the schema → the type of the file, and the file."""


def schema_text(name: str) -> str:
    """The schema as the file `<name>.schema.json` holds it, newline at the end."""
    kind, title = FILES[name]
    schema = kind.model_json_schema()
    for definition in schema.get("$defs", {}).values():
        properties = definition.get("properties", {})
        for each in _objects(properties.get("grid")):
            each["propertyNames"] = {"enum": known_keys()}
        # A predicate without its number means the printed one.
        predicate = properties.get("kind", {}).get("const")
        if predicate in NUMBERED:
            definition["required"].remove(NUMBERED[predicate])
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": title}
    return json.dumps({**schema, **head}, indent=2, ensure_ascii=False) + "\n"


def _objects(grid: Any) -> list[dict[str, Any]]:
    """The object types among what a grid may be."""
    if grid is None:
        return []
    return [each for each in (grid, *grid.get("anyOf", ())) if each.get("type") == "object"]

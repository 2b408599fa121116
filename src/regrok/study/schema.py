"""JSON Schema of `config.yaml`, so that an editor completes keys and marks what is not allowed."""

import json

from regrok.study.blocks import Config
from regrok.study.changes import known_keys


def schema_text() -> str:
    """The schema as the file `config.schema.json` holds it, newline at the end."""
    schema = Config.model_json_schema()
    for definition in schema["$defs"].values():
        grid = definition.get("properties", {}).get("grid")
        if grid is None:
            continue
        for each in (grid, *grid.get("anyOf", ())):
            if each.get("type") == "object":
                each["propertyNames"] = {"enum": known_keys()}
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Regrok study"}
    return json.dumps({**schema, **head}, indent=2, ensure_ascii=False) + "\n"

"""`regrok schema`: write the JSON Schemas of the YAML files."""

import argparse
from pathlib import Path
from typing import Any

from regrok.errors import RegrokError


def add_parser(sub: Any) -> None:
    parser = sub.add_parser(
        "schema",
        help="write workflow/schemas from the types of the YAML files",
        epilog="examples: regrok schema · regrok schema --output /tmp/schemas",
    )
    parser.add_argument(
        "--output", type=Path, help="folder to write to (default: workflow/schemas)"
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    from regrok.study.schema import FILES, FOLDER, schema_text

    folder = arguments.output or FOLDER
    for name in FILES:
        path = folder / f"{name}.schema.json"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            path.write_text(schema_text(name), encoding="utf-8")
        except OSError as error:
            raise RegrokError(f"{path}: cannot be written ({error.strerror})") from None
        print(path)

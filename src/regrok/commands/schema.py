"""`regrok schema`: write the JSON Schema of config.yaml."""

import argparse
import sys
from pathlib import Path
from typing import Any

from regrok.errors import RegrokError


def add_parser(sub: Any) -> None:
    parser = sub.add_parser("schema", help="write config.schema.json from the study's types")
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("config.schema.json"),
        help="file to write, or - to print",
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    from regrok.study.schema import schema_text

    if str(arguments.output) == "-":
        sys.stdout.write(schema_text())
        return
    try:
        arguments.output.write_text(schema_text(), encoding="utf-8")
    except OSError as error:
        raise RegrokError(f"{arguments.output}: cannot be written ({error.strerror})") from None
    print(arguments.output)

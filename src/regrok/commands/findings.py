"""`regrok findings`: what README opens with, from the released ledgers."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from regrok.commands.options import add_bundle_option


def add_parser(sub: Any) -> None:
    parser = sub.add_parser(
        "findings",
        help="print what README opens with, or write it there from the released ledgers",
        description="The ledger as a picture and the findings of docs/findings.yaml, with verdicts and numbers from "
        "the released bundle.",
        epilog="examples: regrok findings · regrok findings --write",
    )
    parser.add_argument(
        "--write",
        action="store_true",
        help="into README.md and docs/ledger.svg, in place of what is there",
    )
    parser.add_argument(
        "--config", type=Path, default=Path("config.yaml"), help="the control panel (config.yaml)"
    )
    add_bundle_option(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    from regrok.files import write_atomically
    from regrok.released.findings import WORDS, Paper, block, files, leading_rulings
    from regrok.study.read import load_config
    from regrok.study.yaml import read_yaml

    root = arguments.config.parent
    if not arguments.write:
        print(block(leading_rulings(arguments.bundle), read_yaml(root / WORDS)["findings"]))
        return
    studies = load_config(arguments.config).studies.values()
    papers = [Paper(one.paper.letter, one.paper.short, one.paper.arxiv) for one in studies]
    for path, content in files(root, arguments.bundle, papers).items():
        write_atomically(path, content.encode())
        print(path)

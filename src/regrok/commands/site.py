"""`regrok site`: the static site of a build, or of the released bundle where nothing is built."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from regrok.commands.options import add_bundle_option, add_config_options, chosen_config


def add_parser(sub: Any) -> None:
    parser = sub.add_parser(
        "site",
        help="write a static site: findings, ledger, a page a claim, every run's curves",
        epilog="examples: regrok site · regrok site --scale smoke · regrok site --to public",
    )
    parser.add_argument(
        "--to", type=Path, metavar="FOLDER", help="instead of results/SCALE/site; it is made anew"
    )
    add_bundle_option(parser)
    add_config_options(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    from regrok.site.source import find
    from regrok.site.write import refuse_foreign, write_site
    from regrok.study.claims import load_claims
    from regrok.study.words import STUDIES
    from regrok.study.written import results_folder

    config = chosen_config(arguments)
    root = arguments.config.parent
    folder = arguments.to or results_folder(config) / "site"
    refuse_foreign(folder)
    source = find(config, arguments.bundle)
    made = write_site(source, load_claims(config, root / STUDIES), folder, root)
    print(f"from {source.words}")
    print(
        f"{made.folder}/index.html: {made.pages} pages, {made.runs} runs, "
        f"{made.bytes / 1e6:.1f} MB in all"
    )

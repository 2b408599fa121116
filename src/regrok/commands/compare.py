"""`regrok compare`: a retrained build beside the released one."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from regrok.commands.options import add_bundle_option
from regrok.study.words import SCALES


def add_parser(sub: Any) -> None:
    parser = sub.add_parser(
        "compare",
        help="lay a retrained build beside the released one; exit status 1 if something moved",
        epilog="examples: regrok compare · regrok compare --scale paper",
    )
    parser.add_argument("--scale", choices=SCALES, default="laptop", help="which build (laptop)")
    parser.add_argument("--results", type=Path, help="the build, instead of results/SCALE")
    add_bundle_option(parser)
    parser.add_argument("--output", type=Path, help="the page (results/SCALE/comparison.html)")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    from regrok.released import bundle
    from regrok.released.compare import compare
    from regrok.released.page import summary, write_page
    from regrok.released.verify import read_json
    from regrok.runs.frames import load

    scale = arguments.scale
    results = arguments.results or Path("results") / scale
    page = arguments.output or results / "comparison.html"
    bundle.refuse_damage(arguments.bundle, f"{scale}/")
    released = bundle.frames_of(arguments.bundle, scale)
    ledgers = [read_json(folder / "ledger.json") for folder in (results, arguments.bundle / scale)]
    found = compare(load(results), ledgers[0], released, ledgers[1])
    write_page(found, scale, page)
    print("\n".join(summary(found)))
    print(f"{page}")
    return int(bool(found.moved_cells or found.flagged_claims))

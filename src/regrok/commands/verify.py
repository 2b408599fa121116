"""`regrok verify`: check the released bundle, or a build from it against it."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

from regrok.commands.options import add_bundle_option
from regrok.study.words import SCALES


def add_parser(sub: Any) -> None:
    parser = sub.add_parser(
        "verify",
        help="check the released bundle: checksums, schemas, counts, and every verdict judged again",
        epilog="examples: regrok verify · regrok verify --reanalysed laptop",
    )
    add_bundle_option(parser)
    parser.add_argument(
        "--config",
        type=Path,
        default=Path("config.yaml"),
        help="the control panel; the rules are those of the studies beside it (config.yaml)",
    )
    parser.add_argument(
        "--reanalysed",
        choices=SCALES,
        metavar="SCALE",
        help="instead compare the build from released runs at this scale with the bundle (see make reanalyse)",
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    from regrok.released import bundle, verify
    from regrok.study.claims import load_claims
    from regrok.study.read import load_config
    from regrok.study.words import STUDIES

    began = time.monotonic()
    if arguments.reanalysed:
        scale = arguments.reanalysed
        bundle.refuse_damage(arguments.bundle, f"{scale}/")
        results = Path("results") / f"{scale}-released"
        lines = verify.reanalysed(results, arguments.bundle / scale)
    else:
        claims = load_claims(load_config(arguments.config), arguments.config.parent / STUDIES)
        lines = verify.verify(arguments.bundle, claims)
    print("\n".join(lines))
    print(f"verified in {time.monotonic() - began:.0f} s")

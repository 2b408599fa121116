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
    )
    add_bundle_option(parser)
    parser.add_argument(
        "--claims", type=Path, default=Path("paper/claims.yaml"), help="paper/claims.yaml"
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

    began = time.monotonic()
    if arguments.reanalysed:
        scale = arguments.reanalysed
        bundle.refuse_damage(arguments.bundle, f"{scale}/")
        results = Path("results") / f"{scale}-released"
        lines = verify.reanalysed(results, arguments.bundle / scale)
    else:
        lines = verify.verify(arguments.bundle, arguments.claims)
    print("\n".join(lines))
    print(f"verified in {time.monotonic() - began:.0f} s")

"""`regrok retest`: earlier trainings of the released runs beside them, claim by claim."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from regrok.commands.options import add_bundle_option, add_cores_option
from regrok.study.words import SCALES, STUDIES


def add_parser(sub: Any) -> None:
    parser = sub.add_parser(
        "retest",
        help="judge the claims on runs that an earlier commit released, and say which verdicts differ",
        epilog="example: regrok retest 9a86a0ba61cf --scale laptop",
    )
    parser.add_argument("commit", nargs="+", help="commits whose released runs are compared")
    parser.add_argument("--scale", choices=SCALES, default="laptop", help="which scale (laptop)")
    parser.add_argument(
        "--config", type=Path, default=Path("config.yaml"), help="the study (config.yaml)"
    )
    add_bundle_option(parser)
    add_cores_option(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    from regrok.released.again import config_again
    from regrok.released.retest import add_retests, checked

    config = config_again(arguments.scale, arguments.config, arguments.bundle)
    studies = arguments.config.parent / STUDIES
    path = add_retests(arguments.commit, config, studies, arguments.bundle, arguments.cores)
    print("\n".join(checked(path.parent)))
    print(f"{path}")

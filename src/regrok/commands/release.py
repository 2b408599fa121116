"""`regrok release`: put a finished build into the bundle that ships."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from regrok.commands.options import add_bundle_option, add_cores_option
from regrok.study.words import SCALES, STUDIES

PANEL = Path("config.yaml")


def add_parser(sub: Any) -> None:
    parser = sub.add_parser(
        "release",
        help="put a finished build's runs, fits and verdicts into results/released",
        epilog="examples: regrok release · regrok release --scale paper --add · regrok release --again",
    )
    parser.add_argument("--scale", choices=SCALES, default="laptop", help="which build (laptop)")
    add_bundle_option(parser)
    parser.add_argument(
        "--again",
        action="store_true",
        help="fit and judge the runs that were released anew, after a law or a claim was changed",
    )
    parser.add_argument(
        "--add",
        action="store_true",
        help="keep the runs that were released, and add those of a build that trained what was missing",
    )
    parser.add_argument(
        "--points",
        type=int,
        help="logged points that a curve keeps; a longer one is thinned (1000)",
    )
    add_cores_option(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    from regrok.errors import RegrokError
    from regrok.released import bundle
    from regrok.released.added import BUILD
    from regrok.released.again import config_again, release_again
    from regrok.released.fill import release
    from regrok.released.follow import follow
    from regrok.released.thin import POINTS
    from regrok.released.verify import read_json

    points = POINTS if arguments.points is None else arguments.points
    if points < 2:
        raise RegrokError(f"--points {points}: a curve keeps at least 2 points")
    if arguments.again and arguments.points is not None:
        raise RegrokError("--again keeps the released curves as they are: leave out --points")
    if arguments.again and arguments.add:
        raise RegrokError("--again trains and adds nothing: leave out --again or --add")
    results = Path("results") / f"{arguments.scale}{'-missing' if arguments.add else ''}"
    if arguments.add and not results.is_dir():
        raise RegrokError(
            f"{results} does not exist; train what the bundle lacks: {BUILD.format(scale=arguments.scale)}"
        )
    if arguments.again:
        results = arguments.bundle / arguments.scale
        config = config_again(arguments.scale, PANEL, arguments.bundle)
        made = release_again(config, STUDIES, arguments.bundle, arguments.cores)
    else:
        options = {"points": points, "workers": arguments.cores, "add": arguments.add}
        made = release(results, arguments.bundle, **options)
    behind = follow(arguments.bundle, arguments.scale, STUDIES)
    names = bundle.files(arguments.bundle)
    size = sum((arguments.bundle / name).stat().st_size for name in names)
    print(
        f"{made}: released from {results}; {arguments.bundle} has {len(names)} files, {size / 1e6:.1f} MB"
    )
    if arguments.add:
        print(told(read_json(made / "provenance.json")["added"]))
    for scale, why in behind.items():
        print(
            f"The {scale} scale's numbers and tables do not name the new verdicts yet ({why}); bring them up to date "
            f"with: regrok release --again --scale {scale}"
        )
    print("Check it with: regrok verify")


def told(added: dict[str, Any]) -> str:
    """What an addition kept, trained and dropped, in words."""
    line = f"{added['kept']} runs were kept as they were released, {added['trained']} were added"
    names = ", ".join(added["dropped"])
    return f"{line}; dropped, as the studies no longer ask for them: {names}" if names else line

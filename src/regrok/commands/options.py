"""Options that several subcommands share."""

import argparse
import os
from pathlib import Path
from typing import Any

from regrok.errors import RegrokError
from regrok.study.blocks import Config
from regrok.study.read import load_config
from regrok.study.words import SCALES


def add_config_options(parser: argparse.ArgumentParser) -> None:
    """`--config`, `--scale` and `--set`."""
    parser.add_argument(
        "--config", type=Path, default=Path("config.yaml"), help="the study (config.yaml)"
    )
    parser.add_argument("--scale", choices=SCALES, help="instead of the file's own scale")
    parser.add_argument(
        "--set",
        dest="settings",
        metavar="KEY=VALUE",
        action="append",
        default=[],
        help="change one value, as in trainer.slots=8",
    )


def add_bundle_option(parser: argparse.ArgumentParser) -> None:
    """`--bundle`: where the released bundle is."""
    # Not imported from regrok.released, which would bring pandas to every command's start.
    folder = Path("results/released")
    parser.add_argument("--bundle", type=Path, default=folder, help=str(folder))


def add_cores_option(parser: argparse.ArgumentParser) -> None:
    """`--cores`: how many processes fit the laws."""
    parser.add_argument(
        "--cores", type=at_least_one, default=os.cpu_count() or 1, help="processes that fit (all)"
    )


def at_least_one(text: str) -> int:
    """A number of cores or processes. Raises ArgumentTypeError for one that would never end."""
    if text.isascii() and text.isdecimal() and int(text[:9]) >= 1:
        return int(text[:9])
    raise argparse.ArgumentTypeError(f"{text}: give a whole number from 1")


def chosen_config(arguments: argparse.Namespace) -> Config:
    """The configuration that the options of `add_config_options` name."""
    overrides: dict[str, Any] = {}
    for each in arguments.settings:
        key, equals, value = each.partition("=")
        if not (key and equals):
            raise RegrokError(f"--set {each}: write KEY=VALUE, as in trainer.slots=8")
        overrides[key] = value
    if arguments.scale:
        overrides["scale"] = arguments.scale
    return load_config(arguments.config, overrides)

"""`regrok open`: the paper, the report, the site or a figure of a build, in the desktop's own viewer."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from regrok.commands.options import add_config_options, chosen_config
from regrok.errors import RegrokError

if TYPE_CHECKING:
    from regrok.study.blocks import Config


def add_parser(sub: Any) -> None:
    parser = sub.add_parser(
        "open",
        help="show the paper, the report, the site or a figure of a build",
        description="Open what a build made in the desktop's viewer, and print its path. Where there is no desktop, "
        "the path alone.",
        epilog="examples: regrok open · regrok open report --scale smoke · regrok open figure weight_decay",
    )
    parser.add_argument(
        "what", nargs="?", choices=("paper", "report", "site", "figure"), default="paper"
    )
    parser.add_argument("name", nargs="?", help="the figure, as studies/*/study.yaml calls it")
    add_config_options(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    path = place(chosen_config(arguments), arguments.what, arguments.name)
    print(path, flush=True)
    if viewer := viewer_of(sys.platform, os.environ):
        subprocess.Popen(
            [*viewer, str(path)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )


def place(config: Config, what: str, name: str | None = None) -> Path:
    """The file to show: this build's, or where there is none that of the build from the released runs.

    Raises RegrokError saying what makes it where there is neither, and the nearest name for a figure that is none.
    """
    from regrok.study.claims import asked_words

    if what == "figure":
        refuse_unknown(config, name)
    elif name:
        raise RegrokError(f"regrok open {what} {name}: only a figure has a name")
    if what == "site" and not (site := file(config, what, name)).exists():
        raise RegrokError(f"{site} is not there; it is made by: make site SCALE={config.scale}")
    places = [file(each, what, name) for each in (config, reanalysed(config))]
    for each in places:
        if each.exists():
            return each
    build = f"snakemake --cores all --config {asked_words(config)}"
    if what == "report":
        build = f"make report SCALE={config.scale} (after a build)"
    raise RegrokError(
        f"{places[0]} is not there; it is made by: {build}. From the released runs: make reanalyse "
        f"SCALE={config.scale}"
    )


def reanalysed(config: Config) -> Config:
    """The same build from the released runs."""
    return config.model_copy(update={"source": "released"})


def file(config: Config, what: str, name: str | None) -> Path:
    """Where a build puts it."""
    from regrok.paper.names import pdf
    from regrok.study.written import results_folder

    if what == "paper":
        return Path(pdf(config))
    if what == "report":
        return results_folder(config) / "report.html"
    if what == "site":
        return results_folder(config) / "site" / "index.html"
    return results_folder(config) / "figures" / f"{name}.pdf"


def refuse_unknown(config: Config, name: str | None) -> None:
    """Raise RegrokError unless the studies have a figure of this name."""
    from regrok.study.messages import nearest

    if name is None:
        raise RegrokError(f"regrok open figure: name one of {', '.join(config.figures)}")
    if name not in config.figures:
        raise RegrokError(f"figure {name}: there is none.{nearest(name, config.figures)}")


def viewer_of(platform: str, environment: Mapping[str, str]) -> list[str]:
    """The command that opens a file in the desktop's viewer; none where there is no desktop.

    A Linux session has a desktop where a display is named and xdg-open is there.
    """
    if platform == "darwin":
        return [] if environment.get("SSH_CONNECTION") else ["open"]
    shown = environment.get("DISPLAY") or environment.get("WAYLAND_DISPLAY")
    opener = shutil.which("xdg-open", path=environment.get("PATH"))
    return [opener] if shown and opener else []

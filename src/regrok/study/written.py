"""A build's folder and what it keeps of the configuration: facts that jobs need without the plan and the workflow."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from regrok.errors import RegrokError

if TYPE_CHECKING:
    from regrok.study.blocks import Config, Panel

CONFIG = "config.json"

LONGEST = 60
"""Characters of a list of names in a file's name."""


def results_folder(config: Config) -> Path:
    """Where a build of this configuration writes."""
    return folder_of(config, config.whole)


def folder_of(asked: Config | Panel, whole: bool) -> Path:
    """Where a build writes. One of some studies, or from released runs, has a folder of its own.

    So none overwrites another: results/laptop, results/smoke-norm_delay, results/laptop-released.
    """
    studies = "" if whole else f"-{'-'.join(asked.studies)}"
    return Path("results") / f"{asked.scale}{studies}{whence(asked)}"


def whence(asked: Config | Panel) -> str:
    """`-` and where the runs of a build come from; empty for one that trains all of them."""
    return "" if asked.source == "trained" else f"-{asked.source}"


def chosen(config: Config) -> str:
    """`-` and the studies of a build of some of them; empty for a build of all."""
    return "" if config.whole else f"-{joined(list(config.studies))}"


def joined(names: list[str]) -> str:
    """The names with hyphens; a long list is cut and told apart by a hash."""
    whole = "-".join(names)
    if len(whole) <= LONGEST:
        return whole
    kept = whole[:LONGEST].rstrip("-_")
    return f"{kept}-{hashlib.sha256(whole.encode()).hexdigest()[:6]}"


def written_config(results: str | Path) -> Config:
    """The configuration that a build of this scale works from (its jobs read it rather than parse YAML again).

    Raises RegrokError when the folder holds none.
    """
    from regrok.study.blocks import Config

    path = Path(results) / CONFIG
    try:
        return Config.model_validate_json(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RegrokError(
            f"{path} cannot be read ({error.strerror}); start the build again"
        ) from error

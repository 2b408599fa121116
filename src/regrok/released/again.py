"""Analysing released runs again: a law was mended or a claim added, and no run has changed.

The frames and what is recorded of the runs stay byte for byte; fits, ledger, numbers and tables are made anew by the
studies as they are now, exactly as in a release.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

from regrok.errors import RegrokError
from regrok.files import write_atomically
from regrok.released import bundle, probes
from regrok.released.fill import analyse, put_in_place, refuse_unfinished
from regrok.runs import frames as frame_files
from regrok.study.blocks import Config
from regrok.study.read import load_config
from regrok.study.words import Scale


def config_again(scale: Scale, panel: Path | str, folder: Path | str = bundle.RELEASED) -> Config:
    """What a released scale is asked now: all its experiments and computations, or those alone that were released.

    An experiment that was added since has no runs, so what rests on it is out of scope until some are released. So is
    a computation of which the bundle has no result, where it has some: at a large scale one may take hours. panel: the
    control panel, beside which the studies lie. Raises RegrokError for a scale without runs.
    """
    old = Path(folder) / scale
    if not old.is_dir():
        raise RegrokError(f"{old} does not exist: nothing was released of the {scale} scale yet")
    asked: dict[str, Any] = {"scale": scale, "source": "trained", "only": []}
    whole = load_config(panel, asked)
    held = set(frame_files.load(old).experiments["experiment"])
    only: list[str] = []
    ran = [name for name in whole.experiments if whole.runs_here(name)]
    if any(name not in held for name in ran):
        only += [name for name in ran if name in held]
    computed = [name for name in whole.computations if whole.computes_here(name)]
    known = [name for name in computed if bundle.computed(folder, scale, name)]
    if known != computed:
        only += known
    return load_config(panel, {**asked, "only": only}) if only else whole


def release_again(
    config: Config, studies: Path | str, folder: Path | str, workers: int | None = None
) -> Path:
    """Make the analysis of a released scale anew from its own runs; the scale's folder in the bundle.

    config: what is asked (`config_again`). studies: the folder of the studies. workers: processes that fit. Raises
    RegrokError, and leaves the bundle as it was, where an experiment asks for other runs now, and as a release does.
    """
    folder = Path(folder)
    old = folder / config.scale
    refuse_unfinished(frame_files.load(old), config, old)
    staging = folder.with_name(f".release-{os.getpid()}")
    shutil.rmtree(staging, ignore_errors=True)
    try:
        made = staging / config.scale
        made.mkdir(parents=True)
        for name in (*bundle.FRAME_FILES, "provenance.json"):
            shutil.copyfile(old / name, made / name)
        if (old / bundle.RETEST).exists():
            shutil.copyfile(old / bundle.RETEST, made / bundle.RETEST)
        written = config.model_dump_json(indent=1, exclude_unset=True) + "\n"
        write_atomically(made / "config.json", written.encode())
        probes.copy_again(old, made, config)
        analyse(made, config, Path(studies), folder, workers)
        put_in_place(made, folder)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return old

"""Probes' tables in the bundle: laid in it like runs, and read by a build from released runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from regrok.study.written import written_config

if TYPE_CHECKING:
    from regrok.runs.frames import Frames
    from regrok.study.blocks import Config

FOLDER = "probes"


def path_of(part: Path, name: str) -> Path:
    """Where a probe's table lies in a scale's folder, of results as of the bundle."""
    return part / FOLDER / f"{name}.parquet"


def held(folder: Path | str, scale: str, name: str, config: Config) -> Path | None:
    """The bundle's table of a probe; None where it has none, or one that was measured in another way.

    The config.json of the release says how it was measured. A scale that is absent holds none.
    """
    part = Path(folder) / scale
    path = path_of(part, name)
    if not path.exists():
        return None
    try:
        then = written_config(part)
    except ValidationError:
        return None  # of another version: whoever takes its runs says so
    return path if asked(then, name) == asked(config, name) else None


def asked(config: Config, name: str) -> tuple[Any, ...] | None:
    """What a configuration asks of a probe at its scale: module, moments, options."""
    block = config.probes.get(name)
    if block is None or config.scale not in block.scales:
        return None
    return block.probe, block.moments(config.scale), block.told(config.scale)


def unreleased(folder: Path | str, config: Config) -> list[str]:
    """The probes of a build from released runs of which the bundle has no table."""
    here = filter(config.probes_here, config.probes)
    return [name for name in here if held(folder, config.scale, name, config) is None]


def unmeasured(folder: Path | str, config: Config, name: str, runs: Sequence[str]) -> list[str]:
    """Those of a probe's runs of which the bundle has no row that a build of this configuration takes."""
    from regrok.files import read_table

    path = held(folder, config.scale, name, config)
    rows = set() if path is None else set(read_table(path, ["run_id"]).column("run_id").to_pylist())
    return [run_id for run_id in runs if run_id not in rows]


def copy(results: Path, made: Path, config: Config) -> None:
    """Lay a finished build's tables into the folder that is being released. Raises RegrokError naming one it lacks."""
    from regrok.errors import RegrokError
    from regrok.files import write_atomically

    for name in filter(config.probes_here, config.probes):
        path = path_of(results, name)
        if not path.exists():
            raise RegrokError(
                f"{path} does not exist; build it: snakemake --cores all --config scale={config.scale}"
            )
        write_atomically(path_of(made, name), path.read_bytes())


def copy_again(old: Path, made: Path, config: Config) -> None:
    """Lay the tables of a released scale beside its frames again: those that are asked for as they were measured."""
    from regrok.files import write_atomically

    for name in filter(config.probes_here, config.probes):
        path = held(old.parent, old.name, name, config)
        if path is not None:
            write_atomically(path_of(made, name), path.read_bytes())


def frames_of(part: Path | str) -> Frames:
    """The frames of a scale's folder, of results or of the bundle, with the tables of its probes."""
    from regrok.runs.frames import load, with_probes

    return with_probes(load(part), sorted((Path(part) / FOLDER).glob("*.parquet")))

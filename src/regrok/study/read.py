"""`config.yaml` → Config: read, overridden, validated, every cell of every scale checked."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from regrok.errors import RegrokError
from regrok.study.blocks import Config, Experiment
from regrok.study.changes import known_keys
from regrok.study.expand import cells, settings_block
from regrok.study.messages import SHOWN, explain, nearest
from regrok.study.parse import load, read_yaml
from regrok.study.words import SCALES

PACKAGE = Path(__file__).parents[1]

MODULES = (("fits", "law", "laws", "fit"), ("figures", "draw", "figures", "draw"))
"""Section of the file, its key, the folder of the modules that the key names, the function they have.

Looked up in the source: importing them would load torch and pandas for a name.
"""


def load_config(path: str | Path, overrides: Mapping[str, Any] | None = None) -> Config:
    """Read and check a study.

    Args:
        path: the YAML file.
        overrides: what to change in it, nested or by dotted key (`{"trainer.slots": 4}`); text
            that reads as a number is one, as on Snakemake's command line.

    Raises:
        RegrokError: the file cannot be read or something in it is wrong. The message names each
            key, its value, what is allowed and the nearest known key.
    """
    data = read_yaml(Path(path))
    for dotted, value in (overrides or {}).items():
        _put(data, str(dotted).split("."), _scalar(value))
    return check(data, str(path))


def check(data: Any, source: str) -> Config:
    """Validate the content of a configuration; `source` names it in messages."""
    try:
        config = Config.model_validate(data)
    except ValidationError as error:
        raise _refusal(source, explain(error, Config, data)) from None
    except RecursionError:
        raise _refusal(source, ["the whole file: nested too deeply"]) from None
    problems = list(_names(config)) or list(_cells(config))
    if problems:
        raise _refusal(source, problems)
    return config


def _refusal(source: str, problems: list[str]) -> RegrokError:
    shown = list(dict.fromkeys(problems))
    more = [f"… and {len(shown) - SHOWN} more"] if len(shown) > SHOWN else []
    return RegrokError("\n  ".join([f"{source} is refused:", *shown[:SHOWN], *more]))


def _put(data: dict[str, Any], path: list[str], value: Any) -> None:
    """Set a value inside nested dictionaries; a dictionary is merged into the one that is there."""
    *above, last = path
    for key in above:
        if not isinstance(data.get(key), dict):
            data[key] = {}
        data = data[key]
    if isinstance(value, dict) and isinstance(data.get(last), dict):
        for key, inner in value.items():
            _put(data[last], [str(key)], inner)
    else:
        data[last] = value


def _scalar(value: Any) -> Any:
    """Overrides as YAML would read them: numbers, booleans and lists may come as text."""
    if isinstance(value, Mapping):
        return {str(key): _scalar(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_scalar(inner) for inner in value]
    if isinstance(value, str):
        try:
            read = load(value)
        except (yaml.YAMLError, ValueError):
            return value
        return read if isinstance(read, bool | int | float | list) else value
    return value


def _names(config: Config) -> Iterator[str]:
    """Names that refer to nothing, and lists that say a thing twice."""
    refers = _reference(config.settings)
    for name, block in config.settings.items():
        if block.like is not None:
            yield from refers(f"settings.{name}.like", "settings block", block.like)
    for name, experiment in config.experiments.items():
        yield from _experiment(f"experiments.{name}", experiment, refers)
    for name in config.only:
        yield from _reference(config.experiments)("only", "experiment", name)
        if name in config.experiments and not config.runs_here(name):
            listed = ", ".join(config.experiments[name].scales)
            yield f"only = '{name}': does not run at scale {config.scale}, but at {listed}."
    for section in ("fits", "figures", "tables"):
        for name, block in getattr(config, section).items():
            for key, known in (("experiments", config.experiments), ("fits", config.fits)):
                for each in getattr(block, key, ()):
                    yield from _reference(known)(f"{section}.{name}.{key}", key[:-1], each)

    for section, key, folder, function in MODULES:
        modules = [
            path.stem
            for path in sorted((PACKAGE / folder).glob("[!_]*.py"))
            if f"\ndef {function}" in path.read_text(encoding="utf-8")
        ]
        for name, block in getattr(config, section).items():
            path = f"{section}.{name}.{key}"
            yield from _reference(modules)(path, f"module of regrok.{folder}", getattr(block, key))


Reference = Callable[[str, str, str], Iterator[str]]


def _reference(known: Any) -> Reference:
    def refers(path: str, kind: str, name: str) -> Iterator[str]:
        if name not in known:
            yield f"{path} = '{name}': no such {kind}.{nearest(name, known)}"

    return refers


def _experiment(path: str, experiment: Experiment, refers: Reference) -> Iterator[str]:
    yield from refers(f"{path}.settings", "settings block", experiment.settings)
    if not experiment.scales:
        yield f"{path}.scales = {{}}: no scale runs it; list at least one of {', '.join(SCALES)}."
    parts: list[tuple[str, Any]] = [(path, experiment)]
    for scale, at in experiment.scales.items():
        parts.append((f"{path}.scales.{scale}", at))
        if at.settings is not None:
            yield from refers(f"{path}.scales.{scale}.settings", "settings block", at.settings)
    for where, part in list(parts):
        names = [arm.name for arm in part.arms or ()]
        for name in sorted({name for name in names if names.count(name) > 1}):
            yield f"{where}.arms: the name '{name}' is given twice; each arm needs its own."
        parts += [(f"{where}.arms.{arm.name}", arm) for arm in part.arms or ()]
    for where, part in parts:
        for seed in sorted({s for s in part.seeds or () if part.seeds.count(s) > 1}):
            yield f"{where}.seeds: the seed {seed} is given twice; seeds must differ."
        for key, values in (part.grid or {}).items():
            if key not in known_keys():
                yield f"{where}.grid: unknown key '{key}'.{nearest(key, known_keys())}"
            for value in values:
                if values.count(value) > 1:
                    yield f"{where}.grid.{key} = {values}: {value!r} is given twice."


def _cells(config: Config) -> Iterator[str]:
    """What is wrong with the cells of each experiment at each scale, once per complaint."""
    for name in config.settings:
        try:
            settings_block(config, name)
        except RegrokError as error:
            yield str(error)
            return
    said: set[str] = set()
    for name, experiment in config.experiments.items():
        alone = config.model_copy(update={"experiments": {name: experiment}})
        for scale in experiment.scales:
            try:
                for _ in cells(alone, scale):
                    pass
            except RegrokError as error:
                for line in str(error).splitlines():
                    complaint = line.partition(": ")[2]
                    if complaint not in said:
                        said.add(complaint)
                        yield line

"""What is changed for one build: whole files laid over the control panel, then values of the command line.

As Snakemake does it: a file that `--configfile` names extends config.yaml, a later one an earlier one, and `--config`
has the last word. Keys and values are merged into those that are there; anything else, a list too, replaces what
was there.
"""

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from regrok.errors import RegrokError
from regrok.study.messages import refusal
from regrok.study.yaml import parse_scalar, parse_yaml, read_text

Told = tuple[list[str], Any]
"""The keys down to a value, and the value."""


def told_by_files(over: Iterable[Path]) -> Iterator[Told]:
    """The keys of the files that are laid over the panel, in order.

    Raises RegrokError naming the file: it cannot be read, is neither YAML nor JSON, or is a YTE template.
    """
    for path in over:
        for key, value in _read_over(path).items():
            if key.startswith("__use_yte"):
                raise refusal(
                    shown(path), [f"{key}: a template is not filled in; write out what it comes to"]
                )
            yield [key], value


def told_by_words(overrides: Mapping[str, Any]) -> Iterator[Told]:
    """Overrides, nested or by dotted key; text that YAML reads as a number is one."""
    for dotted, value in overrides.items():
        yield str(dotted).split("."), as_yaml(str(dotted), value)


def shown(path: Path) -> str:
    """How a message names the file: from the working directory where it lies below."""
    inside = os.path.relpath(path)
    return str(path) if inside.startswith(os.pardir) else inside


def _read_over(path: Path) -> dict[str, Any]:
    """A file of keys and values: JSON, as Snakemake tries first (YAML takes no tabs), else YAML."""
    text = read_text(path)
    try:
        data = json.loads(text, object_pairs_hook=_each_once)
    except _Twice as twice:
        raise RegrokError(f"{shown(path)}: the key '{twice}' is given twice") from None
    except (ValueError, RecursionError):
        return parse_yaml(text, shown(path))
    if not isinstance(data, dict):
        raise RegrokError(f"{shown(path)}: should hold keys and values, not {type(data).__name__}")
    return data


class _Twice(Exception):
    """A key that an object of a JSON file has twice."""


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise _Twice(key)
        found[key] = value
    return found


def put_into_owner(files: Mapping[Path, dict[str, Any]], path: list[str], value: Any) -> None:
    """Set a value in the file that has its block; a name that none has is the first study's."""
    section, *rest = path
    if not rest and isinstance(value, dict):
        for name, inner in value.items():
            put_into_owner(files, [section, str(name)], inner)
        return
    holders = [data for data in files.values() if rest and rest[0] in (data.get(section) or {})]
    put(holders[0] if holders else next(iter(files.values())), path, value)


def put(data: dict[str, Any], path: list[str], value: Any) -> None:
    """Set a value inside nested dictionaries; a dictionary is merged into the one that is there."""
    *above, last = path
    for key in above:
        if not isinstance(data.get(key), dict):
            data[key] = {}
        data = data[key]
    if isinstance(value, dict) and isinstance(data.get(last), dict):
        for key, inner in value.items():
            put(data[last], [str(key)], inner)
    else:
        data[last] = value


def as_yaml(dotted: str, value: Any) -> Any:
    """The value of an override as YAML would read it. Raises RegrokError naming its key."""
    try:
        return _scalar(value)
    except RegrokError as error:
        raise RegrokError(f"{dotted} = {value!r}: {error}") from None


def _scalar(value: Any) -> Any:
    """Numbers, booleans and lists may come as text."""
    if isinstance(value, Mapping):
        return {str(key): _scalar(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_scalar(inner) for inner in value]
    return parse_scalar(value) if isinstance(value, str) else value

"""What is changed on the command line: values read as YAML, put into the file that has their block."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from regrok.errors import RegrokError
from regrok.study.yaml import parse_scalar


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

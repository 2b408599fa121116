"""YAML files as a reader expects them: `1e-3` is a number, a key given twice is an error, messages name the line."""

import re
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml

from regrok.errors import RegrokError

DEEP = 5_000
"""Depth up to which libyaml may be used: it composes by recursion in C, where too deep a file ends the process."""


class Reader(yaml.SafeLoader):
    """YAML as a reader expects it: `1e-3` is a number, and a key given twice is an error."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        lines: dict[Any, int] = {}
        for key_node, _ in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                continue
            key = self.construct_object(key_node, deep=True)
            line = key_node.start_mark.line + 1
            if not isinstance(key, str):
                raise yaml.constructor.ConstructorError(
                    None,
                    None,
                    f"the key {key!r} is not text; put it in quotes",
                    key_node.start_mark,
                )
            if key in lines:
                raise yaml.constructor.ConstructorError(
                    None,
                    None,
                    f"the key '{key}' is given twice, on lines {lines[key]} and {line}",
                    key_node.start_mark,
                )
            lines[key] = line
        return super().construct_mapping(node, deep=deep)


# YAML 1.1 calls 1e-3 a string, since it has no point.
Reader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?[0-9][0-9_]*(\.[0-9]*)?[eE][-+]?[0-9]+$"),
    list("-+0123456789"),
)

FAST: type[Reader] | None = None
"""The same on libyaml, six times as fast, where PyYAML was built with it."""

if yaml.__with_libyaml__:

    class _Fast(yaml.CSafeLoader, Reader):
        """Parsed by libyaml; what is made of it is decided in `Reader`."""

        yaml_implicit_resolvers = Reader.yaml_implicit_resolvers
        construct_mapping = Reader.construct_mapping

    FAST = _Fast


def load(text: str) -> Any:
    """The content of YAML text. Raises yaml.YAMLError, ValueError, IndexError or RecursionError as PyYAML does."""
    # Flow collections open with a bracket, block collections each take a column.
    depth = text.count("[") + text.count("{") + max(map(len, text.splitlines()), default=0)
    if FAST is not None and depth < DEEP:
        try:
            return yaml.load(text, Loader=FAST)
        except yaml.YAMLError:
            pass  # read again below: PyYAML's own parser says better where a file breaks
    return yaml.load(text, Loader=Reader)


def read_yaml(path: Path) -> dict[str, Any]:
    """The content of a YAML file of keys and values.

    Raises:
        RegrokError: no such file, not UTF-8, not YAML, a duplicate key, or not a mapping.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        beside = [p.name for p in path.parent.glob("*.y*ml")] if path.parent.is_dir() else []
        close = get_close_matches(path.name, beside, n=1)
        hint = f" Did you mean '{path.with_name(close[0])}'?" if close else ""
        raise RegrokError(f"{path}: cannot be read ({error.strerror}).{hint}") from None
    except UnicodeDecodeError:
        raise RegrokError(f"{path}: not UTF-8 text; save it as UTF-8") from None
    return parse_yaml(text, str(path))


def parse_yaml(text: str, source: str) -> dict[str, Any]:
    """As `read_yaml`, from text."""
    try:
        data = load(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        at = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise RegrokError(f"{source}{at}: {error.problem or 'not YAML'}") from None
    except (yaml.YAMLError, ValueError, IndexError, RecursionError) as error:
        raise RegrokError(f"{source}: not YAML ({error})") from None
    if not isinstance(data, dict):
        raise RegrokError(f"{source}: should hold keys and values, not {type(data).__name__}")
    return data

"""YAML as a reader expects it: `1e-3` is a number, and a key given twice is an error that names both lines."""

import pickle
import re
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from regrok.errors import RegrokError

TWO_WAYS = re.compile(
    r"[-+]?(0[0-9_]+|0[bo][0-9_]+|0x[0-9a-fA-F]*_[0-9a-fA-F_]*|\.?[0-9][0-9_.]*_[0-9_.eE+-]*"
    r"|[0-9][0-9_]*(:[0-9]+)+(\.[0-9_]*)?)"
)
"""Numbers that readers of YAML 1.1, of YAML 1.2 and people take for different ones: 042 is 34, 42 or text."""


MOST_LEVELS = 10_000
"""Brackets and dashes of a file that libyaml reads; Python's reader says of more that they nest too deeply."""


class _Strict(yaml.constructor.SafeConstructor):
    """Keys are text, and each is given once; a number is one number, whoever reads it."""

    def construct_scalar(self, node: yaml.ScalarNode) -> Any:
        plain = isinstance(node, yaml.ScalarNode) and not node.style
        if plain and TWO_WAYS.fullmatch(node.value):
            raise yaml.constructor.ConstructorError(
                None,
                None,
                f"{node.value} is read as one number here and as another elsewhere; "
                "write it in plain decimal digits, or in quotes where it is text",
                node.start_mark,
            )
        return super().construct_scalar(node)

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
        found: dict[Any, Any] = super().construct_mapping(node, deep=deep)
        return found


class _Loader(_Strict, getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """libyaml's, which reads a study ten times as fast as Python does."""


class _Explaining(_Strict, yaml.SafeLoader):
    """Python's, whose messages say where a bracket was opened; asked again where the other has refused."""


def _as_text(reader: Any, node: Any) -> str:
    """A date is text, as in JSON and YAML 1.2."""
    return str(node.value)


for _each in (_Loader, _Explaining):
    _each.add_constructor("tag:yaml.org,2002:timestamp", _as_text)
    # YAML 1.1 calls 1e-3 a string, since it has no point.
    _each.add_implicit_resolver(
        "tag:yaml.org,2002:float",
        re.compile(r"^[-+]?[0-9][0-9_]*(\.[0-9]*)?[eE][-+]?[0-9]+$"),
        list("-+0123456789"),
    )


def read_yaml(path: Path) -> dict[str, Any]:
    """The content of a YAML file of keys and values.

    Raises:
        RegrokError: no such file, not UTF-8, not YAML, a duplicate key, or not a mapping.
    """
    return parse_yaml(read_text(path), str(path))


def read_text(path: Path) -> str:
    """The text of a UTF-8 file.

    Raises RegrokError naming it: with the nearest name beside it where there is none, with the line and the byte where
    it has another encoding.
    """
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        beside = [p.name for p in path.parent.glob("*.y*ml")] if path.parent.is_dir() else []
        close = get_close_matches(path.name, beside, n=1)
        hint = f" Did you mean '{path.with_name(close[0])}'?" if close else ""
        raise RegrokError(f"{path}: cannot be read ({error.strerror}).{hint}") from None
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        byte = f"byte 0x{error.object[error.start]:02x}"
        raise RegrokError(
            f"{path}, line {line}: not UTF-8 text ({byte}); save it as UTF-8"
        ) from None


def parse_yaml(text: str, source: str) -> dict[str, Any]:
    """As `read_yaml`, from text."""
    try:
        data = _fresh(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        at = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        problem = error.problem or "not YAML"
        if "'\\t'" in problem:
            problem = "a tab where YAML takes none; indent with spaces"
        raise RegrokError(f"{source}{at}: {problem}") from None
    except (yaml.YAMLError, ValueError, IndexError, RecursionError) as error:
        raise RegrokError(f"{source}: not YAML ({error})") from None
    if not isinstance(data, dict):
        raise RegrokError(f"{source}: should hold keys and values, not {type(data).__name__}")
    return data


def _fresh(text: str) -> Any:
    """The values of a text, of the caller's own: a process reads one file several times, for each scale, say."""
    try:
        return pickle.loads(_pickled(text))
    except RecursionError:  # of pickle, which nests less deeply than YAML does
        return _load(text)


@lru_cache(maxsize=256)
def _pickled(text: str) -> bytes:
    return pickle.dumps(_load(text))


def _load(text: str) -> Any:
    try:
        return yaml.load(text, Loader=_Loader if _shallow(text) else _Explaining)
    except yaml.MarkedYAMLError:
        return yaml.load(text, Loader=_Explaining)


def _shallow(text: str) -> bool:
    """Whether no nesting can be deep: libyaml ends the process at some tens of thousands of levels."""
    return text.count("[") + text.count("{") + text.count("- ") < MOST_LEVELS


def parse_scalar(text: str) -> Any:
    """A number, a boolean, null or a list where YAML reads the text as one; else the text.

    Raises RegrokError for a number that can be read in two ways, alone or in a list.
    """
    try:
        read = yaml.load(text, Loader=_Loader)
    except yaml.constructor.ConstructorError as error:
        if "as another elsewhere" in str(error.problem):
            raise RegrokError(str(error.problem)) from None
        return text
    except (yaml.YAMLError, ValueError):
        return text
    plain = isinstance(read, bool | int | float | list) or (read is None and text.strip())
    return read if plain else text


def places(path: Path, *keys: str) -> list[str]:
    """`path, line 12` of every place in a file, read before, where the nested key stands.

    A step through a list is by the value of the entries' `id`.
    """
    found: list[tuple[Any, Any]] = [(None, yaml.compose(read_text(path), Loader=_Loader))]
    for key in keys:
        found = [inner for _, node in found for inner in _under(node, key)]
    return [f"{path}, line {at.start_mark.line + 1}" for at, _ in found]


def _under(node: Any, key: str) -> list[tuple[Any, Any]]:
    """The key's own node, or the list's entry, and what lies under it."""
    if isinstance(node, yaml.SequenceNode):
        return [(each, each) for each in node.value if _id(each) == key]
    pairs = node.value if isinstance(node, yaml.MappingNode) else []
    return [(name, value) for name, value in pairs if name.value == key]


def _id(entry: Any) -> str | None:
    pairs = entry.value if isinstance(entry, yaml.MappingNode) else []
    return next((value.value for name, value in pairs if name.value == "id"), None)

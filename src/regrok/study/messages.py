"""From pydantic's errors to sentences: which key, which value, what is allowed, what was meant."""

import types
from collections.abc import Iterable
from difflib import get_close_matches
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from regrok.errors import RegrokError

SHOWN = 12
"""Messages and known keys that are listed before the rest is only counted."""


def refusal(source: object, found: Iterable[str]) -> RegrokError:
    """The error that says why a file is refused: each problem once, the first `SHOWN` of them, the rest counted."""
    shown = list(dict.fromkeys(found))
    more = [f"… and {len(shown) - SHOWN} more"] if len(shown) > SHOWN else []
    return RegrokError("\n  ".join([f"{source} is refused:", *shown[:SHOWN], *more]))


def nearest(word: object, known: Iterable[str]) -> str:
    """ " Did you mean …?" for the nearest of `known`, else the list of what is known."""
    names = list(known)
    text = str(word)
    ends = [name for name in names if name.rpartition(".")[2] == text]
    close = ends or get_close_matches(text, names, n=1, cutoff=0.6)
    if close:
        return f" Did you mean '{close[0]}'?"
    if not names:
        return ""
    listed = ", ".join(names[:SHOWN]) + (", …" if len(names) > SHOWN else "")
    return f" Known here: {listed}."


def explain(error: ValidationError, root: type[BaseModel], data: Any) -> list[str]:
    """One line for each key that is wrong, as `path = value: what is allowed`.

    `root` is the type that refused `data`.
    """
    wishes: dict[str, list[str]] = {}
    for each in error.errors(include_url=False):
        path, value = _locate(each["loc"], data)
        kind, message = each["type"], each["msg"]
        if kind == "extra_forbidden":
            members = _models_at(root, path[:-1])
            chosen = _chosen(members, path[:-1], data)
            wish = "unknown key." + nearest(path[-1], [k for m in chosen for k in m.model_fields])
            if others := [each for each in members if path[-1] in each.model_fields]:
                wish = f"{_names(chosen)} has no such key; {_names(others)} has it."
        elif kind == "missing":
            path = (*path, each["loc"][-1])
            head, wish = _dotted(path), f"missing.{_about(root, path, data)}"
            wishes.setdefault(head, []).append(wish)
            continue
        elif kind == "union_tag_invalid":
            key = each["ctx"]["discriminator"].strip("'")
            path = (*path, key)
            tags = [tag.strip("' ") for tag in str(each["ctx"]["expected_tags"]).split(",")]
            value = value.get(key) if isinstance(value, dict) else value
            wish = f"should be {' or '.join(map(repr, tags))}.{nearest(value, tags)}"
        elif kind == "union_tag_not_found":
            key = each["ctx"]["discriminator"].strip("'")
            path, value, wish = (*path, key), None, "missing. It says which kind this is."
        elif kind == "value_error":
            wish = message.removeprefix("Value error, ") + "."
        else:
            wish = message.replace("Input should", "should", 1) + "." + _about(root, path, data)
        head = _dotted(path)
        if kind != "value_error":
            head += f" = {short(value)}"
        wishes.setdefault(head, []).append(wish)
    return [f"{head}: {' Or: '.join(dict.fromkeys(each))}" for head, each in wishes.items()]


def _locate(loc: tuple[int | str, ...], data: Any) -> tuple[tuple[int | str, ...], Any]:
    """The part of `loc` that is a path in `data`, and what lies there.

    Pydantic also puts the name of the union's member that it tried into `loc`; that is no key.
    """
    path: list[int | str] = []
    for part in loc:
        try:
            data = data[part]
        except (KeyError, IndexError, TypeError):
            continue
        path.append(part)
    return tuple(path), data


def _dotted(path: tuple[int | str, ...]) -> str:
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}"
    return text.removeprefix(".") or "the whole file"


def short(value: Any) -> str:
    """The value as Python writes it, cut where it is long."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "…"


def _about(root: type[BaseModel], path: tuple[int | str, ...], data: Any) -> str:
    """The description of the field at `path`."""
    members = _models_at(root, path[:-1]) if path and isinstance(path[-1], str) else []
    texts = [
        model.model_fields[path[-1]].description
        for model in _chosen(members, path[:-1], data)
        if path[-1] in model.model_fields
    ]
    return f" ({texts[0]})" if texts and texts[0] else ""


def _models_at(root: Any, path: tuple[int | str, ...]) -> list[type[BaseModel]]:
    """The types that a value at `path` under the annotation `root` may have."""
    annotations = _members(root)
    for part in path:
        inside: list[Any] = []
        for each in annotations:
            if isinstance(each, type) and issubclass(each, BaseModel):
                if part in each.model_fields:
                    inside += _members(each.model_fields[str(part)].annotation)
            elif get_args(each):
                inside += _members(get_args(each)[-1])
        annotations = inside
    return [each for each in annotations if isinstance(each, type) and issubclass(each, BaseModel)]


def _tag(kind: type[BaseModel]) -> tuple[str, Any] | None:
    """The field by which a member of a union is chosen, and its word: a Literal of one."""
    for name, field in kind.model_fields.items():
        words = get_args(field.annotation) if get_origin(field.annotation) is Literal else ()
        if len(words) == 1 and isinstance(words[0], str):
            return name, words[0]
    return None


def _chosen(
    members: list[type[BaseModel]], path: tuple[int | str, ...], data: Any
) -> list[type[BaseModel]]:
    """Those members of a union that the block at `path` says it is; all of them where it says none."""
    block = _locate(path, data)[1]
    if not isinstance(block, dict):
        return members
    tags = [(each, _tag(each)) for each in members]
    return [each for each, tag in tags if not tag or block.get(tag[0]) == tag[1]] or members


def _names(members: Iterable[type[BaseModel]]) -> str:
    """`modular or sparse_parity`: the words by which members of a union are chosen."""
    tags = [_tag(each) for each in members]
    return " or ".join(repr(tag[1]) for tag in tags if tag) or "this block"


def _members(annotation: Any) -> list[Any]:
    """The members of a union, through Annotated; another annotation is its only member."""
    if get_origin(annotation) is Annotated:
        return _members(get_args(annotation)[0])
    if get_origin(annotation) in (Union, types.UnionType):
        return [inner for each in get_args(annotation) for inner in _members(each)]
    return [annotation]

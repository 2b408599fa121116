"""Broken studies end in a plan or in a refusal that names a key."""

from __future__ import annotations

import contextlib
import re
from functools import cache
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
import yaml
from hypothesis import given, settings

from checkouts import write_study
from configurations import checked, part
from regrok.errors import RegrokError
from regrok.study.blocks import Config
from regrok.study.changes import known_keys
from regrok.study.plan import make_plan
from regrok.study.read import load_config
from regrok.study.words import SCALES, Scale
from regrok.study.yaml import parse_yaml

pytestmark = pytest.mark.beside

JUNK = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-10, 200),
    st.sampled_from([10**400, -(10**400), 2**64, 0.5, -0.0, 1e308, float("nan"), float("inf")]),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(["S2", "addition", "paper", "modular", "mlp", "full", "task.p", "xor", "null"]),
    st.lists(st.integers(0, 3), max_size=3),
    st.lists(st.lists(st.integers(0, 1), max_size=1), max_size=2),
    st.dictionaries(st.text(max_size=4), st.integers(0, 3), max_size=2),
    st.dictionaries(
        st.sampled_from(known_keys()), st.lists(st.integers(0, 9), max_size=2), max_size=2
    ),
)


def paths(node: Any, above: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = (
        node.items()
        if isinstance(node, dict)
        else enumerate(node)
        if isinstance(node, list)
        else ()
    )
    return [each for key, value in inner for each in ((*above, key), *paths(value, (*above, key)))]


@st.composite
def mutations(draw: st.DrawFn) -> tuple[dict[str, Any], list[str]]:
    """A study with one thing broken, renamed, lost, doubled or added, and the keys on the way."""
    data = part("S2", "S8", "S10", scale=draw(st.sampled_from(SCALES)))
    path = draw(st.sampled_from(paths(data)))
    node: Any = data
    for key in path[:-1]:
        node = node[key]
    last = path[-1]
    kind = draw(st.sampled_from(["value", "rename", "delete", "add", "double"]))
    if kind == "value" or (kind in ("rename", "add") and isinstance(node, list)):
        node[last] = draw(JUNK)
    elif kind == "delete":
        del node[last]
    elif kind in ("rename", "add"):
        # A refusal may name the key that is new.
        new = (
            draw(st.text(max_size=3)) + str(last)[1:]
            if kind == "rename"
            else draw(st.text(max_size=8))
        )
        path = [*path, new]
        node[new] = node.pop(last) if kind == "rename" else draw(JUNK)
    elif isinstance(node, list):
        node.append(node[last])
    else:
        node[f"{last}2"] = node[last]
    return data, [str(key) for key in path]


def refused(data: dict[str, Any]) -> str | None:
    """The message with which a study is refused, if it is."""
    try:
        config = checked(data)
    except RegrokError as refusal:
        return str(refusal)
    plan = make_plan(config)
    assert len(plan.runs) == sum(len(cohort.runs) for cohort in plan.cohorts.values())
    return None


def ends_in_a_plan_or_a_refusal(mutation: tuple[dict[str, Any], list[str]]) -> None:
    data, keys = mutation
    message = refused(data)
    assert message is None or any(key in message for key in keys), (message, keys)


@settings(max_examples=300)
@given(mutations())
def test_a_mutated_study_ends_in_a_plan_or_a_refusal_that_names_a_key(
    mutation: tuple[dict[str, Any], list[str]],
) -> None:
    ends_in_a_plan_or_a_refusal(mutation)


@pytest.mark.long
@settings(max_examples=5000)
@given(mutations())
def test_thousands_of_mutated_studies_end_in_a_plan_or_a_refusal(
    mutation: tuple[dict[str, Any], list[str]],
) -> None:
    ends_in_a_plan_or_a_refusal(mutation)


@given(st.text(alphabet=st.sampled_from("ab:-[]{}&*!|>'\"#%@ \n\t1e.<~?"), max_size=60))
@settings(max_examples=300)
def test_any_text_is_yaml_or_refused(text: str) -> None:
    with contextlib.suppress(RegrokError):
        assert isinstance(parse_yaml(text, "study"), dict)


ODDITIES = (
    "no yes on off ~ null 1e-3 '1e-3' 1_000 0x1F 0o17 .nan .inf -.inf +1 1. .5 1e400 -0 12:30 2026-01-01 "
    "99999999999999999999999 {} [] [1,[2]] {a:1} !!binary\tAAAA !!python/none !!set\t{a} !!float\t1 !!int\tx &a *a "
    '| > ? - @ ` % ! \'é\' "\\u0000" "\\ud800" 模 η 1e-3e-3 0b11 ~x <<'
)
ODD = st.sampled_from(ODDITIES.split()).map(lambda text: text.replace("\t", " "))
"""Values that YAML reads as something else than they look like, or not at all."""


@cache
def written(scale: Scale) -> tuple[str, ...]:
    """The lines of a study, with the settings that its experiments start from."""
    data = part("S2", "S8", scale=scale)
    data["settings"] = {
        name: data["settings"][name] for name in data["settings"] if "addition" in name
    }
    return tuple(yaml.safe_dump(data, sort_keys=False).splitlines())


@st.composite
def texts(draw: st.DrawFn) -> str:
    """The text of a study after a few accidents of an editor: lines lost, doubled, moved, indented, altered."""
    scale = draw(st.sampled_from(SCALES))
    lines = list(written(scale))
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(lines) - 1))
        key, colon, _ = lines[at].partition(":")
        kind = draw(
            st.sampled_from(["value", "lose", "double", "move", "indent", "anchor", "merge"])
        )
        if kind == "value":
            lines[at] = f"{key}{colon} {draw(ODD)}"
        elif kind == "lose" and len(lines) > 1:
            del lines[at]
        elif kind == "double":
            lines.insert(draw(st.integers(0, len(lines))), lines[at])
        elif kind == "move":
            to = draw(st.integers(0, len(lines) - 1))
            lines[at], lines[to] = lines[to], lines[at]
        elif kind == "indent":
            lines[at] = draw(st.sampled_from([" ", "  ", "\t", "- "])) + lines[at]
        elif kind == "anchor":
            # The block, or the value, once more under another name.
            lines[at] = f"{key}{colon} &again{lines[at][len(key) + 1 :]}"
            lines.append(f"{draw(st.sampled_from(['again', 'scale', 'fits']))}: *again")
        elif kind == "merge":
            indent = " " * (len(key) - len(key.lstrip()))
            lines.insert(
                at, f"{indent}<<: {draw(st.sampled_from(['{scale: smoke}', '*x', '3', '[]']))}"
            )
    return "\n".join(lines)


def words(text: str) -> set[str]:
    return set(re.findall(r"[A-Za-z_]\w*", text))


def survives(text: str) -> None:
    """The text gives a plan, or a refusal that names a line or a key of the study's types or of the text."""
    try:
        message = refused(parse_yaml(text, "study"))
    except RegrokError as refusal:
        message = str(refusal)
    if message is None:
        return
    keys = words(text) | set(Config.model_fields) | {key.rpartition(".")[2] for key in known_keys()}
    assert re.search(r"line \d+", message) or words(message) & keys, message
    assert len(message.splitlines()) <= 14, "a screen, not a flood"


@settings(max_examples=60)
@given(texts())
def test_a_text_that_an_editor_has_mangled_ends_in_a_plan_or_a_refusal(text: str) -> None:
    survives(text)


@pytest.mark.long
@settings(max_examples=3000)
@given(texts())
def test_thousands_of_mangled_texts_end_in_a_plan_or_a_refusal(text: str) -> None:
    survives(text)


SECTIONS = ("trainer", "settings", "experiments", "fits", "figures", "tables", "scale", "source")


@given(st.permutations(SECTIONS), st.integers(1, len(SECTIONS)))
@settings(max_examples=60)
def test_swapped_sections_end_in_a_refusal_that_names_one(order: list[str], count: int) -> None:
    data = part("S2", "S10")
    before = dict(data)
    for name, other in zip(SECTIONS[:count], order, strict=False):
        data[name] = before[other]
    message = refused(data)
    assert message is None or any(name in message for name in SECTIONS), message


@given(
    st.dictionaries(
        st.sampled_from(
            [
                "scale",
                "trainer.slots",
                "trainer",
                "seeds",
                "settings.addition.task.p",
                "a.b",
                "",
                ".",
                "é",
            ]
        ),
        st.one_of(JUNK, st.text(max_size=6)),
        min_size=1,
        max_size=3,
    )
)
@settings(max_examples=60)
def test_any_override_ends_in_a_plan_or_a_refusal(
    small_file: Path, overrides: dict[str, Any]
) -> None:
    with contextlib.suppress(RegrokError):
        make_plan(load_config(small_file, overrides))


@pytest.fixture(scope="module")
def small_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("study")
    write_study(folder, part("S10"))
    return folder / "config.yaml"

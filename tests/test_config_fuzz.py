"""Broken studies end in a plan or in a refusal that names a key."""

from __future__ import annotations

import contextlib
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from configurations import checked, part
from regrok.config import SCALES
from regrok.config.changes import known_keys
from regrok.config.load import parse_yaml
from regrok.errors import RegrokError
from regrok.plan import make_plan

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
    elif kind == "rename":
        node[draw(st.text(max_size=3)) + str(last)[1:]] = node.pop(last)
    elif kind == "add":
        node[draw(st.text(max_size=8))] = draw(JUNK)
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

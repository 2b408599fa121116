"""The examples in docstrings say what the functions do."""

from __future__ import annotations

import doctest
import importlib

import pytest

MODULES = (
    "regrok.judging.axis",
    "regrok.laws.parts.estimate",
    "regrok.laws.parts.selection",
    "regrok.measures.events",
    "regrok.released.thin",
    "regrok.runs.columns",
    "regrok.study.columns",
    "regrok.study.defaults",
)
"""The modules that have examples."""


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_hold(name: str) -> None:
    tried = doctest.testmod(importlib.import_module(name))
    assert tried.attempted and not tried.failed

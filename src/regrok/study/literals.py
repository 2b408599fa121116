"""What the modules of a room say of themselves in literals, read from their source text.

Importing the modules would load torch, pandas and matplotlib for a few words.
"""

from __future__ import annotations

import ast
import os
import re
from functools import cache
from pathlib import Path
from typing import Any

PACKAGE = Path(__file__).parents[1]


def modules(folder: str) -> list[str]:
    """The laws, figures or tables that there are."""
    names = os.listdir(PACKAGE / folder)
    return sorted(n.removesuffix(".py") for n in names if n.endswith(".py") and n[0] != "_")


def literal(text: str, name: str) -> dict[str, Any]:
    """The dictionary that a module's source assigns to `name` at its top level; empty where it assigns none.

    The closing brace ends its line, as formatted code has it. Lists and dictionaries in it are not to be changed:
    others are given the same.
    """
    return dict(_literal(text, name))


def stated(folder: str, module: str, name: str) -> dict[str, Any]:
    """The dictionary that a module of laws/, computations/ or another room assigns to `name`; empty: it has none."""
    return literal((PACKAGE / folder / f"{module}.py").read_text(encoding="utf-8"), name)


@cache
def _literal(text: str, name: str) -> dict[str, Any]:
    """As `literal`: a law is asked about by each of its fits, and compiling its words takes a third of a reading."""
    found = re.search(
        rf"^{name}(?::[^=\n]+)? = (\{{.*?\}})(?:  #.*)?$", text, re.MULTILINE | re.DOTALL
    )
    return dict(ast.literal_eval(found[1])) if found else {}


def words(folder: str, module: str, name: str) -> tuple[str, ...]:
    """The words that a module of laws/, figures/ or tables/ lists as `name` at its top level; () where it has none."""
    text = (PACKAGE / folder / f"{module}.py").read_text(encoding="utf-8")
    found = re.search(rf"^{name} = (\(.*?\))$", text, re.MULTILINE | re.DOTALL)
    return tuple(ast.literal_eval(found[1])) if found else ()

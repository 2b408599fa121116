"""The operations as tables and figures name them, and their cells as a grid of operations by share of the data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from regrok.tasks.operations import OPERATIONS

SHORT = {
    "divide_or_subtract": r"$a/b$ or $a-b$",
    "permutation_product": r"$a\cdot b$",
    "permutation_conjugate": r"$a\cdot b\cdot a^{-1}$",
    "permutation_aba": r"$a\cdot b\cdot a$",
}
"""Those whose caption would not fit into a row."""

FAMILIES = ("symmetric", "not symmetric", "permutations")


def short(operation: str) -> str:
    """a ∘ b as a row of a table has it, in mathematics; a name that is no operation stays.

    >>> short("a2_b2"), short("permutation_aba")
    ('$a^2+b^2$', '$a\\\\cdot b\\\\cdot a$')
    """
    if operation in SHORT or operation not in OPERATIONS:
        return SHORT.get(operation, operation.replace("_", " "))
    return OPERATIONS[operation].tex.replace(r" \bmod p", "").replace("(", "").replace(")", "")


def family(operation: str) -> str:
    """Which of `FAMILIES` an operation is of."""
    entry = OPERATIONS.get(operation)
    if entry is not None and entry.elements != "residues":
        return FAMILIES[2]
    return FAMILIES[0] if entry is not None and entry.symmetric else FAMILIES[1]


def rows(cells: Iterable[Mapping[str, Any]]) -> dict[str, dict[int, Mapping[str, Any]]]:
    """Operation → whole percentage of the pairs → the record of law `operations`; family by family, in given order."""
    found: dict[str, dict[int, Mapping[str, Any]]] = {}
    for cell in cells:
        found.setdefault(cell["group"], {})[round(cell["percent"])] = cell
    order = sorted(found, key=lambda name: FAMILIES.index(family(name)))
    return {name: found[name] for name in order}


def shares(grid: Mapping[str, Mapping[int, Any]]) -> list[int]:
    """The percentages at which any operation has runs, in order."""
    return sorted({percent for cells in grid.values() for percent in cells})

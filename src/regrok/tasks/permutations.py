"""The symmetric group S_n: permutations of n letters, numbered in lexicographic order from the identity, 0.

A permutation x is the tuple (x(0), …, x(n − 1)), and x·y is x after y: (x·y)(i) = x(y(i)).
"""

from collections.abc import Mapping, Sequence
from functools import cache, reduce
from itertools import permutations
from typing import NamedTuple

Permutation = tuple[int, ...]


class Group(NamedTuple):
    """The elements of S_n, and the number of each."""

    elements: Sequence[Permutation]
    numbers: Mapping[Permutation, int]


def letters(order: int) -> int | None:
    """The n ≥ 2 with n! = order, or None where there is none."""
    n, size = 2, 2
    while size < order:
        n += 1
        size *= n
    return n if size == order else None


@cache
def symmetric_group(order: int) -> Group:
    """The S_n of `order` = n! elements."""
    elements = tuple(permutations(range(letters(order) or 0)))
    return Group(elements, {each: number for number, each in enumerate(elements)})


def compose(x: Permutation, y: Permutation) -> Permutation:
    """x·y, which is x after y."""
    return tuple(x[i] for i in y)


def invert(x: Permutation) -> Permutation:
    """x⁻¹: the letter that x takes to i, for each i."""
    return tuple(sorted(range(len(x)), key=x.__getitem__))


def product(order: int, *factors: int) -> int:
    """The number of the product of the permutations with these numbers, the last applied first."""
    group = symmetric_group(order)
    return group.numbers[reduce(compose, (group.elements[each] for each in factors))]


def inverse(order: int, x: int) -> int:
    """The number of the inverse of permutation number x."""
    group = symmetric_group(order)
    return group.numbers[invert(group.elements[x])]

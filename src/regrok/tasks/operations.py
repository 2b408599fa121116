"""The operations a ∘ b that the task `modular` teaches, one entry each: an entry is all that there is of one.

Twelve of them are those of 2201.02177 (appendix A.1.1; p = 97, and the group S5), whose x and y are our a and b. Its
division is that of the field, a·b⁻¹, not that of whole numbers. No torch here: the plan reads this.
"""

from collections.abc import Callable
from dataclasses import dataclass

from regrok.tasks.permutations import inverse, letters, product


def is_prime(number: int) -> bool:
    """Whether `number` is prime, by trial division (a modulus has a few digits)."""
    return number > 1 and all(number % d for d in range(2, int(number**0.5) + 1))


@dataclass(frozen=True)
class Sizes:
    """The p for which an operation is defined."""

    fits: Callable[[int], bool]
    being: str
    """What p is not where it does not fit."""
    needed: str
    """What the operation needs."""


ANY = Sizes(lambda p: True, "a size", "one")
PRIME = Sizes(is_prime, "prime", "a prime p")
POWER_OF_TWO = Sizes(lambda p: not p & (p - 1), "a power of two", "one")
FACTORIAL = Sizes(
    lambda p: letters(p) is not None, "a factorial", "the p = n! of S_n, which is 120 for S5"
)


@dataclass(frozen=True)
class Operation:
    """One a ∘ b on p elements, numbered 0 to p − 1."""

    result: Callable[[int, int, int], int]
    """(a, b, p) → a ∘ b, in [0, classes)."""
    tex: str
    """a ∘ b in the words of a caption."""
    symmetric: bool = False
    """Whether a ∘ b = b ∘ a for all a, b and p."""
    sizes: Sizes = ANY
    zero_may_go: bool = False
    """Whether a study may leave out the pairs with a = 0 or b = 0."""
    divides: bool = False
    """Whether a ∘ 0 does not exist for any a."""
    elements: str = "residues"
    """What the numbers stand for; a Fourier transform over them is one of residues."""
    classes: int | None = None
    """How many results there may be; None: p."""


OPERATIONS = {
    "add": Operation(lambda a, b, p: (a + b) % p, r"$(a+b) \bmod p$", symmetric=True),
    "subtract": Operation(lambda a, b, p: (a - b) % p, r"$(a-b) \bmod p$"),
    "multiply": Operation(
        lambda a, b, p: a * b % p,
        r"$(a\cdot b) \bmod p$",
        symmetric=True,
        sizes=PRIME,
        zero_may_go=True,
    ),
    "divide": Operation(
        lambda a, b, p: a * pow(b, -1, p) % p,
        r"$(a/b) \bmod p$",
        sizes=PRIME,
        zero_may_go=True,
        divides=True,
    ),
    "xor": Operation(lambda a, b, p: a ^ b, "bitwise xor", symmetric=True, sizes=POWER_OF_TWO),
    # 0 is even, so this one is defined for b = 0.
    "divide_or_subtract": Operation(
        lambda a, b, p: a * pow(b, -1, p) % p if b % 2 else (a - b) % p,
        r"$(a/b) \bmod p$ for odd $b$, $(a-b) \bmod p$ for even $b$",
        sizes=PRIME,
    ),
    "a2_b2": Operation(lambda a, b, p: (a * a + b * b) % p, r"$(a^2+b^2) \bmod p$", symmetric=True),
    "a2_ab_b2": Operation(
        lambda a, b, p: (a * a + a * b + b * b) % p, r"$(a^2+ab+b^2) \bmod p$", symmetric=True
    ),
    "a2_ab_b2_a": Operation(
        lambda a, b, p: (a * a + a * b + b * b + a) % p, r"$(a^2+ab+b^2+a) \bmod p$"
    ),
    "a3_ab": Operation(lambda a, b, p: (a**3 + a * b) % p, r"$(a^3+ab) \bmod p$"),
    "a3_ab2_b": Operation(lambda a, b, p: (a**3 + a * b * b + b) % p, r"$(a^3+ab^2+b) \bmod p$"),
    "permutation_product": Operation(
        lambda a, b, p: product(p, a, b),
        r"$a\cdot b$ of $p=n!$ permutations",
        sizes=FACTORIAL,
        elements="permutations",
    ),
    "permutation_conjugate": Operation(
        lambda a, b, p: product(p, a, b, inverse(p, a)),
        r"$a\cdot b\cdot a^{-1}$ of $p=n!$ permutations",
        sizes=FACTORIAL,
        elements="permutations",
    ),
    "permutation_aba": Operation(
        lambda a, b, p: product(p, a, b, a),
        r"$a\cdot b\cdot a$ of $p=n!$ permutations",
        sizes=FACTORIAL,
        elements="permutations",
    ),
}
"""Name in a configuration → the operation."""

SYMMETRIC = tuple(name for name, each in OPERATIONS.items() if each.symmetric)
"""Those with a ∘ b = b ∘ a."""

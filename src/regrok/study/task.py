"""Tasks: what is learned, and how many examples there are."""

import math
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from regrok.study.base import Count, Role, Seed, Share, Strict, Unit

Labels = Annotated[
    Literal["true", "random"],
    BeforeValidator(lambda given: "true" if given is True else given),
    WithJsonSchema({"enum": ["true", "random", True]}),
]
"""An unquoted `true` is a boolean to YAML, and is meant here as the word."""


def is_prime(number: int) -> bool:
    """Whether `number` is prime, by trial division (a modulus has a few digits)."""
    return number > 1 and all(number % d for d in range(2, int(number**0.5) + 1))


class Modular(Strict):
    """(a ∘ b) mod p over the pairs of residues; the pairs are shared out by a seed."""

    name: Literal["modular"]
    """modular: (a ∘ b) mod p."""
    operation: Literal["add", "subtract", "multiply", "divide", "xor"]
    """∘. Division is a·b⁻¹, b ≠ 0; xor is bitwise, on p = a power of two."""
    p: Annotated[int, Field(ge=2, le=1024)]
    """Modulus; a prime for multiply and divide, a power of two for xor."""
    zero: Literal["include", "exclude"]
    """Whether pairs with a zero operand stay; only multiply and divide may exclude them (b = 0 is
    never divided by)."""
    ordered: bool
    """true: all ordered pairs (a, b); false: only a ≤ b, for a commutative operation."""
    train_fraction: Annotated[Share | None, Role.UNNAMED] = None
    """Share of the pairs to train on, in (0, 1); null when train_count is given."""
    train_count: Annotated[Count | None, Unit("example"), Role.UNNAMED] = None
    """Number of pairs to train on; null when train_fraction is given."""
    split_seed: Annotated[Seed | None, Role.SEED] = None
    """Which pairs train: one split for all runs, or null for a split that changes with the run's seed."""
    labels: Labels
    """true: the operation's; random: drawn uniformly from a stream of their own."""

    @model_validator(mode="after")
    def _consistent(self) -> "Modular":
        if self.operation in ("multiply", "divide") and not is_prime(self.p):
            raise ValueError(f"p = {self.p} is not prime, and {self.operation} needs a prime p")
        if self.operation == "xor" and self.p & (self.p - 1):
            raise ValueError(f"p = {self.p} is not a power of two, and xor needs one")
        if self.zero == "exclude" and self.operation not in ("multiply", "divide"):
            raise ValueError(
                f"zero = 'exclude' is for multiply and divide; {self.operation} needs 'include'"
            )
        if not self.ordered and self.operation in ("subtract", "divide"):
            raise ValueError(f"ordered = false needs a commutative operation, not {self.operation}")
        if (self.train_fraction is None) == (self.train_count is None):
            given = "neither" if self.train_count is None else "both"
            raise ValueError(
                f"train_fraction and train_count: {given} given; give one and set the other to null"
            )
        if not 0 < self.train_size < self.pairs:
            raise ValueError(
                f"train_count or train_fraction leaves {self.train_size} of {self.pairs} pairs to "
                "train on; both the training and the validation set need at least one"
            )
        return self

    @property
    def pairs(self) -> int:
        """How many pairs there are, training and validation together."""
        a = self.p - 1 if self.zero == "exclude" else self.p
        b = self.p - 1 if self.zero == "exclude" or self.operation == "divide" else self.p
        return a * b if self.ordered else a * (a + 1) // 2

    @property
    def train_size(self) -> int:
        """Training pairs: the given count, or the rounded share (4,704 at p = 97 and one half)."""
        return self.train_count or round((self.train_fraction or 0) * self.pairs)

    @property
    def validation_size(self) -> int:
        return self.pairs - self.train_size


class SparseParity(Strict):
    """The parity of k of n bits; inputs are ±1, the label is 0 or 1."""

    name: Literal["sparse_parity"]
    """sparse_parity: the parity of k of n random bits."""
    n: Annotated[int, Field(ge=1, le=4096), Unit("bit")]
    """Number of input bits."""
    k: Annotated[Count, Unit("bit")]
    """Number of bits that count, at most n."""
    train_count: Annotated[Count, Unit("example"), Role.UNNAMED]
    """Number of training samples."""
    validation_count: Annotated[Count, Unit("example"), Role.UNNAMED]
    """Number of validation samples."""
    labels: Labels
    """true: the parity; random: fair coins from a stream of their own."""

    @model_validator(mode="after")
    def _consistent(self) -> "SparseParity":
        if self.k > self.n:
            raise ValueError(f"k = {self.k} is more than n = {self.n}; k bits of the n count")
        return self

    @property
    def unseen(self) -> float:
        """Expected number of the 2ⁿ inputs that the training set leaves out."""
        return math.exp(self.n * math.log(2) + self.train_count * math.log1p(-(2.0**-self.n)))

    @property
    def train_size(self) -> int:
        return self.train_count

    @property
    def validation_size(self) -> int:
        return self.validation_count


class XorClusters(Strict):
    """Four Gaussian clusters labelled by the XOR of two directions (Xu et al., 2310.02541)."""

    name: Literal["xor_clusters"]
    """xor_clusters: XOR of two cluster directions, with label noise."""
    n: Annotated[int, Field(ge=2, le=65536)]
    """Input dimension."""
    noise: Annotated[float, Field(ge=0, lt=0.5)]
    """Share of training labels that are flipped, in [0, 0.5)."""
    train_count: Annotated[Count, Unit("example"), Role.UNNAMED]
    """Number of training samples."""
    validation_count: Annotated[Count, Unit("example"), Role.UNNAMED]
    """Number of validation samples."""
    labels: Labels
    """true: the XOR; random: fair coins from a stream of their own."""

    @property
    def train_size(self) -> int:
        return self.train_count

    @property
    def validation_size(self) -> int:
        return self.validation_count


Task = Annotated[Modular | SparseParity | XorClusters, Field(discriminator="name")]

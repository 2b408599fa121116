"""Tasks: what is learned, and how many examples there are."""

import math
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from regrok.study.base import Count, Role, Seed, Share, Strict, Unit
from regrok.tasks.operations import OPERATIONS, SYMMETRIC

if TYPE_CHECKING:
    OperationName = str
else:  # A type checker wants the words spelt out; here they follow from the table.
    OperationName = Literal[tuple(OPERATIONS)]

Labels = Annotated[
    Literal["true", "random"],
    BeforeValidator(lambda given: "true" if given is True else given),
    WithJsonSchema({"enum": ["true", "random", True]}),
]
"""An unquoted `true` is a boolean to YAML, and is meant here as the word."""


Outliers = Annotated[
    Annotated[int, Field(ge=0, lt=2**31)] | None,
    BeforeValidator(lambda given: None if type(given) is int and given == 0 else given),
]
"""None of them is no setting of its own: 0 is null, so that such a run is the run without the setting."""

Validation = Annotated[int, Field(ge=0, lt=2**31)]
"""A number of validation examples; with none a run has neither validation accuracy nor T_grok, and takes its budget."""


class Modular(Strict):
    """a ∘ b over the pairs of p elements, most often residues; the pairs are shared out by a seed."""

    name: Literal["modular"]
    """modular: a ∘ b mod p, or on another set of p elements."""
    operation: OperationName
    """∘, an entry of regrok.tasks.operations. Division is a·b⁻¹, b ≠ 0; xor is bitwise, on p = a power of two."""
    p: Annotated[int, Field(ge=2, le=1024)]
    """Modulus; a prime for what divides or multiplies, a power of two for xor, n! for permutations."""
    zero: Literal["include", "exclude"]
    """Whether pairs with a zero operand stay; only multiply and divide may exclude them (b = 0 is
    never divided by)."""
    ordered: bool
    """true: all ordered pairs (a, b); false: only a ≤ b, for a commutative operation."""
    split: Literal["unordered"] | None = None
    """unordered: (a, b) and (b, a) train both or neither, for a commutative operation; null: each on its own."""
    train_fraction: Annotated[Share | None, Role.UNNAMED] = None
    """Share of the pairs to train on, in (0, 1); null when train_count is given."""
    train_count: Annotated[Count | None, Unit("example"), Role.UNNAMED] = None
    """Number of pairs to train on, all of them for a run that others start from and that validates on nothing; null
    when train_fraction is given."""
    split_seed: Annotated[Seed | None, Role.SEED] = None
    """Which pairs train: one split for all runs, or null for a split that changes with the run's seed."""
    labels: Labels
    """true: the operation's; random: drawn uniformly from a stream of their own."""
    outliers: Annotated[Outliers, Unit("example")] = None
    """Training pairs whose label is drawn uniformly from a stream of its own; null: none."""

    @model_validator(mode="after")
    def _consistent(self) -> "Modular":
        self._refuse_operation()
        self._refuse_mirrors()
        if (self.train_fraction is None) == (self.train_count is None):
            given = "neither" if self.train_count is None else "both"
            raise ValueError(
                f"train_fraction and train_count: {given} given; give one and set the other to null"
            )
        if not 0 < self.train_size <= self.pairs:
            raise ValueError(
                f"train_count or train_fraction leaves {self.train_size} of {self.pairs} pairs to "
                "train on; give at least one, and at most all of them"
            )
        if self.train_fraction is not None and self.train_size == self.pairs:
            raise ValueError(
                f"train_fraction = {self.train_fraction} is rounded to all {self.pairs} pairs, and none is left to "
                f"validate on; where that is meant, give train_count = {self.pairs}"
            )
        if self.outliers is not None and self.labels == "random":
            raise ValueError(
                "outliers with labels = 'random': there every label is drawn; use null"
            )
        if (self.outliers or 0) > self.train_size:
            raise ValueError(
                f"outliers = {self.outliers} is more than the {self.train_size} training pairs"
            )
        return self

    def _refuse_operation(self) -> None:
        """Raise ValueError where the operation does not exist for these operands."""
        operation = OPERATIONS[self.operation]
        if not operation.sizes.fits(self.p):
            raise ValueError(
                f"p = {self.p} is not {operation.sizes.being}, and {self.operation} needs "
                f"{operation.sizes.needed}"
            )
        if self.zero == "exclude" and not operation.zero_may_go:
            raise ValueError(
                f"zero = 'exclude' is for multiply and divide; {self.operation} needs 'include'"
            )

    def _refuse_mirrors(self) -> None:
        """Raise ValueError where (a, b) and (b, a) are to be one, and are two."""
        if not self.ordered and not OPERATIONS[self.operation].symmetric:
            raise ValueError(f"ordered = false needs a commutative operation, not {self.operation}")
        if self.split is not None and not OPERATIONS[self.operation].symmetric:
            raise ValueError(
                f"split = 'unordered' keeps (a, b) and (b, a) together because their results are equal, "
                f"and those of {self.operation} are not; set it to null, or take one of "
                f"{', '.join(SYMMETRIC)}"
            )
        if self.split is not None and not self.ordered:
            raise ValueError(
                "split = 'unordered' with ordered = false: there is no (b, a) to keep (a, b) with; "
                "set one of them to the other value, null or true"
            )

    @property
    def pairs(self) -> int:
        """How many pairs there are, training and validation together."""
        a = self.p - 1 if self.zero == "exclude" else self.p
        b = self.p - 1 if self.zero == "exclude" or OPERATIONS[self.operation].divides else self.p
        return a * b if self.ordered else a * (a + 1) // 2

    @property
    def classes(self) -> int:
        """How many results the operation may have."""
        return OPERATIONS[self.operation].classes or self.p

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
    validation_count: Annotated[Validation, Unit("example"), Role.UNNAMED]
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
    validation_count: Annotated[Validation, Unit("example"), Role.UNNAMED]
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

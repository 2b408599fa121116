"""The rows of a decoder's residual stream: which of them examples share, position by position and layer by layer."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from regrok.kernels.causal import PLACES


class Stage(NamedTuple):
    """The rows of the residual stream between two layers."""

    slices: list[slice]
    """The rows of each position that is carried; behind the last layer of the last position alone."""
    kinds: list[str]
    """What finds an example's row among a position's, see `regrok.kernels.causal.PLACES`."""
    fixed: int
    """How many rows are there whatever the batch: those before the examples'."""

    @property
    def rows(self) -> int:
        """All of them."""
        return self.slices[-1].stop


class Symbols(NamedTuple):
    """Symbols in their order, such as "a∘b=": residues a and b, and marks that are the same in every example."""

    symbols: str
    tokens: int
    """p residues."""
    depth: int
    """Layers of the causal network that reads it at its last symbol."""
    apart: bool = False
    """Whether every example has rows of its own behind the first layer, as where each drops other elements."""

    @property
    def length(self) -> int:
        """Positions."""
        return len(self.symbols)

    @property
    def vocabulary(self) -> int:
        """Residues, and one token for each mark."""
        return self.tokens + self.length - 2

    def embedded(self) -> list[tuple[slice, slice]]:
        """Rows before the first layer and rows of the vocabulary, for each position: residues first, then the marks."""
        found, mark = [], self.tokens
        for symbol, part in zip(self.symbols, self.stage(0, 0).slices, strict=True):
            if symbol in "ab":
                found.append((part, slice(0, self.tokens)))
            else:
                found.append((part, slice(mark, mark + 1)))
                mark += 1
        return found

    def stage(self, s: int, n: int) -> Stage:
        """The rows before layer s, or behind the last one where s is `depth`, with n examples.

        Before the first layer a position knows its own token alone; after it those to its left too, by the causal mask.
        """
        last = s == self.depth
        slices, kinds, first, fixed = [], [], 0, 0
        for place, symbol in enumerate(self.symbols):
            if last and place + 1 < self.length:
                continue
            seen = symbol if s == 0 else self.symbols[: place + 1]
            kind = PLACES[("a" in seen) + 2 * ("b" in seen)]
            if s and self.apart:
                kind = "example"
            count = {"alone": 1, "example": n}.get(kind, self.tokens)
            slices.append(slice(first, first + count))
            kinds.append(kind)
            first += count
            fixed += 0 if kind == "example" else count
        return Stage(slices, kinds, fixed)

    def places(self, s: int, n: int) -> Tensor:
        """int64 (1, positions, 3) on the CPU: the stage as `regrok.kernels.causal.gather_rows` reads it."""
        found = self.stage(s, n)
        rows = [
            (part.start, part.stop - part.start, PLACES.index(kind))
            for part, kind in zip(found.slices, found.kinds, strict=True)
        ]
        return torch.tensor([rows])

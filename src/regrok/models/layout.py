"""Where each parameter of a model lives in one flat buffer, for R models stacked.

A flat buffer of shape (R, P) holds R models. One optimiser kernel then updates everything in a
single pass, and gradients, moments and checkpoints are one tensor each.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

# 16 float32 = 64 bytes: every parameter starts on a cache line. MKL's results may depend on the
# alignment of its operands, so this is also what makes a run's bits independent of its row.
ALIGN = 16


class Layout:
    """Ordered parameters with their shapes and offsets in a buffer of P elements.

    names: parameter names, equal to the plain `torch.nn` module's `named_parameters()` names.
    shapes: name -> shape. offsets: name -> first element. size: P, a multiple of 16, padding
    included. parameters: how many elements are parameters (padding excluded).
    groups: group -> names, for norms per parameter group; a parameter is in exactly one group.
    """

    def __init__(
        self, shapes: Mapping[str, Sequence[int]], groups: Mapping[str, Sequence[str]]
    ) -> None:
        self.shapes = {name: tuple(shape) for name, shape in shapes.items()}
        self.names = list(self.shapes)
        self.groups = {group: list(names) for group, names in groups.items()}
        self.offsets: dict[str, int] = {}
        self.size = 0
        for name, shape in self.shapes.items():
            self.offsets[name] = self.size
            self.size += -(-math.prod(shape) // ALIGN) * ALIGN
        self.parameters = sum(math.prod(shape) for shape in self.shapes.values())
        grouped = sorted(name for names in self.groups.values() for name in names)
        if grouped != sorted(self.names):
            raise ValueError(f"groups must name every parameter once, got {grouped}")

    def views(self, flat: Tensor) -> dict[str, Tensor]:
        """name -> (R, *shape) view of `flat` (R, P); of a single model (P,) -> shape."""
        lead = tuple(flat.shape[:-1])
        if flat.shape[-1] != self.size:
            raise ValueError(
                f"a flat buffer of this layout has {self.size} columns, not {flat.shape[-1]}"
            )
        return {
            name: flat.narrow(-1, self.offsets[name], math.prod(shape)).view(lead + shape)
            for name, shape in self.shapes.items()
        }

    def pack(self, parameters: Mapping[str, Tensor], dtype: torch.dtype | None = None) -> Tensor:
        """(P,) buffer of one model's named parameters; padding is zero."""
        if set(parameters) != set(self.names):
            raise ValueError(f"parameters differ: {sorted(set(parameters) ^ set(self.names))}")
        first = parameters[self.names[0]]
        flat = torch.zeros(self.size, dtype=dtype or first.dtype, device=first.device)
        for name, view in self.views(flat).items():
            view.copy_(parameters[name].detach())
        return flat

    def indicator(self, names: Sequence[str], dtype: torch.dtype = torch.float32) -> Tensor:
        """(P,) ones on the elements of the named parameters, zeros elsewhere (padding too)."""
        mask = torch.zeros(self.size, dtype=dtype)
        views = self.views(mask)
        for name in names:
            views[name].fill_(1)
        return mask

    def mask(self, decayed: str, dtype: torch.dtype = torch.float32) -> Tensor:
        """(P,) which elements weight decay acts on; padding 0.

        `all`: every parameter, biases and LayerNorm gains too (2603.13331). `matrices`: parameters
        of two dimensions or more, embeddings among them.
        """
        if decayed not in ("all", "matrices"):
            raise ValueError(f"decayed is 'all' or 'matrices', not {decayed!r}")
        return self.indicator(
            [n for n in self.names if decayed == "all" or len(self.shapes[n]) >= 2], dtype
        )

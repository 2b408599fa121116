"""A training step as a list of kernel calls on fixed buffers: recorded once, replayed every step.

Models write their forward and backward pass as calls on a `Program`. Recording binds each call to
its buffers; replaying costs a fraction of a microsecond of Python a call, does not allocate and
does not wait for a device, so a CUDA graph can capture it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from regrok.kernels import Kernels, products


class Program:
    """Calls in order. Tensors have the leading run dimension R: (R, rows, columns)."""

    def __init__(self, kernels: Kernels, precision: str = "float32") -> None:
        self.kernels = kernels
        self.precision = precision
        self.calls: list[Callable[[], Any]] = []
        self.flops = 0  # of the matrix products, 2 a multiply-add
        self.tensors: list[Any] = []  # bound pointers stay valid only while their tensors live

    def add(self, name: str, *args: Any) -> None:
        """Record kernel `name` (see `regrok.kernels.reference`) on these arguments."""
        self.tensors.append(args)
        self.calls.append(self.kernels.bind(name, *args))

    def mm(self, a: Tensor, b: Tensor, out: Tensor, *, accumulate: bool = False) -> None:
        """Record out = a @ b, or out += a @ b; (R, i, k) @ (R, k, j) -> (R, i, j)."""
        self.tensors.append((a, b, out))
        self.flops += 2 * a.numel() * b.shape[-1]
        native = getattr(self.kernels, "products", {})
        self.calls.append(products.bind(a, b, out, accumulate, self.precision, native))

    def run(self) -> None:
        for call in self.calls:
            call()


class Workspace:
    """Named buffers of one step, and the programs recorded on them.

    runs: R runs whose activations the buffers hold at once (1 where runs go one after the other);
    batch: B examples a run; weighted: an example may count more than once, by the buffer "weights".
    A program is recorded per pair of (parameters, gradient) buffers.
    """

    def __init__(
        self,
        runs: int,
        batch: int,
        dtype: torch.dtype,
        device: torch.device,
        *,
        weighted: bool = False,
    ) -> None:
        self.runs = runs
        self.batch = batch
        self.weighted = weighted
        self.dtype = dtype
        self.device = device
        self._buffers: dict[str, Tensor] = {}
        self._programs: OrderedDict[tuple[int, ...], Program] = OrderedDict()

    def buffer(self, name: str, *shape: int, dtype: torch.dtype | None = None) -> Tensor:
        """(R, *shape) zeros the first time, the same tensor afterwards.

        Rows of a matrix start on 64 bytes (the last dimension is a view of a padded one), as MKL's
        speed, and its bits, depend on alignment.
        """
        if name not in self._buffers:
            kind = dtype or self.dtype
            columns = -(-shape[-1] // 16) * 16 if kind.is_floating_point else shape[-1]
            full = torch.zeros((self.runs, *shape[:-1], columns), dtype=kind, device=self.device)
            self._buffers[name] = full[..., : shape[-1]]
        found = self._buffers[name]
        if found.shape != (self.runs, *shape):
            raise ValueError(
                f"buffer {name} is {tuple(found.shape)}, asked for {(self.runs, *shape)}"
            )
        return found

    @property
    def flops(self) -> int:
        """Floating-point operations of the products of the program last used."""
        return next(reversed(self._programs.values())).flops

    @property
    def bytes(self) -> int:
        """Memory of the buffers made so far."""
        return sum(buffer.untyped_storage().nbytes() for buffer in self._buffers.values())

    def program(self, key: tuple[int, ...], record: Callable[[], Program]) -> Program:
        """The program recorded for `key`; the 64 last used are kept."""
        if key not in self._programs:
            self._programs[key] = record()
            if len(self._programs) > 64:
                self._programs.popitem(last=False)
        self._programs.move_to_end(key)
        return self._programs[key]

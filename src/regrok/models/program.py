"""A training step as a list of kernel calls on fixed buffers: recorded once, replayed every step.

Models write their forward and backward pass as calls on a `Program`. Recording binds each call to
its buffers; native kernels are replayed by one call from Python, and no replay allocates or waits
for a device, so a CUDA graph can capture it.
"""

from __future__ import annotations

import math
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
        self._fused: list[Callable[[], Any]] | None = None
        self.flops = 0  # of the matrix products, 2 a multiply-add
        self.tensors: list[Any] = []  # bound pointers stay valid only while their tensors live

    def add(self, name: str, *args: Any) -> None:
        """Record kernel `name` (see `regrok.kernels.reference`) on these arguments."""
        self._record(self.kernels.bind(name, *args), *args)

    def mm(self, a: Tensor, b: Tensor, out: Tensor, *, accumulate: bool = False) -> None:
        """Record out = a @ b, or out += a @ b; (R, i, k) @ (R, k, j) -> (R, i, j)."""
        self.flops += 2 * a.numel() * b.shape[-1]
        native = getattr(self.kernels, "products", {})
        self._record(products.bind(a, b, out, accumulate, self.precision, native), a, b, out)

    def run(self) -> None:
        """Replay."""
        if self._fused is None:
            self._fused = self.kernels.fuse(self.calls)
        for call in self._fused:
            call()

    def _record(self, call: Callable[[], Any], *bound: Any) -> None:
        self.calls.append(call)
        self.tensors.append(bound)
        self._fused = None


class Workspace:
    """Named buffers of one step, and the programs recorded on them.

    runs: R runs whose activations the buffers hold at once (1 where runs go one after the other);
    batch: B examples a run; weighted: an example may count more than once, by the buffer "weights".
    A program is recorded per pair of (parameters, gradient) buffers.
    whole: the workspace of larger batches whose memory this one uses, see `narrowed`.
    """

    def __init__(
        self,
        runs: int,
        batch: int,
        dtype: torch.dtype,
        device: torch.device,
        *,
        weighted: bool = False,
        whole: Workspace | None = None,
    ) -> None:
        self.runs = runs
        self.batch = batch
        self.weighted = weighted
        self.dtype = dtype
        self.device = device
        self.whole = whole or self
        self._memory: dict[str, Tensor] = {} if whole is None else whole._memory
        self._buffers: dict[str, Tensor] = {}
        self._narrowed: dict[int, Workspace] = {}
        self._programs: OrderedDict[tuple[int, ...], Program] = OrderedDict()

    def buffer(
        self, name: str, *shape: int, dtype: torch.dtype | None = None, fixed: int = 0
    ) -> Tensor:
        """(R, *shape) zeros the first time, the same tensor afterwards.

        fixed: how many of its rows are there whatever the batch, beside those of the examples.

        Rows of a matrix start on 64 bytes (the last dimension is a view of a padded one), as MKL's
        speed, and its bits, depend on alignment.
        """
        if name not in self._buffers:
            kind = dtype or self.dtype
            padded = self._padded(shape, kind)
            if name not in self._memory:
                # What has a row for each example must do for the largest batch, here or elsewhere.
                times, rest = divmod(shape[0] - fixed, self.batch)
                most = shape if rest else (fixed + times * self.whole.batch, *shape[1:])
                size = math.prod(self._padded(most, kind))
                self._memory[name] = torch.zeros(size, dtype=kind, device=self.device)
            full = self._memory[name][: math.prod(padded)].view(padded)
            self._buffers[name] = full[..., : shape[-1]]
        found = self._buffers[name]
        if found.shape != (self.runs, *shape):
            raise ValueError(
                f"buffer {name} is {tuple(found.shape)}, asked for {(self.runs, *shape)}"
            )
        return found

    def _padded(self, shape: tuple[int, ...], kind: torch.dtype) -> tuple[int, ...]:
        columns = -(-shape[-1] // 16) * 16 if kind.is_floating_point else shape[-1]
        return self.runs, *shape[:-1], columns

    def narrowed(self, batch: int) -> Workspace:
        """The workspace for batches of this size, at most `self.batch`, in the same memory: steps of either
        size overwrite the other's buffers, and the caches hold one set of them."""
        if batch == self.batch:
            return self
        if batch not in self._narrowed:
            if batch > self.batch:
                raise ValueError(f"a workspace for {self.batch} examples cannot hold {batch}")
            self._narrowed[batch] = Workspace(
                self.runs, batch, self.dtype, self.device, weighted=self.weighted, whole=self
            )
        return self._narrowed[batch]

    @property
    def flops(self) -> int:
        """Floating-point operations of the products of the program last used."""
        return next(reversed(self._programs.values())).flops

    @property
    def bytes(self) -> int:
        """Memory of the buffers made so far."""
        return sum(buffer.nbytes for buffer in self._memory.values())

    def program(self, key: tuple[int, ...], record: Callable[[], Program]) -> Program:
        """The program recorded for `key`; the 64 last used are kept."""
        if key not in self._programs:
            self._programs[key] = record()
            if len(self._programs) > 64:
                self._programs.popitem(last=False)
        self._programs.move_to_end(key)
        return self._programs[key]

"""The element-wise and indexed passes of a training step, everything between matrix products.

Two implementations of the same functions: `native` (C++, one thread, for CPU) and `reference`
(torch operations, for CUDA, for a machine without a compiler, and as the tests' yardstick).
`regrok.kernels.reference` documents each function.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import torch

__all__ = ["Kernels", "backend", "select"]


class Kernels(Protocol):
    """One implementation."""

    name: str

    def bind(self, kernel: str, *args: Any) -> Callable[[], Any]:
        """The call of `kernel` on these arguments, ready to be repeated."""
        ...

    def fuse(self, calls: Sequence[Callable[[], Any]]) -> list[Callable[[], Any]]:
        """The same calls in the same order, in as few as the implementation can."""
        ...


def select(device: torch.device, dtype: torch.dtype, name: str | None = None) -> Kernels:
    """The implementation `name` ("native", "reference"), or the best one for the device.

    Raises RegrokError where `name` is "native" and the device is not a CPU or no compiler works, and where the native
    kernels compile and can be kept nowhere.
    """
    from regrok.errors import RegrokError
    from regrok.kernels import native, reference

    if name not in (None, "native", "reference"):
        raise RegrokError(f"kernels: {name!r} is neither 'native' nor 'reference'")
    if name == "reference" or (name is None and device.type != "cpu"):
        return reference.KERNELS
    if device.type != "cpu":
        raise RegrokError(f"kernels: 'native' runs on a CPU, not on {device}; use 'reference'")
    found = native.load()
    if found is not None:
        return found
    if name == "native":
        raise RegrokError(f"kernels: no native kernels on this machine: {native.problem()}")
    return reference.KERNELS


def backend() -> str:
    """Which implementation a CPU run uses: "native" or "reference"."""
    return select(torch.device("cpu"), torch.float32).name

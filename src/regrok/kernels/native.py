"""Compiles native.cpp and products.cpp for this CPU the first time, keeps it on disk, and binds calls to tensors.

The library is named by a hash of sources, headers, flags, compiler and CPU (`regrok.kernels.library` keeps it). Without
a compiler that works `load` says so once and returns None.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import shlex
import shutil
import struct
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from itertools import groupby
from pathlib import Path
from typing import Any, TypeVar, cast

import torch
from torch import Tensor

from regrok.kernels import library

T = TypeVar("T")

SOURCES = tuple(Path(__file__).with_name(name) for name in ("native.cpp", "products.cpp"))
HEADERS = tuple(sorted(Path(__file__).parent.glob("*.h")))
FLAGS = (
    "-std=c++17",
    "-O3",
    "-march=native",
    "-mprefer-vector-width=512",
    "-fopenmp-simd",  # the pragmas alone, no OpenMP threads
    "-fno-math-errno",
    "-fno-trapping-math",
    "-fPIC",
    "-shared",
)

# Arguments of each kernel, one letter each: m matrix (pointer, row stride), M matrix whose number
# of rows is passed too, v vector, t integers (tokens or labels), i integer, d number. The number
# beside them: which argument has the n rows and d columns that the kernel walks.
_ARGUMENTS = {
    "add_row": ("mvm", 0),
    "add_bias": ("mv", 0),
    "add": ("mmdm", 0),
    "scaled": ("mdm", 0),
    "zero": ("m", 0),
    "column_sum": ("mv", 0),
    "gather_sum": ("mmtm", 3),
    "scatter_sum": ("mtim", 0),
    "activate": ("imvdmm", 1),
    "gather_activate": ("immtvdmm", 6),
    "activate_backward": ("Mmv", 1),
    "norm": ("mvdmtimvvmvm", 0),
    "norm_backward": ("mmvvMdvvmdv", 0),
    "cross_entropy": ("mvtvvv", 0),
    "score": ("mvtvvvv", 0),
    "attend": ("mmmmmtiimm", 9),
    "attend_backward": ("mmmmmmtiimmmmmm", 0),
    "gather_rows": ("mttim", 4),
    "scatter_rows": ("mttim", 0),
    "attend_causal": ("mttiimm", 6),
    "attend_causal_backward": ("mmttiimm", 0),
    "attend_stream": ("mmttiimm", 0),
    "attend_stream_backward": ("mmmttiimmm", 0),
    "noise": ("mtidvm", 0),
    "dropout": ("mtidmm", 0),
}

_INT, _POINTER = ctypes.c_int64, ctypes.c_void_p


class Call:
    """One kernel on the memory of its tensors; the caller keeps them alive."""

    __slots__ = ("_arguments", "_replay", "_step", "arguments", "function")

    def __init__(self, replay: Any, function: int, arguments: Sequence[int | float | None]) -> None:
        """function: its address; arguments: what it takes as 64-bit words, None for a null pointer."""
        self.function = function
        self.arguments = [_word(value) for value in arguments]
        self._replay = replay
        self._arguments = (_INT * len(arguments))(*self.arguments)
        self._step = (_POINTER * 2)(function, ctypes.addressof(self._arguments))

    def __call__(self) -> None:
        self._replay(1, self._step)


class Calls:
    """Calls one after the other, in one crossing from Python: a step has some forty, of a few microseconds each."""

    __slots__ = ("_arguments", "_count", "_replay", "_steps")

    def __init__(self, replay: Any, calls: Sequence[Call]) -> None:
        words = [word for call in calls for word in call.arguments]
        self._replay = replay
        self._arguments = (_INT * len(words))(*words)
        self._count = len(calls)
        self._steps = (_POINTER * (2 * len(calls)))()
        address = ctypes.addressof(self._arguments)
        for i, call in enumerate(calls):
            self._steps[2 * i], self._steps[2 * i + 1] = call.function, address
            address += ctypes.sizeof(_INT) * len(call.arguments)

    def __call__(self) -> None:
        self._replay(self._count, self._steps)


def _word(value: int | float | None) -> int:
    """The 64 bits that the library reads as an integer, a pointer or a double."""
    if isinstance(value, float):
        return int.from_bytes(struct.pack("=d", value), sys.byteorder, signed=True)
    return value or 0


class Native:
    """The compiled kernels; each call takes one run: tensors of shape (1, ...)."""

    name = "native"
    library: str
    """`kernels-<hash>` of all that its code follows from."""
    products: Mapping[str, Callable[..., Callable[[], Any]]]
    """By the precision of their operands, those for which the CPU has instructions."""

    def __init__(self, path: Path) -> None:
        found = ctypes.CDLL(str(path))
        self.library = path.stem
        self.products = {
            kind: partial(self._bind_product, _address(found, f"regrok_product_{kind}"))
            for kind in ("float32", "bfloat16")
            if getattr(found, f"regrok_has_product_{kind}")()
        }
        self._find = found.regrok_kernel
        self._find.restype = ctypes.c_void_p
        self._find.argtypes = (ctypes.c_char_p, ctypes.c_int)
        self._replay = found.regrok_replay
        self._replay.restype = None
        self._replay.argtypes = (_INT, _POINTER)

    def fuse(self, calls: Sequence[Callable[[], Any]]) -> list[Callable[[], Any]]:
        """The same calls in the same order, neighbours among the native ones as one."""
        fused: list[Callable[[], Any]] = []
        for native, some in groupby(calls, lambda call: isinstance(call, Call)):
            neighbours = list(some)
            fused += [Calls(self._replay, cast("list[Call]", neighbours))] if native else neighbours
        return fused

    def bind(self, kernel: str, *args: Any) -> Callable[[], Any]:
        """The call on these tensors' memory; the caller keeps the tensors alive."""
        if kernel in ("adam_step", "sgd_step"):
            return self._bind_optimiser(kernel, *args)
        letters, sized = _ARGUMENTS[kernel]
        dtype = next(a.dtype for a in args if isinstance(a, Tensor) and a.is_floating_point())
        _, n, d = args[sized].shape
        passed: list[int | float | None] = [n, d]
        for letter, value in zip(letters, args, strict=True):
            if letter in "id":
                passed.append(int(value) if letter == "i" else float(value))
            else:
                kind = torch.int64 if letter == "t" else dtype
                passed += _matrix(value, letter, kind) if letter in "mM" else [_vector(value, kind)]
        return Call(self._replay, self._function(kernel, dtype), passed)

    def _bind_product(
        self, product: int, a: Tensor, b: Tensor, out: Tensor, accumulate: bool
    ) -> Callable[[], Any]:
        """out (+)= a @ b of float32 matrices; operands may be transposed views."""
        if not all(x.dtype == torch.float32 and 1 in x.stride() for x in (a, b)):
            raise ValueError("native products take float32 rows or columns of neighbours")
        if out.dtype != torch.float32 or (out.stride(1) != 1 and out.shape[1] > 1):
            raise ValueError("native products go to float32 rows of neighbours")

        def operand(x: Tensor) -> tuple[int, int, int]:
            transposed = x.stride(1) != 1
            return x.data_ptr(), x.stride(1 if transposed else 0), int(transposed)

        (M, K), N = a.shape, b.shape[1]
        target = (out.data_ptr(), out.stride(0), int(accumulate))
        return Call(self._replay, product, (M, N, K, *operand(a), *operand(b), *target))

    def _bind_optimiser(self, kernel: str, flat: Tensor, *args: Any) -> Callable[[], Any]:
        """Arguments of `regrok.training.optim.adam_step` or `sgd_step`: all runs in one call."""
        *stacked, mask, decoupled = args[:-9]
        tensors = (flat, *stacked, *([mask] if mask is not None else []))
        if not all(t.is_contiguous() and t.dtype == flat.dtype for t in tensors):
            raise ValueError(f"{kernel}: buffers must be contiguous and of one type")
        hyper, steps = args[-9:-1], args[-1]
        if not all(h.dtype == torch.float64 and h.is_contiguous() for h in hyper):
            raise ValueError(f"{kernel}: hyper-parameters must be contiguous float64")
        if steps.dtype != torch.int64:
            raise ValueError(f"{kernel}: step counts must be int64")
        pointers = [t.data_ptr() for t in (flat, *stacked)]
        passed = (
            *flat.shape,
            *pointers,
            None if mask is None else mask.data_ptr(),
            int(decoupled),
            *(h.data_ptr() for h in hyper),
            steps.data_ptr(),
        )
        return Call(self._replay, self._function(kernel, flat.dtype), passed)

    def _function(self, kernel: str, dtype: torch.dtype) -> int:
        if dtype not in (torch.float32, torch.float64):
            raise ValueError(f"native kernels take float32 and float64, not {dtype}")
        return self._find(kernel.encode(), int(dtype == torch.float64))


def _address(found: ctypes.CDLL, name: str) -> int:
    """Of a function of the library."""
    return ctypes.cast(getattr(found, name), _POINTER).value or 0


def _matrix(x: Tensor | None, letter: str, dtype: torch.dtype) -> Sequence[int | None]:
    if x is None:
        return [None, 0] if letter == "m" else [None, 0, 1]
    if x.ndim != 3 or x.shape[0] != 1 or x.dtype != dtype or (x.stride(2) != 1 and x.shape[2] > 1):
        raise ValueError(f"native kernels take one run's row-major matrix, not {tuple(x.shape)}")
    # A lone row's stride is never used.
    return [x.data_ptr(), x.stride(1)] + ([x.shape[1]] if letter == "M" else [])


def _vector(x: Tensor | None, dtype: torch.dtype) -> int | None:
    if x is None:
        return None
    if x.shape[0] != 1 or x.dtype != dtype or not x[0].is_contiguous():
        raise ValueError(
            f"native kernels take one run's contiguous {dtype} vector, "
            f"not {x.dtype} {tuple(x.shape)}"
        )
    return x.data_ptr()


@cache
def _built() -> tuple[Native | None, str]:
    """The kernels, or None and why. Raises RegrokError where they compile and cannot be kept anywhere."""
    compiler = shlex.split(os.environ.get("CXX", "")) or ["c++"]
    if shutil.which(compiler[0]) is None:
        return (
            None,
            f"there is no C++ compiler {compiler[0]!r}. Install a C++ compiler, or name one in CXX",
        )
    try:
        return _opened(compiler, Native), ""
    except library.CompilerFailed as error:
        return None, f"{error}. Mend that, or name a C++ compiler that works in CXX"


def _library(compiler: list[str]) -> Path:
    """The compiled library's file."""
    return _opened(compiler, lambda path: path)


def _opened(compiler: list[str], open_library: Callable[[Path], T]) -> T:
    version = library.said(compiler, "--version")
    sources = [source.read_text(encoding="utf-8") for source in (*SOURCES, *HEADERS)]
    parts = (*sources, *FLAGS, *compiler, version, library.processor_flags())
    digest = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]
    command = [*compiler, *FLAGS, *map(str, SOURCES)]
    return library.opened(f"kernels-{digest}.so", command, open_library)


@cache
def load() -> Native | None:
    """The native kernels, compiled if need be; None, said once, where there is no compiler that works.

    Raises RegrokError where they can be kept nowhere: the reference computes other bits, and is no way out of that.
    """
    found, why = _built()
    if found is None:
        warnings.warn(
            f"training runs on torch's own operations, about three times slower and with other last digits: {why}.",
            RuntimeWarning,
            stacklevel=2,
        )
    return found


def problem() -> str:
    """Why `load` found nothing, and the remedy; empty where it found the kernels."""
    return _built()[1]

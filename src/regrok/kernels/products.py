"""Matrix products into given buffers, in the operands' own precision or of bfloat16 operands.

One run's float32 products are products.cpp's on a CPU with AVX512F, all others torch's.

With `products="bfloat16"` both operands are rounded to bfloat16 and summed in float32: on a CPU with
AVX512-BF16 or AMX instructions by products.cpp, on CUDA by torch, elsewhere by a float32 product of
the rounded operands, which gives the same sums up to their order without being faster.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor

PRODUCTS = ("float32", "bfloat16")


def bind(
    a: Tensor,
    b: Tensor,
    out: Tensor,
    accumulate: bool,
    products: str,
    native: Mapping[str, Callable[..., Callable[[], Any]]] = MappingProxyType({}),
) -> Callable[[], Any]:
    """The call out = a @ b, or out += a @ b; (R, i, k) @ (R, k, j) -> (R, i, j).

    native: the native library's products (`Native.products`), none by default.
    """
    if products == "bfloat16" and a.dtype != torch.float32:
        raise ValueError(f"bfloat16 products take float32 operands, not {a.dtype}")
    if products in native and a.dtype == torch.float32 and a.shape[0] == 1:
        return native[products](a[0], b[0], out[0], accumulate)
    if products == "bfloat16":
        return partial(_rounded, a, b, out, accumulate)
    if a.shape[0] == 1:  # one run: the plain product, whose rows may be strided
        a, b, out = a[0], b[0], out[0]
        call = partial(torch.addmm, out, a, b) if accumulate else partial(torch.mm, a, b)
    else:
        call = partial(torch.baddbmm, out, a, b) if accumulate else partial(torch.bmm, a, b)
    return partial(call, out=out)


def _rounded(a: Tensor, b: Tensor, out: Tensor, accumulate: bool) -> None:
    """Operands rounded to bfloat16, sums in float32."""
    if a.device.type == "cuda":
        product = torch.bmm(a.bfloat16(), b.bfloat16(), out_dtype=torch.float32)
    else:
        product = torch.bmm(a.bfloat16().float(), b.bfloat16().float())
    if accumulate:
        out.add_(product)
    else:
        out.copy_(product)

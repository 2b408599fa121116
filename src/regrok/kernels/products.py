"""Matrix products into given buffers: float32 or float64 by torch, bfloat16 operands as an option.

With `products="bfloat16"` both operands are rounded to bfloat16 and summed in float32: on a CPU with
AVX512-BF16 or AMX instructions by products.cpp, on CUDA by torch, elsewhere by a float32 product of
the rounded operands, which gives the same sums up to their order without being faster.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor

PRODUCTS = ("float32", "bfloat16")


def bind(
    a: Tensor, b: Tensor, out: Tensor, accumulate: bool, products: str, native: Any = None
) -> Callable[[], Any]:
    """The call out = a @ b, or out += a @ b; (R, i, k) @ (R, k, j) -> (R, i, j).

    native: the native library's product (`Native.rounded_product`), or None.
    """
    if products == "bfloat16" and a.dtype != torch.float32:
        raise ValueError(f"bfloat16 products take float32 operands, not {a.dtype}")
    if products == "bfloat16" and native is not None and a.shape[0] == 1:
        return native(a[0], b[0], out[0], accumulate)
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

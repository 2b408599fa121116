"""What is done to a gradient before the update: a pull on the largest weight, and division by its norm.

2407.12332, Appendix A, has both: a small ℓ∞ penalty, and for classification normalised gradient descent, whose step is
η g/‖g‖ for the gradient g of loss and penalty. Coupled decay is a penalty too, ½λ‖θ‖², and joins g before its norm.
All tensors are (R, P), one row a run, padding zero, and each run's row is its own.
"""

from __future__ import annotations

import torch
from torch import Tensor


def penalise(flat: Tensor, grad: Tensor, weight: float) -> None:
    """grad += weight · ∂‖θ‖∞, in place: the sign of the largest weight, shared evenly by those that are as large."""
    size = flat.abs()
    top = (size == size.amax(1, keepdim=True)).to(grad.dtype)
    grad.add_(flat.sign() * top / top.sum(1, keepdim=True), alpha=weight)


def join_decay(flat: Tensor, grad: Tensor, mask: Tensor | None, weight_decay: Tensor) -> None:
    """grad += λθ, in place. mask: (P,), which elements decay; None: all. weight_decay: (R,)."""
    decay = weight_decay.to(flat.dtype)[:, None]
    grad.add_(decay * (flat if mask is None else flat * mask))


def normalise(grad: Tensor) -> None:
    """grad /= ‖grad‖, in place; one that is zero stays zero.

    The largest element is taken out first, so that the squares of a small gradient do not vanish in the norm.
    """
    grad.div_(_or_one(grad.abs().amax(1, keepdim=True)))
    grad.div_(_or_one(torch.linalg.vector_norm(grad, dim=1, keepdim=True)))


def _or_one(size: Tensor) -> Tensor:
    return torch.where(size == 0, 1, size)

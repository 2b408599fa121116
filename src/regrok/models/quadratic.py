"""Two layers with squares between them and no biases, Ŷ = V σ(WᵀX), σ(x) = x² (2603.01192, 2407.12332).

X has a column x = [e_a; e_b] for each pair, W is (2p, K) and V (C, K), so Wᵀx is the sum of two rows of W. The papers'
first weights are not in the facts that we have: ours are those of torch.nn's linear maps without biases, uniform within
±1/√(2p) for W and ±1/√K for V, times `init_scale`.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from regrok.models.autograd import Autograd


class QuadraticNetwork(nn.Module):
    """Pairs (B, 2) of p tokens -> outputs (B, C)."""

    def __init__(self, p: int, width: int, classes: int, neuron_scale: float = 1.0) -> None:
        super().__init__()
        bound = (2 * p) ** -0.5
        self.W = nn.Parameter(torch.empty(2 * p, width).uniform_(-bound, bound))
        self.V = nn.Parameter(torch.empty(classes, width).uniform_(-(width**-0.5), width**-0.5))
        self.p, self.neuron_scale = p, neuron_scale

    def forward(self, pairs: Tensor) -> Tensor:
        a, b = pairs.unbind(-1)
        h = nn.functional.embedding(a, self.W) + nn.functional.embedding(b + self.p, self.W)
        z = h.square() @ self.V.mT
        return z if self.neuron_scale == 1 else self.neuron_scale * z


class Quadratic(Autograd):
    def module(self) -> nn.Module:
        spec, task = self.spec, self.task
        return QuadraticNetwork(task.tokens, spec.width, task.classes, spec.neuron_scale or 1.0)

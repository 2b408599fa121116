"""Losses of the networks that are written in torch.nn: what a step minimises, and its share of each example.

Outputs z are (…, B, C), labels int64 (…, B). Weights say how often an example counts; a batch with weights has the loss
of one in which each example is there as often.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor


class Loss(Protocol):
    """What is minimised."""

    def __call__(self, outputs: Tensor, labels: Tensor, weights: Tensor | None) -> Tensor:
        """() of one batch: outputs (B, C), labels (B,), weights (B,) or None, which is 1 each."""
        ...

    def each(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """(…, B) of each example."""
        ...

    def residuals(self, outputs: Tensor, labels: Tensor) -> Tensor | None:
        """(…, B, C) z − y where their mean over a set is no part of its loss; None where no mean is taken away."""
        ...


def mean(each: Tensor, weights: Tensor | None) -> Tensor:
    """Over the examples, the first dimension."""
    if weights is None:
        return each.mean(0)
    shape = (-1, *(1,) * (each.ndim - 1))
    return (each * weights.view(shape)).sum(0) / weights.sum()


class CrossEntropy:
    """Mean of −log softmax(z)[label]."""

    def __call__(self, outputs: Tensor, labels: Tensor, weights: Tensor | None) -> Tensor:
        return mean(self.each(outputs, labels), weights)

    def each(self, outputs: Tensor, labels: Tensor) -> Tensor:
        right = outputs.gather(-1, labels.unsqueeze(-1)).squeeze(-1)
        return outputs.logsumexp(-1) - right

    def residuals(self, outputs: Tensor, labels: Tensor) -> Tensor | None:
        return None


@dataclass(frozen=True)
class Square:
    """½‖z − y‖² for the one-hot y of the label; see `regrok.study.run.Optimiser` for the fields.

    Centred it is ½‖(Y − Ŷ)P‖², P = I − 11ᵀ/B (2603.01192): the residuals' mean over the batch is taken away first.
    Then the mean over a set is ½(mean ‖r‖² − ‖mean r‖²) of its residuals r.
    """

    centred: bool = False
    """Whether the mean is taken away."""
    summed: bool = False
    """Summed over the batch as it is printed there, or the mean of its examples."""

    def __call__(self, outputs: Tensor, labels: Tensor, weights: Tensor | None) -> Tensor:
        left = self._left(outputs, labels)
        if self.centred:
            left = left - mean(left, weights)
        found = mean(left.square().sum(-1), weights) / 2
        if not self.summed:
            return found
        return found * (labels.shape[-1] if weights is None else weights.sum())

    def each(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """Before a mean is taken away."""
        return self._left(outputs, labels).square().sum(-1) / 2

    def residuals(self, outputs: Tensor, labels: Tensor) -> Tensor | None:
        return self._left(outputs, labels) if self.centred else None

    def _left(self, outputs: Tensor, labels: Tensor) -> Tensor:
        classes = torch.arange(outputs.shape[-1], device=outputs.device)
        return outputs - (labels.unsqueeze(-1) == classes).to(outputs.dtype)


def loss_of(optimiser: Any) -> Loss | None:
    """The loss that an optimiser's block names; None for cross-entropy, which is every network's own."""
    if optimiser.loss is None:
        return None
    return Square(optimiser.centring is not None, optimiser.reduction == "sum")

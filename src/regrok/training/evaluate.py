"""Loss and accuracy on a whole set, stopped early only where the answer can no longer matter.

The events need to know whether an accuracy has reached a threshold, not what it is far below the lowest one.
Between the full evaluations of a curve the set is therefore walked in fixed blocks, and a run is left as soon as
so many examples were wrong that no outcome of the rest could bring it to the lowest threshold: exact for the
events, at a fraction of the cost. The blocks follow the split's own random order and their borders depend on the
set's size alone, so what a run logs never depends on its companions.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from regrok.models import Model

BLOCK = 640
"""Examples evaluated at a time; at paper A's sizes one block proves a hopeless accuracy below .90."""


@dataclass(frozen=True)
class Evaluation:
    """What one evaluation found, for R runs; every field has shape (R,) on the CPU in float64 or int64."""

    loss: Tensor
    """Mean loss over the examples seen: cross-entropy, or the square loss of a run that has it, as of one batch."""
    accuracy: Tensor
    """Share of the examples seen whose largest logit is the label."""
    examples: Tensor
    """How many examples were seen: the set's size unless the evaluation stopped early."""
    logit_max: Tensor
    """Largest absolute logit over the examples seen."""
    spread: Tensor
    """Largest range of any one logit over the examples seen; zero when the output ignores the input."""

    def of(self, run: int) -> Evaluation:
        """The same for one run, as shapes (1,)."""
        one = slice(run, run + 1)
        return Evaluation(*(getattr(self, name)[one] for name in self.__dataclass_fields__))


def blocks(size: int) -> list[tuple[int, int]]:
    """Borders of the near-equal blocks that a set of `size` examples is walked in."""
    count = math.ceil(size / BLOCK)
    edges = [round(size * i / count) for i in range(count + 1)]
    return list(pairwise(edges))


def allowed_wrong(size: int, stop_below: float | None) -> int:
    """With more wrong examples than this, an accuracy of `stop_below` on the whole set is out of reach."""
    return size if stop_below is None else math.floor(size - stop_below * size + 1e-9)


@torch.no_grad()
def evaluate(
    model: Model,
    flat: Tensor,
    inputs: Tensor,
    labels: Tensor,
    allowed: Tensor,
    counts: Tensor | None = None,
) -> Evaluation:
    """Evaluate R runs on their own sets.

    flat: (R, P) parameters. inputs: (R, n, ...). labels: (R, n) int64. allowed: (R,) int64, the number of wrong
    examples after which a run is left (`allowed_wrong`); −1 for a run that is not to be evaluated at all.
    counts: (R, n), how many examples each one stands for; None: itself.
    """
    runs, size = labels.shape
    device = labels.device
    total = torch.zeros(runs, dtype=torch.float64, device=device)
    right = torch.zeros(runs, dtype=torch.int64, device=device)
    seen = torch.zeros(runs, dtype=torch.int64, device=device)
    largest = torch.zeros(runs, dtype=torch.float64, device=device)
    low: Tensor | None = None
    high: Tensor | None = None
    left: Tensor | None = None  # (R, C) sums of residuals
    open_ = allowed >= 0
    edges = blocks(size)
    parts = ((inputs[:, start:end], labels[:, start:end]) for start, end in edges)
    for (start, end), block in zip(edges, model.scores(flat, parts), strict=False):
        times = torch.ones_like(block.loss) if counts is None else counts[:, start:end]
        low = (
            block.low
            if low is None
            else torch.where(open_[:, None], torch.minimum(low, block.low), low)
        )
        high = (
            block.high
            if high is None
            else torch.where(open_[:, None], torch.maximum(high, block.high), high)
        )
        total += torch.where(open_, (block.loss.double() * times).sum(-1), 0.0)
        if block.residuals is not None:
            some = torch.where(
                open_[:, None], (block.residuals.double() * times[..., None]).sum(1), 0.0
            )
            left = some if left is None else left + some
        right += torch.where(open_, (block.hit * times).sum(-1).long(), 0)
        seen += torch.where(open_, times.sum(-1).long(), 0)
        edge = torch.maximum(block.high.amax(-1), -block.low.amin(-1)).double()
        largest = torch.where(open_, torch.maximum(largest, edge), largest)
        open_ = open_ & (seen - right <= allowed)
        if not bool(open_.any()):
            break
    assert low is not None and high is not None
    loss = total / seen
    if left is not None:
        loss = loss - (left / seen[:, None]).square().sum(-1) / 2
    return Evaluation(
        loss=loss.cpu(),
        accuracy=(right.double() / seen).cpu(),
        examples=seen.cpu(),
        logit_max=largest.cpu(),
        spread=(high - low).amax(-1).double().cpu(),
    )

"""Two-layer networks with squares and the centred square loss, stacked: gradients, tables and Adam (arXiv 2603.01192).

    Ŷ = V·σ(WᵀX),  σ(x) = x²,  x = [e_a; e_b],  L = (1/2B)·‖(Ŷ − Y)P‖²,  P = I − 11ᵀ/B,

over the B samples of a batch: P takes off each output's mean over them. Networks of one size are rows of a matrix, each
with training pairs of its own. A row holds W as a table (2p, K), those of a before those of b, then V (p, K). All of
a network's numbers are functions of its own row.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from regrok.errors import RegrokError


@dataclass(frozen=True)
class Stack:
    """R networks of K neurons for addition modulo p, and their training pairs."""

    p: int
    width: int
    """K."""
    a: Tensor
    """(R, n) integers below p."""
    b: Tensor
    """(R, n) integers below p."""

    @property
    def size(self) -> int:
        """Parameters of one network, 3pK."""
        return 3 * self.p * self.width

    def repeated(self, times: int) -> Stack:
        """Every network so many times in a row, as the chains of a state are."""
        a, b = (x.repeat_interleave(times, 0) for x in (self.a, self.b))
        return Stack(self.p, self.width, a, b)

    def layers(self, flat: Tensor) -> tuple[Tensor, Tensor]:
        """Views (R, 2p, K) and (R, p, K) of rows (R, 3pK)."""
        both = flat.view(-1, 3 * self.p, self.width)
        return both[:, : 2 * self.p], both[:, 2 * self.p :]

    def loss_and_gradient(self, flat: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
        """The batch's loss of every network (R,), and its gradient (R, 3pK).

        rows: (R, B) which of the training pairs. By ∂L/∂Ŷ = (Ŷ − Y)P/B, since P is a projection.
        """
        V = self.layers(flat)[1]
        a, b = self.a.gather(1, rows), self.b.gather(1, rows)
        count, batch = rows.shape
        # All networks' layers, one under the other.
        start = torch.arange(count)[:, None] * (3 * self.p)
        first, second = (start + a).flatten(), (start + self.p + b).flatten()
        table = flat.view(-1, self.width)
        before = (table[first] + table[second]).view(count, batch, -1)
        active = before.square()
        off = torch.bmm(active, V.transpose(1, 2))
        off.scatter_add_(2, ((a + b) % self.p)[..., None], off.new_full((count, batch, 1), -1.0))
        off -= off.mean(1, keepdim=True)
        loss = off.square().sum((1, 2)) / (2 * batch)
        off /= batch
        made = torch.zeros_like(flat)
        back = torch.bmm(off, V).mul_(before).mul_(2).view(-1, self.width)
        made.view(-1, self.width).index_add_(0, first, back).index_add_(0, second, back)
        self.layers(made)[1].copy_(torch.bmm(off.transpose(1, 2), active))
        return loss, made

    def seen(self) -> Tensor:
        """(R, p, p) which pairs are in training."""
        made = torch.zeros(len(self.a), self.p, self.p, dtype=torch.bool)
        made[torch.arange(len(self.a))[:, None], self.a, self.b] = True
        return made

    def told(self, flat: Tensor) -> dict[str, Tensor]:
        """Of every network (R,): the loss on all of its training pairs, both accuracies, and ‖θ‖².

        The loss leaves each output's mean open, so that outputs are compared less their mean over the training pairs.
        """
        W, V = self.layers(flat)
        p, seen = self.p, self.seen()
        labels = (torch.arange(p)[:, None] + torch.arange(p)) % p
        made: dict[str, list[Tensor]] = {"loss": [], "train": [], "validation": []}
        for of_W, of_V, mask in zip(W, V, seen, strict=True):
            active = (of_W[:p, None] + of_W[None, p:]).square()
            outputs = active @ of_V.T
            centred = outputs - outputs[mask].mean(0)
            off = centred - (torch.eye(p, dtype=flat.dtype)[labels] - _rates(labels, mask, p))
            hits = centred.argmax(-1) == labels
            made["loss"].append(off[mask].double().square().sum(1).mean() / 2)
            made["train"].append(hits[mask].double().mean())
            made["validation"].append(hits[~mask].double().mean())
        told = {key: torch.stack(values) for key, values in made.items()}
        return {**told, "norm": flat.double().square().sum(1)}


def _rates(labels: Tensor, mask: Tensor, p: int) -> Tensor:
    """(p,) share of each label among the pairs of a mask, the mean of the target over them."""
    return torch.bincount(labels[mask], minlength=p) / mask.sum()


def pairs(p: int, fraction: float, rngs: Sequence[np.random.Generator]) -> tuple[Tensor, Tensor]:
    """(R, n) a and b of a training set for each generator: this share of all p² pairs, drawn without replacement."""
    n = round(fraction * p * p)
    drawn = torch.tensor(np.stack([np.sort(rng.permutation(p * p)[:n]) for rng in rngs]))
    return drawn // p, drawn % p


def started(p: int, width: int, scale: float, rngs: Sequence[np.random.Generator]) -> Tensor:
    """(R, 3pK) float32 starts: every weight uniform between ±scale/√(inputs of its layer), 2p and K.

    With scale 1 it is what torch gives a linear layer.
    """
    made = []
    for rng in rngs:
        W = rng.uniform(-1, 1, 2 * p * width) / np.sqrt(2 * p)
        V = rng.uniform(-1, 1, p * width) / np.sqrt(width)
        made.append(scale * np.concatenate([W, V]))
    return torch.tensor(np.stack(made), dtype=torch.float32)


def batches(n: int, batch: int, rngs: Sequence[np.random.Generator]) -> Iterator[Tensor]:
    """(R, B) rows of one minibatch after the other, without end: whole ones of a new permutation each epoch."""
    batch = min(batch, n)
    while True:
        orders = np.stack([rng.permutation(n) for rng in rngs])
        for i in range(n // batch):
            yield torch.from_numpy(orders[:, i * batch : (i + 1) * batch])


@dataclass(frozen=True)
class Adam:
    """Adam with coupled decay, as the authors' code has it: the decay is added to the gradient."""

    learning_rate: float
    decay: float
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8

    def step(self, flat: Tensor, gradient: Tensor, m: Tensor, v: Tensor, step: int) -> None:
        """One update in place of all rows; step counts from 1."""
        one, two = self.betas
        gradient.add_(flat, alpha=self.decay)
        m.mul_(one).add_(gradient, alpha=1 - one)
        v.mul_(two).addcmul_(gradient, gradient, value=1 - two)
        scale = (v / (1 - two**step)).sqrt_().add_(self.eps)
        flat.addcdiv_(m, scale, value=-self.learning_rate / (1 - one**step))


def train(
    stack: Stack, flat: Tensor, how: Adam, feed: Iterator[Tensor], steps: Sequence[int]
) -> Iterator[tuple[int, Tensor]]:
    """Train in place and stop at each of these ascending steps: (step, flat), whose rows go on changing.

    Raises RegrokError where a weight is no longer finite.
    """
    m, v = torch.zeros_like(flat), torch.zeros_like(flat)
    done = 0
    for due in steps:
        while done < due:
            done += 1
            how.step(flat, stack.loss_and_gradient(flat, next(feed))[1], m, v, done)
        if not bool(flat.isfinite().all()):
            raise RegrokError(
                f"options.learning_rate = {how.learning_rate:g}: diverged before step {done}; a smaller one may do"
            )
        yield due, flat

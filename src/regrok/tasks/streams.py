"""A run's random streams: one each for initialisation, data and batch order.

Each stream is named, and its state follows from the run's seed and the stream's name alone, by
hashing. So two arms that share a seed share their initialisation, split and batches, and drawing
more from one stream moves no other. (The split of token pairs is the exception: it uses
`random.Random(seed)` as the published scripts of 2603.13331 do; see `regrok.tasks.modular`.)

Batches are counted, not drawn: the batch of a step is a function of (seed, step), computed with
integer operations that wrap alike on every device. Nothing has to be saved to resume a run at any
step.
"""

import hashlib

import numpy as np
import torch
from torch import Tensor

from regrok.errors import RegrokError

GOLDEN = 0x9E3779B97F4A7C15 - 2**64  # SplitMix64's increment, 2⁶⁴/φ, as a signed 64-bit integer
MIX_1 = 0xBF58476D1CE4E5B9 - 2**64
MIX_2 = 0x94D049BB133111EB - 2**64
UNIFORM_BITS = 40  # bits of a hash that choose an index; 40 + 23 bits of train_size fit in an int64
LARGEST_TRAIN_SIZE = 2 ** (63 - UNIFORM_BITS)


def key(seed: int, name: str) -> int:
    """The 63 bits that fix the stream `name` of the run with seed `seed`."""
    digest = hashlib.sha256(f"{name}:{seed}".encode()).digest()
    return int.from_bytes(digest[:8], "little") >> 1


def generator(seed: int, name: str) -> torch.Generator:
    """A CPU generator at the start of the stream `name`; draws move to the device afterwards."""
    return torch.Generator().manual_seed(key(seed, name))


def splitmix64(state: Tensor) -> Tensor:
    """SplitMix64's output function (Steele, Lea & Flood 2014) of int64 states, element by element.

    The generator seeded with s returns splitmix64(s + i·GOLDEN) at its i-th call, i = 1, 2, ….
    """
    state = (state ^ _shift_right(state, 30)) * MIX_1
    state = (state ^ _shift_right(state, 27)) * MIX_2
    return state ^ _shift_right(state, 31)


def indices(
    keys: Tensor, steps: Tensor, batch: int, train_size: int, out: Tensor | None = None
) -> Tensor:
    """Batches drawn with replacement: (R, batch) int64, independent and uniform in [0, train_size).

    keys: (R,) int64, each run's `key(seed, "batch")`. steps: (R,) int64, how many updates the run
    has made so far (0 for the first batch). out: (R, batch) int64 to write to. Row r depends on
    keys[r] and steps[r] only. Raises RegrokError when the batch or the training set has an
    impossible size.
    """
    _check_sizes(batch, train_size)
    count = steps[:, None] * batch + torch.arange(1, batch + 1, device=keys.device)
    drawn = _shift_right(splitmix64(keys[:, None] + count * GOLDEN), 64 - UNIFORM_BITS)
    return torch.bitwise_right_shift(drawn * train_size, UNIFORM_BITS, out=out)


def distinct(drawn: Tensor) -> tuple[Tensor, Tensor, list[int]]:
    """Draws with replacement, every example once: a batch of 512 out of 4,704 holds some 486.

    drawn: (k, batch) int64. Returns examples (k, batch) int64, ascending and then zeros; how often
    each was drawn, (k, batch) int64, then zeros; and how many there are in each row.
    """
    k, batch = drawn.shape
    ordered = np.sort(drawn.numpy().astype(np.int32), axis=1)  # NumPy sorts 32 bits in vectors
    first = np.ones((k, batch), dtype=bool)
    np.not_equal(ordered[:, 1:], ordered[:, :-1], out=first[:, 1:])
    place = np.cumsum(first, axis=1) + (np.arange(k) * batch - 1)[:, None]
    examples = np.zeros(k * batch, dtype=np.int64)
    examples[place[first]] = ordered[first]
    counts = np.bincount(place.ravel(), minlength=k * batch)
    return (
        torch.from_numpy(examples).view(k, batch),
        torch.from_numpy(counts).view(k, batch),
        first.sum(axis=1).tolist(),
    )


def epoch_indices(
    keys: Tensor,
    steps: Tensor,
    batch: int,
    train_size: int,
    out: Tensor | None = None,
    memo: "EpochMemo | None" = None,
) -> Tensor:
    """Batches drawn without replacement: (R, batch) int64, distinct within a row.

    The steps form epochs of train_size // batch batches; an epoch walks through one permutation of
    the examples and leaves its last, partial batch out. Arguments and errors as for `indices`, and
    a batch cannot be larger than the training set. memo: see `EpochMemo`.
    """
    _check_sizes(batch, train_size)
    if batch > train_size:
        raise RegrokError(
            f"batch = {batch} is more than the {train_size} training examples that can be drawn "
            "without replacement; lower it or set replacement: true"
        )
    per_epoch = train_size // batch
    epochs = torch.div(steps, per_epoch, rounding_mode="floor")
    first = (steps - epochs * per_epoch) * batch
    order = (memo or EpochMemo()).permutations(keys, epochs, train_size)
    place = first[:, None] + torch.arange(batch, device=keys.device)
    return torch.gather(order, 1, place, out=out)


def permutations(keys: Tensor, epochs: Tensor, train_size: int) -> Tensor:
    """The order (R, train_size) in which each run's epoch visits the training examples.

    The examples are sorted by a hash of (key, epoch, example). The hash is one-to-one in the
    example, so no two tie and every device sorts alike.
    """
    # A second mixing separates the epochs: without it they would be windows of one sequence.
    epoch_keys = splitmix64(keys + (epochs + 1) * GOLDEN)
    example = torch.arange(1, train_size + 1, device=keys.device)
    return splitmix64(epoch_keys[:, None] + example * GOLDEN).argsort(1)


class EpochMemo:
    """Keeps the last permutations, since a batch without replacement needs its epoch's whole order.

    A memo changes no number, only the time: one sort an epoch instead of one a step. On a GPU it
    stays empty, because asking whether the epoch has changed would wait for the device.
    """

    def __init__(self) -> None:
        self._asked: tuple[Tensor, Tensor, int] | None = None
        self._order: Tensor | None = None

    def permutations(self, keys: Tensor, epochs: Tensor, train_size: int) -> Tensor:
        if keys.is_cuda:
            return permutations(keys, epochs, train_size)
        if self._order is None or not self._holds(keys, epochs, train_size):
            self._order = permutations(keys, epochs, train_size)
            self._asked = (keys.clone(), epochs.clone(), train_size)
        return self._order

    def _holds(self, keys: Tensor, epochs: Tensor, train_size: int) -> bool:
        if self._asked is None:
            return False
        old_keys, old_epochs, old_size = self._asked
        return old_size == train_size and old_keys.equal(keys) and old_epochs.equal(epochs)


def _shift_right(value: Tensor, bits: int) -> Tensor:
    """Logical shift: torch's `>>` carries the sign of an int64 along, the mask removes it."""
    return (value >> bits) & ((1 << (64 - bits)) - 1)


def _check_sizes(batch: int, train_size: int) -> None:
    if batch < 1:
        raise RegrokError(f"batch = {batch}: give at least 1")
    if not 0 < train_size < LARGEST_TRAIN_SIZE:
        raise RegrokError(
            f"train_size = {train_size}: batches are drawn from 1 to "
            f"{LARGEST_TRAIN_SIZE - 1} examples"
        )

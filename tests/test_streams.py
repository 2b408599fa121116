"""The random streams: known vectors, uniformity, independence, batches as functions of the step."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from regrok.errors import RegrokError
from regrok.tasks import streams

SEEDS = [0, 1, 42, 43, 2**31]
KEYS = torch.tensor([streams.key(seed, "batch") for seed in SEEDS])


def signed(value: int) -> int:
    return value - 2**64 if value >= 2**63 else value


def test_splitmix64_returns_the_published_sequence() -> None:
    # The first outputs for seed 1234567, as in the reference implementation's test vectors.
    published = [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
        4593380528125082431,
        16408922859458223821,
    ]
    states = 1234567 + torch.arange(1, 6) * streams.GOLDEN
    assert streams.splitmix64(states).tolist() == [signed(value) for value in published]


@given(st.integers(-(2**63), 2**63 - 1))
def test_splitmix64_wraps_like_unsigned_arithmetic(state: int) -> None:
    z = state % 2**64
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 % 2**64
    z = (z ^ z >> 27) * 0x94D049BB133111EB % 2**64
    z ^= z >> 31
    assert streams.splitmix64(torch.tensor([state])).item() == signed(z)


def test_keys_tell_seeds_and_streams_apart() -> None:
    names = ["init", "labels", "batch", "train inputs", "validation inputs"]
    keys = [streams.key(seed, name) for seed in range(200) for name in names]
    assert len(set(keys)) == len(keys)
    # Pinned: another value would give every stored run other batches under the same run_id.
    assert streams.key(42, "batch") == 5889700720775468098


def test_draws_with_replacement_are_uniform() -> None:
    bins, steps = 97, 400
    drawn = torch.cat(
        [streams.indices(KEYS, torch.full_like(KEYS, t), 512, bins) for t in range(steps)]
    )
    assert drawn.min() == 0
    assert drawn.max() == bins - 1
    assert 1e-4 < stats.chisquare(torch.bincount(drawn.flatten()).numpy()).pvalue < 1 - 1e-4


@pytest.mark.parametrize("lag", ["companion", "next draw", "next step"])
def test_draws_are_independent(lag: str) -> None:
    bins = 8
    drawn = torch.stack(
        [streams.indices(KEYS[:2], torch.full((2,), t), 256, bins) for t in range(200)]
    )  # (step, run, draw)
    if lag == "companion":
        first, second = drawn[:, 0], drawn[:, 1]
    elif lag == "next draw":
        first, second = drawn[:, 0, :-1], drawn[:, 0, 1:]
    else:
        first, second = drawn[:-1, 0], drawn[1:, 0]
    table = torch.bincount((first * bins + second).flatten(), minlength=bins**2).view(bins, bins)
    assert 1e-4 < stats.chi2_contingency(table.numpy()).pvalue < 1 - 1e-4


@pytest.mark.parametrize("draw", [streams.indices, streams.epoch_indices])
def test_a_batch_depends_on_its_own_key_and_step_only(draw) -> None:
    steps = torch.tensor([0, 7, 123_456, 40_000_000_000, 3])
    together = draw(KEYS, steps, 32, 100)
    for r in range(len(SEEDS)):
        assert torch.equal(draw(KEYS[r : r + 1], steps[r : r + 1], 32, 100)[0], together[r])
    out = torch.empty(len(SEEDS), 32, dtype=torch.int64)
    assert draw(KEYS, steps, 32, 100, out=out) is out
    assert torch.equal(out, together)
    assert torch.equal(draw(KEYS.flip(0), steps.flip(0), 32, 100), together.flip(0))


@given(st.integers(1, 40), st.integers(1, 60), st.integers(1, 5))
def test_distinct_draws_are_those_of_unique(train_size: int, batch: int, k: int) -> None:
    drawn = streams.indices(KEYS[:1].repeat(k), torch.arange(k), batch, train_size)
    examples, counts, sizes = streams.distinct(drawn)
    for row in range(k):
        expected, often = drawn[row].unique(return_counts=True)
        size = sizes[row]
        assert torch.equal(examples[row, :size], expected)
        assert torch.equal(counts[row, :size], often)
        assert not examples[row, size:].any() and not counts[row, size:].any()


@given(st.integers(1, 300), st.data())
def test_an_epoch_visits_every_example_at_most_once(train_size: int, data) -> None:
    batch = data.draw(st.integers(1, train_size))
    per_epoch = train_size // batch
    epoch = data.draw(st.integers(0, 10**6))
    memo = streams.EpochMemo()
    visited = torch.cat(
        [
            streams.epoch_indices(
                KEYS[:1], torch.tensor([epoch * per_epoch + i]), batch, train_size, memo=memo
            )[0]
            for i in range(per_epoch)
        ]
    )
    assert len(visited.unique()) == per_epoch * batch
    assert visited.min() >= 0
    assert visited.max() < train_size


def test_permutations_put_every_example_everywhere_equally_often() -> None:
    size, epochs = 6, 3000
    keys = KEYS[:1].expand(epochs)
    orders = streams.permutations(keys, torch.arange(epochs), size)
    assert torch.equal(orders.sort(1).values, torch.arange(size).expand(epochs, size))
    table = torch.stack([torch.bincount(orders[:, i], minlength=size) for i in range(size)])
    # Rows and columns both sum to `epochs`, hence (size − 1)² degrees of freedom.
    statistic = float(((table - epochs / size) ** 2 / (epochs / size)).sum()) * (size - 1) / size
    assert 1e-4 < stats.chi2.sf(statistic, (size - 1) ** 2) < 1 - 1e-4


def test_the_memo_changes_no_batch() -> None:
    memo = streams.EpochMemo()
    for t in [0, 1, 2, 3, 9, 10, 11, 1, 500]:
        steps = torch.tensor([t, t + 1, t, 2 * t, 0])
        with_memo = streams.epoch_indices(KEYS, steps, 10, 30, memo=memo)
        assert torch.equal(with_memo, streams.epoch_indices(KEYS, steps, 10, 30))
        keys = KEYS.flip(0)
        with_memo = streams.epoch_indices(keys, steps, 10, 30, memo=memo)
        assert torch.equal(with_memo, streams.epoch_indices(keys, steps, 10, 30))


def test_impossible_sizes_are_refused() -> None:
    steps = torch.zeros_like(KEYS)
    with pytest.raises(RegrokError, match="batch = 31 is more than the 30"):
        streams.epoch_indices(KEYS, steps, 31, 30)
    with pytest.raises(RegrokError, match="train_size = 0"):
        streams.indices(KEYS, steps, 4, 0)
    with pytest.raises(RegrokError, match="batch = 0"):
        streams.indices(KEYS, steps, 0, 30)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("draw", [streams.indices, streams.epoch_indices])
def test_cuda_draws_the_same_batches(draw) -> None:
    steps = torch.tensor([0, 7, 123_456, 40_000_000_000, 3])
    on_gpu = draw(KEYS.cuda(), steps.cuda(), 512, 4704)
    assert torch.equal(on_gpu.cpu(), draw(KEYS, steps, 512, 4704))

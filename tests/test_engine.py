"""The engine's two ways to advance slots: one after the other (CPU) and stacked (GPU), here both on the CPU."""

from collections import Counter

import pytest
import torch

from regrok.tasks import streams
from regrok.training.slots import ROWS, Engine, slots_within
from small import SGD, small_run, small_transformer

KINDS = {
    "mlp": lambda seed: small_run(seed),
    "mlp, full batch": lambda seed: small_run(
        seed, protocol={"batch": "full", "replacement": False}
    ),
    "mlp, epochs": lambda seed: small_run(seed, protocol={"replacement": False}),
    "mlp, sgd": lambda seed: small_run(
        seed, optimiser={**SGD, "learning_rate": 0.1, "momentum": 0.9}
    ),
    "transformer": lambda seed: small_transformer(seed),
}


def engine(kind, slots, **options):
    made = Engine(KINDS[kind](0), slots, dtype=torch.float64, **options)
    for slot in range(slots):
        made.start(slot, KINDS[kind](slot))
    return made


@pytest.mark.parametrize("kind", KINDS)
def test_stacked_slots_train_as_single_ones_do(kind):
    single, stacked = engine(kind, 3), engine(kind, 3, group=3, stacked=True)
    for made in (single, stacked):
        made.advance(20)
    torch.testing.assert_close(stacked.flat, single.flat, rtol=0, atol=1e-10)
    torch.testing.assert_close(stacked.loss, single.loss, rtol=0, atol=1e-10)
    assert stacked.steps.tolist() == single.steps.tolist() == [20] * 3
    asked = {0: None, 2: 0.9}
    for slot, found in stacked.evaluate("validation", asked).items():
        other = single.evaluate("validation", asked)[slot]
        assert found.accuracy == other.accuracy and found.examples == other.examples


def test_an_example_drawn_twice_is_taken_once():
    """The batches of a lone run hold the draws as counts, on fewer rows, whatever their number."""
    made = Engine(small_run(0, protocol={"batch": 50}), 1, dtype=torch.float64)
    made.start(0, small_run(0))
    group, n = made._groups[0], made.info.train_size
    seen = set()
    for step, (inputs, labels, weights) in enumerate(made._batches(group, 60)):
        (drawn,) = streams.indices(made.keys, torch.tensor([step]), 50, n)
        rows = labels.shape[1]
        assert inputs.shape[1] == weights.shape[1] == rows
        assert rows == min(50, -(-len(drawn.unique()) // ROWS) * ROWS)
        told = {}
        for pair, label, weight in zip(inputs[0], labels[0], weights[0].tolist(), strict=True):
            if weight:
                assert (*pair.tolist(), int(label)) not in told
                told[*pair.tolist(), int(label)] = weight
        pairs = made.sets["train"].inputs[0, drawn], made.sets["train"].labels[0, drawn]
        expected = Counter((*a.tolist(), int(b)) for a, b in zip(*pairs, strict=True))
        assert told == expected
        seen.add(rows)
    assert len(seen) > 1  # else the sizes were not tested


def test_an_empty_slot_leaves_its_group_alone():
    whole, holed = (engine("mlp", 3, group=3, stacked=True) for _ in range(2))
    holed.clear(1)
    for made in (whole, holed):
        made.advance(10)
    assert torch.equal(whole.flat[[0, 2]], holed.flat[[0, 2]])
    assert not holed.flat[1].any()


def test_a_step_in_two_halves_is_a_step():
    once, twice = engine("mlp", 1), engine("mlp", 1)
    once.advance(70)
    twice.advance(25)
    twice.advance(45)
    assert torch.equal(once.flat, twice.flat)


def test_slots_follow_from_the_memory_budget():
    run = small_transformer(0)
    few, many = slots_within(run, 0.01), slots_within(run, 0.1)
    assert 1 <= few < many
    assert many == pytest.approx(10 * few, rel=0.15)
    assert slots_within(run, 1e-9) == 1
    made = Engine(run, few, group=few, stacked=True)
    for slot in range(few):
        made.start(slot, run)
    made.advance(1)
    made.evaluate("validation", dict.fromkeys(range(few)))
    assert made.bytes <= 0.01 * 2**30


def test_slots_must_fill_their_groups():
    with pytest.raises(ValueError, match="groups of 2"):
        Engine(small_run(0), 3, group=2)

"""Mirror images merged for a network that adds its two embeddings: the same training, on fewer rows."""

import pytest
import torch
from torch.nn import functional

from plain_mlp import PlainMLP
from regrok.tasks import make_data
from regrok.tasks.examples import merge, unmerged
from regrok.training.slots import Engine
from small import SGD, small_run

PROTOCOL = {"batch": "full", "replacement": False}
SPLIT = {"split_seed": 3, "train_fraction": 0.6}


def run(seed=0, **changes):
    blocks = {"task": SPLIT, "protocol": PROTOCOL, "optimiser": {**SGD, "learning_rate": 0.5}}
    blocks["model"] = {"input": "sum"}
    return small_run(seed, **{name: {**blocks[name], **changes.get(name, {})} for name in blocks})


def test_merging_keeps_the_first_and_counts_both():
    inputs = torch.tensor([[1, 4], [2, 2], [4, 1], [3, 0], [0, 3], [4, 4]])
    labels = torch.tensor(
        [5, 4, 5, 3, 2, 8]
    )  # (3, 0) and (0, 3) differ: an operation that does not commute
    found = merge(inputs, labels)
    assert found.inputs.tolist() == [[1, 4], [2, 2], [3, 0], [0, 3], [4, 4]]
    assert found.labels.tolist() == [5, 4, 3, 2, 8]
    assert found.counts.tolist() == [2, 1, 1, 1, 1]
    again = merge(found.inputs, found.labels)
    assert again.counts.tolist() == [1] * 5 and torch.equal(again.inputs, found.inputs)
    assert unmerged(inputs, labels).counts.sum() == len(labels)


@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize("stacked", [False, True])
def test_merged_training_is_plain_training_on_all_pairs(residual, stacked):
    """Twenty full-batch SGD steps in float64 against a plain module on the unmerged pairs."""
    runs = [run(seed, model={"residual": residual}) for seed in (0, 1)]
    options = {"group": 2, "stacked": True} if stacked else {}
    made = Engine(runs[0], 2, dtype=torch.float64, **options)
    for slot, one in enumerate(runs):
        made.start(slot, one)
    data = make_data(runs[0].task, 0)
    assert made.merges and made.sets["train"].labels.shape[1] < len(data.train_labels)
    start = made.flat.clone()
    made.advance(20)
    for slot, one in enumerate(runs):
        spec, shape = one.optimiser, one.model
        plain = PlainMLP(
            11, input="sum", depth=shape.depth, width=shape.width, activation=shape.activation,
            residual=residual, p=11,
        ).double()  # fmt: skip
        own = made.layout.views(start[slot : slot + 1])
        plain.load_state_dict({name: value[0] for name, value in own.items()})
        updates = torch.optim.SGD(
            plain.parameters(), lr=spec.learning_rate, momentum=spec.momentum,
            weight_decay=spec.weight_decay,
        )  # fmt: skip
        for _ in range(20):
            updates.zero_grad()
            functional.cross_entropy(plain(data.train_inputs), data.train_labels).backward()
            updates.step()
        trained = made.layout.views(made.flat[slot : slot + 1])
        for name, value in plain.named_parameters():
            torch.testing.assert_close(trained[name][0], value.detach(), rtol=0, atol=1e-11)
        for which in ("train", "validation"):
            found = made.evaluate(which, {slot: None})[slot]
            labels = getattr(data, f"{which}_labels")
            with torch.no_grad():
                logits = plain(getattr(data, f"{which}_inputs"))
            right = (logits.argmax(1) == labels).double().mean()
            assert found.examples.item() == len(labels)
            assert found.accuracy.item() == pytest.approx(right.item(), abs=1e-12)
            loss = functional.cross_entropy(logits, labels).item()
            assert found.loss.item() == pytest.approx(loss, rel=1e-10)


@pytest.mark.parametrize(
    "changes",
    [
        {"task": {"split_seed": None}},
        {"model": {"input": "concat"}},
        {"task": {"labels": "random"}},
        {"task": {"outliers": 5}},
        {"protocol": {"batch": 8, "replacement": True}},
    ],
    ids=str,
)
def test_what_cannot_be_merged_is_not(changes):
    """The split, the labels or the batch change with the seed, or the network tells a from b."""
    made = Engine(run(**changes), 1)
    assert not made.merges
    assert made.sets["train"].labels.shape[1] == made.info.train_size


def test_where_mirror_images_stay_together_all_are_merged():
    made = Engine(run(task={"split": "unordered"}), 1)
    made.start(0, run(task={"split": "unordered"}))
    (rows,) = made.sets["train"].labels.shape[1:]
    own_image = int(
        (made.sets["train"].inputs[0, :, 0] == made.sets["train"].inputs[0, :, 1]).sum()
    )
    assert made.merges and 2 * rows - own_image == made.info.train_size


def test_of_an_operation_that_does_not_commute_equal_results_are_merged_and_no_others():
    data = make_data(run(task={"operation": "a3_ab2_b", "train_fraction": 0.9}).task, 0)
    labels = dict(
        zip(map(tuple, data.train_inputs.tolist()), data.train_labels.tolist(), strict=True)
    )
    equal = sum(a < b and labels.get((b, a)) == c for (a, b), c in labels.items())
    merged = merge(data.train_inputs, data.train_labels)
    assert len(merged.labels) == len(data.train_labels) - equal
    assert 0 < equal < len(labels) / 4


def test_a_proof_that_stops_early_counts_pairs():
    """Below the lowest threshold the evaluation may stop, at a count of pairs and not of rows."""
    made = Engine(run(), 1)
    made.start(0, run())
    whole = made.evaluate("validation", {0: None})[0]
    assert whole.examples.item() == made.info.validation_size
    assert made.evaluate("validation", {0: 0.9})[0].examples.item() <= made.info.validation_size

"""Evaluation: the plain answer when complete, a proof when it stops early."""

from itertools import pairwise

import pytest
import torch
import torch.nn.functional as F

from regrok.kernels import reference
from regrok.models.layers import Scores
from regrok.training.evaluate import BLOCK, allowed_wrong, blocks, evaluate


class Linear:
    """Logits are inputs times the (run's) parameters: any accuracy can be dialled in."""

    def scores(self, flat, parts):
        for inputs, labels in parts:
            logits = inputs * flat[:, None, :1]
            runs, size, classes = logits.shape
            scores = Scores(*torch.empty(2, runs, size), *torch.empty(2, runs, classes))
            reference.score(logits, torch.zeros(runs, classes), labels, *scores[:4])
            yield scores


def case(accuracy, size=5000, classes=7, seed=0):
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(classes, (1, size), generator=generator)
    wrong = torch.rand(1, size, generator=generator) >= accuracy
    shown = torch.where(wrong, (labels + 1) % classes, labels)
    inputs = F.one_hot(shown, classes).float() + 0.1 * torch.rand(
        1, size, classes, generator=generator
    )
    return inputs, labels, 1 - wrong.double().mean().item()


def run(inputs, labels, stop=None):
    allowed = torch.tensor([allowed_wrong(labels.shape[1], stop)])
    return evaluate(Linear(), torch.ones(1, 1), inputs, labels, allowed)


def test_complete_evaluation_is_cross_entropy_and_accuracy():
    inputs, labels, accuracy = case(0.7)
    found = run(inputs, labels)
    assert found.accuracy.item() == pytest.approx(accuracy, abs=1e-12)
    assert found.loss.item() == pytest.approx(
        F.cross_entropy(inputs[0], labels[0]).item(), rel=1e-5
    )
    assert found.examples.item() == labels.numel()
    assert found.logit_max.item() == pytest.approx(inputs.abs().max().item())
    assert found.spread.item() == pytest.approx(
        (inputs[0].amax(0) - inputs[0].amin(0)).max().item()
    )


def test_constant_logits_are_not_right_everywhere():
    labels = torch.arange(700)[None] % 7
    found = evaluate(
        Linear(), torch.zeros(1, 1), torch.ones(1, 700, 7), labels, torch.tensor([700])
    )
    assert found.accuracy.item() == pytest.approx(1 / 7)
    assert found.spread.item() == 0


@pytest.mark.parametrize("accuracy", [0.0, 0.3, 0.85, 0.899, 0.901, 0.95, 1.0])
def test_stopping_never_changes_which_side_of_the_threshold(accuracy):
    inputs, labels, true = case(accuracy, seed=3)
    found = run(inputs, labels, stop=0.9)
    assert (found.accuracy.item() >= 0.9) == (true >= 0.9)
    if true >= 0.9:
        assert found.examples.item() == labels.numel()


def test_a_hopeless_set_is_left_after_one_block():
    inputs, labels, _ = case(0.0)
    assert run(inputs, labels, stop=0.9).examples.item() == blocks(labels.shape[1])[0][1]


def test_a_run_stops_alone_and_leaves_its_companions_numbers():
    good, labels, _ = case(0.97, seed=1)
    bad, bad_labels, _ = case(0.1, seed=2)
    allowed = torch.tensor([allowed_wrong(5000, 0.9)] * 2)
    both = evaluate(
        Linear(), torch.ones(2, 1), torch.cat([good, bad]), torch.cat([labels, bad_labels]), allowed
    )
    for row, (inputs, own) in enumerate([(good, labels), (bad, bad_labels)]):
        alone = run(inputs, own, stop=0.9)
        for name in ("loss", "accuracy", "examples", "logit_max", "spread"):
            assert torch.equal(getattr(both.of(row), name), getattr(alone, name)), name


def test_a_run_that_is_not_asked_is_not_evaluated():
    inputs, labels, _ = case(0.5)
    found = evaluate(Linear(), torch.ones(1, 1), inputs, labels, torch.tensor([-1]))
    assert found.examples.item() == 0


@pytest.mark.parametrize("size", [1, 1023, BLOCK, BLOCK + 1, 4705])
def test_blocks_cover_the_set_once(size):
    borders = blocks(size)
    assert borders[0][0] == 0 and borders[-1][1] == size
    assert all(left[1] == right[0] for left, right in pairwise(borders))
    assert max(end - start for start, end in borders) <= BLOCK

"""Recorded steps: replayed as recorded, in memory that batches of several sizes share."""

import pytest
import torch

from regrok import kernels
from regrok.kernels import native
from regrok.models import build
from regrok.models.program import Program, Workspace
from regrok.study.model import Transformer
from regrok.tasks import TaskInfo

CPU = torch.device("cpu")
TASK = TaskInfo("pairs", tokens=11, width=None, classes=11, train_size=60, validation_size=61)
MODEL = Transformer(
    name="transformer", norm="post", readout="last", d_model=16, heads=2, ffn=32,
    activation="gelu", init_scale=1.0,
)  # fmt: skip


@pytest.fixture(params=["native", "reference"])
def implementation(request):
    if request.param == "native" and native.load() is None:
        pytest.skip("no C++ compiler")
    return kernels.select(CPU, torch.float32, request.param)


def test_calls_are_replayed_in_their_order(implementation):
    """Native calls are fused, those of Python between them stay where they are, and so do later ones."""
    x, row = torch.zeros(1, 3, 4), torch.ones(1, 4)
    seen = []
    program = Program(implementation)
    program.add("add_bias", x, row)
    program.add("scaled", x, 2.0, x)
    program._record(lambda: seen.append(x[0, 0, 0].item()))
    program.add("add_bias", x, row)
    program.run()
    assert seen == [2.0] and torch.equal(x, torch.full((1, 3, 4), 3.0))
    program.add("scaled", x, 10.0, x)
    program.run()
    assert seen == [2.0, 8.0] and torch.equal(x, torch.full((1, 3, 4), 90.0))
    if implementation.name == "native":
        kinds = [type(call).__name__ for call in implementation.fuse(program.calls)]
        assert kinds == ["Calls", "function", "Calls"]


def test_smaller_batches_use_the_memory_of_the_largest():
    whole = Workspace(1, 32, torch.float32, CPU)
    small = whole.narrowed(24)
    assert whole.narrowed(32) is whole and whole.narrowed(24) is small
    first = small.buffer("activation", 24, 20)  # asked for before the whole one was
    other, table = whole.buffer("activation", 32, 20), small.buffer("table", 7, 20)
    assert first.shape == (1, 24, 20) and other.shape == (1, 32, 20)
    assert first.data_ptr() == other.data_ptr()
    assert table.data_ptr() == whole.buffer("table", 7, 20).data_ptr()
    assert whole.bytes == small.bytes == 4 * 32 * (32 + 7)  # 20 columns are padded to 32
    with pytest.raises(ValueError, match="cannot hold 33"):
        whole.narrowed(33)


def test_sizes_in_turn_are_sizes_alone():
    """Loss and gradient of a batch do not depend on the sizes that the workspace served before."""
    model = build(MODEL, TASK, torch.float64)
    generator = torch.Generator().manual_seed(5)
    flat = model.init(generator).double()[None]
    whole = model.workspace(1, 32)
    for size in (24, 32, 8, 24, 16, 32):
        inputs = torch.randint(11, (1, size, 2), generator=generator)
        labels = torch.randint(11, (1, size), generator=generator)
        shared, alone = torch.zeros_like(flat), torch.zeros_like(flat)
        loss = model.loss_and_gradient(flat, shared, inputs, labels, whole.narrowed(size)).clone()
        own = model.loss_and_gradient(flat, alone, inputs, labels, model.workspace(1, size))
        assert torch.equal(loss, own) and torch.equal(shared, alone)


def test_parts_of_an_evaluation_are_scored_as_their_logits_say():
    """Growing and shrinking parts, with tables made once, and again when the parameters have changed."""
    model = build(MODEL, TASK, torch.float64)
    generator = torch.Generator().manual_seed(6)
    flat = model.init(generator).double()[None]
    for _ in range(2):
        sizes = (10, 30, 7)
        inputs = [torch.randint(11, (1, size, 2), generator=generator) for size in sizes]
        labels = [torch.randint(11, (1, size), generator=generator) for size in sizes]
        found = list(model.scores(flat, zip(inputs, labels, strict=True)))
        for part, pairs, wanted in zip(found, inputs, labels, strict=True):
            logits = model.logits(flat, pairs)
            losses = torch.nn.functional.cross_entropy(logits[0], wanted[0], reduction="none")
            torch.testing.assert_close(part.loss[0], losses, rtol=1e-12, atol=1e-12)
            torch.testing.assert_close(part.high, logits.amax(1), rtol=1e-12, atol=1e-12)
            assert torch.equal(part.hit[0] == 1, logits[0].argmax(-1) == wanted[0])
        flat *= 1.5

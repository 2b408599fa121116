"""Training on a GPU: what a CPU computes, the same bits every time, and after a kill too.

Skipped where there is no CUDA device. One device runs them all in a minute:

    python -m pytest tests/test_cuda.py tests/test_mlp.py tests/test_streams.py -k "cuda or gpu"
"""

from __future__ import annotations

import numpy as np
import pytest
import torch

from regrok.study.run import Run
from regrok.tasks.operations import OPERATIONS
from regrok.training.bits import modules, one
from regrok.training.kinds import FIRST, KINDS, Kind
from regrok.training.slots import Engine

DEVICE = "cuda"
pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")

ALIKE = set(OPERATIONS) - set(FIRST)
"""Kinds that differ in the labels of their examples alone."""

BEGUN_BY_ITSELF = [
    kind
    for kind in KINDS
    if kind.start is None and kind.way == "trained" and kind.name not in ALIKE | {"diverges"}
]
EXACT = [kind for kind in BEGUN_BY_ITSELF if kind.protocol["products"] == "float32"]


def named(kind: Kind) -> str:
    return kind.name


def advanced(kind: Kind, device: str, steps: int = 12) -> Engine:
    """Both runs of a kind, stacked, after some steps in double precision."""
    runs = [Run.model_validate(values, strict=False) for values in kind.runs()]
    engine = Engine(runs[0], 2, device, group=2, dtype=torch.float64, stacked=True)
    for slot, run in enumerate(runs):
        engine.start(slot, run)
    engine.advance(steps)
    return engine


@pytest.mark.parametrize("kind", EXACT, ids=named)
def test_a_gpu_takes_the_steps_of_a_cpu(kind):
    there, here = advanced(kind, DEVICE), advanced(kind, "cpu")
    torch.testing.assert_close(there.flat.cpu(), here.flat, rtol=1e-7, atol=1e-9)
    assert there.steps.tolist() == here.steps.tolist()
    for which in ("train", "validation"):
        asked = {0: None, 1: None}
        found, expected = there.evaluate(which, asked), here.evaluate(which, asked)
        assert set(found) == set(expected)
        for slot in found:
            assert found[slot].examples == expected[slot].examples
            torch.testing.assert_close(found[slot].loss, expected[slot].loss, rtol=1e-7, atol=1e-9)
            assert found[slot].accuracy == expected[slot].accuracy


@pytest.mark.parametrize("kind", BEGUN_BY_ITSELF[::3], ids=named)
def test_a_gpu_trains_the_same_bits_twice(kind):
    once, again = (_trained(kind, kind.way) for _ in range(2))
    _same(once, again)


@pytest.mark.parametrize(
    "kind", [k for k in KINDS if k.way == "resumed" and k.start is None], ids=named
)
def test_a_run_that_is_killed_on_a_gpu_ends_in_the_same_bits(kind):
    _same(_trained(kind, "trained"), _trained(kind, "resumed"))


def _trained(kind: Kind, way: str) -> list[dict]:
    found = one(modules(), {"runs": kind.runs(), "way": way}, DEVICE)
    assert "runs" in found, found
    return found["runs"]


def _same(ours: list[dict], theirs: list[dict]) -> None:
    for one_run, other in zip(ours, theirs, strict=True):
        assert one_run["step"] == other["step"] > 0
        for part in ("curve", "tensors"):
            assert set(one_run[part]) == set(other[part])
            for name, values in one_run[part].items():
                np.testing.assert_array_equal(values, other[part][name], err_msg=name)

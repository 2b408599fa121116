"""Networks by autograd keep what is promised of a run's bits: no slot, companion, kill or neighbour changes them."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
import torch
from torch import Tensor, nn

from interrupts import After, Interrupt
from noisy import FULL, run_of, trained
from regrok.errors import RegrokError
from regrok.models.autograd import Autograd
from regrok.study.base import Strict
from regrok.study.run import Run
from regrok.study.sizes import TaskInfo
from regrok.training.kinds import ADAM, ENCODER, MLP, QUADRATIC, SGD, SQUARE
from regrok.training.slots import Engine, slots_within
from test_starts import curve_of, states

INFO = TaskInfo("pairs", 11, None, 11, 60, 61)

# Bits ----------------------------------------------------------------------------------------------------------------

RUNS = {
    "quadratic": lambda seed: run_of(QUADRATIC, seed, optimiser=SQUARE, protocol=SHORT),
    "encoder, float64": lambda seed: run_of(
        {**ENCODER, "d_model": 16, "ffn": 32}, seed, protocol={**SHORT, "precision": "float64"}
    ),
    "full batch": lambda seed: run_of(QUADRATIC, seed, optimiser=ADAM, protocol={**SHORT, **FULL}),
}
SHORT = {"max_steps": 30, "tail_steps": 0, "keep": ["end"]}


@pytest.mark.parametrize("name", RUNS)
def test_companions_slots_and_cuts_change_no_bit(tmp_path: Path, name: str) -> None:
    runs = [RUNS[name](seed) for seed in (0, 1, 2)]
    alone = trained(tmp_path / "alone", runs[0])
    beside = trained(tmp_path / "beside", *reversed(runs), slots=2)
    expected = curve_of(alone, runs[0])
    pd.testing.assert_frame_equal(expected, curve_of(beside, runs[0]), check_exact=True)
    for updates in (1, 4):
        folder = tmp_path / f"cut {updates}"
        with pytest.raises(Interrupt):
            trained(folder, runs[0], checkpoint_seconds=0, progress=After(updates))
        again = trained(folder, runs[0])
        pd.testing.assert_frame_equal(expected, curve_of(again, runs[0]), check_exact=True)
        assert states(alone) == states(again)
    assert len({curve_of(beside, run)["V"].iloc[-1] for run in runs}) == 3


@pytest.mark.parametrize("name", RUNS)
def test_stacked_slots_train_as_single_ones_do_and_an_empty_one_leaves_them_alone(name) -> None:
    runs = [RUNS[name](seed) for seed in range(3)]
    single = Engine(runs[0], 3, dtype=torch.float64)
    stacked, holed = (Engine(runs[0], 3, group=3, stacked=True, dtype=torch.float64) for _ in "ab")
    for made in (single, stacked, holed):
        for slot, run in enumerate(runs):
            made.start(slot, run)
    holed.clear(1)
    for made in (single, stacked, holed):
        made.advance(15)
    torch.testing.assert_close(stacked.flat, single.flat, rtol=0, atol=1e-9)
    assert torch.equal(holed.flat[[0, 2]], stacked.flat[[0, 2]]) and not holed.flat[1].any()
    asked = {0: None, 2: 0.9}
    found, other = stacked.evaluate("validation", asked), single.evaluate("validation", asked)
    for slot in asked:
        assert found[slot].accuracy == other[slot].accuracy
        torch.testing.assert_close(found[slot].loss, other[slot].loss, rtol=1e-8, atol=1e-9)


def test_a_run_that_diverges_leaves_its_companions_alone() -> None:
    calm, wild = (
        run_of(QUADRATIC, 0, optimiser={**SGD, "loss": "square", "learning_rate": rate})
        for rate in (0.01, 1e6)
    )
    beside, alone = (Engine(calm, 2, group=2, stacked=True) for _ in "ab")
    for made in (beside, alone):
        made.start(0, calm)
    beside.start(1, wild)
    for made in (beside, alone):
        made.advance(20)
    assert not beside.flat[1].isfinite().all()
    assert torch.equal(beside.flat[0], alone.flat[0]) and alone.flat[0].isfinite().all()


def test_a_run_is_of_the_precision_that_it_asks_for(tmp_path: Path) -> None:
    double = RUNS["encoder, float64"](0)
    single = double.model_copy(
        update={"protocol": double.protocol.model_copy(update={"precision": None})}
    )
    assert double.run_id != single.run_id and double.condition == single.condition
    assert "precision" not in single.identity()["protocol"]
    assert Engine(single, 1).flat.dtype == torch.float32
    engine = Engine(double, 1)
    engine.start(0, double)
    engine.advance(1)
    assert {x.dtype for x in (engine.flat, engine.loss, *engine.state.values())} == {torch.float64}
    curves = [
        curve_of(trained(tmp_path / str(i), run), run) for i, run in enumerate((double, single))
    ]
    assert not curves[0]["V"].equals(curves[1]["V"])
    torch.testing.assert_close(
        *(torch.tensor(c["V"].to_numpy()) for c in curves), rtol=1e-4, atol=0
    )


def test_memory_for_slots_counts_what_autograd_keeps() -> None:
    run = RUNS["encoder, float64"](0)
    few, many = slots_within(run, 0.02), slots_within(run, 0.2)
    assert 1 <= few < many and many == pytest.approx(10 * few, rel=0.2)
    large = run_of(
        {**ENCODER, "d_model": 16, "ffn": 32}, 0, protocol={"batch": 64, "precision": "float64"}
    )
    assert slots_within(large, 0.2) < many


# Refused -------------------------------------------------------------------------------------------------------------


class Part(nn.Module):
    def __init__(self, part: nn.Module) -> None:
        super().__init__()
        self.part, self.head = part, nn.Linear(2, INFO.classes)

    def forward(self, pairs: Tensor) -> Tensor:
        return self.head(self.part(pairs.to(self.head.weight.dtype)))


class Named(Strict):
    name: str = "some"
    init_scale: float = 1.0


@pytest.mark.parametrize("part", [nn.Dropout(0.1), nn.BatchNorm1d(2)])
def test_what_would_hang_on_companions_is_refused(part: nn.Module) -> None:
    class Some(Autograd):
        def module(self) -> nn.Module:
            return Part(part)

    with pytest.raises(RegrokError, match=type(part).__name__):
        Some(Named(), INFO, torch.float32, torch.device("cpu"))


@pytest.mark.parametrize(
    ("model", "blocks", "said"),
    [
        (None, {"optimiser": {"loss": "square"}}, "written out for cross-entropy"),
        (QUADRATIC, {"optimiser": {"centring": "batch"}}, "set loss: square"),
        (QUADRATIC, {"optimiser": {"reduction": "sum"}}, "set loss: square"),
        (QUADRATIC, {"protocol": {"products": "bfloat16"}}, "set it to float32"),
        (QUADRATIC, {"protocol": {"measure": ["embedding_spectrum"]}}, "has none"),
        (None, {"protocol": {"products": "bfloat16", "precision": "float64"}}, "rounds what"),
        ({**ENCODER, "heads": 3}, {}, "not a multiple"),
    ],
)
def test_what_does_not_go_together_is_refused(model, blocks, said) -> None:
    with pytest.raises(ValueError, match=said):
        run_of(model or MLP, 0, **blocks)


def test_a_factor_of_one_is_none() -> None:
    one, none = (run_of({**QUADRATIC, "neuron_scale": s}) for s in (1, None))
    assert one.run_id == none.run_id == Run.model_validate(one.model_dump()).run_id

"""Noise depends on the run's seed and step alone: no slot, companion, cut or evaluation changes a bit of it."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
import torch

from interrupts import After, Interrupt
from noisy import ARMS, BLOCKS, DEEP, FULL, NETWORKS, run_of, trained
from regrok.study.run import Run
from regrok.study.sizes import mirrored
from regrok.training.kinds import DECODER
from regrok.training.loop import train_cohort
from regrok.training.slots import Engine
from test_starts import child_of, curve_of, states, subset_of

# The same bits -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("network", NETWORKS)
def test_companions_slots_and_cuts_change_no_bit(tmp_path: Path, network: str) -> None:
    """Every arm at once, alone and in one piece; beside others; and cut at each place where it can be."""
    runs = [
        run_of(
            NETWORKS[network],
            seed,
            **ARMS["all of them"],
            protocol={"max_steps": 30, "keep": ["end"]},
        )
        for seed in (0, 1, 2)
    ]
    alone = trained(tmp_path / "alone", runs[0])
    beside = trained(tmp_path / "beside", *reversed(runs), slots=2)
    pd.testing.assert_frame_equal(
        curve_of(alone, runs[0]), curve_of(beside, runs[0]), check_exact=True
    )
    for updates in (1, 2, 4, 5):
        folder = tmp_path / f"cut {updates}"
        with pytest.raises(Interrupt):
            trained(folder, runs[0], checkpoint_seconds=0, progress=After(updates))
        again = trained(folder, runs[0])
        pd.testing.assert_frame_equal(
            curve_of(alone, runs[0]), curve_of(again, runs[0]), check_exact=True
        )
        assert states(alone) == states(again)
    seeds = [curve_of(beside, run)["V"].iloc[-1] for run in runs]
    assert len(set(seeds)) == 3


@pytest.mark.parametrize("network", NETWORKS)
def test_noise_is_made_at_any_step_and_in_any_row_of_a_stack(network: str) -> None:
    """A checkpoint after any number of steps goes on as the whole does; stacked runs are each as alone."""
    runs = [run_of(NETWORKS[network], seed, **ARMS["all of them"]) for seed in (0, 1)]
    whole = Engine(runs[0], 1)
    whole.start(0, runs[0])
    for _ in range(5):
        other = Engine(runs[0], 3)
        other.start(2, runs[0], whole.checkpoint(0))
        other.advance(3)
        copy = Engine(runs[0], 1)
        copy.start(0, runs[0], whole.checkpoint(0))
        copy.advance(3)
        whole.advance(1)
        assert torch.equal(other.flat[2], copy.flat[0])
    again = Engine(runs[0], 1)
    again.start(0, runs[0])
    again.advance(5)
    assert torch.equal(again.flat[0], whole.flat[0])
    stacked = Engine(runs[0], 2, group=2, stacked=True, dtype=torch.float64)
    for slot, run in enumerate(runs):
        stacked.start(slot, run)
    stacked.advance(5)
    for slot, run in enumerate(runs):
        lone = Engine(run, 1, dtype=torch.float64)
        lone.start(0, run)
        lone.advance(5)
        torch.testing.assert_close(stacked.flat[slot], lone.flat[0], rtol=0, atol=1e-10)


def test_a_child_that_keeps_everything_goes_on_with_its_parents_noise(tmp_path: Path) -> None:
    arms = {"model": {"dropout": 0.1}, "optimiser": {"weight_noise": 0.02, "gradient_noise": 0.01}}
    parent, whole = (
        run_of(DECODER, **arms, protocol={"max_steps": steps, "stop": "budget"})
        for steps in (30, 60)
    )
    child = child_of(parent)
    store = trained(tmp_path / "cut", parent)
    train_cohort("c", [child], store, slots=1)
    rest = curve_of(trained(tmp_path / "whole", whole), whole).query("step >= 30")
    assert (curve_of(store, child)["V"].to_numpy() == rest["V"].to_numpy()).all()


def test_a_child_is_pulled_to_what_it_began_with_also_after_its_parents_state_is_lost(
    tmp_path: Path,
) -> None:
    towards = {"decay_towards": "initialisation", "weight_decay": 50.0, "learning_rate": 1e-2}
    quick = {"max_steps": 100, "stop": "budget"}
    parent = run_of(DEEP, optimiser={"weight_decay": 5.0}, protocol=quick)
    child = subset_of(parent, 30)
    child = Run.model_validate(
        {**child.model_dump(), "optimiser": {**child.optimiser.model_dump(), **towards}}
    )
    whole = trained(tmp_path / "whole", child)
    begun, first = curve_of(whole, child)["V"].iloc[0], curve_of(whole, parent)["V"]
    assert begun == first.iloc[-1] and begun < 0.6 * first.iloc[0]
    assert curve_of(whole, child)["V"].iloc[-1] == pytest.approx(begun, rel=0.1)

    with pytest.raises(Interrupt):
        trained(tmp_path / "cut", child, checkpoint_seconds=0, progress=After(5))
    for path in (tmp_path / "cut").rglob("*.state.npz"):
        path.unlink()
    again = trained(tmp_path / "cut", child)
    pd.testing.assert_frame_equal(curve_of(whole, child), curve_of(again, child), check_exact=True)


# Where there is none --------------------------------------------------------------------------------------------------


def test_evaluation_and_stored_weights_are_without_noise(tmp_path: Path) -> None:
    still = {"protocol": {"max_steps": 5, "curve_every": 5}}
    for arm in ("dropout", "weight noise"):
        noisy, calm = run_of(DECODER, **ARMS[arm], **still), run_of(DECODER, **still)
        first = [curve_of(trained(tmp_path, run), run).iloc[0] for run in (noisy, calm)]
        pd.testing.assert_series_equal(*first, rtol=1e-5)
    engine = Engine(run_of(DEEP, **ARMS["weight noise"]), 1)
    engine.start(0, engine.representative)
    padding = engine.layout.mask("all") == 0
    engine.advance(3)
    assert padding.any() and (engine.flat[0, padding] == 0).all()


def test_an_example_that_is_drawn_twice_is_trained_on_twice_where_elements_are_dropped() -> None:
    assert (
        Engine(run_of(DEEP), 1).distinct
        and not Engine(run_of(DEEP, model={"dropout": 0.1}), 1).distinct
    )
    split = {"task": {"split_seed": 1}, "protocol": FULL}
    summed = {**BLOCKS, "residual": False}
    assert mirrored(run_of(summed, **split))
    assert not mirrored(run_of({**summed, "dropout": 0.1}, **split))

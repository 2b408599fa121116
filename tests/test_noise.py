"""Noise is normal and independent; steps with it are those of plain torch; settings without it are the runs of old."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch import Tensor, nn

from configurations import checked, one_experiment, planned
from noisy import ARMS, DEEP, FULL, NETWORKS, run_of
from regrok.errors import RegrokError
from regrok.kernels.noise import FIRST_DROPOUT, GRADIENT, WEIGHTS, factors, normal
from regrok.models import build
from regrok.study.plan import signature
from regrok.study.run import Run
from regrok.study.sizes import run_info
from regrok.study.start import Origin, problems
from regrok.tasks import streams
from regrok.tasks.seen import data_of
from regrok.training.kinds import DECODER
from regrok.training.slots import Engine

# The numbers --------------------------------------------------------------------------------------------------------


def made(seed: int = 0, step: int = 0, stream: int = 0, columns: int = 40_000) -> np.ndarray:
    draw = torch.tensor([[streams.key(seed, "noise"), step]])
    return normal(draw, stream, 1, columns, torch.float64).flatten().numpy()


def test_normal_numbers_have_the_moments_and_the_shape_of_the_normal_distribution() -> None:
    z = np.concatenate([made(step=step) for step in range(25)])
    n = len(z)
    assert abs(z.mean()) < 4 / n**0.5
    assert abs(z.var() - 1) < 4 * (2 / n) ** 0.5
    assert abs((z**3).mean()) < 4 * (15 / n) ** 0.5
    assert abs((z**4).mean() - 3) < 4 * (96 / n) ** 0.5
    for at in (-3, -2, -1, -0.1, 0.5, 1.5, 2.5):
        expected = 0.5 * (1 + torch.erf(torch.tensor(at / 2**0.5, dtype=torch.float64))).item()
        assert abs((z < at).mean() - expected) < 4 * (expected * (1 - expected) / n) ** 0.5


@pytest.mark.parametrize(
    "other",
    [
        {"step": 1},
        {"step": 10**9},
        {"seed": 1},
        {"seed": 2**31},
        {"stream": GRADIENT},
        {"stream": FIRST_DROPOUT + 15},
        {"seed": 1, "step": 1, "stream": 3},
    ],
)
def test_steps_seeds_and_streams_are_independent(other: dict[str, int]) -> None:
    z, x = made(), made(**other)
    bound = 4 / len(z) ** 0.5
    assert abs(np.corrcoef(z, x)[0, 1]) < bound
    assert abs(np.corrcoef(z**2, x**2)[0, 1]) < bound
    for lag in (1, 2, 7):
        assert abs(np.corrcoef(z[lag:], x[:-lag])[0, 1]) < bound


def test_the_two_numbers_of_a_pair_and_neighbours_are_independent() -> None:
    z = made()
    half = len(z) // 2
    for a, b in ((z[:half], z[half:]), (z[1:], z[:-1])):
        for one, other in ((a, b), (a**2, b**2), (a**2, b)):
            assert abs(np.corrcoef(one, other)[0, 1]) < 4 / len(one) ** 0.5


@pytest.mark.parametrize("rate", [0.01, 0.1, 0.5, 0.9])
def test_factors_drop_their_share_keep_the_mean_and_are_independent(rate: float) -> None:
    draws = torch.tensor([[streams.key(seed, "noise"), step] for seed in (0, 1) for step in (0, 1)])
    found = [factors(draws, FIRST_DROPOUT + site, rate, 100, 401, torch.float64) for site in (0, 1)]
    masks = torch.stack(found).flatten(2).flatten(0, 1).numpy()
    n = masks.shape[1]
    spread = (rate / (1 - rate) / n) ** 0.5
    assert set(np.unique(masks)) == {0.0, 1 / (1 - rate)}
    assert (abs(masks.mean(1) - 1) < 4 * spread).all()
    correlations = np.corrcoef(masks)
    assert abs(correlations - np.eye(len(masks))).max() < 4.5 / n**0.5
    assert abs(np.corrcoef(masks[0][1:], masks[0][:-1])[0, 1]) < 4 / n**0.5


# Noise and pull are those of plain torch, with the same numbers fed in ------------------------------------------------


def plainly(run: Run, steps: int) -> Tensor:
    """The weights after some steps of full batches by torch.optim, in float64, the noise fed in.

    The gradient at given weights is the network's own, which is autograd's by the tests above and of each network.
    """
    spec, info, data = run.optimiser, run_info(run), data_of(run)
    network = build(run.model, info, torch.float64, kernels="reference")
    views, size = network.layout.views, network.layout.size
    mask = network.layout.mask("all", torch.float64)
    clean = network.init(streams.generator(run.seed, "init")).double()
    first = clean.clone()
    decays = network.layout.mask(spec.decayed, torch.float64)
    weights = nn.Parameter(clean.clone())
    towards = spec.decay_towards is not None
    # Decay of some elements only, and towards anything, is written out: θ shrinks before the step.
    adam = torch.optim.AdamW([weights], 1.0, (spec.beta1, spec.beta2), spec.eps, weight_decay=0)
    inputs, labels = data.train_inputs[None], data.train_labels[None]
    workspace = network.workspace(1, len(data.train_labels))
    for step in range(steps):
        draw = torch.tensor([[streams.key(run.seed, "noise"), step]])
        at = weights.data
        if spec.weight_noise:
            z = normal(draw, WEIGHTS, 1, size, torch.float64)[0, 0]
            at = at + spec.weight_noise * z * mask
        grad = torch.zeros(1, size, dtype=torch.float64)
        drawn = draw if run.model.dropout else None
        network.loss_and_gradient(at[None].clone(), grad, inputs, labels, workspace, None, drawn)
        grad = grad[0].clone()
        if spec.gradient_noise:
            z = normal(draw, GRADIENT, 1, size, torch.float64)[0, 0]
            grad = grad + spec.gradient_noise * z * mask
        weights.grad = grad
        if spec.clip_norm:
            torch.nn.utils.clip_grad_norm_([weights], spec.clip_norm)
        rate = spec.learning_rate * min(1, (step + 1) / max(1, spec.warmup_steps))
        adam.param_groups[0]["lr"] = rate
        origin = first if towards else torch.zeros_like(first)
        weights.data -= rate * spec.weight_decay * decays * (weights.data - origin)
        adam.step()
    assert all(torch.isfinite(v).all() for v in views(weights.data).values())
    return weights.data


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("arm", ARMS)
def test_steps_are_those_of_plain_torch_with_the_same_noise(arm: str, network: str) -> None:
    run = run_of(NETWORKS[network], 3, **ARMS[arm], protocol=FULL)
    engine = Engine(run, 1, dtype=torch.float64)
    engine.start(0, run)
    engine.advance(12)
    expected = plainly(run, 12)
    torch.testing.assert_close(engine.flat[0], expected, rtol=0, atol=1e-9)
    without = run_of(NETWORKS[network], 3, protocol=FULL)
    assert (expected - plainly(without, 12)).abs().max() > 1e-4


@pytest.mark.parametrize("family", ["adamw", "sgd"])
def test_a_strong_pull_without_gradients_ends_at_the_first_weights(family: str) -> None:
    change = {"name": family, "decay": "decoupled", "learning_rate": 0.1, "weight_decay": 5.0}
    run = run_of(DEEP, optimiser={**change, "decay_towards": "initialisation"})
    engine = Engine(run, 1)
    engine.start(0, run)
    first = engine.flat[0].clone()
    noise = torch.randn(len(first), generator=torch.Generator().manual_seed(0))
    engine.flat[0] += noise * engine.layout.mask("all")
    away = (engine.flat[0] - first).norm()
    update = engine._groups[0]["update"]
    for step in range(1, 21):
        engine.steps += 1
        update()
        assert (engine.flat[0] - first).norm() == pytest.approx(
            float(away) * 0.5**step, rel=1e-2, abs=1e-3
        )
    assert not first.equal(torch.zeros_like(first))


# Settings -------------------------------------------------------------------------------------------------------------


def test_null_and_zero_are_the_run_without_and_anything_else_is_another() -> None:
    bare = run_of(DECODER)
    zeros = {"weight_noise": 0.0, "gradient_noise": 0, "decay_towards": None}
    assert run_of(DECODER, model={"dropout": 0.0}, optimiser=zeros).run_id == bare.run_id
    aimless = {"weight_decay": 0.0}
    free = run_of(DECODER, optimiser=aimless)
    towards = run_of(DECODER, optimiser={**aimless, "decay_towards": "initialisation"})
    assert towards.run_id == free.run_id != bare.run_id
    arms = [run_of(DECODER, **arm) for arm in ARMS.values()]
    assert (
        len({run.run_id for run in (bare, *arms)})
        == len({signature(r) for r in (bare, *arms)})
        == 6
    )
    assert not {"dropout", "weight_noise", "decay_towards"} & set(str(bare.identity()).split("'"))


@pytest.mark.parametrize(
    ("blocks", "said"),
    [
        ({"model": {"dropout": 1.0}}, "less than 1"),
        ({"model": {"dropout": -0.1}}, "greater than 0"),
        ({"optimiser": {"weight_noise": -1.0}}, "greater than 0"),
        ({"optimiser": {"decay_towards": "zero"}}, "'initialisation'"),
        (
            {"optimiser": {"name": "adam", "decay": "coupled", "decay_towards": "initialisation"}},
            "needs decay = 'decoupled'",
        ),
    ],
)
def test_values_that_make_no_sense_are_refused(blocks: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        run_of(DECODER, **blocks)


def test_a_model_without_dropout_refuses_it_before_any_job() -> None:
    data = one_experiment({}, change={"model": {"dropout": 0.1}})
    with pytest.raises(RegrokError, match=r"S1.*dropout"):
        checked(data)


def test_a_study_plans_the_arms_side_by_side_and_a_child_may_drop_where_its_parent_did_not() -> (
    None
):
    data = one_experiment(
        {"optimiser.weight_noise": [0.0, 0.01], "optimiser.gradient_noise": [0.0, 0.1]}
    )
    plan = planned(data)
    assert len(plan.runs) == 8
    assert len({signature(run) for run in plan.runs.values()}) == 4
    origin = Origin(experiment="S1", at="end", optimiser="kept", examples="own")
    dropping = run_of(DECODER, model={"dropout": 0.1})
    assert not list(problems(dropping, run_of(DECODER), origin))

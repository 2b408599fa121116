"""Networks with squares under a penalty: steps against autograd, and planted courses with known answers."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from regrok.computations import fourier_network, penalties
from regrok.computations.parts import penalised
from regrok.computations.parts.penalised import Penalised, Penalty
from regrok.computations.parts.quadratic_network import Network, Pairs, started
from regrok.errors import RegrokError
from regrok.models.quadratic import QuadraticNetwork
from regrok.training import descent

SMALL = {
    **penalties.DEFAULTS,
    "budget": 30,
    "growth": 1.5,
    "late": 3,
    "draws": 2,
    "arms": {"linf": {"penalty": "linf", "weight": 1e-2}},
}


def some(p=5, h=7, n=11, seed=0, scale=0.5):
    rng = np.random.default_rng(seed)
    network = started(p, h, scale, rng)
    return network, Pairs.first(rng.permutation(p * p), n, p)


@pytest.mark.parametrize("weight", [1e-3, 0.5])
@pytest.mark.parametrize("kind", ["linf", "l2"])
def test_a_step_is_that_of_autograd_on_loss_and_penalty(kind, weight):
    network, pairs = some()
    module = QuadraticNetwork(5, 7, 5).double()
    with torch.no_grad():
        module.W.copy_(torch.tensor(network.W.T))
        module.V.copy_(torch.tensor(network.V))
    z = module(torch.tensor(np.column_stack([pairs.a, pairs.b])))
    loss = torch.nn.functional.cross_entropy(z, torch.tensor(pairs.labels))
    flat = torch.cat([module.W.reshape(-1), module.V.reshape(-1)])
    pull = flat.abs().max() if kind == "linf" else (flat**2).sum() / 2
    g_W, g_V = torch.autograd.grad(loss + weight * pull, (module.W, module.V))
    size = torch.sqrt((g_W**2).sum() + (g_V**2).sum())
    Penalised(network, pairs, 0.3, Penalty(kind, weight)).step()
    np.testing.assert_allclose(network.W.T, (module.W - 0.3 * g_W / size).detach(), atol=1e-13)
    np.testing.assert_allclose(network.V, (module.V - 0.3 * g_V / size).detach(), atol=1e-13)


def test_a_step_is_that_of_the_trainer_s_penalty_and_norm():
    network, pairs = some(seed=3)
    module = QuadraticNetwork(5, 7, 5).double()
    with torch.no_grad():
        module.W.copy_(torch.tensor(network.W.T))
        module.V.copy_(torch.tensor(network.V))
    z = module(torch.tensor(np.column_stack([pairs.a, pairs.b])))
    loss = torch.nn.functional.cross_entropy(z, torch.tensor(pairs.labels))
    g_W, g_V = torch.autograd.grad(loss, (module.W, module.V))
    grad = torch.cat([g_W.reshape(-1), g_V.reshape(-1)])[None]
    flat = torch.cat([module.W.reshape(-1), module.V.reshape(-1)]).detach()[None]
    descent.penalise(flat, grad, 0.05)
    descent.normalise(grad)
    Penalised(network, pairs, 0.3, Penalty("linf", 0.05)).step()
    moved = np.concatenate([network.W.T.reshape(-1), network.V.reshape(-1)])
    np.testing.assert_allclose(moved, (flat - 0.3 * grad)[0], atol=1e-13)


def test_a_weight_acts_where_the_gradient_is_smaller_and_not_where_it_is_larger():
    """A Fourier network of outputs times 1,000 leads by thousands, so that its gradient is below 1e-1000."""
    network, rng = fourier_network.full(5), np.random.default_rng(0)
    network.V *= 1000 * (1 + 1e-3 * rng.standard_normal(network.V.shape))
    pairs = Pairs.first(rng.permutation(25), 20, 5)
    before = network.V.copy()
    top = np.unravel_index(np.abs(before).argmax(), before.shape)
    Penalised(network, pairs, 1.0, Penalty("linf", 1e-20)).step()
    moved = np.argwhere(np.abs(network.V - before) > 1e-6)
    assert len(moved) == 1 and tuple(moved[0]) == top
    assert abs(network.V[top]) == pytest.approx(abs(before[top]) - 1.0)
    with_, pairs = some()
    without = Network(with_.W.copy(), with_.V.copy())
    Penalised(with_, pairs, 0.3, Penalty("linf", 1e-20)).step()
    Penalised(without, pairs, 0.3, Penalty()).step()
    np.testing.assert_array_equal(with_.W, without.W)


def test_a_step_longer_than_twice_the_largest_weight_goes_to_and_fro():
    """What leads by more than 46 is moved by the penalty alone: the largest weight past zero, and back."""
    network, rng = fourier_network.full(13), np.random.default_rng(0)
    for layer in (network.W, network.V):
        layer *= 1.1 * (1 + 1e-3 * rng.standard_normal(layer.shape))
    pairs = Pairs.first(rng.permutation(169), 150, 13)
    before = np.concatenate([network.W.ravel(), network.V.ravel()])
    step = Penalised(network, pairs, 2.1 * network.largest(), Penalty("linf", 1e-20)).step
    step()
    after = np.concatenate([network.W.ravel(), network.V.ravel()])
    assert np.count_nonzero(np.abs(after - before) > 1e-6) == 1
    step()
    after = np.concatenate([network.W.ravel(), network.V.ravel()])
    np.testing.assert_allclose(after, before, atol=1e-5)


def test_the_margin_with_weights_of_at_most_one_is_that_of_the_fourier_network():
    pairs = Pairs.first(np.arange(49), 40, 7)
    network = fourier_network.full(7)
    assert penalised.normalised_margin(network, pairs) == pytest.approx(4.0)
    grown = Network(3 * network.W, 3 * network.V)
    assert penalised.normalised_margin(grown, pairs) == pytest.approx(4.0)
    assert penalised.normalised_margin(Network(network.W, -network.V), pairs) < 0


def course(unseen, drift=0.4):
    """A course of 101 logged steps whose accuracy on unseen pairs is given from step to step."""
    step = np.arange(0, 1010, 10)
    level = np.linspace(1.0, 2.0, 101)
    train = np.where(step >= 200, 1.0, 0.5)
    return penalised.Course(step, train, np.asarray(unseen, float), level, level / 10, 0.1, drift)


def test_what_a_course_tells_is_of_its_last_tenth_and_its_first_steps():
    unseen = np.where(np.arange(101) >= 50, 1.0, 0.0)
    unseen[98] = 0.0  # a spike is not the late accuracy
    found = penalties.told(course(unseen), 0.5, 0.95)
    assert found["unseen_accuracy"] == 1.0 and found["train_accuracy"] == 1.0
    assert found["T_mem"] == 200 and found["T_grok"] == 500 and found["T_grok_for_good"] == 990
    assert found["largest_weight"] == pytest.approx(1.95 / 0.5)
    assert found["margin_over_p"] == pytest.approx(0.195)
    never = penalties.told(course(np.zeros(101)), 0.5, 0.95)
    assert never["unseen_accuracy"] == 0.0 and math.isnan(never["T_grok"])


def test_planted_courses_give_their_shares_and_differences():
    options = {**penalties.DEFAULTS, "draws": 5, "arms": {"linf": {"penalty": "linf"}}}
    always = penalties.told(course(np.ones(101)), 1.0, 0.95)
    never = penalties.told(course(np.zeros(101), drift=0.2), 1.0, 0.95) | {"margin_over_p": 0.095}
    points = [{"arm": "plain", "kind": "run", "draw": i, **never} for i in range(5)]
    points += [{"arm": "linf", "kind": "run", "draw": i, **always} for i in range(4)]
    lost = {**never, "T_mem": math.nan, "drift_at_T_mem": math.nan, "margin_over_p": 0.195}
    points.append({"arm": "linf", "kind": "run", "draw": 4, **lost})
    found = penalties.measured(options, points)
    assert found["generalised_share"].value == 0.0 and found["generalised_share"].n == 5
    # One that does not even memorise is counted against.
    assert found["linf.generalised_share"].value == pytest.approx(0.8)
    assert found["linf.memorised_share"].value == pytest.approx(0.8)
    assert found["linf.margin_less_plain"].value == pytest.approx(0.1)
    assert found["linf.late_drift_share"].value == pytest.approx(0.75)
    assert found["late_drift_share"].value == pytest.approx(0.5)
    assert found["T_grok"].value is None and "no run gets there" in found["T_grok"].reason


def test_arms_of_a_draw_have_its_start_and_every_estimate_is_named():
    made = penalties.compute(SMALL, 1)
    names = [*penalties.ESTIMATES[""], *(f"linf.{key}" for key in penalties.ESTIMATES["arms"])]
    assert set(made["estimates"]) == set(names)
    first = {
        row["arm"]: row["largest"]
        for row in made["points"]
        if row["kind"] == "curve" and row["step"] == 0
    }
    assert set(first) == {"plain", "linf"} and first["plain"] == first["linf"]
    runs = [row for row in made["points"] if row["kind"] == "run"]
    assert len(runs) == 2 * 2
    assert len({row["margin_over_p"] for row in runs}) == 4
    assert penalties.logged(100, 2.0, 5) == [0, 1, 2, 4, 8, 16, 32, 64, 90, 92, 94, 96, 98, 100]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"p": 5}, "options.p = 5: no pair is left unseen"),
        ({"growth": 1.0}, "options.growth = 1: should be above 1"),
        ({"weight": 0.1}, "options.weight = 0.1 with penalty = 'none'"),
        (
            {"arms": {"odd": {"penalty": "l2"}}},
            "options.arms.odd: options.weight = 0 with penalty = 'l2'",
        ),
        ({"arms": {"odd": {"penalty": "l1", "weight": 1.0}}}, "options.penalty = 'l1'"),
    ],
)
def test_options_that_nothing_can_be_trained_with_are_named(change, words):
    with pytest.raises(RegrokError) as refusal:
        penalties.compute({**SMALL, **change}, 0)
    assert words in str(refusal.value)

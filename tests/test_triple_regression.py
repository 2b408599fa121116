"""Regression on triples: steps against autograd, the Fourier networks as fixed points, planted runs."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from regrok.computations import fourier_network, kernel_shares, triple_regression
from regrok.computations.parts.penalised import Penalty
from regrok.computations.parts.quadratic_network import Network, started
from regrok.computations.parts.triple_descent import TripleDescent, Triples, curvature
from regrok.errors import RegrokError

SMALL = {**triple_regression.DEFAULTS, "budget": 20, "growth": 1.5}


def some(p=5, h=6, n=60, height=2.0, seed=0):
    rng = np.random.default_rng(seed)
    return started(p, h, 0.5, rng), Triples.first(rng.permutation(p**3), n, p, height)


def fitted(p, height):
    """The Fourier network of 4p neurons scaled to this height."""
    network = fourier_network.odd(p)
    scale = (height / (2 * p)) ** (1 / 3)
    return Network(scale * network.W, scale * network.V)


@pytest.mark.parametrize("weight", [1e-4, 0.3])
def test_a_step_is_that_of_autograd_on_mean_halves_and_penalty(weight):
    network, triples = some()
    W, V = (torch.tensor(x.copy(), requires_grad=True) for x in (network.W, network.V))
    a, b, c = np.nonzero(triples.seen)
    z = W.T[a] + W.T[5 + b]
    outputs = ((z**2) * V[c]).sum(1)
    target = torch.tensor(2.0 * ((a + b) % 5 == c))
    largest = torch.cat([W.reshape(-1), V.reshape(-1)]).abs().max()
    (((outputs - target) ** 2).mean() / 2 + weight * largest).backward()
    TripleDescent(network, triples, 0.1, Penalty("linf", weight)).step()
    np.testing.assert_allclose(network.W, (W - 0.1 * W.grad).detach(), atol=1e-13)
    np.testing.assert_allclose(network.V, (V - 0.1 * V.grad).detach(), atol=1e-13)


@pytest.mark.parametrize("height", [1.0, 7.0])
def test_losses_are_zero_of_a_network_that_fits_and_one_of_none(height):
    triples = Triples.first(np.arange(343), 100, 7, height)
    assert triples.losses(fitted(7, height)) == pytest.approx((0.0, 0.0), abs=1e-20)
    nothing = Network(np.zeros((4, 14)), np.zeros((7, 4)))
    assert triples.losses(nothing)[1] == pytest.approx(1.0)
    assert triples.losses(Network(np.full((4, 14), 1e200), np.ones((7, 4)))) == (math.inf,) * 2


def test_the_published_step_leaves_the_network_of_the_printed_target_and_not_that_of_one():
    """By the curvature: above 2, which a step of 1 cannot stay beside, and far below."""
    order = np.random.default_rng(0).permutation(11**3)
    curved = {}
    for height in (1.0, 11.0):
        triples = Triples.first(order, triple_regression.size(SMALL, 11), 11, height)
        curved[height] = curvature(fitted(11, height), triples)
        network = fitted(11, height)
        network.W *= 1 + 1e-6 * np.random.default_rng(1).standard_normal(network.W.shape)
        descent = TripleDescent(network, triples, 1.0, Penalty())
        before = triples.losses(network)[0]
        for _ in range(40):
            descent.step()
        after = triples.losses(network)[0]
        assert (after < before) if height == 1.0 else (after > 10 * before)
    assert curved[1.0] < 0.5 and curved[11.0] > 2


def test_the_curvature_is_the_largest_eigenvalue_of_the_jacobian_s_products():
    network, triples = some(p=3, h=4, n=15)
    W, V = (torch.tensor(x, requires_grad=True) for x in (network.W, network.V))
    rows = []
    for a, b, c in np.argwhere(triples.seen):
        value = (((W[:, a] + W[:, 3 + b]) ** 2) * V[c]).sum()
        rows.append(torch.cat([g.reshape(-1) for g in torch.autograd.grad(value, (W, V))]))
    jacobian = torch.stack(rows).numpy()
    exact = np.linalg.eigvalsh(jacobian @ jacobian.T / 15)[-1]
    assert curvature(network, triples, 400) == pytest.approx(exact, rel=1e-6)


def test_its_kernel_is_that_of_the_kernel_shares():
    """At the same share and on the same triples, whatever the height."""
    settings = {**kernel_shares.DEFAULTS, "examples": "triples", "shares": [0.5]}
    (row,) = kernel_shares.drawn(settings, 5, np.random.default_rng(4))
    order = np.random.default_rng(4).permutation(125)
    triples = Triples.first(order, round(0.5 * 125), 5, 3.0)
    assert triple_regression.kernel_loss(triples, 1.0) == pytest.approx(row["loss"])


def test_planted_runs_give_their_shares():
    settings = {**triple_regression.DEFAULTS, "moduli": [5, 7], "draws": 5}
    run = {"kind": "run", "diverged": False, "train_loss": 0.01, "largest_weight": 2.0}
    points = [{**run, "p": 7, "loss": 0.1, "kernel_loss": 0.9} for _ in range(3)]
    points.append({**run, "p": 7, "loss": 0.7, "kernel_loss": 0.4})
    none = {"loss": math.nan, "train_loss": math.nan, "largest_weight": math.nan}
    points.append({**run, "p": 7, **none, "kernel_loss": 0.9, "diverged": True})
    points += [{**run, "p": 5, "loss": 5.0, "kernel_loss": 0.1} for _ in range(5)]
    found = triple_regression.measured(settings, points)
    # What diverged is counted, and is not below one half.
    assert found["halved_share"].value == pytest.approx(0.6) and found["halved_share"].n == 5
    assert found["kernel_halved_share"].value == pytest.approx(0.2)
    assert found["diverged_share"].value == pytest.approx(0.2)
    assert found["loss"].value == pytest.approx((3 * 0.1 + 0.7) / 4)
    assert found["share_of_triples"].value == pytest.approx(159 / 343)


def test_what_is_computed_and_that_a_step_too_large_is_told_as_diverged():
    arms = {"one": {"height": "one"}, "far": {"learning_rate": 1e6}}
    made = triple_regression.compute({**SMALL, "arms": arms}, 2)
    names = triple_regression.ESTIMATES[""]
    prefixes = ("", "one.", "far.")
    assert set(made["estimates"]) == {f"{prefix}{key}" for prefix in prefixes for key in names}
    assert made["estimates"]["far.diverged_share"].value == 1.0
    assert "all 2 runs diverged" in made["estimates"]["far.loss"].reason
    curve = [row for row in made["points"] if row["kind"] == "curve" and row["arm"] == "one"]
    assert curve[0]["step"] == 0 and curve[-1]["step"] == 20
    # The kernel does not know the height.
    kernel = {row["kernel_loss"] for row in made["points"] if row["kind"] == "run"}
    assert len(kernel) == 2 * 2


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"moduli": [2]}, "options.moduli = [2]: should be 3 or more"),
        ({"factor": 9.0}, "options.factor = 9: leaves no triple unseen at p = 5"),
        ({"arms": {"odd": {"growth": 1.0}}}, "options.arms.odd: options.growth = 1"),
    ],
)
def test_options_that_nothing_can_be_trained_with_are_named(change, words):
    with pytest.raises(RegrokError) as refusal:
        triple_regression.compute({**SMALL, **change}, 0)
    assert words in str(refusal.value)

"""The estimator of the local learning coefficient, curvature and ranks, against what they should be."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.integrate import quad

from regrok.errors import RegrokError
from regrok.measures import curvature
from regrok.measures.learning_coefficient import (
    Protocol,
    expected,
    largest_curvature,
    largest_step,
    localised,
    refusal,
    sample,
)

PROTOCOL = Protocol(step=1e-3, n_beta=30.0, localisation=5.0, chains=4, burn_in=100, draws=600)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def quadratic(h):
    """L = ½ Σ h_i w_i² and its gradient, of many points."""
    h = torch.as_tensor(h)
    return lambda points, draw: ((points**2 * h).sum(1) / 2, points * h)


@pytest.mark.parametrize(
    "protocol",
    [
        PROTOCOL,
        Protocol(step=0.05, n_beta=10.0, localisation=2.0, chains=4, burn_in=0, draws=30),
        Protocol(step=1e-3, n_beta=100.0, localisation=0.0, chains=4, burn_in=50, draws=200),
    ],
)
def test_a_quadratic_loss_gives_what_its_chain_expects(protocol):
    """400 directions and 4 chains: a relative error of about √(2/1600) where draws of a direction depend on each other
    all along, and less otherwise; four of these are allowed."""
    h = np.geomspace(0.01, 1.5, 400)
    found = sample(
        quadratic(h),
        torch.zeros(1, 400, dtype=torch.float64),
        torch.zeros(1),
        protocol,
        generator(),
    )
    assert not found.diverged.any()
    assert float(found.mean) == pytest.approx(expected(h, protocol), rel=4 * math.sqrt(2 / 1600))


def test_many_draws_of_a_small_step_expect_the_localised_coefficient():
    """Against the exact posterior's second moment 1/(nβ·h + γ) in each direction."""
    h = np.array([0.0, 0.1, 1.0, 4.0])
    long = Protocol(1e-4, 30.0, 5.0, 1, 200_000, 10**6)
    by_hand = 0.5 * (3 / 8 + 30 / 35 + 120 / 125)
    assert localised(h, 30.0, 5.0) == pytest.approx(by_hand)
    # The step's own bias is a/2, at most .6 % here.
    assert expected(h, long) == pytest.approx(by_hand, rel=0.004)
    assert localised(h, 30.0, 0.0) == 1.5
    assert localised(h, 1e9, 5.0) == pytest.approx(1.5)


def test_the_expectation_is_the_sum_of_the_recursion():
    h = np.array([0.3, 2.0])
    protocol = Protocol(0.02, 10.0, 3.0, 1, 7, 11)
    variance, terms = np.zeros(2), []
    for t in range(18):
        if t >= 7:
            terms.append((10.0 * h * variance).sum() / 2)
        variance = (1 - 0.01 * (10 * h + 3)) ** 2 * variance + 0.02
    assert expected(h, protocol) == pytest.approx(np.mean(terms))


def crossing(n_beta, gamma):
    """E[nβ·x²y²] under exp(−nβ·x²y² − γ(x² + y²)/2), derived here.

    Given x, y is normal with precision 2nβ·x² + γ, so that E[nβ·x²y² | x] = nβ·x²/(2nβ·x² + γ), and x has the density
    exp(−γx²/2)/√(2nβ·x² + γ) up to a factor. For nβ → ∞ it tends to λ = 1/2, the coefficient of x²y², as
    1/2 − 1/(2·ln nβ) or so, since its multiplicity is two.
    """
    reach = 10 / math.sqrt(gamma)
    points = [0.0, *np.geomspace(1e-6, 0.5, 12) * reach]

    def integral(weight):
        def inner(x):
            stiff = 2 * n_beta * x * x
            return weight(stiff) * math.exp(-gamma * x * x / 2) / math.sqrt(stiff + gamma)

        return quad(inner, 0, reach, points=points, limit=400)[0]

    return integral(lambda stiff: stiff / 2 / (stiff + gamma)) / integral(lambda stiff: 1.0)


def test_a_singular_crossing_has_its_known_coefficient():
    """The integral against its limit, and 2,000 chains of the sampler against the integral."""
    values = [crossing(n_beta, 1.0) for n_beta in (1e2, 1e4, 1e8, 1e16)]
    assert values == sorted(values) and 0.46 < values[-1] < 0.5

    def loss(points, draw):
        x, y = points[:, 0], points[:, 1]
        return (x * y) ** 2, 2 * (x * y)[:, None] * torch.stack([y, x], 1)

    # Along an arm, where x is 3, a = (ε/2)·2nβ·x² is .09.
    protocol = Protocol(5e-4, 20.0, 1.0, 2000, 4000, 4000)
    found = sample(
        loss, torch.zeros(1, 2, dtype=torch.float64), torch.zeros(1), protocol, generator(1)
    )
    each = found.coefficient[0]
    error = float(each.std()) / math.sqrt(len(each))
    assert not found.diverged.any()
    assert float(each.mean()) == pytest.approx(crossing(20.0, 1.0), abs=4 * error + 0.005)
    assert error < 0.01


def test_states_have_their_own_coefficients_and_minibatches_their_own_numbers():
    """Chains of state s are the rows s·C to s·C + C − 1, and `draw` counts every call."""
    seen = []

    def loss(points, draw):
        seen.append(draw)
        h = torch.tensor([0.1, 0.1, 0.1, 3.0, 3.0, 3.0], dtype=torch.float64)[:, None]
        return (points - 2).square().mul(h).sum(1) / 2 + 7, (points - 2) * h

    protocol = Protocol(1e-2, 50.0, 5.0, 3, 10, 90)
    centre = torch.full((2, 300), 2.0, dtype=torch.float64)
    found = sample(loss, centre, torch.full((2,), 7.0), protocol, generator())
    assert seen == list(range(100)) and found.coefficient.shape == (2, 3)
    for value, h in zip(found.mean.tolist(), (0.1, 3.0), strict=True):
        assert value == pytest.approx(expected(np.full(300, h), protocol), rel=0.15)


def test_a_step_that_is_too_large_is_no_value_and_says_which_would_do():
    """a = (ε/2)(nβ·h + γ) = 2.6 for the stiff state and 0.05 for the other."""
    protocol = Protocol(0.01, 50.0, 20.0, 3, 10, 200)
    stiff, soft = 10.0, 0.2
    h = torch.tensor([stiff, soft], dtype=torch.float64).repeat_interleave(3)[:, None]
    found = sample(
        lambda points, draw: ((points**2 * h).sum(1) / 2, points * h),
        torch.zeros(2, 50, dtype=torch.float64),
        torch.zeros(2),
        protocol,
        generator(),
    )
    assert found.diverged.tolist() == [[True] * 3, [False] * 3]
    assert math.isnan(found.mean[0]) and 0 < float(found.mean[1]) < 25
    assert expected(np.array([stiff]), protocol) == math.inf
    curved = largest_curvature(
        lambda w: w * stiff, torch.zeros(50, dtype=torch.float64), generator()
    )
    assert curved == pytest.approx(stiff)
    words = refusal(protocol, curved, "seed 3, step 40")
    assert (
        words.startswith("seed 3, step 40: chains diverge with step = 0.01") and "0.0038" in words
    )
    enough = largest_step(curved, 50.0, 20.0)
    assert expected(np.array([stiff]), Protocol(enough, 50.0, 20.0, 1, 5, 5)) <= 1


def test_a_chain_that_is_told_nothing_cannot_be_sampled():
    with pytest.raises(RegrokError, match="step = 0: should be above 0"):
        Protocol(0.0, 1.0, 1.0, 1, 0, 1)
    with pytest.raises(RegrokError, match="localisation = -1: should be 0 or above"):
        Protocol(0.1, 1.0, -1.0, 1, 0, 1)


def test_the_largest_curvature_is_that_of_the_hessian():
    rng = np.random.default_rng(2)
    basis = np.linalg.qr(rng.standard_normal((30, 30)))[0]
    hessian = torch.tensor(basis @ np.diag(np.r_[9.0, np.linspace(0, 6, 29)]) @ basis.T)
    found = largest_curvature(
        lambda w: hessian @ w, torch.zeros(30, dtype=torch.float64), generator()
    )
    assert found == pytest.approx(9.0, rel=1e-6)


def test_hutchinson_s_trace():
    """Exact for a diagonal matrix; within four standard errors otherwise."""
    diagonal = torch.arange(6.0).double()
    found, error = curvature.hutchinson(lambda v: v * diagonal, 6, 3, generator())
    assert found == pytest.approx(15.0) and error == pytest.approx(0.0)
    rng = np.random.default_rng(0)
    root = rng.standard_normal((20, 20))
    matrix = torch.tensor(root @ root.T)
    found, error = curvature.hutchinson(lambda v: v @ matrix, 20, 400, generator())
    assert abs(found - float(matrix.trace())) < 4 * error
    exact = math.sqrt(2 * float((matrix**2).sum() - (matrix.diag() ** 2).sum()) / 400)
    assert error == pytest.approx(exact, rel=0.25)


def test_a_rank_counts_what_is_above_rounding():
    rng = np.random.default_rng(1)
    low = rng.standard_normal((20, 4)) @ rng.standard_normal((4, 15))
    assert curvature.rank(low).value == 4 and curvature.rank(low).gap > 1e8
    assert curvature.rank(np.zeros((3, 3))).value == 0
    assert curvature.rank(np.eye(3)) == (3, math.inf)

"""Two-layer networks with squares: gradients, tangent kernels and the Fourier networks, against what they should be."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from regrok.computations import fourier_network
from regrok.computations.parts import expected_kernel, quadratic_network, quadratic_training
from regrok.computations.parts.expected_kernel import Variances
from regrok.computations.parts.quadratic_network import Descent, Pairs
from regrok.errors import RegrokError


def some(p=5, h=7, n=11, seed=0, scale=0.5):
    rng = np.random.default_rng(seed)
    network = quadratic_network.started(p, h, scale, rng)
    return network, Pairs.first(rng.permutation(p * p), n, p)


def tensors(network):
    return [torch.tensor(x.copy(), requires_grad=True) for x in (network.W, network.V)]


def outputs(W, V, pairs):
    """By one-hot vectors and a plain product, (n, p)."""
    eye = torch.eye(pairs.p, dtype=torch.float64)
    x = torch.cat([eye[pairs.a], eye[pairs.b]], 1)
    return (x @ W.T) ** 2 @ V.T


@pytest.mark.parametrize("seed", [0, 1])
def test_a_step_is_that_of_autograd_on_the_cross_entropy(seed):
    network, pairs = some(seed=seed)
    W, V = tensors(network)
    loss = torch.nn.functional.cross_entropy(outputs(W, V, pairs), torch.tensor(pairs.labels))
    loss.backward()
    size = torch.sqrt((W.grad**2).sum() + (V.grad**2).sum())
    Descent(network, pairs, 0.3).step()
    np.testing.assert_allclose(network.W, (W - 0.3 * W.grad / size).detach(), atol=1e-13)
    np.testing.assert_allclose(network.V, (V - 0.3 * V.grad / size).detach(), atol=1e-13)


def test_a_gradient_that_underflows_keeps_its_direction():
    """A lead of 2,000 or more makes every probability of a wrong output 0 in float64, but not their proportions.

    With leads of 1,000·m for the label, entry c of the gradient is exp(z_c − z_label) to rounding: those of the pair
    and output that come nearest are all that is left.
    """
    scores = np.array([[2000.0, 0.0, -1.0], [-5.0, 1994.5, 0.5]])
    made = quadratic_network.pulls(scores, np.array([0, 1]))
    # Leads: 2000 and 2001 of the first pair, 1999.5 and 1994 of the second.
    expected = np.exp(1994.0 - np.array([[2000.0, 2001.0], [1999.5, 1994.0]]))
    np.testing.assert_allclose(made[0, 1:], expected[0], rtol=1e-10)
    np.testing.assert_allclose(made[1, [0, 2]], expected[1], rtol=1e-10)
    np.testing.assert_allclose(made.sum(1), 0.0, atol=1e-15)


def test_a_table_of_outputs_is_the_plain_product():
    network, _ = some()
    a, b = np.divmod(np.arange(25), 5)
    W, V = tensors(network)
    plain = outputs(W, V, Pairs(a, b, 5)).detach().numpy()
    np.testing.assert_allclose(network.table().reshape(25, 5), plain, atol=1e-14)


@pytest.mark.parametrize("output", [0, 3])
def test_the_tangent_kernel_is_the_product_of_autograd_s_gradients(output):
    network, _ = some(p=4, h=6)
    W, V = tensors(network)
    a, b = np.divmod(np.arange(16), 4)
    rows = []
    for value in outputs(W, V, Pairs(a, b, 4))[:, output]:
        grads = torch.autograd.grad(value, (W, V), retain_graph=True)
        rows.append(torch.cat([g.reshape(-1) for g in grads]))
    jacobian = torch.stack(rows).numpy()
    found = quadratic_network.tangent_kernel(network, output)
    np.testing.assert_allclose(found, jacobian @ jacobian.T, atol=1e-12)


def test_the_expected_kernel_is_that_of_a_very_wide_network():
    """By the law of large numbers: 200,000 independent neurons, whose kernel a neuron is off by about 1%."""
    hidden, out = 0.7, 1.3
    rng, p, h = np.random.default_rng(3), 3, 200_000
    network = quadratic_network.Network(
        hidden**0.5 * rng.standard_normal((h, 2 * p)), out**0.5 * rng.standard_normal((p, h))
    )
    found = quadratic_network.tangent_kernel(network) / h
    exact = Variances(hidden, out).kernel(quadratic_network.matches(p), 2)
    np.testing.assert_allclose(found, exact, rtol=0.05)


@pytest.mark.parametrize("p", [3, 5, 6, 11, 12])
def test_eight_p_neurons_add_exactly(p):
    network = fourier_network.full(p)
    expected = 4.0 * p * np.eye(p)[quadratic_network.sums(p)]
    np.testing.assert_allclose(network.table(), expected, atol=1e-12 * p)
    assert len(network.W) == 8 * p and network.largest() <= 1.0
    assert quadratic_network.margin(network.table()) == pytest.approx(4 * p)


@pytest.mark.parametrize("p", [3, 5, 11])
def test_half_of_them_do_where_p_is_odd(p):
    network = fourier_network.odd(p)
    expected = 2.0 * p * np.eye(p)[quadratic_network.sums(p)]
    np.testing.assert_allclose(network.table(), expected, atol=1e-12 * p)
    assert len(network.W) == 4 * p and network.largest() <= 1.0


def test_a_fourier_network_without_one_phase_does_not_add():
    network = fourier_network.full(5)
    network.V[:, :2] = 0.0
    found = fourier_network.measured(network, 4.0)
    assert found["error"] > 0.05


def test_what_is_told_of_the_fourier_networks():
    found = fourier_network.compute({"moduli": [5, 8]}, 0)["estimates"]
    assert set(found) == set(fourier_network.ESTIMATES[""])
    assert found["margin_over_p"].value == pytest.approx(4.0)
    assert found["odd_margin_over_p"].value == pytest.approx(2.0)
    # The output is of degree 3 in the weights.
    assert found["target_weight"].value == pytest.approx(0.25 ** (1 / 3))
    with pytest.raises(RegrokError, match=r"options.moduli = \[4, 8\]: should be"):
        fourier_network.compute({"moduli": [4, 8]}, 0)
    with pytest.raises(RegrokError, match="4 is even"):
        fourier_network.odd(4)


def test_logged_steps_and_times_that_last():
    steps = quadratic_training.logged_steps(50, 1.5)
    assert steps[:4] == [0, 1, 2, 3] and steps[-1] == 50 and steps == sorted(set(steps))
    holds = np.array([True, False, True, True])
    assert quadratic_training.first_for_good(np.array([0, 1, 2, 5]), holds) == 2.0
    assert np.isnan(quadratic_training.first_for_good(np.array([0, 1]), np.array([True, False])))
    assert quadratic_training.first_for_good(np.array([0, 1]), np.array([True, True])) == 0.0


def test_growing_weights_alone_do_not_turn_the_kernel():
    network, _ = some()
    before = quadratic_network.tangent_kernel(network)
    grown = quadratic_network.Network(3 * network.W, 3 * network.V)
    assert quadratic_training.turn(before, quadratic_network.tangent_kernel(grown)) < 1e-14
    other, _ = some(seed=9)
    assert quadratic_training.turn(before, quadratic_network.tangent_kernel(other)) > 1e-3


def test_what_all_of_a_kernel_has_in_common_is_no_alignment_of_centred_ones():
    """Two kernels of one-dimensional features with zero mean that are orthogonal, on a large constant in common."""
    one, other = np.array([1.0, -1.0, 1.0, -1.0]), np.array([1.0, 1.0, -1.0, -1.0])
    kernels = [100.0 + np.outer(x, x) for x in (one, other)]
    plain, centred = quadratic_training.turns(*kernels)
    assert plain < 1e-3 and centred == pytest.approx(1.0)
    # Features with a mean are those without it.
    moved = np.outer(one + 3, one + 3)
    np.testing.assert_allclose(quadratic_training.centred(moved), np.outer(one, one), atol=1e-12)


def test_a_training_is_the_loop_of_its_steps_and_tells_what_is_right():
    network, pairs = some(p=5, h=20, n=15, seed=2)
    alone, _ = some(p=5, h=20, n=15, seed=2)
    found = quadratic_training.train(network, pairs, 0.05, 40, 1.3, 1.0, drift=True)
    descent = Descent(alone, pairs, 0.05)
    for _ in range(int(found.step[-1])):
        descent.step()
    np.testing.assert_array_equal(network.W, alone.W)
    hits = alone.table().argmax(-1) == quadratic_network.sums(5)
    seen = pairs.mask()
    assert found.train[-1] == pytest.approx(hits[seen].mean())
    assert found.error == pytest.approx(1 - hits.mean())
    assert found.drift[0] == pytest.approx(0.0, abs=1e-15) and found.drift[-1] > 0


def test_a_network_that_cannot_take_a_step_says_so():
    network, pairs = some()
    network.W[:] = np.inf
    with (
        np.errstate(all="ignore"),
        pytest.raises(RegrokError, match=r"learning_rate = 1: diverged at step 0"),
    ):
        Descent(network, pairs, 1.0).step()


def test_the_predictor_in_closed_form_is_that_of_the_kernel():
    """Kernel interpolation by solving with the whole Gram matrix, against ridge regression on additive features."""
    p, rng = 5, np.random.default_rng(4)
    variances = Variances(0.6, 1.7)
    seen = rng.random((p, p)) < 0.5
    values = rng.standard_normal((p, p, 3))
    kernel = variances.kernel(quadratic_network.matches(p), 2)
    rows = np.flatnonzero(seen)
    weights = np.linalg.lstsq(kernel[np.ix_(rows, rows)], values.reshape(25, 3)[rows], rcond=None)[
        0
    ]
    expected = (kernel[:, rows] @ weights).reshape(p, p, 3)
    found = expected_kernel.additive(seen, values, variances)
    np.testing.assert_allclose(found, expected, atol=1e-11)
    # Many problems at once are the same as one by one.
    both = expected_kernel.additive(
        np.stack([seen, ~seen]), np.stack([values, 2 * values]), variances
    )
    np.testing.assert_allclose(both[0], found, atol=1e-12)


def test_three_inputs_have_the_kernel_of_their_features():
    p, variances = 3, Variances(0.8, 1.1)
    features = expected_kernel.paired_features(p, variances)
    a, b, c = np.indices((p, p, p)).reshape(3, -1)
    agree = sum((x[:, None] == x).astype(float) for x in (a, b, c))
    np.testing.assert_allclose(features @ features.T, variances.kernel(agree, 3), atol=1e-12)


def test_a_singular_kernel_says_in_how_many_directions():
    """All p³ triples: functions of two values each have the dimension 1 + 3(p−1) + 3(p−1)²; the rest is singular."""
    p = 4
    features = expected_kernel.paired_features(p, Variances())
    _, singular = expected_kernel.least_norm(features, np.arange(p**3), np.ones(p**3))
    assert singular == p**3 - (1 + 3 * (p - 1) + 3 * (p - 1) ** 2)
    found, singular = expected_kernel.least_norm(
        features, np.array([0, 7, 21]), np.array([1.0, 2.0, 3.0])
    )
    assert singular == 0
    np.testing.assert_allclose(found[[0, 7, 21]], [1.0, 2.0, 3.0])

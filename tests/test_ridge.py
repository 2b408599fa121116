"""Ridge regression's exact times: against plain descent step by step, the printed bounds, and laws that read them."""

from __future__ import annotations

import math

import numpy as np
import pytest

from regrok.computations import ridge_regression, ridge_two_layer
from regrok.computations.parts import recursion, relu_features
from regrok.computations.parts.recursion import Recursion
from regrok.computations.parts.ridge_draws import descended, drawn
from regrok.errors import RegrokError

SMALL = {
    **ridge_regression.DEFAULTS,
    "n": 8,
    "m": 24,
    "d": 5,
    "learning_rate": 0.5,
    "weight_decay": 1e-2,
    "weight_decays": [1e-2, 3e-2],
    "variances": [1.0, 4.0],
    "level": 0.1,
    "draws": 4,
    "log_every": 5,
    "points": 20,
}


def losses(problem: Recursion, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Training and population loss of plain gradient descent, step by step."""
    n, m = problem.features.shape
    sigma = problem.covariance(np.eye(m))
    theta, train, population = problem.start.copy(), [], []
    for _ in range(steps):
        error = theta - problem.teacher
        train.append(((problem.features @ error) ** 2).mean())
        population.append(error @ sigma @ error)
        gradient = problem.features.T @ (problem.features @ error) / n
        theta = theta - problem.rate * (gradient + problem.decay * theta)
    return np.array(train), np.array(population)


@pytest.mark.parametrize("features", ["gaussian", "relu"])
@pytest.mark.parametrize("level", [0.3, 0.08, 0.03, 1e-4])
def test_times_are_those_of_plain_descent(features, level):
    for i in range(3):
        problem, *_ = drawn({**SMALL, "features": features}, 1, i)
        train, population = losses(problem, 6000)
        above, below = np.flatnonzero(train >= level), np.flatnonzero(population <= level)
        stays = above.size and above[-1] == len(train) - 1
        expected = math.nan if stays else float(above[-1]) if above.size else 0.0
        np.testing.assert_equal(problem.memorised(level), expected)
        np.testing.assert_equal(
            problem.generalised(level), float(below[0]) if below.size else math.nan
        )


def test_the_closed_form_is_the_recursion():
    problem, *_ = drawn(SMALL, 2, 0)
    for steps in (0, 1, 7, 400):
        np.testing.assert_allclose(problem.at(steps), descended(problem, steps), atol=1e-13)
    train, population = losses(problem, 300)
    steps = np.arange(300)
    np.testing.assert_allclose(problem.train_loss(steps), train, atol=1e-13)
    np.testing.assert_allclose(problem.population_loss(steps), population, atol=1e-13)


def test_a_late_crossing_is_known_in_closed_form():
    given, *_ = drawn({**SMALL, "weight_decay": 1e-6}, 3, 1)
    nothing = np.zeros_like(given.teacher)
    problem = Recursion(given.features, nothing, given.start, given.covariance, given.rate, 1e-6)
    # Without a teacher ‖θ‖² off the span of the examples falls by (1 − ηλ)² a step, and nothing else is left.
    outside = float(problem.parts[3] @ problem.parts[3]) / SMALL["m"]
    expected = math.ceil(math.log(0.05 / outside) / (2 * math.log1p(-0.5e-6)))
    assert problem.generalised(0.05) == expected > 50 * problem.settled


def test_another_decay_and_start_are_the_problem_that_is_made_anew():
    problem, *_ = drawn(SMALL, 4, 0)
    moved = problem.moved(0.05, 3.0)
    anew = Recursion(
        problem.features, problem.teacher, 3 * problem.start, problem.covariance, problem.rate, 0.05
    )
    steps = np.array([0, 3, 50, 1000])
    np.testing.assert_allclose(
        moved.population_loss(steps), anew.population_loss(steps), rtol=1e-12
    )
    np.testing.assert_allclose(moved.train_loss(steps), anew.train_loss(steps), rtol=1e-12)


def test_a_step_that_diverges_is_refused_with_the_one_that_would_not():
    with pytest.raises(RegrokError, match=r"learning_rate = 50: the recursion diverges; below"):
        drawn({**SMALL, "learning_rate": 50.0}, 0, 0)
    largest = 2 / (drawn(SMALL, 0, 0)[0].curvature.max() + SMALL["weight_decay"])
    drawn({**SMALL, "learning_rate": float(largest) * 0.999}, 0, 0)


def test_the_arc_cosine_kernel_is_the_covariance_of_relu_features():
    rng = np.random.default_rng(0)
    weights = rng.standard_normal((5, 3))
    features = relu_features.relu_features(weights, rng.standard_normal((400_000, 3)))
    exact = relu_features.covariance(weights)(np.eye(5))
    np.testing.assert_allclose(features.T @ features / 400_000, exact, atol=0.01)
    assert relu_features.least_eigenvalue(weights) == pytest.approx(np.linalg.eigvalsh(exact)[0])


def test_bounds_at_the_published_point():
    # 100·ln(14·1000/0.01)/(2·0.5), ln(900/80)/(2.02e-4), ln(450/(√10 + 1)²)/4e-4: by hand.
    assert recursion.memorised_bound_gaussian(100, 1000, 1.0, 0.5, 1.0, 0.01) == pytest.approx(
        1415.2, abs=0.05
    )
    late = recursion.generalised_bound_gaussian(100, 1000, 1.0, 1e-4, 1.0, 0.01)
    assert late == pytest.approx(11981.9, abs=0.5)
    general = recursion.generalised_bound(100, 1000, 1.0, 1e-4, 1.0, 1e-3, 0.01)
    assert general == pytest.approx(8142.8, abs=0.05)


def test_what_is_computed_of_draws():
    made = ridge_regression.compute({**SMALL, "arms": {"halved": {"half": True}}}, 7)
    found = made["estimates"]
    assert set(found) == {
        f"{prefix}{key}" for prefix in ("", "halved.") for key in ridge_regression.ESTIMATES[""]
    }
    assert found["recursion_error"].value < 1e-12
    # ½ in the loss lets it pass earlier, on either side.
    assert found["halved.t1"].value <= found["t1"].value
    assert found["halved.t2"].value <= found["t2"].value
    assert {point["kind"] for point in made["points"]} == {"time", "curve"}
    times = [p for p in made["points"] if p["kind"] == "time" and p["arm"] == "all"]
    assert len(times) == 4 * 3
    problem, *_ = drawn(SMALL, 7, 2)
    third = next(p for p in times if p["draw"] == 2)
    np.testing.assert_equal(third["t2"], problem.generalised(SMALL["level"]))


def test_where_training_is_free_of_decay_its_exponent_is_zero_and_the_other_one():
    settings = {
        **ridge_regression.DEFAULTS,
        "n": 20,
        "m": 400,
        "weight_decays": [1e-6, 3e-6, 1e-5],
        "weight_decay": 1e-5,
        "draws": 12,
    }
    found = ridge_regression.compute(settings, 1)["estimates"]
    assert found["t1_exponent"].value == pytest.approx(0.0, abs=2e-3)
    assert found["t2_exponent"].value == pytest.approx(-1.0, abs=2e-3)
    assert found["t1_within_bound"].value == found["t2_within_bound"].value == 1.0
    # The law reads each draw at one λ, on a grid, and its interval holds what is exact.
    low, high = found["law_less_exact"].low, found["law_less_exact"].high
    assert low < 0 < high


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"n": 24}, "options.n = 24: should be below m = 24"),
        ({"weight_decays": []}, "options.weight_decays"),
        ({"arms": {"fast": {"learning_rate": 99.0}}}, "options.arms.fast: options.learning_rate"),
    ],
)
def test_options_without_a_solution_are_named(changes, words):
    with pytest.raises(RegrokError) as refusal:
        ridge_regression.compute({**SMALL, **changes}, 0)
    assert words in str(refusal.value)


def test_one_step_of_the_two_layer_network_is_autograd_s():
    import torch

    rng = np.random.default_rng(5)
    inputs = rng.standard_normal((6, 4))
    network = ridge_two_layer.Network(rng.standard_normal(9), rng.standard_normal((9, 4)))
    a, W = (torch.tensor(x.copy(), requires_grad=True) for x in (network.a, network.W))
    out = torch.relu(torch.tensor(inputs) @ W.T) @ a
    loss = (out**2).sum() / 12 + 0.15 * ((a**2).sum() + (W**2).sum())
    loss.backward()
    told = network.step(inputs, 0.02, 0.3)
    np.testing.assert_allclose(network.a, (a - 0.02 * a.grad).detach(), atol=1e-14)
    np.testing.assert_allclose(network.W, (W - 0.02 * W.grad).detach(), atol=1e-14)
    assert told == pytest.approx(float((out.detach() ** 2).mean()))


def test_the_two_layer_network_s_population_loss_is_that_of_many_inputs():
    rng = np.random.default_rng(6)
    network = ridge_two_layer.Network(rng.standard_normal(30), rng.standard_normal((30, 5)))
    inputs = rng.standard_normal((400_000, 5)) / math.sqrt(5)
    out = np.maximum(inputs @ network.W.T, 0) @ network.a
    assert network.population_loss() == pytest.approx((out**2).mean(), rel=0.02)


def test_the_two_layer_network_s_times():
    options = {
        **ridge_two_layer.DEFAULTS,
        "d": 6,
        "n": 4,
        "m": 30,
        "learning_rate": 0.01,
        "weight_decay": 0.1,
        "weight_decays": [0.1, 0.2],
        "draws": 2,
    }
    made = ridge_two_layer.compute(options, 3)
    found = made["estimates"]
    assert found["finished_share"].value == 1.0
    # With nothing to fit but zero, what is forgotten goes as 1/λ.
    assert found["t2_exponent"].value == pytest.approx(-1.0, abs=0.25)
    curve = [p for p in made["points"] if p["kind"] == "curve"]
    assert curve[-1]["population_loss"] <= 0.01 < curve[-2]["population_loss"]
    with pytest.raises(RegrokError, match=r"learning_rate = 3: diverged at step"):
        ridge_two_layer.compute({**options, "learning_rate": 3.0}, 3)

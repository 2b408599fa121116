"""Learning coefficients of networks with squares: gradients, ranks, planted histories, lines and severities."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
import torch

from regrok.computations import (
    coefficient_growth,
    coefficient_history,
    grokking_severity,
    localised_coefficient,
    parameter_ranks,
)
from regrok.computations.parts import histories, square_loss
from regrok.computations.parts.quadratic_network import Pairs, started
from regrok.computations.parts.sampled_states import States, ceiling, geometric
from regrok.computations.parts.square_loss import Adam, Stack
from regrok.errors import RegrokError


def some(p=5, width=7, draws=3, seed=0):
    rngs = [np.random.default_rng([seed, i]) for i in range(draws)]
    stack = Stack(p, width, *square_loss.pairs(p, 0.5, rngs))
    return stack, square_loss.started(p, width, 3.0, rngs).double()


def plain_loss(stack, row, i, rows):
    """½‖(Y − Ŷ)P‖²/B of one network, by one-hot vectors, P written out."""
    p, width = stack.p, stack.width
    W, V = row[: 2 * p * width].view(2 * p, width), row[2 * p * width :].view(p, width)
    a, b = stack.a[i, rows], stack.b[i, rows]
    eye = torch.eye(p, dtype=torch.float64)
    x, count = torch.cat([eye[a], eye[b]], 1).T, len(rows)
    outputs = V @ (W.T @ x) ** 2
    P = torch.eye(count, dtype=torch.float64) - 1 / count
    return ((eye[(a + b) % p].T - outputs) @ P).square().sum() / (2 * count)


def test_losses_and_gradients_are_those_of_autograd():
    stack, flat = some()
    rows = torch.tensor([[0, 3, 5, 9], [1, 2, 3, 4], [11, 0, 7, 8]])
    loss, gradient = stack.loss_and_gradient(flat, rows)
    for i in range(3):
        row = flat[i].clone().requires_grad_()
        expected = plain_loss(stack, row, i, rows[i])
        expected.backward()
        torch.testing.assert_close(loss[i], expected.detach(), atol=1e-13, rtol=1e-12)
        torch.testing.assert_close(gradient[i], row.grad, atol=1e-13, rtol=1e-11)
    repeated = stack.repeated(2)
    again, _ = repeated.loss_and_gradient(
        flat.repeat_interleave(2, 0), rows.repeat_interleave(2, 0)
    )
    torch.testing.assert_close(again, loss.repeat_interleave(2))


def test_what_is_told_of_a_network_is_told_of_all_of_its_pairs():
    stack, flat = some()
    told, n = stack.told(flat), stack.a.shape[1]
    for i in range(3):
        whole = plain_loss(stack, flat[i], i, torch.arange(n))
        torch.testing.assert_close(told["loss"][i], whole, atol=1e-13, rtol=1e-6)
    assert told["norm"].tolist() == pytest.approx(flat.square().sum(1).tolist())
    # A constant of each output, which the loss does not see: added to V of a neuron whose input is always 1.
    W, V = stack.layers(flat)
    W[:, :5, 0], W[:, 5:, 0] = 1.0, 0.0
    before = stack.told(flat)
    V[:, :, 0] += torch.linspace(-50, 50, 5, dtype=torch.float64)
    after = stack.told(flat)
    for key in ("train", "validation", "loss"):
        torch.testing.assert_close(before[key], after[key], atol=1e-8, rtol=1e-8)


def test_a_network_that_adds_is_right_on_all_pairs():
    p = 7
    made = localised_coefficient.network(p)
    a, b = (torch.tensor(x)[None] for x in np.divmod(np.arange(p * p)[:30], p))
    told = Stack(p, 4 * p, a, b).told(localised_coefficient.flattened(made))
    assert told["train"].item() == told["validation"].item() == 1.0
    assert told["loss"].item() < 1e-14


def test_training_is_a_plain_loop_of_torch_s_adam():
    stack, flat = some()
    flat = flat / 3
    one = flat[1].clone().requires_grad_()
    plain = torch.optim.Adam([one], lr=0.02, weight_decay=0.01)
    rngs = [np.random.default_rng(i) for i in range(3)]
    feed = square_loss.batches(12, 5, rngs)
    orders = np.random.default_rng(1)
    batches = []
    for _ in range(5):
        order = orders.permutation(12)
        batches += [torch.tensor(order[:5]), torch.tensor(order[5:10])]
    steps = list(square_loss.train(stack, flat, Adam(0.02, 0.01), feed, [4, 10]))
    for rows in batches:
        plain.zero_grad()
        plain_loss(stack, one, 1, rows).backward()
        plain.step()
    assert [step for step, _ in steps] == [4, 10]
    torch.testing.assert_close(flat[1], one.detach(), atol=1e-9, rtol=1e-7)


def test_a_training_that_diverges_names_the_learning_rate():
    stack, flat = some()
    feed = square_loss.batches(12, 5, [np.random.default_rng(i) for i in range(3)])
    with pytest.raises(RegrokError, match=r"learning_rate = 1e\+300: diverged before step 3"):
        list(square_loss.train(stack, flat, Adam(1e300, 0.0), feed, [3]))


@pytest.mark.parametrize(("p", "width"), [(3, 2), (4, 3)])
def test_both_derivatives_are_those_of_autograd(p, width):
    network = started(p, width, 1.0, np.random.default_rng(0))
    W, V = torch.tensor(network.W), torch.tensor(network.V)
    a, b = np.divmod(np.arange(p * p), p)
    eye = torch.eye(p, dtype=torch.float64)
    x = torch.cat([eye[a], eye[b]], 1)
    upper = torch.triu_indices(2 * p, 2 * p)

    def matrices(V, W):
        return torch.einsum("cj,jk,jl->ckl", V, W, W)[:, upper[0], upper[1]].flatten()

    def outputs(V, W):
        return ((x @ W.T) ** 2 @ V.T).flatten()

    def derivative(of):
        parts = torch.autograd.functional.jacobian(of, (V, W))
        return torch.cat([part.flatten(1) for part in parts], 1).numpy()

    def by_neuron(made):
        """Columns of V neuron by neuron."""
        of_V = made[:, : p * width].reshape(-1, p, width).transpose(0, 2, 1)
        return np.concatenate([of_V.reshape(-1, p * width), made[:, p * width :]], 1)

    on_pairs = parameter_ranks.on_pairs(network, Pairs(a, b, p))
    np.testing.assert_allclose(on_pairs, by_neuron(derivative(outputs)), atol=1e-13)
    of_map = parameter_ranks.parameter_map(network)
    np.testing.assert_allclose(of_map, by_neuron(derivative(matrices)), atol=1e-13)


@pytest.mark.parametrize(("p", "width"), [(4, 2), (4, 4), (5, 5)])
def test_ranks_of_narrow_networks_are_those_that_their_symmetries_leave(p, width):
    """One parameter of a neuron changes nothing in the parameter map, and two on the inputs: derived in the module."""
    made = parameter_ranks.counted(p, width, 0.5, np.random.default_rng(3))
    assert made["map"] == made["printed_formula"] == width * (3 * p - 1)
    assert made["inputs"] == made["inputs_formula"] == width * (3 * p - 2)
    assert made["lazy"] == p * width
    assert made["gap"] > 1e6


def test_a_wide_network_fills_what_its_training_pairs_leave():
    made = parameter_ranks.counted(4, 20, 0.4, np.random.default_rng(4))
    assert made["n"] == 6 and made["training"] == made["training_formula"] == 5 * 4
    assert made["inputs"] == 4**3 and made["lazy"] == 6 * 4


def test_formulas_at_the_published_point():
    options = {**parameter_ranks.DEFAULTS, "published_p": 5, "published_width": 6}
    found = parameter_ranks.published(options, np.random.default_rng(0))
    # n = 10 pairs of 25, 5 outputs: 50; K(3p − 1) = 84; W frozen: 5·6.
    assert found["published_ceiling"].value == 25 and found["published_formula"].value == 42
    assert found["published_formula_over_ceiling"].value == pytest.approx(1.68)
    assert found["published_lazy_over_ceiling"].value == pytest.approx(0.6)
    assert found["width_at_ceiling"].value == pytest.approx(50 / 14)


def test_the_hessian_of_the_exact_network_is_that_of_autograd():
    made = localised_coefficient.network(3)
    stack = Stack(3, 12, *(torch.tensor(x)[None] for x in np.divmod(np.arange(9), 3)))
    flat = localised_coefficient.flattened(made)
    hessian = torch.autograd.functional.hessian(
        lambda row: plain_loss(stack, row, 0, torch.arange(9)), flat[0]
    )
    values = np.linalg.eigvalsh(hessian.numpy())
    found = np.sort(localised_coefficient.curvatures(made))
    np.testing.assert_allclose(values[-len(found) :], found, rtol=1e-8)
    np.testing.assert_allclose(values[: -len(found)], 0.0, atol=1e-12)


def test_a_cold_chain_on_the_exact_network_gives_what_its_curvatures_expect():
    """nβ so large that the chain stays where the loss is quadratic: 252 directions, 40 chains."""
    options = {
        **localised_coefficient.DEFAULTS,
        "p": 5,
        "n_beta": 3e6,
        "step": 1e-7,
        "localisation": 3e3,
        "chains": 40,
    }
    made = localised_coefficient.compute(options, 1)
    assert set(made["estimates"]) == set(localised_coefficient.ESTIMATES[""])
    found = made["estimates"]
    assert found["diverged_share"].value == 0.0
    assert found["sampled_over_chain"].value == pytest.approx(1.0, abs=0.06)
    # A stationary posterior of a quadratic loss sees less the stronger it is held.
    assert found["localisation_exponent"].value < 0 < found["n_beta_exponent"].value
    assert 0 < found["chain_share"].value < found["settled_share"].value
    assert found["settled_share"].value == pytest.approx(found["seen_share"].value, rel=0.5)


# Histories ------------------------------------------------------------------------------------------------------------


def planted(draws=5, chains=3, noise=1.0, top=2, seed=0):
    """Coefficients that rise to 120 at one of six points, then fall to 100; T_grok is the fourth step."""
    rng = np.random.default_rng(seed)
    level = np.array([-50.0, 60.0, 90.0, 100.0, 100.0, 100.0])
    level[top] = 120.0
    steps = [10, 20, 40, 80, 160, 320]
    validation = [0.0, 0.02, 0.3, 0.97, 1.0, 1.0]
    points = [
        {
            "draw": i,
            "step": s,
            "coefficients": list(level[k] + noise * rng.standard_normal(chains)),
            "loss": 2.0**-k * rng.uniform(0.9, 1.1),
            "norm": 50.0 + k * rng.uniform(0.9, 1.1),
            "train": 1.0,
            "validation": validation[k],
        }
        for i in range(draws)
        for k, s in enumerate(steps)
    ]
    times = [{"draw": i, "T_mem": 40.0, "T_grok": 80.0, "T_rise": 35.0} for i in range(draws)]
    return pd.DataFrame(points), pd.DataFrame(times)


def test_a_planted_peak_is_found_before_t_grok():
    found = histories.told(*planted(), 1000.0, 0)
    assert list(found) and set(found) == set(histories.KEYS)
    assert found["peak_before_share"].value == 1.0 == found["lower_after_share"].value
    assert found["lower_at_end_share"].value == 1.0
    # The peak, at step 40, comes after validation has begun to rise at 35.
    assert found["peak_before_rise_share"].value == 0.0
    assert found["peak_over_final"].value == pytest.approx(1.2, abs=0.02)
    assert found["peak_step_over_T_grok"].value == pytest.approx(0.5)
    assert found["before_over_after"].value == pytest.approx(1.2, abs=0.02)
    assert found["final_over_ceiling"].value == pytest.approx(0.1, abs=0.005)
    assert found["diverged_share"].value == 0.0 and found["grokked_share"].value == 1.0


def test_a_history_that_only_rises_has_no_peak_before_t_grok():
    points, times = planted()
    points["coefficients"] = [[float(s)] * 3 for s in points.step]
    found = histories.told(points, times, 1000.0, 0)
    assert found["peak_before_share"].value == 0.0 == found["lower_after_share"].value
    assert found["peak_over_final"].value == pytest.approx(1.0)


def test_the_height_of_a_peak_in_noise_is_not_that_of_the_noise():
    """Chains of equal means: the largest of 40 noisy ones is two standard deviations up, the cross-fitted peak not."""
    rng = np.random.default_rng(5)
    heights = [histories.peak(rng.standard_normal((40, 3)))[1] for _ in range(300)]
    assert abs(np.mean(heights)) < 4 / math.sqrt(300)
    at, height = histories.peak(np.array([[1.0], [3.0], [math.nan]]))
    assert (at, height) == (1, 3.0)
    assert histories.peak(np.full((2, 3), math.nan))[0] == -1


def test_draws_that_do_not_grok_have_no_peak_and_diverged_chains_no_value():
    points, times = planted()
    times.loc[0, "T_grok"] = math.nan
    points.at[7, "coefficients"] = [math.nan, 1.0, 2.0]
    found = histories.told(points, times, 1000.0, 0)
    assert found["grokked_share"].value == pytest.approx(4 / 5)
    assert found["peak_before_share"].n == 4
    assert found["diverged_share"].value == pytest.approx(1 / 90)
    times["T_grok"] = math.nan
    found = histories.told(points, times, 1000.0, 0)
    assert found["peak_before_share"].value is None and found["final"].value is None


def test_a_coefficient_that_is_made_of_loss_and_norm_adds_nothing():
    """Ranks: the accuracy is loss plus noise; the coefficient is loss plus other noise, or that of the accuracy."""
    rng = np.random.default_rng(2)
    rows = 5 * 40
    loss, norm, noise, other = rng.standard_normal((4, rows))
    frame = pd.DataFrame(
        {"draw": np.repeat(range(5), 40), "step": np.tile(range(100, 140), 5), "loss": loss}
    )
    frame["norm"], frame["validation"] = norm, loss + noise
    times = pd.DataFrame({"draw": range(5), "T_mem": 50.0})
    frame["coefficients"] = [[v, v] for v in loss + other]
    nothing = histories.added(frame, times, 0)
    assert nothing["correlation"].value > 0.3
    assert abs(nothing["partial_correlation"].value) < 0.25
    gain = nothing["explained_with_coefficient"].value - nothing["explained_by_loss_and_norm"].value
    assert 0 <= gain < 0.05
    frame["coefficients"] = [[v, v] for v in -noise]
    something = histories.added(frame, times, 0)
    assert something["partial_correlation"].value < -0.9
    early = histories.added(frame, times.assign(T_mem=1000.0), 0)
    assert early["partial_correlation"].value is None


# Lines ----------------------------------------------------------------------------------------------------------------


def sweep(level, values=(41, 47, 53, 59), draws=4, noise=1.0):
    rng = np.random.default_rng(1)
    return pd.DataFrame(
        [
            {
                "value": v,
                "draw": i,
                "coefficient": level(v) + noise * rng.standard_normal(),
                "diverged": 0.0,
                "validation": 1.0,
                "ceiling": 1000.0,
            }
            for v in values
            for i in range(draws)
        ]
    )


GROWTH = {**coefficient_growth.DEFAULTS, "width": 256, "over": "p"}


def test_a_planted_line_is_found_with_its_slope():
    found = coefficient_growth.measured(sweep(lambda v: 384.0 * v - 128), GROWTH, 0)
    assert set(found) == set(coefficient_growth.ESTIMATES[""])
    # ½K(3p − 1) itself.
    assert found["slope_over_theory"].value == pytest.approx(1.0, abs=0.01)
    assert found["slope_per_neuron"].value == pytest.approx(1.5, abs=0.01)
    assert found["R_squared"].value > 0.999 and found["R_squared"].high <= 1.0
    assert found["exponent"].value == pytest.approx(1.0, abs=0.02)
    curved = coefficient_growth.measured(sweep(lambda v: (v - 50.0) ** 2), GROWTH, 0)
    assert curved["R_squared"].value < 0.5


def test_draws_that_have_not_generalised_are_no_part_of_a_line():
    rows = sweep(lambda v: 2.0 * v)
    rows.loc[rows.value == 59, "validation"] = 0.5
    rows.loc[rows.value == 59, "coefficient"] = 1e6
    found = coefficient_growth.measured(rows, GROWTH, 0)
    assert found["slope"].value == pytest.approx(2.0, abs=0.3)
    assert found["grokked_share"].value == 0.75
    rows.loc[rows.value == 53, "coefficient"] = math.nan
    found = coefficient_growth.measured(rows, GROWTH, 0)
    assert found["slope"].value is None
    assert found["slope"].reason.startswith("2 of 4 values have two draws")


# Severity -------------------------------------------------------------------------------------------------------------


def test_severity_is_the_mean_gap_of_runs_that_generalise():
    train, validation = np.array([0.5, 1.0, 1.0, 1.0]), np.array([0.0, 0.0, 0.5, 1.0])
    assert grokking_severity.severity(train, validation, 0.95) == pytest.approx(0.5)
    assert grokking_severity.severity(train, validation[[0, 1, 3, 2]], 0.95) == 0.0
    assert grokking_severity.stopped(validation, 0.99, 10) == 4
    assert grokking_severity.stopped(np.array([0.0, 1.0, 1.0, 1.0]), 0.99, 1) == 3
    assert grokking_severity.stopped(np.zeros(3), 0.99, 1) == 3


def test_a_planted_severity_has_its_slope_over_learning_rates():
    options = {**grokking_severity.DEFAULTS, "learning_rates": [1e-3, 1e-2]}
    points = [
        {
            "severity": 0.5 if rate == 1e-3 else 0.1,
            "stopped_severity": 0.6,
            "T_grok": 1 / rate,
            "validation": 1.0,
        }
        for rate in options["learning_rates"]
        for _ in range(2)
    ]
    found = grokking_severity.measured(options, points)
    assert set(found) == set(grokking_severity.ESTIMATES[""])
    assert found["slope"].value == pytest.approx(-0.4 / math.log(10))
    assert found["stopped_slope"].value == pytest.approx(0.0, abs=1e-12)
    assert found["T_grok_exponent"].value == pytest.approx(-1.0)
    assert found["largest_over_smallest"].value == pytest.approx(0.2)
    points[0]["validation"] = 0.2
    assert "1 runs count as 0" in grokking_severity.measured(options, points)["slope"].note


# The computations on small moduli -------------------------------------------------------------------------------------


def test_histories_are_told_of_every_arm():
    options = {
        **coefficient_history.DEFAULTS,
        "arms": {"colder": {"n_beta": 60.0}, "slower": {"learning_rate": 2e-3}},
    }
    made = coefficient_history.compute(options, 1)
    names = coefficient_history.ESTIMATES[""]
    assert names == histories.KEYS == coefficient_history.ESTIMATES["arms"]
    assert set(made["estimates"]) == {f"{a}{k}" for a in ("", "colder.", "slower.") for k in names}
    points = pd.DataFrame(made["points"])
    sampled = points[points.kind == "point"]
    assert len(sampled) == 3 * 2 * 6 and all(len(c) == 2 for c in sampled.coefficients)
    # Arms that only sample otherwise are of the same states.
    losses = {arm: list(rows.loss) for arm, rows in sampled.groupby("arm")}
    assert losses["all"] == losses["colder"] != losses["slower"]
    assert points[(points.arm == "all") & (points.kind == "curve")].step.nunique() == 16


def test_a_step_that_diverges_is_told_with_the_one_that_would_do():
    options = {**coefficient_history.DEFAULTS, "step": 5.0, "points": 2, "budget": 60}
    found = coefficient_history.compute(options, 1)["estimates"]
    assert found["diverged_share"].value == 1.0 and found["final"].value is None
    assert "draw 0, step 10: chains diverge with step = 5" in found["diverged_share"].note
    assert "would do" in found["diverged_share"].note


def test_growth_and_severity_are_computed():
    made = coefficient_growth.compute(
        {**coefficient_growth.DEFAULTS, "budget": 30, "arms": {"text": {"step": 1e-4}}}, 0
    )
    assert len(made["points"]) == 2 * 3 * 2
    assert {row["ceiling"] for row in made["points"]} == {
        ceiling(p, 32, 0.4) for p in coefficient_growth.DEFAULTS["values"]
    }
    found = grokking_severity.compute({**grokking_severity.DEFAULTS, "budget": 60}, 0)
    assert len(found["points"]) == 4


def test_steps_grow_by_about_one_factor():
    steps = geometric(10, 1000, 5)
    assert steps == [10, 32, 100, 316, 1000] and geometric(1, 3, 9) == [1, 2, 3]


def test_a_coefficient_s_ceiling_is_that_of_its_parameters_or_of_its_pairs():
    assert ceiling(5, 2, 0.4) == 13.0 and ceiling(5, 100, 0.4) == 22.5


@pytest.mark.parametrize(
    ("module", "changes", "words"),
    [
        (parameter_ranks, {"moduli": [3]}, "options.moduli = [3]: should be 4 or more"),
        (parameter_ranks, {"widths": [-1.0]}, "options.widths = [-1.0]"),
        (localised_coefficient, {"p": 8}, "options.p = 8: should be odd"),
        (coefficient_history, {"begin": 400}, "options.begin = 400: should be below budget"),
        (coefficient_history, {"arms": {"odd": {"step": -1.0}}}, "options.arms.odd: options.step"),
        (coefficient_history, {"fraction": 1.5}, "options.fraction = 1.5: should lie between"),
        (
            coefficient_growth,
            {"values": [5.0, 7.0]},
            "options.values = [5.0, 7.0]: should be three",
        ),
        (coefficient_growth, {"arms": {"x": {"p": 7}}}, "options.arms.x.p: an arm can only sample"),
        (grokking_severity, {"learning_rates": [1e-3]}, "options.learning_rates = [0.001]"),
        (grokking_severity, {"every": 400}, "options.every = 400: should be below the budget"),
    ],
)
def test_options_that_nothing_can_be_computed_with_are_named(module, changes, words):
    with pytest.raises(RegrokError) as refusal:
        module.compute({**module.DEFAULTS, **changes}, 0)
    assert words in str(refusal.value)


def test_a_training_set_without_two_pairs_is_refused():
    with pytest.raises(RegrokError, match=r"options.fraction = 0.01: leaves no two pairs"):
        States({**coefficient_history.DEFAULTS, "fraction": 0.01}, 0)

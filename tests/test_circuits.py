"""Two competing circuits: the closed form, the flow against independent descent, and what each ablation must give.

Constants other than the paper's, unless a test says so.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch

from regrok.computations import circuits
from regrok.errors import RegrokError

PLANTED = {
    **circuits.DEFAULTS,
    "P_g": 1.5,
    "P_m": 2.5,
    "kappa": 1.4,
    "alpha": 0.01,
    "q": 20,
    "w_g2": 0.02,
    "w_m2": 0.8,
    "until": 1000.0,
    "points": 40,
}


def planted(**changes: Any) -> dict[str, Any]:
    return {**PLANTED, **changes}


def plain_loss(options: dict[str, Any], sub: torch.Tensor) -> torch.Tensor:
    """The training loss as it is printed, of sub-weights w_g1, w_m1, w_g2, w_m2, through torch's cross-entropy."""
    w = sub[:2] * sub[2:]
    logits = torch.zeros(1, options["q"], dtype=torch.float64)
    logits = torch.cat([w.sum().reshape(1, 1), logits[:, 1:]], 1)
    entropy = torch.nn.functional.cross_entropy(logits, torch.tensor([0]))
    norms = torch.tensor([options["P_g"], options["P_m"]]) * w ** (1 / options["kappa"])
    return entropy + options["alpha"] * (norms**2).sum()


def descend(options: dict[str, Any], step: float, until: float) -> tuple[np.ndarray, float]:
    """Plain gradient descent with this step: strengths at the end, and the time at which test data is right."""
    model = circuits.toy(options)
    sub = circuits.start(options)
    needed = math.log((options["q"] - 1) * options["level"] / (1 - options["level"]))
    grokked = math.nan
    for i in range(round(until / step)):
        if math.isnan(grokked) and sub[0] * sub[2] >= needed:
            grokked = i * step
        w, (g1, m1, g2, m2) = sub[:2] * sub[2:], sub
        wrong = (options["q"] - 1) / (options["q"] - 1 + math.exp(w.sum()))
        pull = options["alpha"] * model.P**2 * 2 / model.kappa * w ** (2 / model.kappa - 1)
        d_g, d_m = pull - wrong
        sub = sub - step * np.array([g2 * d_g, m2 * d_m, g1 * d_g, m1 * d_m])
    return sub[:2] * sub[2:], grokked


# The model ----------------------------------------------------------------------------------------------------


def test_the_flow_is_the_gradient_of_the_printed_loss():
    rng = np.random.default_rng(1)
    for sub in rng.uniform(0.1, 2.5, (20, 4)):
        weights = torch.tensor(sub, requires_grad=True)
        (gradient,) = torch.autograd.grad(plain_loss(PLANTED, weights), weights)
        flow = circuits.toy(PLANTED).flow(0.0, sub)
        assert flow == pytest.approx(-gradient.numpy(), rel=1e-6, abs=1e-9)


def test_the_slope_is_the_loss_s_by_finite_differences():
    model, h = circuits.toy(PLANTED), 1e-6

    def loss(w: np.ndarray) -> float:
        return float(model.cross_entropy(w.sum()) + model.penalty(w))

    for w in np.random.default_rng(2).uniform(0.2, 6.0, (20, 2)):
        finite = [(loss(w + h * e) - loss(w - h * e)) / (2 * h) for e in np.eye(2)]
        assert model.slope(w) == pytest.approx(finite, rel=1e-6, abs=1e-9)


def test_a_large_logit_overflows_nothing():
    model = circuits.toy(PLANTED)
    with np.errstate(all="raise", under="ignore"):
        assert model.cross_entropy(5000.0) == 0.0
        assert model.cross_entropy(np.array([0.0]))[0] == pytest.approx(math.log(20), rel=1e-15)


# The closed form ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kappa", [0.8, 1.2, 1.4, 1.6])
@pytest.mark.parametrize("norms", [(1.0, 2.0), (1.5, 2.5), (2.0, 1.0), (1.0, 1.0)])
def test_the_ratio_at_the_minimum_is_the_closed_form(kappa, norms):
    """The root is found along the derived ratio, so it is checked by the slope in both strengths."""
    model = circuits.toy(planted(kappa=kappa, P_g=norms[0], P_m=norms[1]))
    w = model.minimum((True, True))
    assert model.slope(w) == pytest.approx([0.0, 0.0], abs=1e-13)
    here = model.cross_entropy(w.sum()) + model.penalty(w)
    around = w[:, None] * np.random.default_rng(3).uniform(0.5, 1.5, (2, 500))
    assert (model.cross_entropy(around.sum(0)) + model.penalty(around) > here).all()


def test_with_the_printed_constants_the_closed_form_is_eight():
    assert circuits.toy(circuits.DEFAULTS).ratio() == pytest.approx(8.0, rel=1e-14)


def test_the_flow_ends_at_the_closed_form_to_rounding():
    options = planted(tolerance=1e-12)
    path = circuits.solve(options)
    assert path.end[0] / path.end[1] == pytest.approx((1.5 / 2.5) ** (-2.8 / 0.6), rel=1e-10)
    assert path.end == pytest.approx(circuits.toy(options).minimum((True, True)), abs=1e-9)


def test_the_ratio_forgets_where_it_began_and_the_penalty_s_weight():
    for change in ({"w_g1": 0.3, "w_m1": 0.1}, {"w_m2": 0.1}, {"alpha": 0.02}, {"q": 7}):
        options = planted(**change)
        found = circuits.quantities(options, circuits.solve(options))
        assert found["ratio"] == pytest.approx(found["ratio_closed"], rel=1e-7)


# The solver ---------------------------------------------------------------------------------------------------


def test_what_the_flow_conserves_is_conserved():
    """w_i1² − w_i2² of each circuit: from it and w the sub-weights' sum of squares, hence the speed, is known."""
    options = planted(w_g1=0.01, w_m1=0.05)
    model, sub = circuits.toy(options), circuits.start(options)
    before = sub[:2] ** 2 - sub[2:] ** 2
    from scipy.integrate import solve_ivp

    end = solve_ivp(model.flow, (0, 500.0), sub, "DOP853", rtol=1e-11, atol=1e-13).y[:, -1]
    assert end[:2] ** 2 - end[2:] ** 2 == pytest.approx(before, abs=1e-7)


def test_a_tighter_tolerance_changes_nothing_that_is_shown():
    loose, tight = (
        circuits.quantities(PLANTED, circuits.solve(PLANTED, tolerance))
        for tolerance in (1e-8, 1e-12)
    )
    for key in ("T_mem", "T_grok", "w_g", "w_m", "test_loss"):
        assert loose[key] == pytest.approx(tight[key], rel=1e-5), key


def test_the_interval_holds_the_solver_s_error():
    exact = circuits.quantities(PLANTED, circuits.solve(PLANTED, 1e-13))
    rough = circuits.compute(planted(tolerance=1e-4), 0)["estimates"]
    fine = circuits.compute(PLANTED, 0)["estimates"]
    for key in ("T_mem", "T_grok", "delay", "test_loss"):
        assert rough[key].low < rough[key].high and rough[key].low <= exact[key] <= rough[key].high
        assert fine[key].low == fine[key].high == pytest.approx(exact[key], rel=1e-6), key


def test_descent_with_half_the_step_lies_half_as_far_from_the_flow():
    """Euler's method is of first order, so its error in T_grok halves; its fixed point is the flow's own."""
    options = planted(q=6, alpha=0.03, w_g2=0.1, until=400.0)
    flow = circuits.solve(options)
    ends, times = zip(*(descend(options, step, 400.0) for step in (0.04, 0.02)), strict=True)
    for end in ends:
        assert end == pytest.approx(flow.end, rel=1e-6)
    errors = [abs(time - flow.T_grok) for time in times]
    # A time of descent is a whole number of steps.
    assert errors[0] < 0.4 and errors[1] < errors[0] / 2 + 0.03


# Ablations ----------------------------------------------------------------------------------------------------


def test_without_a_generalising_circuit_test_data_stay_at_chance():
    """0·0 stays 0: the loss is exactly log q, and the other circuit is alone at its minimum."""
    options = planted(w_g2=0.0)
    path = circuits.solve(options)
    found = circuits.quantities(options, path)
    assert (path.w[0] == 0).all() and math.isnan(found["T_grok"])
    assert found["test_loss"] == pytest.approx(math.log(20), rel=1e-14)
    alone = found["w_m"]
    assert alone == pytest.approx(circuits.toy(options).minimum((False, True))[1], rel=1e-7)
    pull = 0.01 * 2.5**2 * (2 / 1.4) * alone ** (2 / 1.4 - 1)
    assert pull == pytest.approx(19 / (19 + math.exp(alone)), rel=1e-7)


def test_without_a_gap_in_efficiency_the_circuits_end_alike():
    options = planted(P_g=2.5)
    found = circuits.quantities(options, circuits.solve(options))
    assert found["ratio_closed"] == 1.0
    assert found["ratio"] == pytest.approx(1.0, rel=1e-7)


def test_the_less_efficient_circuit_ends_the_weaker():
    options = planted(P_g=2.5, P_m=1.5, q=6)
    assert circuits.quantities(options, circuits.solve(options))["ratio"] < 1


def test_two_equal_circuits_are_one_path_twice():
    options = planted(P_g=2.5, w_g2=0.8)
    path = circuits.solve(options)
    assert path.w[0] == pytest.approx(path.w[1], rel=1e-12, abs=1e-15)


def test_a_slower_start_is_a_longer_delay():
    """Strength begins to grow exponentially, so a hundredth of the start costs about log 100 over the rate."""
    delays = [
        circuits.quantities(options, circuits.solve(options))["delay"]
        for options in (planted(w_g2=w, P_g=1.0) for w in (2e-2, 2e-4, 2e-6))
    ]
    assert delays[0] < delays[1] < delays[2]
    assert delays[2] - delays[1] == pytest.approx(delays[1] - delays[0], rel=0.05)


# What comes out -----------------------------------------------------------------------------------------------


def test_an_arm_is_the_model_with_its_changes():
    made = circuits.compute(planted(arms={"slower": {"w_g2": 0.002}}, P_g=1.0), 0)
    alone = circuits.compute(planted(w_g2=0.002, P_g=1.0), 0)
    for key, found in alone["estimates"].items():
        assert made["estimates"][f"slower.{key}"] == found
    delay = made["estimates"]["delay"].value
    share = made["estimates"]["slower.delay_share"].value
    assert share == pytest.approx(alone["estimates"]["delay"].value / delay, rel=1e-12)
    assert share > 1
    assert {p["arm"] for p in made["points"]} == {"all", "slower"}
    assert len(made["points"]) == 2 * (PLANTED["points"] + 1)
    expected = {*circuits.ESTIMATES[""], *(f"slower.{key}" for key in circuits.ESTIMATES["arms"])}
    assert set(made["estimates"]) == expected


def test_the_seed_and_a_second_time_change_nothing():
    assert circuits.compute(PLANTED, 1) == circuits.compute(PLANTED, 2)


def test_what_does_not_happen_has_no_value_and_says_why():
    made = circuits.compute(planted(w_g2=0.0, w_m2=0.0), 0)["estimates"]
    assert made["T_mem"].value is None and "training data" in made["T_mem"].reason
    assert made["delay"].value is None and "test data" in made["delay"].reason
    assert made["ratio"].value is None and "does not exist" in made["ratio"].reason


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"kappa": 2.0}, "options.kappa = 2: should be below 2"),
        ({"q": 1}, "options.q = 1: should be at least 2"),
        ({"level": 1.0}, "options.level = 1: should lie between 0 and 1"),
        ({"first": 5000.0}, "options.first = 5000: should come before until = 1000"),
        ({"arms": {"odd": {"kappa": 3.0}}}, "options.arms.odd: options.kappa = 3: should be below"),
    ],
)
def test_a_value_without_a_solution_is_refused_by_its_key(change, said):
    with pytest.raises(RegrokError, match=said):
        circuits.compute(planted(**change), 0)

"""The probe of learning coefficients on states of runs: against the stacked computation, exact Hessians and ranks."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from regrok.computations.parameter_ranks import on_pairs
from regrok.computations.parts.quadratic_network import Network, Pairs
from regrok.computations.parts.square_loss import Stack
from regrok.errors import RegrokError
from regrok.measures.curvature import rank
from regrok.measures.learning_coefficient import Protocol, sample
from regrok.probes import learning_coefficient as probe
from regrok.study.run import Run
from regrok.training.kinds import QUADRATIC, SQUARE
from small import small_run
from test_probes import states

P, WIDTH = 5, 4
OPTIONS = {**probe.DEFAULTS, "chains": 2, "burn_in": 5, "draws": 20, "batch": 1000, "signs": 400}


@pytest.fixture(scope="module")
def state(tmp_path_factory):
    """A quadratic network after 20 steps; its layout is W (2p, K), then V (p, K), as that of a `Stack`."""
    values = small_run(task={"p": P}).model_dump()
    values["model"] = {**QUADRATIC, "width": WIDTH}
    values["optimiser"] = {**SQUARE, "reduction": None}
    values["protocol"].update(batch=8, max_steps=20, log_every=5, curve_every=10, tail_steps=0)
    run = Run.model_validate(values)
    return states(run, tmp_path_factory.mktemp("probe"), [20])[0]


def stack_of(state):
    a, b = state.train.inputs.T
    return Stack(P, WIDTH, a[None], b[None])


def test_a_state_has_the_coefficients_of_the_stacked_computation(state):
    """All examples in every draw, and the same noise."""
    stack, rows = stack_of(state).repeated(2), torch.arange(len(state.train)).expand(2, -1)
    protocol = Protocol(5e-4, 26.4, 5.0, 2, 5, 20)
    loss = stack_of(state).told(probe.point_of(state)[None].float())["loss"]
    expected = sample(
        lambda flat, draw: stack.loss_and_gradient(flat, rows),
        probe.point_of(state).float()[None],
        loss,
        protocol,
        torch.Generator().manual_seed(7),
    )
    found = probe.measure(state, OPTIONS, 7)
    assert [row["coefficient"] for row in found] == pytest.approx(
        expected.coefficient[0].tolist(), rel=2e-3, abs=2e-3
    )
    assert [row["chain"] for row in found] == [0.0, 1.0]
    assert found[0]["loss"] == pytest.approx(float(loss), rel=1e-5)
    assert all(set(row) == set(probe.COLUMNS) and row["diverged"] == 0.0 for row in found)
    assert all(math.isnan(row["enough"]) and math.isnan(row["rank"]) for row in found)


def test_the_trace_is_that_of_the_hessian(state):
    exact = torch.autograd.functional.hessian(
        lambda point: probe.on(state, point, state.train), probe.point_of(state)
    )
    row = probe.measure(state, OPTIONS, 3)[0]
    assert abs(row["trace"] - float(exact.trace())) < 4 * row["trace_error"]
    vectors = torch.eye(len(exact), dtype=torch.float64)[:3]
    products = probe.hessian_products(state, probe.point_of(state), vectors)
    torch.testing.assert_close(products, exact[:3])


def test_the_rank_is_that_of_the_outputs_derivative(state):
    row = probe.measure(state, {**OPTIONS, "rank": True, "draws": 1}, 3)[0]
    W, V = (view.double().numpy() for view in state.network.layout.views(state.flat).values())
    pairs = Pairs(*state.train.inputs.T.numpy(), P)
    assert row["rank"] == rank(on_pairs(Network(W.T, V), pairs)).value == WIDTH * (3 * P - 2)


def test_minibatches_are_drawn_anew_for_every_chain_and_draw(state):
    sampled = probe.minibatches(state, 4, 0)
    points = probe.point_of(state).float().repeat(2, 1)
    first, second = sampled(points, 0)[0], sampled(points, 1)[0]
    assert len({*first.tolist(), *second.tolist()}) == 4
    again = probe.minibatches(state, 4, 0)(points, 0)[0]
    assert again.tolist() == first.tolist()
    whole = probe.minibatches(state, len(state.train), 0)(points, 0)[0]
    assert whole.tolist() == pytest.approx(
        [float(probe.on(state, probe.point_of(state), state.train))] * 2
    )


def test_a_diverging_chain_is_no_value_and_a_step_is_told_that_is_enough(state):
    row = probe.measure(state, {**OPTIONS, "step": 50.0, "draws": 100}, 1)[0]
    assert row["diverged"] == 1.0 and math.isnan(row["coefficient"])
    exact = torch.autograd.functional.hessian(
        lambda point: probe.on(state, point, state.train), probe.point_of(state)
    )
    values = np.linalg.eigvalsh(exact.numpy())
    largest = values[np.abs(values).argmax()]
    assert row["enough"] == pytest.approx(2 / (26.4 * max(largest, 0.0) + 5.0), rel=0.05)


def test_a_rank_of_too_large_a_network_and_a_step_of_nothing_are_refused(state, monkeypatch):
    monkeypatch.setattr(probe, "MOST", 100)
    with pytest.raises(RegrokError, match=rf"run {state.run.run_id}: options.rank: a Jacobian of"):
        probe.measure(state, {**OPTIONS, "rank": True, "draws": 1}, 0)
    with pytest.raises(RegrokError, match=r"options.draws = 0: should be above 0"):
        probe.measure(state, {**OPTIONS, "draws": 0}, 0)

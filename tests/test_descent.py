"""Normalised gradient descent and the ℓ∞ penalty (2407.12332, Appendix A)."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from noisy import run_of
from regrok.models.layout import Layout
from regrok.study.run import Optimiser
from regrok.training import descent, optim
from regrok.training.kinds import ADAMW, QUADRATIC, SGD
from regrok.training.slots import Engine

LAYOUT = Layout({"a": (3, 4), "b": (5,)}, {"all": ["a", "b"]})


def stepped(values: dict[str, Any], kernels: str | None, runs: int = 3) -> tuple[Any, Any, Any]:
    """Parameters before and after a step, and the gradient."""
    stream = torch.Generator().manual_seed(0)
    mask = LAYOUT.mask("all", torch.float64)
    flat, grad = (torch.randn(runs, LAYOUT.size, generator=stream).double() * mask for _ in "ab")
    spec = Optimiser.model_validate({**SGD, **values})
    update = optim.build(spec, LAYOUT, kernels)
    given = {key: getattr(spec, key) for key in optim.HYPER}
    hyper = {
        key: torch.full((runs,), float("inf") if v is None else v, dtype=torch.float64)
        for key, v in given.items()
    }
    before, g = flat.clone(), grad.clone()
    state = update.state(runs, torch.float64, flat.device)
    steps = torch.ones(runs, dtype=torch.int64)
    update.step(flat, grad, state, hyper, steps)
    return before, flat, g


@pytest.mark.parametrize("kernels", ["reference", None])
@pytest.mark.parametrize("decay", [0.0, 0.3])
@pytest.mark.parametrize("penalty", [None, 0.7])
def test_a_normalised_step_has_the_length_of_the_rate(decay, penalty, kernels) -> None:
    values = {"learning_rate": 0.2, "weight_decay": decay, "linf_penalty": penalty}
    before, after, g = stepped({**values, "normalised": "gradient"}, kernels)
    for r in range(len(g)):
        θ = before[r].clone().requires_grad_()
        (decay / 2 * θ @ θ + (penalty or 0) * θ.abs().max()).backward()
        whole = g[r] + θ.grad
        expected = before[r] - 0.2 * whole / whole.norm()
        torch.testing.assert_close(after[r], expected, rtol=1e-12, atol=1e-13)


def test_a_decoupled_decay_stays_out_of_the_norm() -> None:
    values = {"decay": "decoupled", "weight_decay": 0.5, "learning_rate": 0.2}
    before, after, g = stepped({**values, "normalised": "gradient"}, None)
    expected = before * 0.9 - 0.2 * g / g.norm(dim=1, keepdim=True)
    torch.testing.assert_close(after, expected, rtol=1e-12, atol=1e-13)


def test_the_penalty_of_equals_is_shared() -> None:
    flat, grad = torch.tensor([[2.0, -2.0, 1.0, 0.0], [0.0, 0.0, 0.0, 0.0]]), torch.zeros(2, 4)
    descent.penalise(flat, grad, 0.5)
    assert grad.tolist() == [[0.25, -0.25, 0.0, 0.0], [0.0] * 4]


def test_a_gradient_whose_squares_vanish_keeps_its_direction_and_none_stays_none() -> None:
    grad = torch.tensor([[3e-300, -4e-300], [0.0, 0.0], [torch.inf, 1.0]], dtype=torch.float64)
    descent.normalise(grad)
    torch.testing.assert_close(grad[:2], torch.tensor([[0.6, -0.8], [0.0, 0.0]]).double())
    assert grad[2].isnan().any(), "so that the run is seen to diverge"


def test_a_network_by_autograd_takes_normalised_steps() -> None:
    """In double precision, where the length of a step is known to rounding."""
    run = run_of(
        QUADRATIC,
        0,
        optimiser={**SGD, "learning_rate": 0.5, "weight_decay": 0.0, "normalised": "gradient"},
        protocol={"batch": "full", "replacement": False, "precision": "float64"},
    )
    engine = Engine(run, 1)
    engine.start(0, run)
    first = float(engine.evaluate("train", {0: None})[0].loss)
    for _ in range(20):
        before = engine.flat.clone()
        engine.advance(1)
        assert float((engine.flat - before).norm()) == pytest.approx(0.5, rel=1e-12)
    assert float(engine.evaluate("train", {0: None})[0].loss) < first


@pytest.mark.parametrize("values", [ADAMW, {**SGD, "clip_norm": 1.0}])
def test_what_does_not_go_with_a_norm_of_one_is_refused(values: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="without clipping"):
        Optimiser.model_validate({**values, "normalised": "gradient"})

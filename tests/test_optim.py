"""Updates equal torch.optim's in float64; closed forms; per-run hyper-parameters; both kernels."""

import math
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor, nn

from regrok import kernels
from regrok.models import Layout
from regrok.training import optim

CPU = torch.device("cpu")
IMPLEMENTATIONS = ["reference"]
if kernels.select(CPU, torch.float64).name == "native":
    IMPLEMENTATIONS.append("native")

# Sizes that are no multiple of the layout's 16, so that there is padding to go wrong.
LAYOUT = Layout({"weight": (7, 5), "bias": (7,)}, {"all": ["weight", "bias"]})
FAMILIES = {
    "adamw": ("adamw", "decoupled"),
    "adam": ("adam", "coupled"),
    "sgd coupled": ("sgd", "coupled"),
    "sgd decoupled": ("sgd", "decoupled"),
}


def block(family: str, **change) -> SimpleNamespace:
    name, decay = FAMILIES[family]
    base = {
        "name": name,
        "decay": decay,
        "decayed": "all",
        "learning_rate": 1e-2,
        "weight_decay": 0.3,
        "beta1": 0.9,
        "beta2": 0.98,
        "eps": 1e-8,
        "momentum": 0.9,
        "clip_norm": math.inf,
        "warmup_steps": 0,
    }
    return SimpleNamespace(**base | change)


def hyper(blocks: list[SimpleNamespace]) -> dict[str, Tensor]:
    return {
        name: torch.tensor([float(getattr(b, name)) for b in blocks], dtype=torch.float64)
        for name in optim.HYPER
    }


def start(runs: int = 1, seed: int = 0) -> Tensor:
    """(R, P) parameters, zero in the padding."""
    stream = torch.Generator().manual_seed(seed)
    values = torch.randn(runs, LAYOUT.size, generator=stream, dtype=torch.float64)
    return values * LAYOUT.mask("all", torch.float64)


def gradients(steps: int, runs: int = 1) -> list[Tensor]:
    return [start(runs, seed=100 + t) for t in range(steps)]


def train(blocks, flat: Tensor, grads: list[Tensor], implementation: str) -> Tensor:
    runs, flat = flat.shape[0], flat.clone()
    update = optim.build(blocks[0], LAYOUT, implementation)
    state = update.state(runs, flat.dtype, CPU)
    values = hyper(blocks)
    for t, grad in enumerate(grads, 1):
        update.step(flat, grad.clone(), state, values, torch.full((runs,), t))
    return flat


def plain(b: SimpleNamespace, flat: Tensor, grads: list[Tensor]) -> Tensor:
    """The same training with torch.optim, one run."""
    parameters = {n: nn.Parameter(v.clone()) for n, v in LAYOUT.views(flat[0]).items()}
    decays = {
        n: b.weight_decay if b.decayed == "all" or p.ndim >= 2 else 0.0
        for n, p in parameters.items()
    }
    betas = (b.beta1, b.beta2)
    by_decay = [{"params": [p], "weight_decay": decays[n]} for n, p in parameters.items()]
    if b.name == "sgd":
        if b.decay == "decoupled":
            by_decay = [g | {"weight_decay": 0.0} for g in by_decay]
        update = torch.optim.SGD(by_decay, b.learning_rate, b.momentum)
    else:
        kind = torch.optim.AdamW if b.name == "adamw" else torch.optim.Adam
        update = kind(by_decay, b.learning_rate, betas, b.eps)
    for t, grad in enumerate(grads, 1):
        rate = b.learning_rate * (min(1, t / b.warmup_steps) if b.warmup_steps else 1)
        for group in update.param_groups:
            group["lr"] = rate
        for name, value in LAYOUT.views(grad[0]).items():
            parameters[name].grad = value.clone()
        if math.isfinite(b.clip_norm):
            nn.utils.clip_grad_norm_(list(parameters.values()), b.clip_norm)
        if b.name == "sgd" and b.decay == "decoupled":
            with torch.no_grad():
                for name, parameter in parameters.items():
                    parameter.mul_(1 - rate * decays[name])
        update.step()
    return LAYOUT.pack(parameters)[None]


CHANGES = {
    "plain": {},
    "matrices decay": {"decayed": "matrices"},
    "clipped": {"clip_norm": 3.0},  # below the norm of these gradients, about 6.5
    "clip above the norm": {"clip_norm": 1e3},
    "warm-up": {"warmup_steps": 30},
    "no momentum, no decay": {"momentum": 0.0, "weight_decay": 0.0},
}


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
@pytest.mark.parametrize("change", list(CHANGES))
@pytest.mark.parametrize("family", list(FAMILIES))
def test_equals_torch_optim(family, change, implementation):
    b = block(family, **CHANGES[change])
    grads = gradients(100)
    found = train([b], start(), grads, implementation)
    torch.testing.assert_close(found, plain(b, start(), grads), rtol=0, atol=1e-12)


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
@pytest.mark.parametrize("decay", ["coupled", "decoupled"])
def test_sgd_without_gradient_contracts_by_one_minus_rate_times_decay(decay, implementation):
    """2603.13331's γ = ηλ: V falls by (1 − ηλ)² a step, in either convention without momentum."""
    b = block(f"sgd {decay}", momentum=0.0, learning_rate=1e-2, weight_decay=0.5)
    flat = start()
    found = train([b], flat, [torch.zeros_like(flat)] * 200, implementation)
    torch.testing.assert_close(found, flat * (1 - 5e-3) ** 200, rtol=1e-12, atol=0)


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_adamw_without_gradient_contracts_by_one_minus_rate_times_decay(implementation):
    b = block("adamw", learning_rate=1e-3, weight_decay=1.0)
    flat = start()
    found = train([b], flat, [torch.zeros_like(flat)] * 200, implementation)
    torch.testing.assert_close(found, flat * (1 - 1e-3) ** 200, rtol=1e-12, atol=0)


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_adam_steps_by_the_learning_rate_under_a_constant_gradient(implementation):
    """With m̂ = g and v̂ = g² at every step, each step is η · sign(g)."""
    b = block("adam", weight_decay=0.0, eps=0.0)
    mask = LAYOUT.mask("all", torch.float64)
    grad = torch.where(start() >= 0, 0.7, -0.7).double()
    flat = start()
    found = train([b], flat, [grad] * 50, implementation)
    expected = flat - 50 * b.learning_rate * grad.sign()
    kept = mask.bool()
    torch.testing.assert_close(found[:, kept], expected[:, kept], rtol=0, atol=1e-12)


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
@pytest.mark.parametrize("family", list(FAMILIES))
def test_each_run_has_its_own_hyper_parameters_and_step_count(family, implementation):
    """Runs that differ in everything a slot may differ in equal the same runs updated alone."""
    blocks = [
        block(family),
        block(family, learning_rate=3e-3, weight_decay=0.0, clip_norm=2.0),
        block(family, beta1=0.5, beta2=0.9, momentum=0.2, warmup_steps=10),
    ]
    flat, grads = start(3), gradients(20, 3)
    together = train(blocks, flat, grads, implementation)
    for r, b in enumerate(blocks):
        one = slice(r, r + 1)
        alone = train([b], flat[one], [g[one] for g in grads], implementation)
        assert torch.equal(together[one], alone)


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
@pytest.mark.parametrize("family", list(FAMILIES))
def test_padding_stays_zero(family, implementation):
    found = train([block(family)], start(), gradients(5), implementation)
    padding = LAYOUT.mask("all") == 0
    assert padding.sum() == LAYOUT.size - LAYOUT.parameters > 0
    assert not found[:, padding].any()


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_a_nan_stays_in_its_run(implementation):
    grads = gradients(3, 2)
    grads[1][0, 0] = math.nan
    b = block("adamw", clip_norm=1.0)
    found = train([b, b], start(2), grads, implementation)
    assert found[0].isnan().any()
    assert found[1].isfinite().all()


@pytest.mark.skipif("native" not in IMPLEMENTATIONS, reason="no C++ compiler")
def test_wrong_buffers_are_refused():
    b = block("adamw")
    update = optim.build(b, LAYOUT, "native")
    flat = start(2)
    state = update.state(2, torch.float64, CPU)
    steps = torch.ones(2, dtype=torch.int64)
    with pytest.raises(ValueError, match="contiguous"):
        update.step(flat, flat.T.contiguous().T, state, hyper([b, b]), steps)
    wrong = {k: v.float() for k, v in hyper([b, b]).items()}
    with pytest.raises(ValueError, match="float64"):
        update.step(flat, flat.clone(), state, wrong, steps)
    with pytest.raises(ValueError, match="int64"):
        update.step(flat, flat.clone(), state, hyper([b, b]), steps.int())

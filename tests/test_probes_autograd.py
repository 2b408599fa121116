"""Probes on networks that autograd differentiates, against plain torch that knows nothing of probes or layouts.

Of each kind of network one small run is trained for some steps. The direct computation copies its parameters by name
into a module of torch.nn of its own, and takes the loss from torch's functions.
"""

from __future__ import annotations

import math
from types import SimpleNamespace

import pytest
import torch
from torch.nn import functional
from torch.nn.attention import SDPBackend, sdpa_kernel

from regrok.models.encoder import EncoderNetwork
from regrok.models.quadratic import QuadraticNetwork
from regrok.probes import commutator_defect, learning_coefficient
from regrok.study.run import Run
from regrok.training.kinds import ENCODER, QUADRATIC, SQUARE
from small import small_run
from test_probes import states

P, WIDTH, BATCH = 7, 6, 8
PROTOCOL = {"batch": 8, "max_steps": 20, "log_every": 5, "curve_every": 10, "tail_steps": 0}
ENCODER_SIZES = {"d_model": 4, "heads": 2, "ffn": 8, "layers": 2}
NETWORKS = {
    "quadratic": (
        {**QUADRATIC, "width": WIDTH},
        {},
        lambda: QuadraticNetwork(P, WIDTH, P),
        functional.cross_entropy,
    ),
    # Half the squares, less their mean over the examples (2603.01192).
    "quadratic, square loss": (
        {**QUADRATIC, "width": WIDTH},
        {**SQUARE, "reduction": None},
        lambda: QuadraticNetwork(P, WIDTH, P),
        lambda z, labels: centred(z - functional.one_hot(labels, P)),
    ),
    "encoder": (
        {**ENCODER, **ENCODER_SIZES},
        {},
        lambda: EncoderNetwork(P, P, activation="gelu", **ENCODER_SIZES),
        functional.cross_entropy,
    ),
}
"""Name → model, what the optimiser has of its own, a module, and the loss of (outputs, labels)."""


def centred(left):
    return (left - left.mean(0)).square().sum(1).mean() / 2


@pytest.fixture(scope="module", params=NETWORKS)
def measured(request, tmp_path_factory):
    """The state of a run after 20 steps, and the same network as a plain module with its loss."""
    model, optimiser, make, loss = NETWORKS[request.param]
    values = small_run(task={"p": P}).model_dump()
    values["model"] = model
    values["optimiser"].update(optimiser)
    values["protocol"].update(PROTOCOL)
    (state,) = states(Run.model_validate(values), tmp_path_factory.mktemp("probe"), [20])
    module = make().double()
    module.load_state_dict(state.parameters(torch.float64))
    return SimpleNamespace(state=state, module=module, loss=loss)


def gradients(measured, module, examples):
    """Loss and gradients by name at the module's parameters."""
    found = measured.loss(module(examples.inputs), examples.labels)
    names, values = zip(*module.named_parameters(), strict=True)
    return found.detach(), dict(zip(names, torch.autograd.grad(found, values), strict=True))


def moved(measured, order, eta):
    """The parameters after plain gradient steps on these batches, by name."""
    module = fresh(measured)
    for examples in order:
        _, grads = gradients(measured, module, examples)
        with torch.no_grad():
            for name, parameter in module.named_parameters():
                parameter -= eta * grads[name]
    return dict(module.named_parameters())


def fresh(measured):
    """The module at the state."""
    measured.module.load_state_dict(measured.state.parameters(torch.float64))
    return measured.module


def norm(parts):
    return math.sqrt(sum(float(part.detach().square().sum()) for part in parts))


def test_the_defect_is_that_of_two_plain_steps_in_either_order(measured):
    eta, train = 1e-3, measured.state.train
    options = {**commutator_defect.DEFAULTS, "pairs": 1, "batch": BATCH, "learning_rate": eta}
    (row,) = commutator_defect.measure(measured.state, options, 5)
    draw = torch.Generator().manual_seed(5)
    a, b = (train[torch.randperm(len(train), generator=draw)[:BATCH]] for _ in range(2))
    g_a, g_b = (norm(gradients(measured, fresh(measured), each)[1].values()) for each in (a, b))
    there = {name: x.detach().clone() for name, x in moved(measured, (a, b), eta).items()}
    back = moved(measured, (b, a), eta)
    apart = norm(there[name] - back[name] for name in there)
    assert g_a > 0 and g_b > 0
    # Two steps of float64 parameters keep about ten digits of their difference.
    assert row["defect"] == pytest.approx(apart / (eta**2 * g_a * g_b), rel=1e-5)
    assert row["gradient"] == pytest.approx(math.sqrt(g_a * g_b), rel=1e-9)


def test_the_coefficient_is_that_of_a_plain_chain_with_the_same_noise(measured):
    """One chain, all examples in each draw: w ← w − (ε/2)(nβ·∇L + γ(w − w*)) + √ε·noise, in single precision."""
    state, epsilon, n_beta, gamma, burn_in, draws = measured.state, 5e-4, 26.4, 5.0, 5, 20
    options = {
        **learning_coefficient.DEFAULTS,
        "step": epsilon,
        "n_beta": n_beta,
        "localisation": gamma,
        "chains": 1,
        "burn_in": burn_in,
        "draws": draws,
        "batch": len(state.train),
        "signs": 1,
    }
    (row,) = learning_coefficient.measure(state, options, 3)
    at_state, _ = gradients(measured, fresh(measured), state.train)
    draw = torch.Generator().manual_seed(3)
    module = fresh(measured).float()
    parameters = dict(module.named_parameters())
    home = {name: x.detach().clone() for name, x in parameters.items()}
    size, losses = sum(x.numel() for x in home.values()), []
    for step in range(burn_in + draws):
        loss, grads = gradients(measured, module, state.train)
        losses += [float(loss)] if step >= burn_in else []
        # The probe's points are all parameters in the module's order, and so is its noise.
        noise = (
            torch.empty(1, size)
            .normal_(generator=draw)[0]
            .split([x.numel() for x in home.values()])
        )
        with torch.no_grad():
            for part, (name, x) in zip(noise, parameters.items(), strict=True):
                pull = n_beta * grads[name] + gamma * (x - home[name])
                x += -epsilon / 2 * pull + math.sqrt(epsilon) * part.view(x.shape)
    measured.module.double()
    expected = n_beta * (sum(losses) / draws - float(at_state))
    assert row["diverged"] == 0.0 and abs(expected) > 0.1
    assert row["coefficient"] == pytest.approx(expected, rel=2e-3)
    assert row["loss"] == pytest.approx(float(at_state), rel=1e-9)


def test_the_trace_is_that_of_the_plain_hessian(measured):
    """Its diagonal by second derivatives of the plain loss; four standard errors of sign vectors are allowed."""
    state = measured.state
    options = {**learning_coefficient.DEFAULTS, "chains": 1, "draws": 1, "burn_in": 0}
    row = learning_coefficient.measure(state, {**options, "batch": 1, "signs": 100}, 1)[0]
    module = fresh(measured)
    parameters = list(module.parameters())
    with sdpa_kernel(SDPBackend.MATH):  # the other ways of attention have no second derivative
        loss = measured.loss(module(state.train.inputs), state.train.labels)
    first = torch.autograd.grad(loss, parameters, create_graph=True)
    trace = 0.0
    for gradient, parameter in zip(first, parameters, strict=True):
        for i, entry in enumerate(gradient.flatten()):
            if entry.requires_grad:
                (second,) = torch.autograd.grad(
                    entry, parameter, retain_graph=True, allow_unused=True
                )
                trace += 0.0 if second is None else float(second.flatten()[i])
    assert 0 < 4 * row["trace_error"] < abs(trace)
    assert abs(row["trace"] - trace) < 4 * row["trace_error"]

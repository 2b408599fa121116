"""Networks by autograd equal plain torch, alone and stacked."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from plain import PlainTransformer
from regrok.models import Model, build
from regrok.models.encoder import EncoderNetwork
from regrok.models.losses import CrossEntropy, Loss, Square, loss_of
from regrok.models.quadratic import QuadraticNetwork
from regrok.study.model import Encoder, Quadratic
from regrok.study.run import Optimiser
from regrok.study.sizes import TaskInfo
from regrok.tasks import streams
from regrok.training import optim
from regrok.training.evaluate import allowed_wrong, evaluate
from regrok.training.kinds import ADAMW, ENCODER, QUADRATIC, SGD, SQUARE

pytestmark = pytest.mark.beside

P, BATCH, SEEDS = 11, 24, (42, 43, 44)
INFO = TaskInfo("pairs", P, None, P, 60, 61)
SPECS = {
    "quadratic": Quadratic(**{**QUADRATIC, "width": 20}),
    "scaled": Quadratic(**{**QUADRATIC, "width": 20, "neuron_scale": 0.25}),
    "encoder": Encoder(**{**ENCODER, "d_model": 16, "ffn": 24}),
    "alike": Encoder(
        **{**ENCODER, "d_model": 16, "ffn": 24, "layer_starts": "alike", "position_scale": 0.25}
    ),
}
LOSSES: dict[str, Loss] = {
    "cross-entropy": CrossEntropy(),
    "square": Square(),
    "centred": Square(centred=True),
    "printed": Square(centred=True, summed=True),
}


def plain(spec: Any, seed: int) -> nn.Module:
    """The module as its constructor draws it from the run's stream."""
    with torch.random.fork_rng(devices=[]):
        torch.set_rng_state(streams.generator(seed, "init").get_state())
        if spec.name == "quadratic":
            return QuadraticNetwork(P, spec.width, P, spec.neuron_scale or 1.0)
        own = {"name", "init_scale", "layer_starts", "position_scale"}
        alike, scale = spec.layer_starts == "alike", spec.position_scale or 1.0
        fields = spec.model_dump(exclude=own)
        return EncoderNetwork(P, P, **fields, alike=alike, position_scale=scale)


def loss_by_hand(name: str, z: Tensor, labels: Tensor) -> Tensor:
    if name == "cross-entropy":
        return nn.functional.cross_entropy(z, labels)
    y = nn.functional.one_hot(labels, z.shape[1]).to(z.dtype)
    left = (y - z).T  # classes by samples, as the paper has them
    n = len(labels)
    if name != "square":
        left = left @ (torch.eye(n, dtype=z.dtype) - torch.ones(n, n, dtype=z.dtype) / n)
    return (left**2).sum() / 2 / (1 if name == "printed" else n)


def made(spec: Any, *, stacked: bool, loss: Loss | None = None) -> tuple[Model, Tensor]:
    model = build(spec, INFO, torch.float64, kernels="reference", stacked=stacked, loss=loss)
    return model, torch.stack([model.init(streams.generator(s, "init")) for s in SEEDS]).double()


def examples() -> tuple[Tensor, Tensor]:
    stream = torch.Generator().manual_seed(0)
    inputs = torch.randint(P, (len(SEEDS), BATCH, 2), generator=stream)
    return inputs, inputs.sum(-1) % P


def of_row(model: Model, spec: Any, row: Tensor) -> nn.Module:
    module = plain(spec, 0).double()
    named = dict(module.named_parameters())
    for name, values in model.layout.views(row).items():
        named[name].data.copy_(values)
    return module


# Against plain torch -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SPECS)
def test_first_values_are_those_of_the_plain_module(name: str) -> None:
    before = torch.get_rng_state()
    model, flat = made(SPECS[name], stacked=False)
    assert torch.equal(torch.get_rng_state(), before), "torch's own generator is left alone"
    for seed, row in zip(SEEDS, flat, strict=True):
        named = dict(plain(SPECS[name], seed).named_parameters())
        assert model.layout.names == list(named)
        for key, values in model.layout.views(row).items():
            assert torch.equal(values, named[key].double()), key


def test_init_scale_spares_the_gains() -> None:
    spec = SPECS["encoder"]
    model, once = made(spec, stacked=False)
    _, thrice = made(spec.model_copy(update={"init_scale": 3.0}), stacked=False)
    for name, values in model.layout.views(thrice[0]).items():
        was = model.layout.views(once[0])[name]
        gain = "norm" in name and name.endswith("weight")
        torch.testing.assert_close(values, was if gain else 3 * was, rtol=1e-6, atol=0)


def test_layers_that_start_alike_are_those_of_torchs_encoder_which_then_part() -> None:
    """`nn.TransformerEncoder` copies the layer that it is given; positions are the other network's times the factor."""
    spec = SPECS["alike"]
    model, flat = made(spec, stacked=False)
    ours = model.layout.views(flat[0])
    pytorch = nn.TransformerEncoder(
        nn.TransformerEncoderLayer(16, 4, 24, activation="gelu", batch_first=True, norm_first=True),
        num_layers=spec.layers,
        enable_nested_tensor=False,
    )
    for name, values in dict(pytorch.layers[0].named_parameters()).items():
        assert torch.equal(values, dict(pytorch.layers[1].named_parameters())[name])
        assert torch.equal(ours[f"layers.0.{name}"], ours[f"layers.1.{name}"]), name
    _, plainly = made(SPECS["encoder"], stacked=False)
    apart = model.layout.views(plainly[0])
    drawn = {n for n in ours if n.startswith("layers.0") and n.endswith("weight")} - {
        n for n in ours if "norm" in n
    }
    for name in drawn:
        other = name.replace("layers.0", "layers.1")
        assert torch.equal(ours[name], apart[name]) and not torch.equal(apart[name], apart[other])
    assert torch.equal(ours["position.weight"], 0.25 * apart["position.weight"])
    assert torch.equal(ours["embedding.weight"], apart["embedding.weight"])
    after = hundred_steps(spec, Optimiser.model_validate(ADAMW), stacked=False)
    stepped = model.layout.views(after[0])
    name = "layers.{}.linear1.weight"
    assert not torch.allclose(stepped[name.format(0)], stepped[name.format(1)], atol=1e-3)


def test_the_published_sizes() -> None:
    # 2602.16746 says about 290,000; 2603.01192: V in R^(p x K), W in R^(2p x K).
    spec = Encoder(**{**ENCODER, "d_model": 128, "ffn": 256})
    assert build(spec, TaskInfo("pairs", 97, None, 97, 1, 1)).layout.parameters == 290_401
    wide = Quadratic(**{**QUADRATIC, "width": 1024})
    assert build(wide, TaskInfo("pairs", 53, None, 53, 1, 1)).layout.parameters == 3 * 53 * 1024


def test_the_quadratic_network_is_its_formula() -> None:
    spec = SPECS["scaled"]
    model, flat = made(spec, stacked=True)
    inputs, _ = examples()
    one_hot = nn.functional.one_hot(inputs, P).double().flatten(2)  # (R, B, 2p): [e_a; e_b]
    named = model.layout.views(flat)
    expected = 0.25 * ((one_hot @ named["W"]) ** 2 @ named["V"].mT)
    torch.testing.assert_close(model.logits(flat, inputs), expected, rtol=1e-12, atol=1e-14)


def test_an_encoder_of_one_layer_is_the_hand_written_one_of_the_mirrored_pair() -> None:
    spec = SPECS["encoder"].model_copy(update={"layers": 1})
    model, flat = made(spec, stacked=False)
    other = PlainTransformer(
        P, P, d_model=16, heads=4, ffn=24, activation="gelu", norm="pre", readout="last"
    ).double()
    named = dict(other.named_parameters())
    for name, values in model.layout.views(flat[0]).items():
        turned = values.flip(0) if name.startswith("position") else values
        named[name.replace("layers.0", "layer")].data.copy_(turned)
    inputs, _ = examples()
    found = model.logits(flat[:1], inputs[:1])[0]
    torch.testing.assert_close(found, other(inputs[0].flip(1)).detach(), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("stacked", [False, True])
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("name", SPECS)
def test_loss_and_every_gradient(name: str, loss: str, stacked: bool) -> None:
    model, flat = made(SPECS[name], stacked=stacked, loss=LOSSES[loss])
    inputs, labels = examples()
    grad = torch.full_like(flat, torch.nan)
    workspace = model.workspace(len(SEEDS), BATCH)
    for _ in range(2):  # the second time finds used buffers
        losses = model.loss_and_gradient(flat, grad, inputs, labels, workspace)
    assert (grad[:, model.layout.indicator(model.layout.names) == 0] == 0).all()
    for r, row in enumerate(flat):
        module = of_row(model, SPECS[name], row)
        expected = loss_by_hand(loss, module(inputs[r]), labels[r])
        expected.backward()
        torch.testing.assert_close(losses[r], expected.detach(), rtol=1e-12, atol=1e-12)
        named = dict(module.named_parameters())
        for key, values in model.layout.views(grad[r]).items():
            torch.testing.assert_close(values, named[key].grad, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("stacked", [False, True])
@pytest.mark.parametrize("loss", LOSSES)
def test_weights_count_examples(loss: str, stacked: bool) -> None:
    model, flat = made(SPECS["quadratic"], stacked=stacked, loss=LOSSES[loss])
    inputs, labels = examples()
    times = torch.tensor([2, 0, 3] + [1] * (BATCH - 3))
    repeated = inputs.repeat_interleave(times, 1), labels.repeat_interleave(times, 1)
    weights = times.double().expand(len(SEEDS), -1)
    found, expected = torch.zeros_like(flat), torch.zeros_like(flat)
    room = model.workspace(len(SEEDS), BATCH, weighted=True)
    one = model.loss_and_gradient(flat, found, inputs, labels, room, weights)
    room = model.workspace(len(SEEDS), repeated[0].shape[1])
    other = model.loss_and_gradient(flat, expected, *repeated, room)
    torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-13)


def plain_optimiser(values: dict[str, Any], weights: list[nn.Parameter]) -> torch.optim.Optimizer:
    shared = {"lr": values["learning_rate"], "weight_decay": values["weight_decay"]}
    if values["name"] == "sgd":
        return torch.optim.SGD(weights, momentum=values["momentum"], **shared)
    kind = torch.optim.AdamW if values["name"] == "adamw" else torch.optim.Adam
    return kind(weights, betas=(values["beta1"], values["beta2"]), eps=values["eps"], **shared)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("quadratic", SQUARE),
        ("quadratic", {**SGD, "loss": "square", "momentum": 0.9}),
        ("encoder", {**ADAMW, "clip_norm": 1.0}),
    ],
)
def test_a_hundred_steps_alone_and_stacked_are_those_of_a_plain_loop(name, values) -> None:
    values = {**values, "eps": 1e-3} if values["eps"] else values  # else it enlarges last digits
    spec, optimiser = SPECS[name], Optimiser.model_validate(values)
    found = [hundred_steps(spec, optimiser, stacked=stacked) for stacked in (False, True)]
    loss = "square" if optimiser.loss else "cross-entropy"
    loss = "printed" if optimiser.reduction else loss
    model, flat = made(spec, stacked=False)
    inputs, labels = examples()
    for r in (0, 2):
        module = of_row(model, spec, flat[r])
        weights = list(module.parameters())
        plainly = plain_optimiser(values, weights)
        for _ in range(100):
            plainly.zero_grad()
            loss_by_hand(loss, module(inputs[r]), labels[r]).backward()
            if values["clip_norm"] is not None:
                nn.utils.clip_grad_norm_(weights, values["clip_norm"])
            plainly.step()
        for key, parameter in module.named_parameters():
            for each in found:
                ours = model.layout.views(each[r])[key]
                torch.testing.assert_close(ours, parameter.detach(), rtol=1e-7, atol=1e-8)


def hundred_steps(spec: Any, optimiser: Optimiser, *, stacked: bool) -> Tensor:
    """(R, P) the parameters after them."""
    model, flat = made(spec, stacked=stacked, loss=loss_of(optimiser))
    update = optim.build(optimiser, model.layout, "reference")
    state = update.state(len(SEEDS), torch.float64, flat.device)
    given = {key: getattr(optimiser, key) for key in optim.HYPER}
    hyper = {
        key: torch.full((3,), float("inf") if v is None else v, dtype=torch.float64)
        for key, v in given.items()
    }
    inputs, labels = examples()
    grad, room = torch.zeros_like(flat), model.workspace(len(SEEDS), BATCH)
    for t in range(1, 101):
        model.loss_and_gradient(flat, grad, inputs, labels, room)
        update.step(flat, grad, state, hyper, torch.full((3,), t))
    return flat


@pytest.mark.parametrize("name", ["quadratic", "encoder"])
def test_the_plan_counts_the_products_of_a_step(name: str) -> None:
    """A forward pass and twice as much back; what the plan leaves out are one-hot products and attention itself."""
    model, flat = made(SPECS[name], stacked=False)
    room = model.workspace(1, BATCH)
    inputs, labels = (x[:1] for x in examples())
    model.loss_and_gradient(flat[:1], torch.zeros_like(flat[:1]), inputs, labels, room)
    assert 6 * BATCH * SPECS[name].multiply_adds(P, P) == pytest.approx(room.flops, rel=0.2)
    names = [
        n for n, shape in model.layout.shapes.items() if len(shape) == 2 and "position" not in n
    ]
    elements = int(model.layout.indicator(names).sum())
    assert SPECS[name].matrix_elements(P, P) == elements


# The square loss -----------------------------------------------------------------------------------------------------


def test_the_centred_loss_of_a_small_example() -> None:
    """Two examples of two classes: outputs (1, 2) and (3, 0), labels 0 and 1.

    Residuals (0, 2) and (3, -1), their mean (1.5, .5); without it (-1.5, 1.5) and (1.5, -1.5): squares of 9 in all.
    """
    z, labels = torch.tensor([[1.0, 2.0], [3.0, 0.0]]), torch.tensor([0, 1])
    assert float(Square()(z, labels, None)) == (4 + 9 + 1) / 2 / 2
    assert float(Square(summed=True)(z, labels, None)) == 7
    assert float(Square(centred=True)(z, labels, None)) == 9 / 2 / 2
    assert float(Square(centred=True, summed=True)(z, labels, None)) == 4.5
    # What is the same for all examples is left out.
    shifted = z + torch.tensor([5.0, -4.0])
    assert float(Square(centred=True)(shifted, labels, None)) == 9 / 2 / 2


@pytest.mark.parametrize("loss", LOSSES)
def test_a_set_is_evaluated_in_blocks_as_in_one(loss: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from regrok.training import evaluate as module

    monkeypatch.setattr(module, "BLOCK", 7)
    model, flat = made(SPECS["quadratic"], stacked=True, loss=LOSSES[loss])
    inputs, labels = examples()
    allowed = torch.full((len(SEEDS),), allowed_wrong(BATCH, None))
    found = evaluate(model, flat, inputs, labels, allowed)
    for r, row in enumerate(flat):
        z = of_row(model, SPECS["quadratic"], row)(inputs[r]).detach()
        mean = loss_by_hand("centred" if loss == "printed" else loss, z, labels[r])
        torch.testing.assert_close(found.loss[r], mean, rtol=1e-12, atol=1e-12)
        assert found.accuracy[r] == (z.argmax(-1) == labels[r]).double().mean()
        assert found.logit_max[r] == z.abs().max()
    assert found.examples.tolist() == [BATCH] * len(SEEDS)

"""Dropout is torch.nn's with the same elements dropped, and is made of training steps alone."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from regrok.kernels.noise import FIRST_DROPOUT, factors
from regrok.models import build
from regrok.tasks import streams
from test_decoder import IMPLEMENTATIONS, SEEDS, TASK, TRAIN_SIZE, VARIANTS
from test_decoder import packed as packed_decoder
from test_decoder import perturbed as perturbed_decoder
from test_decoder import spec as decoder
from test_mlp import plain as plain_mlp
from test_mlp import sizes as mlp_sizes
from test_mlp import spec as mlp
from test_mlp import stack
from test_transformer import examples

# Dropout is torch.nn's with the same elements dropped ----------------------------------------------------------------


class Given(nn.Module):
    """Dropout with given factors."""

    def __init__(self, factor: Tensor) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        return x * self.factor


RATE = 0.3
DRAWS = torch.tensor([[streams.key(seed, "noise"), 5 + seed] for seed in SEEDS])


def given(site: int, r: int, rows: int, columns: int) -> Tensor:
    return factors(DRAWS[r : r + 1], FIRST_DROPOUT + site, RATE, rows, columns, torch.float64)[0]


def same_gradients(found: Any, r: int, module: nn.Module, expected: Tensor, *made: Tensor) -> None:
    """made: losses, labels, gradients. The plain module's loss and gradients are those of run r."""
    losses, labels, grad = made
    value = nn.functional.cross_entropy(expected, labels[r])
    value.backward()
    grads = found.layout.pack({name: p.grad for name, p in module.named_parameters()})
    torch.testing.assert_close(losses[r], value.detach(), rtol=0, atol=1e-12)
    torch.testing.assert_close(grad[r], grads, rtol=0, atol=1e-12)


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
@pytest.mark.parametrize("variant", list(VARIANTS))
def test_a_decoder_drops_what_each_block_adds_to_the_stream(
    variant: str, implementation: str
) -> None:
    model = decoder(variant, dropout=RATE)
    found = build(model, TASK, torch.float64, kernels=implementation)
    modules = [perturbed_decoder(decoder(variant), seed) for seed in SEEDS]
    flat = torch.stack([packed_decoder(found, module) for module in modules])
    inputs, labels = examples(len(SEEDS))
    grad = torch.full_like(flat, torch.nan)
    workspace = found.workspace(len(SEEDS), TRAIN_SIZE)
    for _ in range(2):
        loss = found.loss_and_gradient(flat, grad, inputs, labels, workspace, None, DRAWS)
    logits, length = found.logits(flat, inputs), 4 if model.operator else 3
    for r, module in enumerate(modules):
        torch.testing.assert_close(logits[r], module(inputs[r]), rtol=0, atol=1e-12)
        for i, layer in enumerate(module.layers):
            for site, name in ((2 * i, "dropout1"), (2 * i + 1, "dropout2")):
                if i + 1 < model.layers:
                    rows = given(site, r, length * TRAIN_SIZE, model.d_model)
                    factor = rows.view(length, TRAIN_SIZE, -1).transpose(0, 1)
                else:  # of the last position alone, which nothing of the others reaches any more
                    factor = torch.ones(TRAIN_SIZE, length, model.d_model, dtype=torch.float64)
                    factor[:, -1] = given(site, r, TRAIN_SIZE, model.d_model)
                setattr(layer, name, Given(factor))
        same_gradients(found, r, module, module(inputs[r]), loss, labels, grad)


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize("input", ["sum", "concat"])
def test_a_perceptron_drops_behind_each_activation(
    input: str, residual: bool, implementation: str
) -> None:
    model = mlp(input, residual, "gelu", 3).model_copy(update={"dropout": RATE})
    task = mlp_sizes(input)
    found = build(model, task, torch.float64, kernels=implementation)
    flat = stack(found, list(SEEDS), torch.float64)
    stream = torch.Generator().manual_seed(3)
    inputs = torch.randint(task.tokens, (2, TRAIN_SIZE, 2), generator=stream)
    labels = torch.randint(task.classes, (2, TRAIN_SIZE), generator=stream)
    grad = torch.full_like(flat, torch.nan)
    workspace = found.workspace(len(SEEDS), TRAIN_SIZE)
    for _ in range(2):
        loss = found.loss_and_gradient(flat, grad, inputs, labels, workspace, None, DRAWS)
    logits = found.logits(flat, inputs)
    for r, seed in enumerate(SEEDS):
        module = plain_mlp(model, task, seed).double()
        for name, values in found.layout.views(flat[r]).items():
            dict(module.named_parameters())[name].data.copy_(values)
        torch.testing.assert_close(logits[r], module(inputs[r]), rtol=0, atol=1e-12)
        masks = iter([given(i, r, TRAIN_SIZE, model.width) for i in range(model.depth)])

        def dropped(_: nn.Module, __: Any, out: Tensor, masks: Any = masks) -> Tensor:
            return out * next(masks)

        acts = [block.act for block in module.blocks] if residual else [module.act]
        for act in acts:
            act.register_forward_hook(dropped)
        same_gradients(found, r, module, module(inputs[r]), loss, labels, grad)


def test_dropout_takes_draws_and_no_other_network_does() -> None:
    for model, draws in ((decoder("pre", dropout=RATE), None), (decoder("pre"), DRAWS)):
        found = build(model, TASK)
        flat, (inputs, labels) = torch.zeros(2, found.layout.size), examples(2)
        workspace = found.workspace(2, TRAIN_SIZE)
        with pytest.raises(ValueError, match="draws go with a model that has dropout"):
            found.loss_and_gradient(flat, flat.clone(), inputs, labels, workspace, None, draws)

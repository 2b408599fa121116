"""The stacked causal decoders equal plain torch.nn trained by torch.optim, in float64, in every variant; in float32 a
run's bits do not depend on what is trained beside it."""

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor, nn

from plain_decoder import PlainDecoder
from regrok import kernels
from regrok.errors import RegrokError
from regrok.models import Model, build
from regrok.models.sequence import Symbols
from regrok.study.model import Decoder
from regrok.study.run import Run
from regrok.tasks import TaskInfo
from regrok.training.kinds import DECODER, KINDS
from test_transformer import batches, examples, generator, optimiser, torch_optimiser, train

CPU = torch.device("cpu")
IMPLEMENTATIONS = ["reference"]
if kernels.select(CPU, torch.float64).name == "native":
    IMPLEMENTATIONS.append("native")

P, CLASSES, SEEDS, TRAIN_SIZE = 7, 5, (42, 43), 30
TASK = TaskInfo("pairs", P, None, CLASSES, TRAIN_SIZE, 1)

BASE = {
    "layers": 2,
    "norm": "post",
    "biases": True,
    "operator": True,
    "positions": "learned",
    "tied": False,
    "activation": "relu",
}
POWER = {**BASE, "biases": False, "positions": "sinusoidal"}
VARIANTS = {
    "2201.02177": POWER,
    "2309.02390": {**BASE, "layers": 1, "norm": "pre"},
    "2605.18845": {**BASE, "layers": 1, "norm": "none", "biases": False, "operator": False},
    "pre": {**BASE, "norm": "pre", "activation": "gelu"},
    "none": {**BASE, "norm": "none"},
    "tied": {**BASE, "tied": True, "operator": False},
    "tied, pre, no biases": {**BASE, "norm": "pre", "biases": False, "tied": True},
    "three layers, post": {**BASE, "layers": 3},
    "three layers, pre": {**BASE, "layers": 3, "norm": "pre", "activation": "gelu"},
    "three layers, none": {**BASE, "layers": 3, "norm": "none", "operator": False},
    "one layer, post": {**POWER, "layers": 1},
}


def spec(variant: str, init_scale: float = 1.0, **change) -> Decoder:
    sizes = {"name": "decoder", "d_model": 16, "heads": 2, "ffn": 24, "init_scale": init_scale}
    return Decoder(**sizes | VARIANTS[variant] | change)


def plain(model: Decoder, seed: int, p: int = P, classes: int = CLASSES) -> PlainDecoder:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return PlainDecoder(
            p, classes, **model.model_dump(exclude={"name", "init_scale", "dropout"})
        )


def packed(model: Model, module: nn.Module) -> Tensor:
    return model.layout.pack(dict(module.named_parameters()))


def perturbed(model: Decoder, seed: int) -> PlainDecoder:
    """In float64, away from the zeros and ones at which biases and gains start."""
    module = plain(model, seed).double()
    stream = generator(seed)
    for parameter in module.parameters():
        noise = torch.randn(parameter.shape, generator=stream, dtype=torch.float64)
        parameter.data.add_(noise, alpha=0.2)
    return module


@pytest.mark.parametrize("variant", list(VARIANTS))
def test_init_draws_what_the_plain_module_draws(variant):
    model = spec(variant)
    found, module = build(model, TASK), plain(model, 5)
    assert [name for name, _ in module.named_parameters()] == found.layout.names
    assert torch.equal(found.init(generator(5)), packed(found, module))


def test_init_scale_multiplies_all_but_the_gains():
    one, three = (build(spec("pre", init_scale=s), TASK) for s in (1.0, 3.0))
    a, b = (m.layout.views(m.init(generator(1))) for m in (one, three))
    for name in one.layout.names:
        gain = "norm" in name and name.endswith("weight")
        torch.testing.assert_close(b[name], a[name] if gain else 3 * a[name])


@pytest.mark.parametrize(
    ("variant", "expected"),
    [
        # 2201.02177: "about 4e5 non-embedding" parameters, here 393,216 and four LayerNorms.
        ("2201.02177", 99 * 128 + 2 * 12 * 128**2 + 4 * 2 * 128 + 97 * 128),
        ("2605.18845", 221_952),
    ],
)
def test_parameter_count_is_the_papers(variant, expected):
    model = spec(variant, d_model=128, heads=4, ffn=512)
    assert build(model, TaskInfo("pairs", 97, None, 97, 1, 1)).layout.parameters == expected


def test_rows_that_examples_share():
    """p for a and for ∘ behind any layer, one for each mark before the first, one an example for b and =."""
    symbols, n = Symbols("a∘b=", 7, 2), 30
    sizes = [[part.stop - part.start for part in symbols.stage(s, n).slices] for s in range(3)]
    assert sizes == [[7, 1, 7, 1], [7, 7, n, n], [n]]
    assert symbols.vocabulary == 9
    short = Symbols("ab=", 7, 2)
    assert [part.stop - part.start for part in short.stage(1, n).slices] == [7, n, n]
    assert short.vocabulary == 8


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
@pytest.mark.parametrize("variant", list(VARIANTS))
def test_loss_gradient_and_logits(variant, implementation):
    model = spec(variant)
    found = build(model, TASK, torch.float64, kernels=implementation)
    modules = [perturbed(model, seed) for seed in SEEDS]
    flat = torch.stack([packed(found, module) for module in modules])
    inputs, labels = examples(len(SEEDS))
    grad = torch.full_like(flat, torch.nan)
    workspace = found.workspace(len(SEEDS), TRAIN_SIZE)
    for _ in range(2):  # a replay finds the buffers as a step leaves them
        loss = found.loss_and_gradient(flat, grad, inputs, labels, workspace)
    logits = found.logits(flat, inputs)
    for r, module in enumerate(modules):
        expected = module(inputs[r])
        value = nn.functional.cross_entropy(expected, labels[r])
        value.backward()
        grads = found.layout.pack({n: p.grad for n, p in module.named_parameters()})
        torch.testing.assert_close(logits[r], expected, rtol=0, atol=1e-12)
        torch.testing.assert_close(loss[r], value, rtol=0, atol=1e-12)
        torch.testing.assert_close(grad[r], grads, rtol=0, atol=1e-12)


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_a_narrowed_workspace_and_weights(implementation):
    """A smaller batch first, then the whole one, in one memory; weights count an example that often."""
    model = spec("pre")
    found = build(model, TASK, torch.float64, kernels=implementation)
    module = perturbed(model, 1)
    flat, (inputs, labels) = packed(found, module)[None], examples(1)
    weights = torch.arange(TRAIN_SIZE, dtype=torch.float64)[None] % 3
    workspace = found.workspace(1, TRAIN_SIZE, weighted=True)
    for size in (12, TRAIN_SIZE, 12):
        some, grad = slice(0, size), torch.empty_like(flat)
        narrowed = workspace.narrowed(size)
        given = inputs[:, some], labels[:, some], narrowed, weights[:, some]
        found.loss_and_gradient(flat, grad, *given)
        each = nn.functional.cross_entropy(
            module(inputs[0, some]), labels[0, some], reduction="none"
        )
        mean = (each * weights[0, some]).sum() / weights[0, some].sum()
        grads = torch.autograd.grad(mean, list(module.parameters()))
        names = [name for name, _ in module.named_parameters()]
        expected = found.layout.pack(dict(zip(names, grads, strict=True)))
        torch.testing.assert_close(grad[0], expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
@pytest.mark.parametrize(
    ("variant", "name"),
    [("2201.02177", "adamw"), ("2605.18845", "sgd coupled"), ("tied, pre, no biases", "adam")],
)
def test_hundred_steps(variant, name, implementation):
    model, block = spec(variant), optimiser(name, clip_norm=1.0, warmup_steps=10)
    found = build(model, TASK, torch.float64, kernels=implementation)
    module = perturbed(model, 1)
    inputs, labels = examples(1)
    drawn = batches("mini-batch", 100, 1)
    flat = packed(found, module)[None]
    flat = train(found, flat, [block], inputs, labels, drawn, implementation)

    plain_update = torch_optimiser(block, module)
    for t, batch in enumerate(drawn, 1):
        plain_update.zero_grad()
        nn.functional.cross_entropy(module(inputs[0, batch[0]]), labels[0, batch[0]]).backward()
        nn.utils.clip_grad_norm_(module.parameters(), 1.0)
        plain_update.param_groups[0]["lr"] = block.learning_rate * min(1, t / 10)
        plain_update.step()
    torch.testing.assert_close(flat[0], packed(found, module), rtol=0, atol=1e-9)


@pytest.mark.parametrize("stacked", [False, True])
def test_a_run_does_not_see_its_companions(stacked):
    """Stacked runs equal the same runs trained alone; where runs go one after the other, to the bit, in any order."""
    name = "reference" if stacked else None
    dtype = torch.float64 if stacked else torch.float32
    found = build(spec("2201.02177"), TASK, dtype, kernels=name, stacked=stacked)
    flat = torch.stack([found.init(generator(seed)) for seed in (1, 2, 3)]).to(dtype)
    inputs, labels = examples(3)
    blocks = [optimiser("adamw", learning_rate=1e-3 * (r + 1)) for r in range(3)]
    drawn = batches("mini-batch", 20, 3)
    together = train(found, flat, blocks, inputs, labels, drawn, name)
    for r in (2, 0, 1):
        one = slice(r, r + 1)
        own = [batch[one] for batch in drawn]
        alone = train(found, flat[one], blocks[one], inputs[one], labels[one], own, name)
        tolerance = 1e-10 if stacked else 0
        torch.testing.assert_close(together[one], alone, rtol=0, atol=tolerance)


@pytest.mark.parametrize("stacked", [False, True])
def test_scores_of_parts_of_several_sizes(stacked):
    """An evaluation's parts share memory; its tables stand from one to the next."""
    model = spec("pre")
    found = build(model, TASK, torch.float64, kernels="reference", stacked=stacked)
    modules = [perturbed(model, seed) for seed in (0, 1)]
    flat = torch.stack([packed(found, module) for module in modules])
    inputs, labels = examples(2)
    parts = [
        (inputs[:, some], labels[:, some]) for some in (slice(0, 20), slice(20, 30), slice(0, 30))
    ]
    for (rows, answers), scores in zip(parts, found.scores(flat, parts), strict=True):
        for r, module in enumerate(modules):
            expected = nn.functional.cross_entropy(module(rows[r]), answers[r], reduction="none")
            torch.testing.assert_close(scores.loss[r], expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("size", [1, 1025])
def test_logits_of_any_number_of_examples(size):
    model = spec("2201.02177")
    found = build(model, TASK, torch.float64)
    modules = [perturbed(model, seed) for seed in (0, 1)]
    flat = torch.stack([packed(found, module) for module in modules])
    inputs, _ = examples(2, size)
    logits = found.logits(flat, inputs)
    for r, module in enumerate(modules):
        torch.testing.assert_close(logits[r], module(inputs[r]), rtol=0, atol=1e-12)


def test_bfloat16_products_stay_near_float32():
    """Operands keep 8 bits, so a gradient is off by a few parts in a thousand of its norm."""
    model = spec("2201.02177")
    flat = torch.stack([build(model, TASK).init(generator(3))])
    inputs, labels = examples(1)
    grads = []
    for products in ("float32", "bfloat16"):
        found = build(model, TASK, products=products)
        grads.append(torch.zeros_like(flat))
        found.loss_and_gradient(flat, grads[-1], inputs, labels, found.workspace(1, TRAIN_SIZE))
    error = ((grads[1] - grads[0]).norm() / grads[0].norm()).item()
    assert 1e-5 < error < 3e-2


def test_tied_embeddings_of_more_classes_than_tokens_are_refused():
    with pytest.raises(RegrokError, match="tied"):
        build(spec("tied"), TaskInfo("pairs", 7, None, 8, 10, 10))


@pytest.mark.parametrize(
    ("change", "named"),
    [({"heads": 3}, "multiple of heads"), ({"layers": 0}, "layers"), ({"norm": "before"}, "norm")],
)
def test_settings_that_no_decoder_has_are_refused(change, named):
    with pytest.raises(ValidationError, match=named):
        spec("2201.02177", **change)


def test_a_task_without_tokens_is_refused():
    kind = next(kind for kind in KINDS if kind.task["name"] == "sparse_parity")
    with pytest.raises(ValidationError, match="'decoder' reads token pairs"):
        Run.model_validate({**kind.runs()[0], "model": DECODER}, strict=False)

"""The stacked transformers equal plain torch.nn trained by torch.optim, in float64, in every variant;
in float32 a run's bits do not depend on what is trained beside it."""

from itertools import product

import pytest
import torch
from torch import Tensor, nn

from plain import PlainTransformer
from regrok import kernels
from regrok.models import Model, build
from regrok.study.model import Transformer
from regrok.study.run import Optimiser
from regrok.tasks import TaskInfo
from regrok.training import optim

pytestmark = pytest.mark.beside

CPU = torch.device("cpu")
IMPLEMENTATIONS = ["reference"]
if kernels.select(CPU, torch.float64).name == "native":
    IMPLEMENTATIONS.append("native")

P, CLASSES, SEEDS, TRAIN_SIZE, BATCH = 7, 5, (42, 43, 44), 30, 12
STRUCTURES = [
    *product(["post", "pre"], ["last", "mean"], [None]),
    ("post", "last", "separate"),
    ("pre", "mean", "separate"),
]
PAPERS = [("post", "last", None), ("pre", "mean", None), ("post", "last", "separate")]
TASK = TaskInfo("pairs", P, None, CLASSES, TRAIN_SIZE, 1)


def spec(
    norm: str,
    readout: str,
    embeddings: str | None = None,
    activation: str = "gelu",
    init_scale: float = 1.0,
) -> Transformer:
    block = Transformer(
        name="transformer",
        norm=norm,
        readout=readout,
        d_model=16,
        heads=2,
        ffn=24,
        activation="gelu",
        init_scale=init_scale,
        embeddings=embeddings,
    )
    # The configuration allows the papers' activations; the kernels know two more, for MLPs.
    return block.model_copy(update={"activation": activation})


def plain(model: Transformer, seed: int) -> PlainTransformer:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        fields = model.model_dump(exclude={"name", "init_scale"})
        return PlainTransformer(P, CLASSES, **fields)


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def examples(runs: int, size: int = TRAIN_SIZE) -> tuple[Tensor, Tensor]:
    stream = generator(0)
    inputs = torch.randint(P, (runs, size, 2), generator=stream)
    return inputs, torch.randint(CLASSES, (runs, size), generator=stream)


def stack(model: Model, modules: list[PlainTransformer]) -> Tensor:
    return torch.stack([model.layout.pack(dict(m.named_parameters())) for m in modules])


def perturbed(model: Transformer, seed: int) -> PlainTransformer:
    """In float64, away from the zeros and ones at which biases and gains start."""
    module = plain(model, seed).double()
    stream = generator(seed)
    for parameter in module.parameters():
        noise = torch.randn(parameter.shape, generator=stream, dtype=torch.float64)
        parameter.data.add_(noise, alpha=0.2)
    return module


@pytest.mark.parametrize(("norm", "readout", "embeddings"), STRUCTURES)
def test_init_draws_what_the_plain_module_draws(norm, readout, embeddings):
    model = spec(norm, readout, embeddings)
    found = build(model, TASK)
    module = plain(model, 5)
    assert [name for name, _ in module.named_parameters()] == found.layout.names
    assert torch.equal(found.init(generator(5)), found.layout.pack(dict(module.named_parameters())))


def test_parameter_count_is_the_papers():
    """2603.13331's released runs have 223,713 parameters at p = 97."""
    model = spec("post", "last").model_copy(update={"d_model": 128, "heads": 4, "ffn": 512})
    found = build(model, TaskInfo("pairs", 97, None, 97, 4704, 4705))
    assert found.layout.parameters == 223_713


def test_two_tables_double_the_embeddings_share_of_the_norm():
    """V_0 of the released multiplication runs of 2603.13331 is near 25,936 at p = 97: two standard normal tables
    of 97 × 128, 24,832 in expectation, and what the other parameters add to either network."""
    size = {"d_model": 128, "heads": 4, "ffn": 512}
    task = TaskInfo("pairs", 97, None, 97, 4704, 4705)
    norms = {}
    for embeddings in (None, "separate"):
        model = spec("post", "last", embeddings).model_copy(update=size)
        found = build(model, task)
        norms[embeddings] = float(found.init(generator(0)).square().sum())
    assert norms["separate"] == pytest.approx(25_936, rel=0.02)
    assert norms["separate"] - norms[None] == pytest.approx(97 * 128, rel=0.03)


def test_init_scale_multiplies_all_but_the_gains():
    one, three = (build(spec("post", "last", init_scale=s), TASK) for s in (1.0, 3.0))
    a, b = (m.layout.views(m.init(generator(1))) for m in (one, three))
    for name in one.layout.names:
        gain = "norm" in name and name.endswith("weight")
        torch.testing.assert_close(b[name], a[name] if gain else 3 * a[name])


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
@pytest.mark.parametrize("activation", ["gelu", "relu", "tanh", "quadratic"])
@pytest.mark.parametrize(("norm", "readout", "embeddings"), STRUCTURES)
def test_loss_gradient_and_logits(norm, readout, embeddings, activation, implementation):
    model = spec(norm, readout, embeddings, activation)
    found = build(model, TASK, torch.float64, kernels=implementation)
    modules = [perturbed(model, seed) for seed in SEEDS]
    flat = stack(found, modules)
    inputs, labels = examples(len(SEEDS))
    grad = torch.full_like(flat, torch.nan)
    loss = found.loss_and_gradient(
        flat, grad, inputs, labels, found.workspace(len(SEEDS), TRAIN_SIZE)
    )
    logits = found.logits(flat, inputs)
    for r, module in enumerate(modules):
        expected = module(inputs[r])
        value = nn.functional.cross_entropy(expected, labels[r])
        value.backward()
        grads = found.layout.pack({n: p.grad for n, p in module.named_parameters()})
        torch.testing.assert_close(logits[r], expected, rtol=0, atol=1e-12)
        torch.testing.assert_close(loss[r], value, rtol=0, atol=1e-12)
        torch.testing.assert_close(grad[r], grads, rtol=0, atol=1e-12)


# At a learning rate of 3e-2 SGD is past the edge of stability here: two plain modules that differ
# by 1e-15 differ by 1e-7 after 100 steps, which no implementation can undercut.
OPTIMISERS = {
    "adamw": {"name": "adamw", "decay": "decoupled", "learning_rate": 3e-3, "weight_decay": 1.0},
    "adam": {"name": "adam", "decay": "coupled", "learning_rate": 3e-3, "weight_decay": 0.1},
    "sgd coupled": {"name": "sgd", "decay": "coupled", "learning_rate": 1e-2, "weight_decay": 0.1},
    "sgd decoupled": {
        "name": "sgd",
        "decay": "decoupled",
        "learning_rate": 1e-2,
        "weight_decay": 0.1,
    },
}


def optimiser(name: str, **change) -> Optimiser:
    base = {
        "decayed": "all",
        "beta1": 0.9,
        "beta2": 0.99,
        "eps": 1e-8,
        "momentum": 0.9,
        "clip_norm": None,
        "warmup_steps": 0,
    }
    return Optimiser(**base | OPTIMISERS[name] | change)


def torch_optimiser(block: Optimiser, module: nn.Module) -> torch.optim.Optimizer:
    rate, decay = block.learning_rate, block.weight_decay
    betas = (block.beta1, block.beta2)
    if block.name == "adamw":
        return torch.optim.AdamW(module.parameters(), rate, betas, block.eps, decay)
    if block.name == "adam":
        return torch.optim.Adam(module.parameters(), rate, betas, block.eps, decay)
    coupled = decay if block.decay == "coupled" else 0
    return torch.optim.SGD(module.parameters(), rate, block.momentum, weight_decay=coupled)


def hyper(blocks: list[Optimiser]) -> dict[str, Tensor]:
    def value(block: Optimiser, name: str) -> float:
        found = getattr(block, name)
        return float("inf") if found is None else float(found)

    return {
        name: torch.tensor([value(b, name) for b in blocks], dtype=torch.float64)
        for name in optim.HYPER
    }


def train(found: Model, flat: Tensor, blocks, inputs, labels, batches, name=None) -> Tensor:
    """Parameters after a step on each of the batches, index tensors (R, B)."""
    runs = flat.shape[0]
    flat, grad = flat.clone(), torch.empty_like(flat)
    update = optim.build(blocks[0], found.layout, name)
    state = update.state(runs, flat.dtype, flat.device)
    workspace = found.workspace(runs, batches[0].shape[1])
    values, row = hyper(blocks), torch.arange(runs)[:, None]
    for t, batch in enumerate(batches, 1):
        found.loss_and_gradient(flat, grad, inputs[row, batch], labels[row, batch], workspace)
        update.step(flat, grad, state, values, torch.full((runs,), t))
    return flat


def batches(mode: str, steps: int, runs: int) -> list[Tensor]:
    if mode == "full":
        return [torch.arange(TRAIN_SIZE).expand(runs, -1)] * steps
    stream = generator(9)
    drawn = torch.randint(TRAIN_SIZE, (steps, runs, BATCH), generator=stream)
    return list(drawn)


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
@pytest.mark.parametrize("mode", ["mini-batch", "full"])
@pytest.mark.parametrize("name", list(OPTIMISERS))
@pytest.mark.parametrize(("norm", "readout", "embeddings"), PAPERS)
def test_hundred_steps(norm, readout, embeddings, name, mode, implementation):
    model, block = spec(norm, readout, embeddings), optimiser(name, clip_norm=1.0, warmup_steps=20)
    found = build(model, TASK, torch.float64, kernels=implementation)
    module = perturbed(model, 1)
    inputs, labels = examples(1)
    drawn = batches(mode, 100, 1)
    flat = train(found, stack(found, [module]), [block], inputs, labels, drawn, implementation)

    plain_update = torch_optimiser(block, module)
    for t, batch in enumerate(drawn, 1):
        plain_update.zero_grad()
        nn.functional.cross_entropy(module(inputs[0, batch[0]]), labels[0, batch[0]]).backward()
        nn.utils.clip_grad_norm_(module.parameters(), 1.0)
        rate = block.learning_rate * min(1, t / 20)
        plain_update.param_groups[0]["lr"] = rate
        if name == "sgd decoupled":
            with torch.no_grad():
                for parameter in module.parameters():
                    parameter.mul_(1 - rate * block.weight_decay)
        plain_update.step()
    torch.testing.assert_close(flat, stack(found, [module]), rtol=0, atol=1e-9)


@pytest.mark.parametrize("stacked", [False, True])
def test_a_run_does_not_see_its_companions(stacked):
    """Stacked runs, with hyper-parameters of their own, equal the same runs trained alone; where
    runs go one after the other (CPU), to the bit, in any order."""
    model = spec("post", "last")
    name = "reference" if stacked else None
    dtype = torch.float64 if stacked else torch.float32
    found = build(model, TASK, dtype, kernels=name, stacked=stacked)
    flat = torch.stack([found.init(generator(seed)) for seed in SEEDS]).to(dtype)
    inputs, labels = examples(3)
    blocks = [optimiser("adamw", learning_rate=3e-3 * (r + 1)) for r in range(3)]
    drawn = batches("mini-batch", 30, 3)
    together = train(found, flat, blocks, inputs, labels, drawn, name)
    order = [2, 0, 1]
    reordered = train(
        found,
        flat[order],
        [blocks[r] for r in order],
        inputs[order],
        labels[order],
        [batch[order] for batch in drawn],
        name,
    )
    tolerance = 1e-10 if stacked else 0
    for r in range(3):
        one = slice(r, r + 1)
        alone = train(
            found, flat[one], blocks[one], inputs[one], labels[one], [b[one] for b in drawn], name
        )
        torch.testing.assert_close(together[one], alone, rtol=0, atol=tolerance)
        torch.testing.assert_close(reordered[order.index(r)], together[r], rtol=0, atol=tolerance)


def test_the_same_twice():
    model = spec("pre", "mean")
    found = build(model, TASK)
    flat = torch.stack([found.init(generator(3))])
    inputs, labels = examples(1)
    ends = [
        train(found, flat, [optimiser("adamw")], inputs, labels, batches("mini-batch", 20, 1))
        for _ in range(2)
    ]
    assert torch.equal(*ends)


@pytest.mark.parametrize("size", [1, 63, 1024, 1025, 2500])
def test_logits_of_any_number_of_examples(size):
    """Chunked evaluation gives each example the logits that it has in other company."""
    model = spec("pre", "mean")
    found = build(model, TASK, torch.float64)
    flat = stack(found, [perturbed(model, seed) for seed in (0, 1)])
    inputs, _ = examples(2, size)
    logits = found.logits(flat, inputs)
    assert logits.shape == (2, size, CLASSES)
    last = found.logits(flat, inputs[:, -1:])
    torch.testing.assert_close(logits[:, -1:], last, rtol=0, atol=1e-12)


def test_logits_follow_the_parameters():
    """A recorded program reads the buffer as it is now, not as it was when recorded."""
    model = spec("post", "last")
    found = build(model, TASK, torch.float64)
    flat = stack(found, [perturbed(model, 0)])
    inputs, _ = examples(1)
    before = found.logits(flat, inputs)
    other = perturbed(model, 1)
    flat.copy_(stack(found, [other]))
    after = found.logits(flat, inputs)
    assert not torch.allclose(before, after)
    torch.testing.assert_close(after[0], other(inputs[0]), rtol=0, atol=1e-12)


def test_bfloat16_products_stay_near_float32():
    """Operands keep 8 bits, so a gradient is off by a few parts in a thousand of its norm."""
    model = spec("post", "last")
    flat = torch.stack([build(model, TASK).init(generator(3))])
    inputs, labels = examples(1)
    grads = []
    for products in ("float32", "bfloat16"):
        found = build(model, TASK, products=products)
        grads.append(torch.zeros_like(flat))
        found.loss_and_gradient(flat, grads[-1], inputs, labels, found.workspace(1, TRAIN_SIZE))
    error = ((grads[1] - grads[0]).norm() / grads[0].norm()).item()
    assert 1e-5 < error < 2e-2

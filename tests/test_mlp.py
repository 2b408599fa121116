"""The stacked MLPs equal plain torch.nn trained by torch.optim, in float64, for every variant."""

from itertools import product

import pytest
import torch
from torch import Tensor, nn

from plain_mlp import PlainMLP
from regrok import kernels
from regrok.models import build
from regrok.study.model import MLP
from regrok.study.run import Optimiser
from regrok.tasks import TaskInfo, streams
from regrok.training import optim

CPU = torch.device("cpu")
IMPLEMENTATIONS = ["reference"]
if kernels.select(CPU, torch.float64).name == "native":
    IMPLEMENTATIONS.append("native")

STRUCTURES = list(product(["sum", "concat", "vector"], [False, True]))
ACTIVATIONS = ["gelu", "relu", "tanh", "quadratic"]
SEEDS = [42, 43, 44]
P, N, CLASSES, TRAIN_SIZE, BATCH = 11, 5, 7, 40, 16


def spec(input="sum", residual=False, activation="gelu", depth=2, width=20, init_scale=1.0) -> MLP:
    return MLP(
        name="mlp",
        input=input,
        depth=depth,
        width=width,
        activation=activation,
        residual=residual,
        init_scale=init_scale,
    )


def sizes(input: str, p: int = P, classes: int = CLASSES) -> TaskInfo:
    if input == "vector":
        return TaskInfo("vectors", None, N, classes, TRAIN_SIZE, 1)
    return TaskInfo("pairs", p, None, classes, TRAIN_SIZE, 1)


def plain(model: MLP, task: TaskInfo, seed: int) -> PlainMLP:
    """The plain module as its constructor draws it from the run's stream."""
    with torch.random.fork_rng(devices=[]):
        torch.set_rng_state(streams.generator(seed, "init").get_state())
        fields = model.model_dump(exclude={"name", "init_scale", "dropout"})
        return PlainMLP(task.classes, p=task.tokens, n=task.width, **fields)


def examples(task: TaskInfo, runs: int, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    stream = torch.Generator().manual_seed(0)
    if task.kind == "pairs":
        inputs = torch.randint(task.tokens, (runs, TRAIN_SIZE, 2), generator=stream)
    else:
        inputs = torch.randn(runs, TRAIN_SIZE, task.width, generator=stream, dtype=dtype)
    return inputs, torch.randint(task.classes, (runs, TRAIN_SIZE), generator=stream)


def stack(stacked, seeds: list[int], dtype: torch.dtype) -> Tensor:
    return torch.stack([stacked.init(streams.generator(s, "init")) for s in seeds]).to(dtype)


@pytest.mark.parametrize("depth", [1, 2, 8])
@pytest.mark.parametrize(("input", "residual"), STRUCTURES)
def test_initialisation_is_that_of_torch_nn(input: str, residual: bool, depth: int) -> None:
    model, task = spec(input, residual, depth=depth), sizes(input)
    stacked = build(model, task)
    named = dict(plain(model, task, 42).named_parameters())
    flat = stacked.init(streams.generator(42, "init"))
    assert stacked.layout.names == list(named)
    for name, values in stacked.layout.views(flat).items():
        assert torch.equal(values, named[name]), name
    assert stacked.layout.parameters == sum(values.numel() for values in named.values())


def test_init_scale_spares_the_gains() -> None:
    one, three = (
        build(spec(residual=True, init_scale=scale), sizes("sum")) for scale in (1.0, 3.0)
    )
    before = one.layout.views(one.init(streams.generator(0, "init")))
    after = three.layout.views(three.init(streams.generator(0, "init")))
    for name, values in after.items():
        gain = name.endswith("norm.weight")
        assert torch.equal(values, before[name] if gain else 3 * before[name]), name


@pytest.mark.parametrize(("depth", "width", "printed"), [(2, 256, 0.372), (4, 512, 0.209)])
def test_rms_norm_at_initialisation_is_the_published_one(depth, width, printed) -> None:
    # 2603.25009, Table 7, printed for one seed: it fixes the paper's parameter count and its
    # initialisation. The embedding's draws spread the value by 0.0017 between seeds.
    model = build(spec(depth=depth, width=width), sizes("sum", p=97, classes=97))
    flat = stack(model, list(range(8)), torch.float64)
    rms = (flat.square().sum(1) / model.layout.parameters).sqrt().mean().item()
    assert rms == pytest.approx(printed, abs=2e-3)


@pytest.mark.parametrize("kernel", IMPLEMENTATIONS)
@pytest.mark.parametrize(("activation", "depth"), [*product(ACTIVATIONS, [1, 3]), ("gelu", 8)])
@pytest.mark.parametrize(("input", "residual"), STRUCTURES)
def test_loss_logits_and_every_gradient(input, residual, activation, depth, kernel) -> None:
    # Activations grow without bound through squares, so deep quadratic networks start small.
    scale = 0.5 if activation == "quadratic" else 1.0
    model, task = spec(input, residual, activation, depth, init_scale=scale), sizes(input)
    stacked = build(model, task, torch.float64, kernels=kernel)
    flat = stack(stacked, SEEDS, torch.float64)
    grad = torch.full_like(flat, torch.nan)
    inputs, labels = examples(task, len(SEEDS), torch.float64)
    workspace = stacked.workspace(len(SEEDS), TRAIN_SIZE)
    for _ in range(2):  # the second time finds used buffers
        losses = stacked.loss_and_gradient(flat, grad, inputs, labels, workspace)
    logits = stacked.logits(flat, inputs)
    padding = stacked.layout.indicator(stacked.layout.names) == 0
    assert (grad[:, padding] == 0).all()
    for r, seed in enumerate(SEEDS):
        module = plain(model, task, seed).double()
        named = dict(module.named_parameters())
        for name, values in stacked.layout.views(flat[r]).items():
            named[name].data.copy_(values)
        expected = module(inputs[r])
        loss = nn.functional.cross_entropy(expected, labels[r])
        loss.backward()
        torch.testing.assert_close(losses[r], loss.detach(), rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(logits[r], expected.detach(), rtol=1e-12, atol=1e-12)
        for name, values in stacked.layout.views(grad[r]).items():
            torch.testing.assert_close(
                values, named[name].grad, rtol=1e-10, atol=1e-12, msg=lambda m, n=name: f"{n}: {m}"
            )


OPTIMISERS = {
    "AdamW": {"name": "adamw", "decay": "decoupled", "learning_rate": 1e-2, "weight_decay": 0.5},
    "Adam": {"name": "adam", "decay": "coupled", "learning_rate": 1e-2, "weight_decay": 0.05},
    "SGD coupled": {"name": "sgd", "decay": "coupled", "learning_rate": 5e-2, "weight_decay": 0.01},
    "SGD decoupled": {
        "name": "sgd",
        "decay": "decoupled",
        "learning_rate": 5e-2,
        "weight_decay": 0.01,
    },
}


def optimiser(name: str) -> Optimiser:
    # ε is far above the default: Adam divides by √v + ε, and a gradient that is zero but for
    # rounding would otherwise become a step of ±η whose sign is rounding noise.
    common = {"decayed": "all", "clip_norm": 1.0, "warmup_steps": 0, "momentum": 0.9}
    return Optimiser(**OPTIMISERS[name], **common, beta1=0.9, beta2=0.98, eps=1e-4)


def plain_optimiser(block: Optimiser, module: nn.Module) -> torch.optim.Optimizer:
    decay = {"lr": block.learning_rate, "weight_decay": block.weight_decay}
    if block.name == "sgd":
        if block.decay == "decoupled":
            decay["weight_decay"] = 0.0
        return torch.optim.SGD(module.parameters(), momentum=block.momentum, **decay)
    kind = {"adamw": torch.optim.AdamW, "adam": torch.optim.Adam}[block.name]
    return kind(module.parameters(), betas=(block.beta1, block.beta2), eps=block.eps, **decay)


def train_plain(model, task, block, seed, inputs, labels, batches) -> dict[str, Tensor]:
    module = plain(model, task, seed).double()
    if model.init_scale != 1:
        for name, values in module.named_parameters():
            if not name.endswith("norm.weight"):
                values.data.mul_(model.init_scale)
    updates = plain_optimiser(block, module)
    for rows in batches:
        updates.zero_grad()
        nn.functional.cross_entropy(module(inputs[rows]), labels[rows]).backward()
        if block.clip_norm:
            nn.utils.clip_grad_norm_(module.parameters(), block.clip_norm)
        if block.name == "sgd" and block.decay == "decoupled":
            for values in module.parameters():
                values.data.mul_(1 - block.learning_rate * block.weight_decay)
        updates.step()
    return {name: values.detach() for name, values in module.named_parameters()}


def train_stacked(
    model, task, block, seeds, inputs, labels, batches, dtype, kernel=None, **how
) -> Tensor:
    """The trained parameters (R, P); batches: one (R, B) tensor of rows a step."""
    stacked = build(model, task, dtype, kernels=kernel, **how)
    flat = stack(stacked, seeds, dtype)
    grad = torch.zeros_like(flat)
    updates = optim.build(block, stacked.layout, kernel)
    state = updates.state(len(seeds), dtype, CPU)
    hyper = {
        name: torch.full(
            (len(seeds),),
            float("inf") if getattr(block, name) is None else getattr(block, name),
            dtype=torch.float64,
        )
        for name in optim.HYPER
    }
    workspace = stacked.workspace(len(seeds), batches[0].shape[1])
    run = torch.arange(len(seeds))[:, None]
    for t, rows in enumerate(batches, start=1):
        stacked.loss_and_gradient(flat, grad, inputs[run, rows], labels[run, rows], workspace)
        updates.step(flat, grad, state, hyper, torch.full((len(seeds),), t))
    return flat


def batch_rows(batch: str, seeds: list[int], steps: int) -> list[Tensor]:
    if batch == "full":
        return [torch.arange(TRAIN_SIZE).expand(len(seeds), -1)] * steps
    keys = torch.tensor([streams.key(seed, "batch") for seed in seeds])
    draw = streams.indices if batch == "with replacement" else streams.epoch_indices
    return [draw(keys, torch.full_like(keys, t), BATCH, TRAIN_SIZE) for t in range(steps)]


def assert_trained_alike(model: MLP, name: str, batch: str, kernel: str) -> None:
    task, block, seeds = sizes(model.input), optimiser(name), SEEDS[:2]
    inputs, labels = examples(task, len(seeds), torch.float64)
    batches = batch_rows(batch, seeds, steps=100)
    trained = train_stacked(
        model, task, block, seeds, inputs, labels, batches, torch.float64, kernel
    )
    views = build(model, task, torch.float64, kernels=kernel).layout.views(trained)
    start = build(model, task).init(streams.generator(seeds[0], "init"))
    assert (trained[0] - start).abs().max() > 1e-2  # it has trained at all
    for r, seed in enumerate(seeds):
        rows = [step[r] for step in batches]
        expected = train_plain(model, task, block, seed, inputs[r], labels[r], rows)
        for parameter, values in expected.items():
            torch.testing.assert_close(
                views[parameter][r],
                values,
                rtol=0,
                atol=1e-9,
                msg=lambda m, p=parameter: f"{p}: {m}",
            )


BATCHES = ["full", "with replacement", "without replacement"]


COVERING = [
    (*structure, ACTIVATIONS[i % 3], name, BATCHES[(i + k) % 2])
    for i, structure in enumerate(STRUCTURES)
    for k, name in enumerate(OPTIMISERS)
]
"""Every structure with every optimiser, and each of both with either batch."""


@pytest.mark.parametrize(("input", "residual", "activation", "name", "batch"), COVERING)
def test_parameters_after_100_steps(input, residual, activation, name, batch) -> None:
    assert_trained_alike(spec(input, residual, activation), name, batch, IMPLEMENTATIONS[-1])


@pytest.mark.long
@pytest.mark.parametrize("kernel", IMPLEMENTATIONS)
@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize("name", OPTIMISERS)
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize(("input", "residual"), STRUCTURES)
def test_parameters_after_100_steps_of_every_variant(
    input, residual, activation, name, batch, kernel
) -> None:
    # Three layers of squares are a polynomial of degree 8, which amplifies rounding beyond 1e-9.
    quadratic = activation == "quadratic"
    model = spec(
        input, residual, activation, 2 if quadratic else 3, init_scale=0.5 if quadratic else 1.0
    )
    assert_trained_alike(model, name, batch, kernel)


@pytest.mark.parametrize("kernel", IMPLEMENTATIONS)
@pytest.mark.parametrize(("input", "residual"), STRUCTURES)
def test_companions_do_not_change_a_bit(input: str, residual: bool, kernel: str) -> None:
    # Odd sizes, so that rows of the batch and of the parameters are not multiples of a vector.
    model, task, block = spec(input, residual, width=37), sizes(input), optimiser("AdamW")
    inputs, labels = examples(task, len(SEEDS), torch.float32)
    batches = batch_rows("with replacement", SEEDS, steps=20)
    together = train_stacked(
        model, task, block, SEEDS, inputs, labels, batches, torch.float32, kernel
    )
    for r, seed in enumerate(SEEDS):
        alone = train_stacked(
            model, task, block, [seed], inputs[r : r + 1], labels[r : r + 1],
            [rows[r : r + 1] for rows in batches], torch.float32, kernel,
        )  # fmt: skip
        assert torch.equal(alone[0], together[r])
    last_first = train_stacked(
        model, task, block, SEEDS[::-1], inputs.flip(0), labels.flip(0),
        [rows.flip(0) for rows in batches], torch.float32, kernel,
    )  # fmt: skip
    assert torch.equal(last_first.flip(0), together)


@pytest.mark.parametrize(("input", "residual"), STRUCTURES)
def test_all_runs_in_one_call_agree_with_one_after_the_other(input: str, residual: bool) -> None:
    model, task = spec(input, residual), sizes(input)
    inputs, labels = examples(task, len(SEEDS), torch.float64)
    results = []
    for stacked in (False, True):
        network = build(model, task, torch.float64, kernels="reference", stacked=stacked)
        flat = stack(network, SEEDS, torch.float64)
        grad = torch.zeros_like(flat)
        workspace = network.workspace(len(SEEDS), TRAIN_SIZE)
        loss = network.loss_and_gradient(flat, grad, inputs, labels, workspace)
        results.append((loss.clone(), grad, network.logits(flat, inputs)))
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("kernel", IMPLEMENTATIONS)
def test_a_sum_of_embeddings_cannot_tell_a_pair_from_its_mirror_image(kernel: str) -> None:
    task = sizes("sum")
    inputs, _ = examples(task, 1, torch.float32)
    for input, same in (("sum", True), ("concat", False)):
        network = build(spec(input), task, kernels=kernel)
        flat = stack(network, [42], torch.float32)
        mirrored = network.logits(flat, inputs.flip(-1))
        close = torch.allclose(network.logits(flat, inputs), mirrored, rtol=0, atol=1e-5)
        assert close == same


def test_logits_of_many_examples_come_in_chunks_of_any_remainder() -> None:
    task = sizes("sum")
    network = build(spec(), task, torch.float64)
    flat = stack(network, SEEDS[:2], torch.float64)
    inputs = torch.randint(P, (2, 2500, 2), generator=torch.Generator().manual_seed(1))
    together = network.logits(flat, inputs)
    for part in (slice(0, 7), slice(1020, 1030), slice(2490, 2500)):
        torch.testing.assert_close(together[:, part], network.logits(flat, inputs[:, part]))


@pytest.mark.parametrize("kernel", IMPLEMENTATIONS)
@pytest.mark.parametrize(("input", "residual"), STRUCTURES)
def test_the_order_of_a_batch_does_not_matter(input: str, residual: bool, kernel: str) -> None:
    model, task = spec(input, residual), sizes(input)
    network = build(model, task, torch.float64, kernels=kernel)
    flat = stack(network, [42], torch.float64)
    inputs, labels = examples(task, 1, torch.float64)
    workspace = network.workspace(1, TRAIN_SIZE)
    results = []
    for order in (torch.arange(TRAIN_SIZE), torch.arange(TRAIN_SIZE).flip(0)):
        grad = torch.zeros_like(flat)
        loss = network.loss_and_gradient(
            flat, grad, inputs[:, order], labels[:, order], workspace
        ).clone()
        results.append((loss, grad))
    torch.testing.assert_close(*results, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(("input", "residual"), STRUCTURES)
def test_bfloat16_products_stay_near_the_exact_gradient(input: str, residual: bool) -> None:
    model, task = spec(input, residual), sizes(input)
    inputs, labels = examples(task, 1, torch.float32)
    grads = []
    for products in ("float32", "bfloat16"):
        network = build(model, task, products=products)
        flat = stack(network, [42], torch.float32)
        grad = torch.zeros_like(flat)
        workspace = network.workspace(1, TRAIN_SIZE)
        network.loss_and_gradient(flat, grad, inputs, labels, workspace)
        grads.append(grad)
    exact, rounded = grads
    # bfloat16 keeps 8 bits: each product is off by a few parts in 2⁸ and no two errors are alike.
    error = ((rounded - exact).norm() / exact.norm()).item()
    assert 0 < error < 0.03


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize(("input", "residual"), STRUCTURES)
def test_cuda_agrees_with_the_cpu_and_with_itself(input: str, residual: bool) -> None:
    model, task = spec(input, residual), sizes(input)
    inputs, labels = examples(task, len(SEEDS), torch.float64)
    grads = []
    for device in ("cpu", "cuda", "cuda"):
        network = build(model, task, torch.float64, device)
        flat = stack(network, SEEDS, torch.float64).to(device)
        grad = torch.zeros_like(flat)
        workspace = network.workspace(len(SEEDS), TRAIN_SIZE)
        network.loss_and_gradient(flat, grad, inputs.to(device), labels.to(device), workspace)
        grads.append(grad.cpu())
    on_cpu, once, again = grads
    assert torch.equal(once, again)
    torch.testing.assert_close(once, on_cpu, rtol=1e-10, atol=1e-12)

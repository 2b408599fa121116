"""Prints `CASE RATIO …` a line: the plain step's time over ours, from one paired run on one core.

    python -m benchmarks [CASE …] [--rounds N]

Plain is the same architecture in torch.nn with torch.optim on the same batch. Ours is what the
trainer does: four runs in turn, each with parameters and optimiser state of its own, or, `stacked`, all four in each
call as on a GPU, of which the time of a run is a quarter. A round times
some steps of each, so that both meet the same machine; the ratio is that of the median rounds.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from benchmarks.plain_step import plain_network, plain_step
from regrok import kernels
from regrok.models import build
from regrok.models.losses import loss_of
from regrok.study.model import MLP, ByAutograd, Decoder, Encoder, Quadratic, Transformer
from regrok.study.run import Optimiser
from regrok.tasks import TaskInfo
from regrok.training import optim

P = 97
SLOTS = 4

ADAMW = Optimiser(
    name="adamw",
    learning_rate=1e-3,
    weight_decay=1.0,
    decay="decoupled",
    decayed="all",
    beta1=0.9,
    beta2=0.999,
    eps=1e-8,
    momentum=0.0,
    clip_norm=None,
    warmup_steps=0,
)
SGD = ADAMW.model_copy(
    update={
        "name": "sgd",
        "decay": "coupled",
        "learning_rate": 1e-2,
        "weight_decay": 2e-3,
        "momentum": 0.9,
    }
)
TRANSFORMER_A = Transformer(
    name="transformer",
    norm="post",
    readout="last",
    d_model=128,
    heads=4,
    ffn=512,
    activation="gelu",
    init_scale=1.0,
)
MLP_B = MLP(
    name="mlp",
    input="sum",
    depth=2,
    width=256,
    activation="gelu",
    residual=False,
    init_scale=1.0,
)
DECODER_G = Decoder(
    name="decoder",
    layers=2,
    d_model=128,
    heads=4,
    ffn=512,
    activation="relu",
    norm="post",
    biases=False,
    operator=True,
    positions="sinusoidal",
    tied=False,
    init_scale=1.0,
)

QUADRATIC_D = Quadratic(name="quadratic", width=256, init_scale=1.0)
SQUARE = ADAMW.model_copy(
    update={
        "name": "adam",
        "decay": "coupled",
        "learning_rate": 1e-3,
        "weight_decay": 1e-5,
        "loss": "square",
        "centring": "batch",
    }
)
ENCODER_L = Encoder(
    name="encoder", d_model=128, heads=4, ffn=256, activation="gelu", layers=2, init_scale=1.0
)
CLIPPED = ADAMW.model_copy(update={"clip_norm": 1.0})


@dataclass(frozen=True)
class Case:
    """One comparison: network, optimiser, examples a step, precision of the products."""

    model: Transformer | MLP | Decoder | ByAutograd
    optimiser: Optimiser
    batch: int
    products: str = "float32"
    stacked: bool = False
    """All the slots in each call."""

    def examples(self) -> tuple[Tensor, Tensor]:
        inputs = torch.randint(P, (1, self.batch, 2), generator=torch.Generator().manual_seed(0))
        return inputs, inputs.sum(-1) % P

    def plain(self) -> Callable[[], None]:
        """One step of torch.nn and torch.optim."""
        inputs, labels = (x[0] for x in self.examples())
        return plain_step(plain_network(self.model, P), self.optimiser, inputs, labels)

    def ours(self) -> tuple[Callable[[], None], int]:
        """A call, a step of the next slot or of all, and the floating-point operations of one run's products."""
        task = TaskInfo("pairs", P, None, P, self.batch, 1)
        runs = SLOTS if self.stacked else 1
        model = build(
            self.model,
            task,
            products=self.products,
            kernels="reference" if self.stacked else None,
            stacked=self.stacked,
            loss=loss_of(self.optimiser),
        )
        update = optim.build(self.optimiser, model.layout)
        flat = torch.stack([model.init(torch.Generator().manual_seed(s)) for s in range(SLOTS)])
        state = update.state(SLOTS, flat.dtype, flat.device)
        grad = torch.zeros_like(flat[:runs])
        values = {n: getattr(self.optimiser, n) for n in optim.HYPER}
        hyper = {
            n: torch.full((runs,), float("inf") if v is None else v, dtype=torch.float64)
            for n, v in values.items()
        }
        inputs, labels = (torch.cat([x] * runs) for x in self.examples())
        workspace = model.workspace(runs, self.batch)
        steps = torch.zeros(SLOTS, dtype=torch.int64)
        count = 0

        def step() -> None:
            nonlocal count
            one = slice(None) if self.stacked else slice(count % SLOTS, count % SLOTS + 1)
            count += 1
            steps[one] += 1
            model.loss_and_gradient(flat[one], grad, inputs, labels, workspace)
            states = {name: tensor[one] for name, tensor in state.items()}
            update.step(flat[one], grad, states, hyper, steps[one])

        step()
        return step, workspace.flops


CASES = {
    "transformer-b512": Case(TRANSFORMER_A, ADAMW, 512),
    "transformer-b512-bfloat16": Case(TRANSFORMER_A, ADAMW, 512, "bfloat16"),
    "transformer-full-2822": Case(TRANSFORMER_A, ADAMW, 2822),
    "decoder-b512": Case(DECODER_G, ADAMW, 512),
    "decoder-b512-bfloat16": Case(DECODER_G, ADAMW, 512, "bfloat16"),
    "mlp-full-1882": Case(MLP_B, SGD, 1882),
    "quadratic-b128": Case(QUADRATIC_D, SQUARE, 128),
    "quadratic-b128-stacked": Case(QUADRATIC_D, SQUARE, 128, stacked=True),
    "encoder-b512": Case(ENCODER_L, CLIPPED, 512),
    "encoder-b512-stacked": Case(ENCODER_L, CLIPPED, 512, stacked=True),
}


def seconds(step: Callable[[], object], times: int) -> float:
    began = time.perf_counter()
    for _ in range(times):
        step()
    return (time.perf_counter() - began) / times


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("cases", nargs="*", help=f"of {', '.join(CASES)}; all by default")
    parser.add_argument("--rounds", type=int, default=15, help="pairs of timings a case")
    arguments = parser.parse_args()
    if unknown := set(arguments.cases) - set(CASES):
        parser.error(f"no case {', '.join(sorted(unknown))}; there are {', '.join(CASES)}")
    torch.set_num_threads(1)
    square = torch.randn(512, 512)
    product = torch.empty_like(square)
    print(f"# kernels: {kernels.backend()}; torch {torch.__version__}; one thread")
    for name in arguments.cases or CASES:
        case = CASES[name]
        plain, (ours, flops) = case.plain(), case.ours()
        seconds(plain, 2)
        rounds = [
            (
                seconds(plain, 4),
                seconds(ours, 4 if case.stacked else 4 * SLOTS) / (SLOTS if case.stacked else 1),
                seconds(lambda: torch.mm(square, square, out=product), 10),
            )
            for _ in range(arguments.rounds)
        ]
        slow, fast, mm = (statistics.median(column) for column in zip(*rounds, strict=True))
        peak = 2 * 512**3 / mm
        print(
            f"{name} {slow / fast:.2f}  # plain {slow * 1e3:.2f} ms, ours {fast * 1e3:.2f} ms, "
            f"products {flops / 1e6:.0f} MFLOP: {flops / fast / peak:.0%} of the core's sgemm "
            f"({peak / 1e9:.0f} GFLOP/s)",
            flush=True,
        )


if __name__ == "__main__":
    main()

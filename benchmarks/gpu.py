"""Prints `CASE SLOTS RATIO …` a line: what a training step costs on a GPU, and what runs side by side save.

    python -m benchmarks.gpu [CASE …] [--slots 1 5 20 80] [--seconds 1]

A case is the network of an experiment at paper scale, with its optimiser and batch. Plain is the same network in
torch.nn with torch.optim, one run, step after step. Ours is the trainer's engine with so many slots in one CUDA graph.
The ratio is the plain step's time over ours for one run: that of a step of all slots, over their number.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch

from benchmarks.plain_step import plain_network, plain_step
from regrok.study.plan import make_plan
from regrok.study.read import load_config
from regrok.study.run import Run
from regrok.tasks.examples import examples
from regrok.training.slots import Engine

ROOT = Path(__file__).parents[1]

CASES = {
    "transformer-b512": ("S1", {}),
    "decoder-b512": ("G_operations", {}),
    "mlp-depth-2": ("B1", {}),
    "mlp-depth-2-bfloat16": ("products_mlp", {"products": "bfloat16"}),
    "mlp-depth-4-width-512": ("B4B", {}),
    "residual-depth-8-width-512": ("B2", {"depth": 8}),
    "encoder-width-512": ("B6", {}),
}
"""Experiment, and what its run has in its model or protocol where that tells it from others."""

ROUNDS = 5


def run_of(experiment: str, has: dict[str, object]) -> Run:
    """The first such run of an experiment at paper scale."""
    plan = make_plan(load_config(ROOT / "config.yaml", {"scale": "paper"}))
    for row in plan.membership:
        if row["experiment"] != experiment:
            continue
        run = plan.runs[row["run_id"]]
        own = run.model.model_dump() | run.protocol.model_dump()
        if all(own[key] == value for key, value in has.items()):
            return run
    raise SystemExit(f"{experiment} has no run with {has}")


def plain(run: Run, device: str) -> Callable[[], None]:
    """One step of torch.nn and torch.optim on one batch of the run's examples."""
    # Batches of pairs as they are drawn: what the engine merges, plain code computes.
    data = examples(run, merged=False, dtype=torch.float32)["train"]
    inputs, labels = (x[: run.batch_size].to(device) for x in data[:2])
    module = plain_network(run.model, run.task.p).to(device)
    return plain_step(module, run.optimiser, inputs, labels)


def engine(run: Run, slots: int, device: str) -> Engine:
    """All slots occupied, the graph captured."""
    made = Engine(run, slots, device)
    for slot in range(slots):
        made.start(slot, run.model_copy(update={"seed": slot}))
    made.advance(2)
    return made


def seconds(work: Callable[[int], object], least: float) -> float:
    """Of one step: the median of rounds that together last about `least` seconds; `work` takes that many steps."""
    torch.cuda.synchronize()
    began = time.perf_counter()
    work(5)
    torch.cuda.synchronize()
    times = max(5, int(least / ROUNDS / ((time.perf_counter() - began) / 5)))
    rounds = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        work(times)
        torch.cuda.synchronize()
        rounds.append((time.perf_counter() - began) / times)
    return statistics.median(rounds)


def repeated(step: Callable[[], None]) -> Callable[[int], None]:
    def work(times: int) -> None:
        for _ in range(times):
            step()

    return work


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__)
    parser.add_argument("cases", nargs="*", help=f"of {', '.join(CASES)}; all by default")
    parser.add_argument("--slots", nargs="+", type=int, default=[1, 5, 20, 80])
    parser.add_argument("--seconds", type=float, default=1.0, help="of each timing")
    arguments = parser.parse_args()
    if unknown := set(arguments.cases) - set(CASES):
        parser.error(f"no case {', '.join(sorted(unknown))}; there are {', '.join(CASES)}")
    if not torch.cuda.is_available():
        raise SystemExit("needs a CUDA device")
    print(f"# {torch.cuda.get_device_name()}; torch {torch.__version__}, CUDA {torch.version.cuda}")
    for name in arguments.cases or CASES:
        run = run_of(*CASES[name])
        slow = seconds(repeated(plain(run, "cuda")), arguments.seconds)
        for slots in arguments.slots:
            made = engine(run, slots, "cuda")
            whole = seconds(made.advance, arguments.seconds)
            rate = made._workspace.flops / whole / 1e12
            print(
                f"{name} {slots} {slow / whole * slots:.1f}  # plain {slow * 1e3:.3f} ms; ours "
                f"{whole * 1e3:.3f} ms for {slots}, {whole / slots * 1e3:.4f} a run, "
                f"{rate:.1f} TFLOP/s of products",
                flush=True,
            )
            del made
            torch.cuda.empty_cache()


if __name__ == "__main__":
    main()

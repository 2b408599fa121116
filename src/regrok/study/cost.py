"""What a run will take: steps, seconds, disk. Estimates for the plan, never for a result."""

from __future__ import annotations

import heapq
import json
import math
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from regrok.processor import processor
from regrok.study.model import ByAutograd
from regrok.study.sizes import mirrored, run_info, task_info
from regrok.tasks.operations import OPERATIONS

if TYPE_CHECKING:
    import pandas as pd

    from regrok.study.model import Decoder
    from regrok.study.run import Run

TYPICAL_RATE = 1e11
"""FLOP/s of training steps on one recent core, where none was measured."""

EFFICIENCY = {"native": 1.0, "reference": 0.25}
"""Rate of a training step's operations over that of the timed product, by kernels: element-wise work takes its time,
and some products are of smaller matrices, which stay in the core's cache."""

AUTOGRAD = 2.0
"""Time of a step by autograd over that of its products: the encoder of 2602.16746 takes 41 ms of CPU time, 20 of them
products."""

WINDOWS = 3
"""The product is timed in so many windows, of which the best counts: a build is not all that a machine does."""

CALLS = 2e-4
"""Seconds per step that do not depend on sizes: dispatching some thirty kernels."""

PRODUCT = (512, 128, 512)
"""Rows, inner size and columns of the timed product: the feed-forward layer of paper A's model."""


def macs_per_example(run: Run) -> tuple[float, float]:
    """Multiply-adds of one forward pass: per example, and per step whatever the batch.

    Where the input is a pair of tokens, what depends on one token is computed on the table of p
    rows: keys, values and queries of both positions for the transformer, the first layer of an MLP.
    The transformer carries on with the last token alone, or with both where they are averaged.
    A decoder has rows that all examples share too: see `decoder_macs`.
    """
    model, info = run.model, task_info(run.task)
    rows = info.tokens or 0
    if model.name == "transformer":
        d, tokens = model.d_model, 2 if model.readout == "mean" else 1
        per_token = d * d + 2 * d * model.ffn
        return tokens * (per_token + 4 * d) + d * info.classes, 2 * rows * 3 * d * d
    if model.name == "decoder":
        return decoder_macs(model, rows, info.classes)
    if isinstance(model, ByAutograd):
        return model.multiply_adds(rows, info.classes), 0
    w = model.width
    layer = 2 * w * w if model.residual else w * w
    hidden = (model.depth - 1) * layer + w * info.classes
    if model.input == "vector":
        return hidden + (info.width or 0) * w, 0
    return hidden, rows * layer * (2 if model.input == "concat" else 1)


def decoder_macs(model: Decoder, p: int, classes: int) -> tuple[float, float]:
    """Multiply-adds of a causal decoder on a ∘ b = or a b =, of p tokens: per example, and of the rows that all share.

    b and = have a row an example behind every layer, a and ∘ one of p rows; before the first layer all have such, or a
    single one. The last layer carries on with the last position; behind another layer, it meets the rows as they are.
    With dropout all positions have a row an example behind a layer.
    """
    d = model.d_model
    shared, length = (2, 4) if model.operator else (1, 3)
    own = 2
    if model.dropout is not None:
        shared, own = 0, length
    through = d * d + 2 * d * model.ffn  # output projection and feed-forward block
    examples, fixed = d * classes, 0
    for layer in range(model.layers):
        last = layer + 1 == model.layers
        examples += (1 if last else own) * (through + 2 * length * d)
        if layer == 0:
            fixed += (2 * p + length - 2) * (2 if last else 3) * d * d
        elif last:
            examples += 3 * d * d + 2 * length * (model.heads - 1) * d
        else:
            examples += own * 3 * d * d
            fixed += shared * p * 3 * d * d
        if not last:
            fixed += shared * p * through
    return examples, fixed


def flops_per_step(run: Run) -> float:
    """Floating-point operations of one step with its share of evaluation.

    A step is a forward pass and a backward pass of twice its size. All examples are evaluated every
    curve_every steps and a tenth of them at the other logged steps, where a failing block ends the
    evaluation. An example that a batch holds more than once is computed once (on a CPU).
    """
    per_example, fixed = macs_per_example(run)
    train, validation = run.task.train_size, run.task.validation_size
    saved = _merged_share(run)
    forward = _examples_a_step(run) * (1 - saved) * per_example + fixed
    everything = (train + validation) * (1 - saved) * per_example + fixed
    protocol = run.protocol
    evaluations = 1 / protocol.curve_every + 0.1 / protocol.log_every
    slow = AUTOGRAD if isinstance(run.model, ByAutograd) else 1
    doubled = 2 if protocol.precision == "float64" else 1
    return 2 * (3 * forward + everything * evaluations) * slow * doubled


def _merged_share(run: Run) -> float:
    """Expected share of the examples that are mirror images of others, of which one is trained on."""
    task = run.task
    if not mirrored(run) or task.name != "modular":
        return 0.0
    if not (task.ordered and OPERATIONS[task.operation].symmetric):
        return 0.0
    # A pair meets its mirror image in a set with the probability of the set's share, or always; one of both is kept.
    return 0.5 if task.split == "unordered" else task.train_size / task.pairs / 2


def _examples_a_step(run: Run) -> float:
    """Expected number of different examples in a batch: n (1 - (1 - 1/n)^B) of n drawn B times with replacement."""
    n, batch = run.task.train_size, run.batch_size
    if getattr(run.model, "dropout", None) is not None:
        return batch  # each draw drops other elements
    if run.protocol.batch == "full" or not run.protocol.replacement:
        return batch
    return n * (1 - (1 - 1 / n) ** batch)


def prior_steps(run: Run) -> int:
    """Expected steps of a run of which nothing is known, at most its budget.

    Modular arithmetic, AdamW, 0.01 < λ ≤ 1: paper A's regression of T_grok on 1/λ at η = 1e-3
    (2603.13331, README; 1,182/λ + 884 steps), scaled by 1e-3/η, then the tail. SGD with λ ≥ 1: V
    falls as exp(−2ηλt/(1 − momentum)) in A's S8; a collapse shows once it has fallen 10⁵-fold.
    Parity with about A's 25,000 samples: its S10 (at most 320 steps), then the tail. Any other run
    may not grok, or nobody has measured when: the whole budget, as for one that stops there.
    """
    optimiser, tail = run.optimiser, run.protocol.tail_steps
    decay, rate = optimiser.weight_decay, optimiser.learning_rate
    steps = float(run.protocol.max_steps)
    if run.protocol.stop == "budget" or not run_info(run).validation_size:
        return run.protocol.max_steps
    if run.task.name == "modular" and optimiser.name == "adamw" and 0.01 < decay <= 1:
        steps = (1182 / decay + 884) * 1e-3 / rate + tail
    elif optimiser.name == "sgd" and decay >= 1:
        steps = math.log(1e5) * (1 - optimiser.momentum) / (2 * rate * decay)
    elif run.task.name == "sparse_parity" and run.task.train_count >= 10_000:
        steps = 320 + tail
    return min(run.protocol.max_steps, math.ceil(steps))


def disk_bytes(run: Run, steps: int) -> int:
    """Parquet of one finished run: 30 kB, 60 bytes a logged step, 5 kB a snapshot."""
    logged = steps // run.protocol.log_every + 1
    snapshots = steps // run.protocol.measure_every if run.protocol.measure else 0
    return 30_000 + 60 * logged + 5_000 * snapshots


UNDISTURBED = 0.25
"""The quantile of seconds per step, over runs of the same shapes, that stands for a machine without other work."""


class History:
    """What finished runs tell about new ones: steps by cell, seconds per step by signature."""

    def __init__(self, runs: pd.DataFrame | None) -> None:
        self._steps: dict[str, float] = {}
        self._seconds: dict[str, float] = {}
        if runs is None or runs.empty:
            return
        self._steps = runs.groupby("cell")["steps"].median().to_dict()
        timed = runs[(runs["steps"] > 0) & (runs["wall_seconds"] > 0)]
        if timed.empty:  # none of them on such a machine
            return
        same_shapes = timed["cohort"].str.rpartition("-")[0]
        speed = timed["wall_seconds"] / timed["steps"]
        # Company on the machine makes a run slower and never faster: a whole build without any is foretold.
        self._seconds = speed.groupby(same_shapes).quantile(UNDISTURBED).to_dict()

    def steps(self, run: Run) -> int:
        """Median over the finished runs of the cell, within the budget; else `prior_steps`."""
        known = self._steps.get(run.cell)
        return prior_steps(run) if known is None else min(run.protocol.max_steps, round(known))

    def seconds_per_step(self, cohort: str, run: Run, rate: float) -> float:
        """The fastest quarter's of the finished runs of the same shapes; else from the step's operations."""
        known = self._seconds.get(cohort.rpartition("-")[0])
        return flops_per_step(run) / rate + CALLS if known is None else known


def makespan(seconds: Iterable[float], cores: int) -> float:
    """Seconds until `cores` workers have done all jobs, the longest first."""
    busy = [0.0] * max(1, cores)
    for job in sorted(seconds, reverse=True):
        heapq.heappush(busy, heapq.heappop(busy) + job)
    return max(busy)


def machine_rate(
    cache: Path | None = Path("results/machine.json"),
    seconds: float = 0.3,
    processes: int = 1,
    kernels: Any = None,
) -> float:
    """FLOP/s of training steps in each of some processes at once on this machine, measured once.

    Two cores that are one core's hyper-threads share its arithmetic, so as many products are timed side by side as runs
    will train side by side.

    Args:
        cache: JSON file that keeps the rate by processor, kernels, torch version and processes; None measures afresh.
        seconds: how long to measure.
        processes: how many train at once.
        kernels: those that train (`regrok.kernels.select`), torch's own by default.
    """
    import torch

    name = getattr(kernels, "name", "reference")
    key = f"{processor()}, {name} kernels, torch {torch.__version__}, {processes} at once"
    known = _read(cache)
    if key in known:
        return known[key]
    rate = EFFICIENCY[name] * _product_rate(seconds, processes, kernels)
    if cache is not None:
        # The rate can be measured again; a full disk or a read-only folder is for the build to complain about.
        with suppress(OSError):
            cache.parent.mkdir(parents=True, exist_ok=True)
            cache.write_text(json.dumps({**known, key: rate}, indent=1) + "\n", encoding="utf-8")
    return rate


def _product_rate(seconds: float, processes: int, kernels: Any) -> float:
    """FLOP/s of single-precision products on each of some cores at once; the best of three windows.

    Threads stand for processes: a product holds no lock of the interpreter's.
    """
    import torch

    rows, inner, columns = PRODUCT
    end, done = 0.0, [0] * processes
    barrier = threading.Barrier(processes + 1)

    def work(place: int) -> None:
        torch.set_num_threads(1)
        left, right = torch.ones(rows, inner), torch.ones(inner, columns)
        out = torch.empty(rows, columns)
        native = getattr(kernels, "products", {}).get("float32")
        once = (
            native(left, right, out, False) if native else partial(torch.mm, left, right, out=out)
        )
        once()
        with suppress(threading.BrokenBarrierError):
            for _ in range(WINDOWS):
                barrier.wait()
                while time.perf_counter() < end:
                    once()
                    done[place] += 1
                barrier.wait()

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    workers = [threading.Thread(target=work, args=(i,), daemon=True) for i in range(processes)]
    best = 0.0
    try:
        for worker in workers:
            worker.start()
        for _ in range(WINDOWS):
            done[:] = [0] * processes
            began = time.perf_counter()
            end = began + seconds / WINDOWS
            barrier.wait()
            barrier.wait()
            best = max(best, sum(done) / processes / (time.perf_counter() - began))
    except BaseException:
        barrier.abort()
        raise
    finally:
        torch.set_num_threads(threads)
    return 2.0 * rows * inner * columns * best


def _read(cache: Path | None) -> dict[str, float]:
    try:
        known = json.loads(cache.read_text(encoding="utf-8")) if cache else {}
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}

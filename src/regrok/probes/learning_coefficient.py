"""The local learning coefficient of a state by Langevin dynamics, its loss's curvature, and its Jacobian's rank.

What is sampled, and what is expected of it on a quadratic loss, is derived in `regrok.measures.learning_coefficient`
(arXiv 2308.12108, 2603.01192). Chains move in single precision on minibatches of the training set; the curvature is
that of the loss on all of it, in double precision: its trace by Hutchinson's estimator and, where a chain diverges, its
largest eigenvalue, from which the step follows that would do. The rank is that of the derivative of all training
outputs in all parameters, by singular values, and is asked of small networks alone.

Points are (N,): the parameters one after the other, without the padding that a trainer's layout has between them.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from regrok.errors import RegrokError
from regrok.measures import curvature
from regrok.measures.learning_coefficient import (
    LossAndGradient,
    Protocol,
    largest_curvature,
    largest_step,
    sample,
)
from regrok.probes.parts.state import Labelled, ProbeState

DEFAULTS: dict[str, Any] = {
    "step": 5e-4,
    "n_beta": 26.4,
    "localisation": 5.0,
    "chains": 3,
    "burn_in": 100,
    "draws": 500,
    "batch": None,
    "signs": 10,
    "rank": False,
}
REFERS: dict[str, Any] = {
    "step": "positive",
    "n_beta": "positive",
    "localisation": "positive",
    "batch": "positive",
}
COST: dict[str, float] = {"": 4.0, "chains*draws": 2.0, "chains*burn_in": 2.0, "signs": 20.0}
COLUMNS: dict[str, tuple[str, str]] = {
    "chain": ("", "which chain, from 0"),
    "coefficient": ("", "local learning coefficient of this chain; NaN where it diverged"),
    "diverged": ("", "1 where the chain diverged, else 0"),
    "enough": ("", "step with which it would not have; NaN where no chain of the state diverged"),
    "loss": ("", "mean loss on all training examples at the state, as training minimises it"),
    "trace": ("", "trace of its Hessian, by Hutchinson's estimator"),
    "trace_error": ("", "standard error of the trace; NaN for one sign vector"),
    "rank": ("", "rank of the derivative of all training outputs; NaN where it is not asked"),
}  # fmt: skip

MOST = 30_000_000
"""Entries of a Jacobian whose singular values are taken: a quarter of a GiB in double precision."""


def measure(state: ProbeState, options: dict[str, Any], seed: int) -> list[dict[str, float]]:
    """One row a chain; what is of the state stands in all of them.

    options: `batch` examples of each draw, null for the run's own; as many as there are, or more, for all. Raises
    RegrokError naming the run for a rank of too large a network, and for options that nothing can be sampled with.
    """
    keys = ("step", "n_beta", "localisation", "chains", "burn_in", "draws")
    try:
        protocol = Protocol(*(options[key] for key in keys))
    except RegrokError as error:
        raise RegrokError(f"run {state.run.run_id}: options.{error}") from error
    draw = torch.Generator().manual_seed(seed)
    exact = point_of(state)
    loss = float(on(state, exact, state.train))
    size = min(int(options["batch"] or state.run.batch_size), len(state.train))
    start, at_start = exact.float()[None], torch.tensor([loss], dtype=torch.float64)
    found = sample(minibatches(state, size, seed), start, at_start, protocol, draw)
    enough = math.nan
    if bool(found.diverged.any()):
        curved = largest_curvature(lambda x: gradient(state, x, state.train)[1], exact, draw)
        enough = largest_step(curved, protocol.n_beta, protocol.localisation)
    trace, trace_error = curvature.hutchinson(
        lambda signs: hessian_products(state, exact, signs), len(exact), options["signs"], draw
    )
    of_state = {
        "enough": enough,
        "loss": loss,
        "trace": trace,
        "trace_error": trace_error,
        "rank": float(curvature.rank(jacobian(state)).value) if options["rank"] else math.nan,
    }
    chains = zip(found.coefficient[0].tolist(), found.diverged[0].tolist(), strict=True)
    return [
        {"chain": float(i), "coefficient": value, "diverged": float(lost), **of_state}
        for i, (value, lost) in enumerate(chains)
    ]


def minibatches(state: ProbeState, size: int, seed: int) -> LossAndGradient:
    """Loss and gradient of every chain on a minibatch of its own, drawn anew in each draw; all examples in order."""
    rng, total = np.random.default_rng(seed), len(state.train)

    def at(points: Tensor, draw: int) -> tuple[Tensor, Tensor]:
        losses, gradients = [], []
        for point in points:
            chosen = np.arange(total) if size == total else rng.permutation(total)[:size]
            loss, found = gradient(state, point, state.train[torch.from_numpy(chosen)])
            losses.append(loss)
            gradients.append(found)
        return torch.stack(losses), torch.stack(gradients)

    return at


def point_of(state: ProbeState) -> Tensor:
    """(N,) the parameters of a state, in double precision."""
    return torch.cat([part.flatten() for part in state.parameters(torch.float64).values()])


def named(state: ProbeState, point: Tensor) -> dict[str, Tensor]:
    """Parameters by name, as views of a point (N,)."""
    shapes = {name: part.shape for name, part in state.network.layout.views(state.flat).items()}
    parts = point.split([shape.numel() for shape in shapes.values()])
    return {name: part.view(shapes[name]) for name, part in zip(shapes, parts, strict=True)}


def on(state: ProbeState, point: Tensor, examples: Labelled) -> Tensor:
    """() the loss at a point (N,)."""
    return state.loss(named(state, point), examples)


def gradient(state: ProbeState, point: Tensor, examples: Labelled) -> tuple[Tensor, Tensor]:
    """() the loss at a point (N,), and its gradient (N,)."""
    leaf = point.detach().requires_grad_()
    loss = on(state, leaf, examples)
    return loss.detach(), torch.autograd.grad(loss, leaf)[0]


def hessian_products(state: ProbeState, point: Tensor, vectors: Tensor) -> Tensor:
    """(k, N) the Hessian of the loss on all training examples times each of (k, N), by two backward passes."""
    leaf = point.detach().requires_grad_()
    (first,) = torch.autograd.grad(on(state, leaf, state.train), leaf, create_graph=True)
    made = [torch.autograd.grad(first @ v, leaf, retain_graph=True)[0] for v in vectors]
    return torch.stack(made)


def jacobian(state: ProbeState) -> np.ndarray:
    """(n·C, N) derivative of all training outputs. Raises RegrokError for more entries than `MOST`."""
    point = point_of(state)

    def outputs(point: Tensor) -> Tensor:
        return state.forward(named(state, point), state.train.inputs).flatten()

    count = outputs(point).numel()
    if count * len(point) > MOST:
        raise RegrokError(
            f"run {state.run.run_id}: options.rank: a Jacobian of {count:,} outputs and {len(point):,} parameters is "
            "too large for singular values; ask for it of a smaller network"
        )
    made: Tensor = torch.autograd.functional.jacobian(outputs, point)
    return made.numpy()

"""The published probe of criticality on a state: how far the gradient's largest entries cascade (arXiv 2604.16431).

All N parameters are the nodes of one random graph. What is above τ, a quantile of |g|, gives a share α of itself to
its neighbours, again and again; the number of node updates in all is the size s of an avalanche. Over a family of
widths s ∝ N^D (`regrok.computations.parts.cascade`, `graphs`; the sibling paper 2604.04655, p. 2).

g is the gradient of the loss alone, without decoupled decay, clipping and what Adam makes of it. The training is left
as it is, which the paper calls the shadow of its probe. A run has one graph at all of its states.

Which node a parameter is, the paper does not say. Nodes of a preferential-attachment graph are numbered by age, and
the oldest are its hubs: `placed: in_order` puts the first parameters of the layout there (those of the embedding, in a
transformer), `shuffled` puts each at random.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import torch

from regrok.computations.parts.cascade import cascade, thresholds
from regrok.computations.parts.graphs import Graphs
from regrok.errors import RegrokError
from regrok.probes.parts.state import Labelled, ProbeState

DEFAULTS: dict[str, Any] = {
    "batch": None,  # examples that the gradient is of; null: all of the training set
    "precision": "float64",  # of the gradient
    "topology": "barabasi_albert",
    "attach": 2,  # m
    "quantile": 0.9,  # τ
    "alpha": 0.3,
    "sweeps": 20,
    "order": "parallel",
    "placed": "in_order",  # which node is which parameter
    "graph": 1,  # beside the run's seed, the graph's
}
REFERS: dict[str, Any] = {
    "batch": "positive",
    "precision": ["float32", "float64"],
    "topology": ["barabasi_albert", "random", "regular", "ring", "small_world"],
    "quantile": "between 0 and 1",
    "alpha": "between 0 and 1",
    "order": ["parallel", "sequential"],
    "placed": ["in_order", "shuffled"],
}
COST: dict[str, float] = {"": 12.0, "sweeps": 0.5}
COLUMNS: dict[str, tuple[str, str]] = {
    "nodes": ("", "parameters of the network: nodes of the graph"),
    "size": ("", "node updates in all sweeps: the size of the avalanche"),
    "first": ("", "of these, in the first sweep, which the quantile fixes"),
    "sweeps": ("", "sweeps in which a node was updated"),
    "sum_before": ("", "sum of the gradient over all parameters"),
    "sum_after": ("", "sum of what the cascade left, the same but for rounding"),
    "gradient": ("", "norm of the gradient"),
}


def measure(state: ProbeState, options: dict[str, Any], seed: int) -> list[dict[str, float]]:
    """One row; none at a state whose gradient is not finite.

    A gradient of zeros has an avalanche of size 0. `batch` examples are drawn by `seed`, without repetition; as many as
    there are, or more, are all. Raises RegrokError naming run and option where the network has too few parameters.
    """
    g = gradient(state, options, seed)
    if not np.isfinite(g).all():
        return []
    if len(g) <= 2 * options["attach"]:
        raise RegrokError(
            f"run {state.run.run_id}: options.attach = {options['attach']}: its {len(g)} parameters, as nodes of a "
            f"graph, cannot have {2 * options['attach']} neighbours each; attach fewer"
        )
    drawn = np.random.default_rng([options["graph"], state.run.seed, len(g)])
    graph = drawn_once(options["topology"], len(g), options["attach"], int(drawn.integers(2**31)))
    nodes = drawn.permutation(g) if options["placed"] == "shuffled" else g
    values = nodes[None, :, None]
    tau = thresholds(values, options["quantile"])
    how = (options["alpha"], options["sweeps"], options["order"])
    made = cascade(graph, values, tau, *how)
    updates = made.updates[:, 0, 0]
    return [
        {
            "nodes": float(len(g)),
            "size": float(updates.sum()),
            "first": float(updates[0]),
            "sweeps": float(np.count_nonzero(updates)),
            "sum_before": float(g.sum()),
            "sum_after": float(made.values.sum()),
            "gradient": float(np.linalg.norm(g)),
        }
    ]


def gradient(state: ProbeState, options: dict[str, Any], seed: int) -> np.ndarray:
    """(N,) gradient of the loss in all parameters, one after the other without the layout's padding, as doubles."""
    flat = state.flat.to(getattr(torch, options["precision"]))
    found = state.gradient(flat, examples(state, options["batch"], seed))
    parts = state.network.layout.views(found).values()
    return torch.cat([part.flatten() for part in parts]).double().numpy()


def examples(state: ProbeState, batch: int | None, seed: int) -> Labelled:
    """What the gradient is of: the training set, or so many of it."""
    total = len(state.train)
    if batch is None or batch >= total:
        return state.train
    draw = torch.Generator().manual_seed(seed)
    return state.train[torch.randperm(total, generator=draw)[: int(batch)]]


@lru_cache(maxsize=8)
def drawn_once(topology: str, nodes: int, attach: int, seed: int) -> Graphs:
    """The graph of a run, kept for its other states: at 10⁵ nodes it takes longer to draw than a cascade on it."""
    return Graphs.draw(topology, nodes, attach, [seed])

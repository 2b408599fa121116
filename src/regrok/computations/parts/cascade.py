"""The published probe: values above a threshold give a share of themselves to their neighbours, until none is above it.

As the sibling paper has it (arXiv 2604.04655, p. 2): every node with |g_i| > τ keeps (1 − α)·g_i and gives α·g_i/k_i to
each of its k_i neighbours, signs and all; this is repeated until no node exceeds τ, at most `sweeps` times; the size of
an avalanche is the number of node updates. The sum of all values is conserved. A node without neighbours has nobody to
give to, and is never updated.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from regrok.computations.parts.graphs import Graphs

ORDERS = ("parallel", "sequential")


@dataclass(frozen=True)
class Cascade:
    """What a cascade left."""

    values: np.ndarray
    """(graphs, nodes, columns)"""
    updates: np.ndarray
    """Nodes updated in each sweep: (sweeps, graphs, columns)."""

    def size(self, sweeps: int | None = None) -> np.ndarray:
        """Updates in all, or in the first `sweeps`: (graphs, columns)."""
        return self.updates[:sweeps].sum(axis=0)


def thresholds(values: np.ndarray, quantile: float) -> np.ndarray:
    """τ of every graph and column: a quantile of |g| over the nodes. values: (graphs, nodes, columns)."""
    return np.quantile(np.abs(values), quantile, axis=1)


def cascade(
    graphs: Graphs,
    values: np.ndarray,
    tau: np.ndarray,
    alpha: float,
    sweeps: int,
    order: str = "parallel",
) -> Cascade:
    """Let values cascade, each column for itself.

    values: (graphs, nodes, columns), left as they are; tau: (graphs, columns). order: parallel, where a sweep updates
    all nodes that are above τ at its beginning, or sequential, where each node is looked at once a sweep and sees what
    those before it gave, in the order of `Graphs.classes`.
    """
    count, nodes, columns = values.shape
    flat = np.array(values, dtype=float).reshape(count * nodes, columns)
    level = np.repeat(tau, nodes, axis=0)
    # What is given to each neighbour, and in all, of a value: nothing where there is no neighbour.
    lost = np.where(graphs.degree > 0, alpha, 0.0)[:, None]
    share = lost / np.maximum(graphs.degree, 1)[:, None]
    connected = (graphs.degree > 0)[:, None]
    updates = np.zeros((sweeps, count, columns), dtype=np.int64)
    whole = [(slice(None), graphs.adjacency)]
    for sweep in range(sweeps):
        for members, out in whole if order == "parallel" else graphs.classes:
            own = flat[members]
            above = (np.abs(own) > level[members]) & connected[members]
            if not above.any():
                continue
            given = np.where(above, own, 0.0)
            flat[members] = own - lost[members] * given
            flat += out @ (share[members] * given)
            told = np.zeros((count * nodes, columns), dtype=bool)
            told[members] = above
            updates[sweep] += told.reshape(count, nodes, columns).sum(axis=1)
        if not updates[sweep].any():
            break
    return Cascade(flat.reshape(values.shape), updates)

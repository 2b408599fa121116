"""Random graphs of equal size, side by side: where a cascade of gradients runs (arXiv 2604.16431).

The published probe has a Barabási–Albert graph with one node a parameter; the other topologies are those that its null
is put on here. All have a mean degree of about 2m. Several graphs are the blocks of one sparse matrix, so that one
product serves them all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import networkx as nx
import numpy as np
from scipy import sparse

TOPOLOGIES = ("barabasi_albert", "random", "regular", "ring", "small_world")
REWIRED = 0.1
"""Share of a small world's edges that are rewired."""


def drawn(topology: str, n: int, m: int, seed: int) -> nx.Graph:
    """A graph of n nodes.

    barabasi_albert: each new node attaches to m others. random: m·n edges among all pairs. regular: every node has 2m
    neighbours. ring: the 2m nearest on a circle. small_world: the ring, a tenth of its edges rewired.
    """
    if topology == "barabasi_albert":
        return nx.barabasi_albert_graph(n, m, seed=seed)
    if topology == "random":
        return nx.gnm_random_graph(n, m * n, seed=seed)
    if topology == "regular":
        return nx.random_regular_graph(2 * m, n, seed=seed)
    return nx.watts_strogatz_graph(n, 2 * m, REWIRED * (topology == "small_world"), seed=seed)


@dataclass(frozen=True)
class Graphs:
    """Graphs of `nodes` nodes each; node i of graph j is row j·nodes + i."""

    count: int
    nodes: int
    adjacency: sparse.csr_array
    """Blocks of zeros and ones, (count·nodes, count·nodes), symmetric."""

    @classmethod
    def of(cls, graphs: Sequence[nx.Graph]) -> Graphs:
        """Graphs whose nodes are numbered from 0; of equal size."""
        n = graphs[0].number_of_nodes()
        ends = [
            np.array(g.edges, dtype=np.int64).reshape(-1, 2) + i * n for i, g in enumerate(graphs)
        ]
        edges = np.concatenate(ends)
        one, other = np.concatenate([edges, edges[:, ::-1]]).T
        total = n * len(graphs)
        matrix = sparse.csr_array((np.ones(len(one)), (one, other)), shape=(total, total))
        return cls(len(graphs), n, matrix)

    @classmethod
    def draw(cls, topology: str, n: int, m: int, seeds: Sequence[int]) -> Graphs:
        """One graph a seed; see `drawn`."""
        return cls.of([drawn(topology, n, m, seed) for seed in seeds])

    def first(self, count: int) -> Graphs:
        """The first of them alone."""
        rows = count * self.nodes
        return Graphs(count, self.nodes, self.adjacency[:rows, :rows])

    @cached_property
    def degree(self) -> np.ndarray:
        """Neighbours of every node: (count·nodes,)."""
        return np.asarray(self.adjacency.sum(axis=1)).ravel()

    @cached_property
    def classes(self) -> list[tuple[np.ndarray, sparse.csc_array]]:
        """Nodes without an edge among them, class by class, with their columns of the adjacency.

        Each node is in the first class that none of its neighbours of a higher degree is in. To go through all nodes
        one by one in the order of classes is to take each class at once.
        """
        colour = np.full(self.count * self.nodes, -1)
        indices, starts = self.adjacency.indices, self.adjacency.indptr
        for node in np.argsort(-self.degree, kind="stable"):
            near = set(colour[indices[starts[node] : starts[node + 1]]].tolist())
            colour[node] = next(c for c in range(len(near) + 1) if c not in near)
        columns = self.adjacency.tocsc()
        members = [np.flatnonzero(colour == c) for c in range(int(colour.max()) + 1)]
        return [(each, columns[:, each]) for each in members]

"""Prints what a cascade of gradients costs: `python -m benchmarks.cascades`.

Each line is `NODES ORDER MILLISECONDS LIMIT SWEEPS`: the median of nine cascades of Gaussian values on a
Barabási–Albert graph of m = 2, threshold and all; how many it may take, with `!` behind it where they were more; and
the sweeps that it took. The graph is drawn beforehand.
"""

from __future__ import annotations

import statistics
import time

import numpy as np

from regrok.computations.parts.cascade import ORDERS, cascade, thresholds
from regrok.computations.parts.graphs import Graphs

LIMITS = {2001: 5.0, 120_000: 500.0}
"""Nodes, of exclusive or's widest network and of about the largest transformer → milliseconds a cascade may take."""
ROUNDS = 9


def main() -> None:
    """Time every size in either order."""
    for nodes, limit in LIMITS.items():
        graphs = Graphs.draw("barabasi_albert", nodes, 2, [0])
        values = np.random.default_rng(0).normal(0, 0.5, (1, nodes, 1))
        for order in ORDERS:
            cascade(graphs, values, thresholds(values, 0.9), 0.3, 20, order)
            took = []
            for _ in range(ROUNDS):
                begun = time.process_time()
                made = cascade(graphs, values, thresholds(values, 0.9), 0.3, 20, order)
                took.append(1e3 * (time.process_time() - begun))
            sweeps = int((made.updates[:, 0, 0] > 0).sum())
            middle = statistics.median(took)
            told = f"{limit:g}{'!' if middle > limit else ''}"
            print(f"{nodes} {order} {middle:.2f} {told} {sweeps}")


if __name__ == "__main__":
    main()

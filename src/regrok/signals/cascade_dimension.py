"""The exponent of the gradient's cascade, falling: modular addition is said to descend through 1 as it groks
(arXiv 2604.16431).

D is the exponent of s ∝ N^D over a family of widths. A run has one width; its own reading is ln s/ln N, s the size of
the avalanche and N the parameters, in which states of one network have the order that D gives them where the factor
before N^D stays as it is.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from regrok.signals.parts.history import History

READS: dict[str, Any] = {"probes": ["cascade"]}
COST: dict[str, float] = {}


def score(history: History, steps: np.ndarray, learned: Any) -> np.ndarray:
    """(n,) −ln s/ln N at the last measured state."""
    size, nodes = (history.at(steps, column, "cascade") for column in ("size", "nodes"))
    return -np.log(np.maximum(size, 1)) / np.log(nodes)

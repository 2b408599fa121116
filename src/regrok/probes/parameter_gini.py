"""How unevenly a state's parameters are large: the Gini coefficient of |θ| (arXiv 2604.04655)."""

from __future__ import annotations

from typing import Any

import torch

from regrok.computations.xor_gini import gini
from regrok.probes.parts.state import ProbeState

DEFAULTS: dict[str, Any] = {}
REFERS: dict[str, Any] = {}
COST: dict[str, float] = {"": 2.0}
COLUMNS: dict[str, tuple[str, str]] = {
    "gini": ("", "Gini coefficient of |θ| over all parameters: 0 where all are equal"),
}  # fmt: skip


def measure(state: ProbeState, options: dict[str, Any], seed: int) -> list[dict[str, float]]:
    """One row; none at a state with a parameter that is not finite, or with nothing but zeros."""
    values = torch.cat([part.flatten() for part in state.parameters().values()]).double().numpy()
    found = float(gini(values))
    return [{"gini": found}] if found == found else []

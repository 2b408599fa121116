"""Small runs with dropout, with noise, or with a pull towards their first weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from regrok.runs.store import RunStore
from regrok.study.run import Run
from regrok.training.kinds import ADAMW, DECODER, MLP, MODULAR, PROTOCOL
from regrok.training.loop import train_cohort

FULL = {"batch": "full", "replacement": False}
DEEP = {**MLP, "depth": 2, "activation": "gelu"}
BLOCKS = {**MLP, "input": "sum", "depth": 2, "residual": True}


def run_of(model: dict[str, Any], seed: int = 0, /, **blocks: dict[str, Any]) -> Run:
    """A run of a small network, over in a moment."""
    values = {"task": MODULAR, "model": model, "optimiser": ADAMW, "protocol": PROTOCOL}
    changed = {name: {**value, **blocks.get(name, {})} for name, value in values.items()}
    return Run.model_validate({**changed, "seed": seed}, strict=False)


ARMS: dict[str, dict[str, dict[str, Any]]] = {
    "dropout": {"model": {"dropout": 0.2}},
    "weight noise": {"optimiser": {"weight_noise": 0.02}},
    "gradient noise": {"optimiser": {"gradient_noise": 0.01}},
    "towards the start": {"optimiser": {"decay_towards": "initialisation", "weight_decay": 5.0}},
    "all of them": {
        "model": {"dropout": 0.1},
        "optimiser": {
            "weight_noise": 0.02,
            "gradient_noise": 0.01,
            "decay_towards": "initialisation",
            "decayed": "matrices",
            "clip_norm": 0.5,
            "warmup_steps": 7,
        },
    },
}
NETWORKS = {"mlp": DEEP, "blocks": BLOCKS, "decoder": DECODER}


def trained(folder: Path, *runs: Run, **options: Any) -> RunStore:
    store = RunStore(folder, "code")
    train_cohort("cohort", runs, store, **{"slots": 1, **options})
    return store

"""Small real runs for the trainer's tests: seconds, not minutes, and still every kind of end."""

from __future__ import annotations

from typing import Any

from configurations import default_point
from regrok.study.run import Run


def small_run(seed: int = 0, **blocks: dict[str, Any]) -> Run:
    """A modular addition at p = 11 with a narrow MLP; blocks change the task, model, optimiser or protocol."""
    values = default_point()
    values["task"].update(p=11, train_fraction=0.6)
    values["model"] = {
        "name": "mlp",
        "input": "concat",
        "depth": 1,
        "width": 32,
        "activation": "relu",
        "residual": False,
        "init_scale": 1.0,
    }
    values["protocol"].update(
        batch=32, max_steps=200, log_every=5, curve_every=20, measure_every=20, tail_steps=50
    )
    values["seed"] = seed
    for block, keys in blocks.items():
        values[block].update(keys)
    return Run.model_validate(values)


def small_transformer(seed: int = 0, **blocks: dict[str, Any]) -> Run:
    """Paper A's architecture, a quarter as wide."""
    model = {**default_point()["model"], "d_model": 32, "ffn": 64}
    values = small_run(seed, **blocks).model_dump() | {"model": model}
    return Run.model_validate(values)


def parity_run(seed: int = 0, **protocol: Any) -> Run:
    """Sparse parity with abundant data: generalises within a few hundred steps."""
    values = small_run(seed).model_dump()
    values["task"] = {
        "name": "sparse_parity",
        "n": 10,
        "k": 2,
        "train_count": 500,
        "validation_count": 200,
        "labels": "true",
    }
    values["model"]["input"] = "vector"
    values["protocol"].update(protocol)
    return Run.model_validate(values)


SGD = {
    "name": "sgd",
    "decay": "coupled",
    "momentum": 0.0,
    "beta1": 0.0,
    "beta2": 0.0,
    "eps": 0.0,
}

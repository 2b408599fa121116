"""Studies for tests: the project's own, and parts of it."""

from __future__ import annotations

import copy
from functools import cache
from pathlib import Path
from typing import Any

from regrok.study.blocks import Config
from regrok.study.expand import complete, settings_block
from regrok.study.plan import Plan, make_plan
from regrok.study.read import check, load_config
from regrok.study.run import Run

ROOT = Path(__file__).parents[1]
CONFIG = ROOT / "config.yaml"


@cache
def _whole() -> dict[str, Any]:
    return load_config(CONFIG).model_dump(mode="json", exclude_unset=True)


def whole() -> dict[str, Any]:
    """The project's own studies, merged, as plain values; a fresh copy."""
    return copy.deepcopy(_whole())


def part(*experiments: str, scale: str = "laptop") -> dict[str, Any]:
    """The study with these experiments alone and nothing made of them."""
    data = {**whole(), "scale": scale, "probes": {}, "fits": {}, "figures": {}, "tables": {}}
    data["experiments"] = {name: data["experiments"][name] for name in experiments}
    return data


def checked(data: dict[str, Any]) -> Config:
    return check(data, "study")


@cache
def _default_point() -> dict[str, Any]:
    settings = complete(settings_block(checked(whole()), "addition"), "settings.addition")
    return {**settings.model_dump(), "seed": 42}


def default_point() -> dict[str, Any]:
    """Paper A's default point, seed 42, as plain values."""
    return copy.deepcopy(_default_point())


def default_run(**blocks: dict[str, Any]) -> Run:
    """The default point with some keys of some blocks changed."""
    values = default_point()
    for block, keys in blocks.items():
        values[block].update(keys)
    return Run.model_validate(values)


def one_experiment(
    grid: dict[str, list[Any]], seeds: list[int] | None = None, **others: Any
) -> dict[str, Any]:
    """S1 with this grid, at laptop scale."""
    data = part("S1")
    experiment = data["experiments"]["S1"]
    experiment |= {"grid": grid, "seeds": seeds or [42, 43], "scales": {"laptop": {}}, **others}
    return data


def planned(data: dict[str, Any]) -> Plan:
    return make_plan(checked(data))

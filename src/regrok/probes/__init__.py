"""Measurements on states of finished runs: each has a job, a cost and a table of its own, and trains no run.

One module per probe, which has

    measure(state, options, seed) -> list of rows

`state` is a run at one step (`regrok.probes.parts.state.ProbeState`): its parameters by name, the network as a
differentiable function of them, its examples, its batches. `options` are the block's over the module's `DEFAULTS`;
`seed` follows from the module, the run and the step alone, so that no measurement moves another. A row is a dict with
the keys of `COLUMNS` and no others; a state may give several rows, or none. What the module may be told it says in
literals, as a law does (`regrok.study.options`):

    DEFAULTS   option → default
    REFERS     option → what its value names
    COLUMNS    column → (unit, meaning); numbers, or words where the unit is "word". run_id and step come before them
    COST       option, or several joined by "*" → training steps that a measured state takes for each of so many

States come from the store where it keeps them, else the run is trained again, inside the probe's job, to the bits that
it had (`regrok.probes.parts.replay`). A new probe is a new module here and a block under `probes` in a study.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import pkgutil
import zlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from regrok.errors import RegrokError
from regrok.study.literals import stated
from regrok.study.messages import nearest


def probes() -> list[str]:
    """Names of the modules."""
    return sorted(m.name for m in pkgutil.iter_modules(__path__) if not m.ispkg)


def probe(name: str) -> ModuleType:
    """The module of a probe. Raises RegrokError with the nearest name for one that is not there."""
    _refuse_unknown(name)
    return importlib.import_module(f"{__name__}.{name}")


def columns_of(name: str) -> dict[str, tuple[str, str]]:
    """The `COLUMNS` of a probe from its source: importing it would load torch. Raises RegrokError as `probe` does."""
    _refuse_unknown(name)
    return stated("probes", name, "COLUMNS")


def _refuse_unknown(name: str) -> None:
    if name not in probes():
        raise RegrokError(f"probe = '{name}': there is no such probe.{nearest(name, probes())}")


def seed(name: str, run_id: str, step: int) -> int:
    """The seed of one measurement: 32 bits of the module's name, the run and the step."""
    return zlib.crc32(f"{name}:{run_id}:{step}".encode())


@cache
def code(name: str) -> str:
    """12 hexadecimal digits of the source that a probe's values rest on: its own, and what hands it the state."""
    from regrok.pipeline.sources import PACKAGE, closure

    digest = hashlib.sha256()
    for path in map(Path, closure(f"probes/{name}.py", "probes/parts/state.py")):
        digest.update(path.relative_to(PACKAGE).as_posix().encode() + b"\0")
        digest.update(path.read_bytes().replace(b"\r\n", b"\n") + b"\0")
    return digest.hexdigest()[:12]


def key(name: str, options: Mapping[str, Any]) -> str:
    """12 hexadecimal digits of what measures: module, its code, all its options."""
    said = json.dumps([name, code(name), dict(options)], sort_keys=True)
    return hashlib.sha256(said.encode()).hexdigest()[:12]

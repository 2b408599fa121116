"""Results that rest on no run: a model solved, a recursion, a table of ranks. One module per computation.

Each module has

    compute(options, seed) -> {"estimates", "points"}

`options` are the block's over the module's `DEFAULTS`; `estimates` maps a key to an Estimate
(regrok.laws.parts.estimate), `points` is a list of small records that figures and tables show. What the module may be
told and what it returns it says in literals, as a law does: `DEFAULTS`, `REFERS`, `ESTIMATES` (regrok.study.options,
regrok.study.estimands). A new computation is a new module here and a block under `computations` in a study.
"""

from __future__ import annotations

import importlib
import json
import pkgutil
import zlib
from collections.abc import Iterable, Mapping
from types import ModuleType
from typing import Any

from regrok.errors import RegrokError
from regrok.study.literals import stated
from regrok.study.messages import nearest


def computations() -> list[str]:
    """Names of the modules."""
    return sorted(m.name for m in pkgutil.iter_modules(__path__) if not m.ispkg)


def computation(name: str) -> ModuleType:
    """The module of a computation. Raises RegrokError with the nearest name for one that is not there."""
    if name not in computations():
        hint = nearest(name, computations())
        raise RegrokError(f"compute = '{name}': there is no such computation.{hint}")
    return importlib.import_module(f"{__name__}.{name}")


def seed(name: str) -> int:
    """The seed of one entry of a study's `computations`: its own, so that adding one moves no other."""
    return zlib.crc32(name.encode())


def run_computation(name: str, compute: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Compute one entry of a study's `computations`.

    compute: its module. options: its own at the scale (`regrok.study.blocks.Computation.at`).

    Returns {"computation", "compute", "options" (all of them), "estimates", "points", "code", "processor"} with every
    estimate's key prefixed by the computation's name. Raises RegrokError for an unknown module or option, and for a
    value that the module cannot compute with, naming the key.
    """
    from regrok.computations.parts.fingerprint import fingerprint
    from regrok.laws.parts.estimate import json_of
    from regrok.processor import processor
    from regrok.study.defaults import option

    try:
        module = computation(compute)
        settings = option(options, module.DEFAULTS)
        made = module.compute(settings, seed(name))
    except RegrokError as error:
        raise RegrokError(f"computations.{name}: {error}") from error
    return {
        "computation": name,
        "compute": compute,
        "options": settings,
        "estimates": {f"{name}.{key}": json_of(value) for key, value in made["estimates"].items()},
        "points": json_of(made["points"]),
        "code": fingerprint(compute),
        "processor": processor(),
    }


def result(
    name: str, compute: str, options: Mapping[str, Any], earlier: Iterable[Mapping[str, Any]] = ()
) -> dict[str, Any]:
    """As `run_computation`, or one of these earlier results where the present code made it of the same options."""
    from regrok.computations.parts.fingerprint import fingerprint
    from regrok.study.defaults import option

    earlier = list(earlier)
    if earlier and compute in computations():
        # From its source: importing it may load torch. By way of JSON, as the earlier ones are: a tuple is a list.
        asked = json.loads(json.dumps(option(options, stated("computations", compute, "DEFAULTS"))))
        wanted = {
            "computation": name,
            "compute": compute,
            "options": asked,
            "code": fingerprint(compute),
        }
        for made in earlier:
            if all(made.get(key) == value for key, value in wanted.items()):
                return dict(made)
    return run_computation(name, compute, options)


MADE_BY = ("code", "processor")
"""Keys of a result that say what computed it, and not what came out."""

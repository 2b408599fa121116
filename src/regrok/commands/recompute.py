"""`regrok replay COMPUTATION`: compute a released result that rests on no run again, and compare."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from regrok.computations import MADE_BY, run_computation
from regrok.computations.parts.fingerprint import fingerprint
from regrok.files import read_fits
from regrok.processor import processor
from regrok.released import bundle
from regrok.released.verify import same

PARTS = ("value", "low", "high")
"""Of an estimate, what is compared."""


def held(folder: Path, name: str) -> dict[str, dict[str, Any]]:
    """Scale → the bundle's result of a computation; empty where no scale has one of that name."""
    paths = {scale: bundle.computed(folder, scale, name) for scale in bundle.scales(folder)}
    return {scale: read_fits([path])[name] for scale, path in paths.items() if path is not None}


def recomputed(shipped: Mapping[str, Any]) -> Iterator[str]:
    """Compute a result again by the present code, of its own options; lines that say how the two agree.

    Raises RegrokError where the code no longer knows the computation or one of its options.
    """
    again = run_computation(shipped["computation"], shipped["compute"], shipped["options"])
    fresh = json.loads(json.dumps(again))
    theirs, ours = shipped["estimates"], fresh["estimates"]
    differ = [
        f"{key}: {part} {theirs[key][part]} released, {ours.get(key, {}).get(part)} fresh"
        for key in theirs
        for part in PARTS
        if not same(ours.get(key, {}).get(part), theirs[key][part])
    ]
    equal = len(theirs) - len({line.partition(":")[0] for line in differ})
    yield f"estimates  {equal} of {len(theirs)} equal the released ones"
    yield from (f"  {line}" for line in differ)
    kept = [{k: v for k, v in made.items() if k not in MADE_BY} for made in (shipped, fresh)]
    if kept[0] == kept[1]:
        yield "result     identical to the last digit, its points with it"
    if shipped["code"] != fingerprint(shipped["compute"]):
        yield "code       not what computed the released one"
    if shipped["processor"] != processor():
        yield f"processor  released: {shipped['processor']}; fresh: {processor()}"

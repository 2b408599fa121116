"""`regrok replay COMPUTATION`: compute a released result that rests on no run again, and compare.

After an edit that changed the code of a computation and not one digit of what it gives, `--keep` says so in the bundle:
the result then names the present code, and is taken for it as any other.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from regrok.computations import MADE_BY, run_computation
from regrok.files import read_fits, write_json
from regrok.released import bundle
from regrok.released.verify import same

PARTS = ("value", "low", "high")
"""Of an estimate, what is compared."""


def held(folder: Path, name: str) -> dict[str, dict[str, Any]]:
    """Scale → the bundle's result of a computation; empty where no scale has one of that name."""
    paths = {scale: bundle.computed(folder, scale, name) for scale in bundle.scales(folder)}
    return {scale: read_fits([path])[name] for scale, path in paths.items() if path is not None}


def again(shipped: Mapping[str, Any]) -> dict[str, Any]:
    """A result computed again by the present code, of its own options.

    Raises RegrokError where the code no longer knows the computation or one of its options.
    """
    made = run_computation(shipped["computation"], shipped["compute"], shipped["options"])
    found: dict[str, Any] = json.loads(json.dumps(made))
    return found


def identical(shipped: Mapping[str, Any], fresh: Mapping[str, Any]) -> bool:
    """Whether two results are the same to the last digit, points and words with it, whatever computed them."""
    one, other = ({k: v for k, v in made.items() if k not in MADE_BY} for made in (shipped, fresh))
    return one == other


def keep(folder: Path, scale: str, shipped: Mapping[str, Any], fresh: Mapping[str, Any]) -> bool:
    """Lay a result in the place of the released one, where they are identical; whether they are.

    folder: the bundle, which is to be sealed again.
    """
    path = bundle.computed(folder, scale, shipped["computation"])
    if path is None or not identical(shipped, fresh):
        return False
    write_json(fresh, path)
    return True


def compared(shipped: Mapping[str, Any], fresh: Mapping[str, Any]) -> Iterator[str]:
    """Lines that say how a released result and one that was computed again agree."""
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
    if identical(shipped, fresh):
        yield "result     identical to the last digit, its points with it"
    if shipped["code"] != fresh["code"]:
        yield "code       not what computed the released one"
    if shipped["processor"] != fresh["processor"]:
        yield f"processor  released: {shipped['processor']}; fresh: {fresh['processor']}"

"""By which arithmetic the runs of a table were trained: whether they may differ in their last digits."""

from __future__ import annotations

from typing import Any

import pandas as pd

COLUMNS = ("processor", "arithmetic")


def kinds(runs: pd.DataFrame) -> list[dict[str, Any]]:
    """Processor, arithmetic and number of runs of each kind of arithmetic, the most frequent first.

    Both are None for runs that were stored before it was kept, and for a table from then, which has no such columns.

    >>> kinds(pd.DataFrame({"run_id": ["a", "b"]}))
    [{'processor': None, 'arithmetic': None, 'runs': 2}]
    """
    held = runs.reindex(columns=list(COLUMNS)).astype(object)
    held = held.where(held.notna(), None)
    counts: dict[tuple[Any, ...], int] = {}
    for kind in held.itertuples(index=False, name=None):
        counts[kind] = counts.get(kind, 0) + 1
    ordered = sorted(counts.items(), key=lambda item: (-item[1], str(item[0])))
    return [{**dict(zip(COLUMNS, kind, strict=True)), "runs": n} for kind, n in ordered]


def mixed(found: list[dict[str, Any]]) -> str:
    """What to tell a person of `kinds`; empty where all runs are of one kind.

    >>> known = {"processor": "X", "arithmetic": "native", "runs": 3}
    >>> print(mixed([known, {"processor": None, "arithmetic": None, "runs": 1}]))
    these runs were trained by 2 kinds of arithmetic, so they may differ in their last digits:
      3 runs by X: native
      1 run by arithmetic that was not kept
    """
    if len(found) < 2:
        return ""
    lines = [
        f"  {each['runs']} run{'s' if each['runs'] > 1 else ''} by "
        + (
            f"{each['processor']}: {each['arithmetic']}"
            if each["arithmetic"]
            else "arithmetic that was not kept"
        )
        for each in found
    ]
    head = f"these runs were trained by {len(found)} kinds of arithmetic, so they may differ in their last digits:"
    return "\n".join([head, *lines])

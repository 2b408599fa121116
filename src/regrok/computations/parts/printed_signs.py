"""How many of the choices that a paper leaves open give what it prints: the sign of a change, and both its values."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from regrok.computations.parts import enumerated, epoch_cuts
from regrok.laws.parts import estimate as est

KEYS = ("activation", "start", "order", "statistic", "pooling")
"""What the papers leave open and every probe has, in the order of a choice's name."""
AS_FIRST_LISTED = {"cut": epoch_cuts.FIXED, "steps": "in_shadow", "placed": "in_order"}
"""What of a choice was not varied when the specification curve was first drawn."""

Rows = Collection[Mapping[str, Any]]
"""A choice each: what was chosen, and D `before`, `after` and `rise` of one published sample, NaN for none."""


def sign(options: Mapping[str, Any]) -> float:
    """1 where D is printed to rise, −1 where it is printed to fall."""
    return float(np.sign(options["printed_after"] - options["printed_before"]))


def known(rows: Rows) -> list[Mapping[str, Any]]:
    """Those that have a D before and after."""
    return [row for row in rows if np.isfinite(row["rise"])]


def near(row: Mapping[str, Any], options: Mapping[str, Any]) -> bool:
    """Whether a choice gives both printed values."""
    return bool(
        abs(row["before"] - options["printed_before"]) <= options["tolerance"]
        and abs(row["after"] - options["printed_after"]) <= options["tolerance"]
    )


def enumerated_shares(options: Mapping[str, Any], rows: Rows) -> dict[str, est.Estimate]:
    """Of all choices, listed and not drawn: exact shares, the least and the largest change, and how many there are."""
    told, way = known(rows), sign(options)

    def printed(which: Rows) -> est.Estimate:
        return enumerated.share([way * row["rise"] > 0 for row in which], "choices")

    rises = [row["rise"] for row in told] or [np.nan]
    found = {
        "printed_sign_share": printed(told),
        "printed_value_share": enumerated.share([near(row, options) for row in told], "choices"),
        "least_of_all": est.exact(float(min(rises)), len(told), "least of all choices"),
        "largest_of_all": est.exact(float(max(rises)), len(told), "largest of all choices"),
        "every_choice": est.exact(float(len(rows)), len(rows), "count"),
        "no_D": est.exact(
            float(len(rows) - len(told)), len(rows), "count of choices without a D before or after"
        ),
    }
    for cut in epoch_cuts.CUTS:
        found[f"printed_sign_at_{cut}"] = printed([row for row in told if row["cut"] == cut])
    for activation in dict.fromkeys(row["activation"] for row in rows):
        own = [row for row in told if row["activation"] == activation]
        found[f"{activation}.printed_sign_share"] = printed(own)
    return found


def first_shares(
    options: Mapping[str, Any], rises: Mapping[tuple[str, ...], est.Estimate], rows: Rows
) -> dict[str, est.Estimate]:
    """The shares that were first registered: at the fixed epoch alone, with intervals as if choices were drawn.

    rises: over groups, of each choice of `KEYS`. Entries that were corrected since name them.
    """
    probe = tuple(str(options[key]) for key in KEYS[2:])
    own = [each for name, each in rises.items() if name[2:] == probe]
    up = [each.low is not None and each.low > 0 for each in own]
    down = [each.high is not None and each.high < 0 for each in own]
    listed = [row for row in rows if all(row[k] == v for k, v in AS_FIRST_LISTED.items())]
    told = known(listed)
    at_default = {key: options[key] for key in (*KEYS, "attach", "sweeps", "topology")}
    at_default["threshold"] = "epoch"
    robust = [row for row in told if all(row[key] == at_default[key] for key in at_default)]
    way = sign(options)

    def risen(which: Rows, note: str) -> est.Estimate:
        return est.share(sum(way * row["rise"] > 0 for row in which), len(which), note)

    count, every = f"{len(told)} choices", [row["rise"] for row in told] or [np.nan]
    by_activation = {
        f"{activation}.sign_share": risen(
            [row for row in told if row["activation"] == activation], "choices"
        )
        for activation in dict.fromkeys(row["activation"] for row in rows)
    }
    return by_activation | {
        "rising_share": est.share(sum(up), len(own), "activations and starts"),
        "falling_share": est.share(sum(down), len(own), "activations and starts"),
        "robust_sign_share": risen(robust, "quantiles and α"),
        "sign_share": risen(told, count),
        "value_share": est.share(sum(near(row, options) for row in told), len(told), count),
        "least_rise": est.exact(float(min(every)), len(told), "least of all choices"),
        "largest_rise": est.exact(float(max(every)), len(told), "largest of all choices"),
        "choices": est.exact(float(len(listed)), len(listed), "count"),
    }


def in_time(
    options: Mapping[str, Any], latest: Mapping[tuple[str, ...], est.Estimate], rows: Rows
) -> dict[str, est.Estimate]:
    """The activations and starts whose latest width learns about when printed, and the sign under these.

    latest: T_latest of each. Where some networks do not learn it is a lower bound, and the latest width learns later
    if at all: such a pair counts by its bound.
    """
    printed, factor = options["printed_latest"], options["timely"]
    timely = {
        name
        for name, each in latest.items()
        if each.value is not None and printed / factor <= each.value <= printed * factor
    }
    rises = [
        sign(options) * row["rise"] > 0
        for row in known(rows)
        if (row["activation"], row["start"]) in timely
    ]
    return {
        "timely_share": enumerated.share(
            [name in timely for name in latest], "activations and starts"
        ),
        "timely_sign_share": enumerated.share(rises, "choices"),
    }

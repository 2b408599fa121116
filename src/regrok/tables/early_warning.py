"""Signals on one bench: cost, lead, false alarms and misses of each, on held-out seeds and on held-out cells.

fits: one fit of law `early_warning`.
"""

from __future__ import annotations

from typing import Any

import pandas as pd

from regrok import latex
from regrok.laws.parts.leads import by_lead
from regrok.tables import Built, Material
from regrok.tables.parts.booktabs import table

READS = ("fits",)
DEFAULTS: dict[str, Any] = {}
NEEDS: dict[str, Any] = {"fits": ["early_warning"]}
KEYS = (
    *("cost", "seeds_lead", "seeds_steps", "seeds_false", "seeds_missed"),
    *("cells_lead", "cells_steps", "cells_false", "cells_missed"),
    *("cells_over_waiting", "cells_under_ceiling"),
)
"""Estimates of a signal that the CSV has, each with its interval."""


def build(name: str, entry: Any, material: Material) -> Built:
    """A row a signal, by its lead on held-out cells, the largest first."""
    made = next(
        (
            (fit, material.fits[fit])
            for fit in entry.fits
            if fit in material.fits and material.fits[fit]["law"] == "early_warning"
        ),
        None,
    )
    rows: list[list[str]] = []
    plain: list[dict[str, Any]] = []
    for signal in by_lead(made[0], made[1]["estimates"]) if made else ():
        fit, content = made or ("", {})
        found = {key: content["estimates"][f"{fit}.{signal}.{key}"] for key in KEYS}
        rows.append(
            [
                latex.escape(signal.replace("_", " ")),
                latex.number(found["cost"]["value"]),
                *(latex.estimate(found[key]) for key in ("seeds_lead", "cells_lead")),
                *(
                    latex.number(found[key]["value"])
                    for key in ("cells_steps", "cells_false", "cells_missed")
                ),
                latex.estimate(found["cells_over_waiting"]),
            ]
        )
        plain.append(
            {"signal": signal}
            | {
                f"{key}{suffix}": found[key][end]
                for key in KEYS
                for suffix, end in (("", "value"), ("_low", "low"), ("_high", "high"))
            }
        )
    caption = (
        r"\textbf{Signals on one bench.} Cost: training steps that one value takes. Lead: share of the delay that is "
        r"left at the alarm, on seeds and on cells that the threshold was not chosen on, with 95\,\% intervals; and, "
        r"on held-out cells, the same in steps, the share of runs that do not grok with an alarm, the share of runs "
        r"that grok without one before, and the lead over that of waiting."
    )
    header = [
        "signal",
        "cost",
        "lead, seeds",
        "lead, cells",
        "steps",
        "false",
        "missed",
        "over waiting",
    ]
    tex = table(
        name,
        "@{}lrllrrrl@{}",
        header,
        rows,
        caption,
        size=r"\fontsize{7}{8.6}\selectfont\setlength{\tabcolsep}{4pt}",
    )
    columns = ["signal", *(f"{key}{end}" for key in KEYS for end in ("", "_low", "_high"))]
    return Built(tex, pd.DataFrame(plain, columns=columns))

"""Signals on one bench: cost, lead, false alarms and misses of each, on held-out seeds and on held-out pairs of cells.

fits: one fit of law `early_warning`.
"""

from __future__ import annotations

from typing import Any

import pandas as pd

from regrok import latex
from regrok.laws.parts.leads import KEYS, SPLITS, by_lead
from regrok.tables import Built, Material
from regrok.tables.parts.booktabs import table

READS = ("fits",)
DEFAULTS: dict[str, Any] = {}
NEEDS: dict[str, Any] = {"fits": ["early_warning"]}
SHOWN = ("cost", *(f"{split}_{key}" for split in SPLITS for key in KEYS))
"""Estimates of a signal that the CSV has, each with its interval."""


def build(name: str, entry: Any, material: Material) -> Built:
    """A row a signal, by its lead on held-out pairs of cells, the largest first."""
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
        found = {key: content["estimates"][f"{fit}.{signal}.{key}"] for key in SHOWN}
        rows.append(
            [
                latex.escape(signal.replace("_", " ")),
                latex.number(found["cost"]["value"]),
                *(latex.estimate(found[key]) for key in ("seeds_lead", "pairs_lead")),
                *(
                    latex.number(found[key]["value"])
                    for key in ("pairs_steps", "pairs_false", "pairs_missed", "pairs_early")
                ),
                latex.estimate(found["pairs_over_settings"]),
            ]
        )
        plain.append(
            {"signal": signal}
            | {
                f"{key}{suffix}": found[key][end]
                for key in SHOWN
                for suffix, end in (("", "value"), ("_low", "low"), ("_high", "high"))
            }
        )
    caption = (
        r"\textbf{Signals on one bench.} Cost: training steps that one value takes. Lead: share of the delay that is "
        r"left at the alarm, on seeds and on pairs of cells that the threshold was not chosen on, with 95\,\% "
        r"intervals; and, on pairs of cells, the same in steps, the share of runs that do not grok with an alarm, the "
        r"share of runs that grok without one before, of the others the share with the alarm at $T_{\mathrm{mem}}$ or "
        r"before, and the lead over that of the settings."
    )
    header = [
        "signal",
        "cost",
        "lead, seeds",
        "lead, pairs",
        "steps",
        "false",
        "missed",
        "early",
        "over settings",
    ]
    tex = table(
        name,
        "@{}lrllrrrrl@{}",
        header,
        rows,
        caption,
        size=r"\fontsize{7}{8.6}\selectfont\setlength{\tabcolsep}{4pt}",
    )
    columns = ["signal", *(f"{key}{end}" for key in SHOWN for end in ("", "_low", "_high"))]
    return Built(tex, pd.DataFrame(plain, columns=columns))

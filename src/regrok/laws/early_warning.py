"""Which signal foresees grokking: one bench for all of them, on the same runs, judged where nothing was chosen.

Every signal of `regrok.signals` is asked at the same steps of the same runs, of which some grok (`warned`) and some do
not within their budget (`silent`). It is a detector once it has a threshold (`regrok.laws.parts.alarms`), which is
chosen on some of the runs: the one with the largest mean lead among those with at most `false_alarms` alarms on silent
runs. It is judged on the others, in three ways:

- seeds: on half of the seeds of every cell, chosen on the other half, and the other way round: what it is worth once
  runs like these are known;
- pairs: on a cell of either kind, chosen on all others, each pair in turn: what it is worth on settings that nobody has
  seen. A run is in several pairs and counts as their mean, so that leads and false alarms are of the same detectors;
- cells: on one cell, chosen on all others, each in turn. Leads are of detectors that know all silent cells, and false
  alarms of detectors that know all warned ones: kept for the claims that were judged on it.

A lead is a share of the delay, from T_mem to T_grok, that is still to come at the alarm: 1 of an alarm at T_mem or
before, 0 of one that comes too late or not at all. Silent runs are watched to the end of their budget, longer than the
runs that grok. Three signals are there to be compared with: `waiting`, patience after T_mem, which for that reason can
hardly gain anything; `settings`, which knows what a run is told and no curve; and `validation_loss`, which looks at the
answer.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from regrok import signals
from regrok.errors import RegrokError
from regrok.laws.parts import estimate as est
from regrok.laws.parts import foreseen
from regrok.laws.parts.bench import (
    Watched,
    by_cells,
    by_pairs,
    by_seeds,
    on_bench,
    reads,
    untrained,
)
from regrok.laws.parts.detectors import Judged, in_folds, judged
from regrok.laws.parts.folds import Fold
from regrok.laws.parts.leads import KEYS
from regrok.laws.parts.selection import plain
from regrok.runs.frames import Frames
from regrok.study.defaults import option

DEFAULTS: dict[str, Any] = {
    "warned": [],
    "silent": [],
    "signals": None,
    "every": 100,
    "false_alarms": 0.1,
    "costs": {},
    "replicates": 1000,
}
REFERS: dict[str, Any] = {
    "warned": "experiments",
    "silent": "experiments",
    "signals": "signals",
    "false_alarms": "between 0 and 1",
}
NEEDS: dict[str, Any] = {"options": ["warned", "silent"]}
ESTIMATES: dict[str, list[str]] = {
    "": [
        "*.seeds_lead",
        "*.seeds_late_lead",
        "*.seeds_steps",
        "*.seeds_false",
        "*.seeds_missed",
        "*.seeds_early",
        "*.seeds_over_waiting",
        "*.seeds_over_settings",
        "*.seeds_under_ceiling",
        "*.pairs_lead",
        "*.pairs_late_lead",
        "*.pairs_steps",
        "*.pairs_false",
        "*.pairs_missed",
        "*.pairs_early",
        "*.pairs_over_waiting",
        "*.pairs_over_settings",
        "*.pairs_under_ceiling",
        "*.cells_lead",
        "*.cells_late_lead",
        "*.cells_steps",
        "*.cells_false",
        "*.cells_missed",
        "*.cells_early",
        "*.cells_over_waiting",
        "*.cells_over_settings",
        "*.cells_under_ceiling",
        "*.cost",
        "warned",
        "silent",
        "left_out",
    ]
}
UNMEASURED = "no run was measured by what it reads"
BESIDE = "the signal that it is compared with is not on this bench"


def fit(frames: Frames, options: dict[str, Any], seed: int) -> est.Result:
    """Lead, false alarms, misses and cost of every signal, on held-out seeds, pairs of cells and cells.

    Estimates of a signal, each for seeds, pairs and cells: lead, mean share of the delay over runs that grok (of pairs
    and cells, the mean of the cells' means with Student's interval over cells; of seeds, the mean with an interval of
    resamples of seeds within cells that choose the threshold again); late_lead, the same where an alarm at T_mem or
    before counts 0; steps, the lead in steps; false, share of runs that do not grok with an alarm; missed, share of
    those that grok without one before (of pairs with intervals over cells, else over runs); early, of runs that are
    warned of before they grok, the share with the alarm at T_mem or before; over_waiting, over_settings and
    under_ceiling, its lead less that of patience, less that of the settings, and that of the validation loss less its
    own. cost: training steps that one value takes. warned, silent, left_out: counts of runs; a run of the warned cells
    that has not grokked, or memorised no earlier than it grokked, is left out, and so is one of the silent cells that
    has grokked. A split of which some detector would be chosen without a run that groks, or without one that does not,
    gives no number.

    Points: lead and share of false alarms over thresholds, on all runs. Cells: a record per run and signal. Raises
    RegrokError naming a signal that reads the future.
    """
    settings = option(options, DEFAULTS)
    bench, left_out = on_bench(frames, settings)
    names = list(settings["signals"] or signals.signals())
    groks, cell = foreseen.which(bench)
    estimates: dict[str, est.Estimate] = {
        "warned": est.exact(int(groks.sum()), len(bench), "count", "runs"),
        "silent": est.exact(int((~groks).sum()), len(bench), "count", "runs"),
        "left_out": est.exact(left_out, len(bench) + left_out, "count", "runs"),
    }
    readable = [name for name in names if reads(name, bench)]
    splits = {"seeds": by_seeds(bench), "pairs": by_pairs(bench), "cells": by_cells(bench)}
    enough = groks.sum() >= 4 and (~groks).sum() >= 2 and len(set(cell)) >= 4
    why = {
        split: untrained(folds, groks) if enough else "too few runs or cells"
        for split, folds in splits.items()
    }
    found: dict[tuple[str, str], dict[str, est.Estimate]] = {}
    records: dict[str, dict[str, Judged]] = {name: {} for name in readable}
    for split, folds in splits.items():
        if why[split]:
            continue
        allowed = settings["false_alarms"]
        tried = {name: in_folds(name, bench, folds) for name in readable}
        made = {name: judged(each, folds, bench, allowed) for name, each in tried.items()}
        for name in readable:
            records[name][split] = made[name]
            found[name, split] = (
                foreseen.over_seeds(
                    name, made, tried, folds, bench, allowed, (settings["replicates"], seed)
                )
                if split == "seeds"
                else foreseen.over_cells(name, made, bench, clustered=split == "pairs")
            )
    for name in names:
        estimates[f"{name}.cost"] = cost(name, bench, settings["costs"])
        for split in splits:
            for key in KEYS:
                reason = UNMEASURED if name not in readable else why[split] or BESIDE
                made_of = found.get((name, split), {})
                estimates[f"{name}.{split}_{key}"] = made_of.get(
                    key, est.missing(reason, len(bench))
                )
    shown = [name for name in readable if records[name]]
    return {
        "estimates": estimates,
        "points": [point for name in shown for point in trade_off(name, bench)],
        "cells": [row for name in shown for row in alarms_of(name, records[name], bench)],
    }


def cost(name: str, bench: list[Watched], probes: Mapping[str, float]) -> est.Estimate:
    """Training steps that one value takes, mean over runs: of its probes, and a third of a step a batch evaluated."""
    made = signals.signal(name)
    lacking = [module for module in made.READS.get("probes", ()) if module not in probes]
    if lacking or not bench:
        return est.missing(f"what {', '.join(lacking) or 'a run'} costs is not given")
    total = sum(float(probes[module]) for module in made.READS.get("probes", ()))
    runs = pd.DataFrame([each.run for each in bench])
    examples = {
        "training": runs["train_size"],
        "evaluation": runs["validation_size"],
        "table": runs["p"] ** 2,
    }
    for what, times in made.COST.items():
        if what not in examples:
            raise RegrokError(
                f"signal '{name}': COST has '{what}'; it may have {', '.join(examples)}"
            )
        total += times * float((examples[what] / runs["batch"]).mean()) / 3
    return est.exact(total, len(bench), "count, as the modules declare it", "steps")


# What figures and tables show -------------------------------------------------------------------------------------


def trade_off(name: str, bench: list[Watched]) -> Iterator[dict[str, Any]]:
    """Mean lead and share of false alarms at each threshold, on all runs: what no threshold could better here."""
    everything = np.ones(len(bench), dtype=bool)
    (made,) = in_folds(name, bench, [Fold(everything, everything)])
    groks = np.array([each.groks for each in bench])
    leads = made.lead[groks].mean(0)
    false = np.isfinite(made.alarm[~groks]).mean(0)
    rows = pd.DataFrame({"false": false, "lead": leads}).groupby("false", as_index=False).max()
    rows["lead"] = np.maximum.accumulate(rows["lead"])
    for row in rows.to_dict("records"):
        yield {"signal": name, **{str(key): plain(value) for key, value in row.items()}}


def alarms_of(
    name: str, found: Mapping[str, Judged], bench: list[Watched]
) -> Iterator[dict[str, Any]]:
    """A record per run: its events and the signal's alarm where the run was held out, null where there was none.

    A run that several folds hold out has the mean of their alarms, null where one of them has none.
    """
    for i, each in enumerate(bench):
        yield {
            "signal": name,
            "run_id": each.run["run_id"],
            "cell": each.run["cell"],
            "seed": plain(each.run["seed"]),
            "groks": each.groks,
            "T_mem": plain(each.run["T_mem"]),
            "T_grok": plain(each.T_grok),
            **{
                f"{split}_alarm": plain(float(made.alarm[i]))
                if np.isfinite(made.alarm[i])
                else None
                for split, made in found.items()
            },
        }

"""Which signal foresees grokking: one bench for all of them, on the same runs, judged where nothing was chosen.

Every signal of `regrok.signals` is asked at the same steps of the same runs, of which some grok (`warned`) and some do
not within their budget (`silent`). It is a detector once it has a threshold (`regrok.laws.parts.alarms`), which is
chosen on some of the runs: the one with the largest mean lead among those with at most `false_alarms` alarms on silent
runs. It is judged on the others, in two ways:

- seeds: on half of the seeds of every cell, chosen on the other half, and the other way round: what it is worth once
  runs like these are known;
- cells: on one cell, chosen on all others, each in turn: what it is worth on settings that nobody has seen.

A lead is a share of the delay, from T_mem to T_grok, that is still to come at the alarm: 1 of an alarm at T_mem or
before, 0 of one that comes too late or not at all. Two signals are there to be compared with: `waiting`, patience after
T_mem, and `validation_loss`, which looks at the answer.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from regrok import signals
from regrok.errors import RegrokError
from regrok.laws.parts import alarms
from regrok.laws.parts import estimate as est
from regrok.laws.parts.alarms import Tried
from regrok.laws.parts.bench import Watched, by_cells, by_seeds, on_bench, reads
from regrok.laws.parts.folds import Fold
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
        "*.seeds_steps",
        "*.seeds_false",
        "*.seeds_missed",
        "*.seeds_over_waiting",
        "*.seeds_under_ceiling",
        "*.cells_lead",
        "*.cells_steps",
        "*.cells_false",
        "*.cells_missed",
        "*.cells_over_waiting",
        "*.cells_under_ceiling",
        "*.cost",
        "warned",
        "silent",
        "left_out",
    ]
}
FLOOR, CEILING = "waiting", "validation_loss"
"""What a signal has to beat, and what looks at the answer."""
UNMEASURED = "no run was measured by what it reads"


def fit(frames: Frames, options: dict[str, Any], seed: int) -> est.Result:
    """Lead, false alarms, misses and cost of every signal, on held-out seeds and on held-out cells.

    Estimates of a signal, each for seeds and cells: lead, mean share of the delay over runs that grok (of cells, the
    mean of the cells' means with Student's interval over cells; of seeds, the mean with an interval of resamples of
    seeds within cells that choose the threshold again); steps, the same in steps; false and missed, shares of runs;
    over_waiting and under_ceiling, its lead less that of patience, and that of the validation loss less its own. cost:
    training steps that one value takes. warned, silent, left_out: counts of runs; a run of the warned cells that has
    not grokked, or memorised no earlier than it grokked, is left out, and so is one of the silent cells that has
    grokked.

    Points: lead and share of false alarms over thresholds, on all runs. Cells: a record per run and signal. Raises
    RegrokError naming a signal that reads the future.
    """
    settings = option(options, DEFAULTS)
    bench, left_out = on_bench(frames, settings)
    names = list(settings["signals"] or signals.signals())
    groks = np.array([each.groks for each in bench], dtype=bool)
    estimates: dict[str, est.Estimate] = {
        "warned": est.exact(int(groks.sum()), len(bench), "count", "runs"),
        "silent": est.exact(int((~groks).sum()), len(bench), "count", "runs"),
        "left_out": est.exact(left_out, len(bench) + left_out, "count", "runs"),
    }
    readable = [name for name in names if reads(name, bench)]
    splits = {"seeds": by_seeds(bench), "cells": by_cells(bench)}
    enough = groks.sum() >= 4 and (~groks).sum() >= 2 and len(splits["cells"]) >= 4
    tried = {
        (name, split): in_folds(name, bench, folds)
        for name in (readable if enough else [])
        for split, folds in splits.items()
    }
    records: list[dict[str, Any]] = []
    points: list[dict[str, Any]] = []
    for name in names:
        estimates[f"{name}.cost"] = cost(name, bench, settings["costs"])
        for split, folds in splits.items():
            found = (
                described(name, split, folds, tried, bench, settings, seed)
                if (name, split) in tried
                else {}
            )
            why = "too few runs or cells" if name in readable else UNMEASURED
            for key in ("lead", "steps", "false", "missed", "over_waiting", "under_ceiling"):
                estimates[f"{name}.{split}_{key}"] = found.get(key, est.missing(why, len(bench)))
        if name in readable and enough:
            points += trade_off(name, bench)
            records += list(alarms_of(name, splits, tried, bench, settings["false_alarms"]))
    return {"estimates": estimates, "points": points, "cells": records}


# One signal -------------------------------------------------------------------------------------------------------


def in_folds(name: str, bench: list[Watched], folds: list[Fold]) -> list[Tried]:
    """What a signal does in each fold. One that learns nothing says the same in all of them, and is asked once."""
    if not signals.learns(name):
        said = scores(name, bench, None)
        return [in_fold(said, bench, fold) for fold in folds]
    return [in_fold(scores(name, bench, learned_in(name, bench, f)), bench, f) for f in folds]


def learned_in(name: str, bench: list[Watched], fold: Fold) -> Any:
    """What a signal learns from the training runs of a fold."""
    chosen = [each for each, mine in zip(bench, fold.train, strict=True) if mine]
    return signals.learned_from(
        name, [each.history for each in chosen], [each.T_grok for each in chosen]
    )


def scores(name: str, bench: list[Watched], learned: Any) -> list[np.ndarray]:
    """What a signal says of each run, with what it learned; no run may show it the future."""
    for each in bench:
        signals.refuse_look_ahead(name, each.history, each.steps, learned, cuts=3)
    return [signals.scored(name, each.history, each.steps, learned) for each in bench]


def in_fold(said: list[np.ndarray], bench: list[Watched], fold: Fold) -> Tried:
    """What a signal that says this does on every run at each of the fold's thresholds."""
    cut = alarms.candidates([s for s, mine in zip(said, fold.train, strict=True) if mine])
    alarm = np.array(
        [alarms.alarms(s, each.steps, cut) for s, each in zip(said, bench, strict=True)]
    )
    lead = np.array(
        [
            alarms.worth(row, float(each.run["T_mem"]), each.T_grok)
            if each.groks
            else np.full(len(cut), np.nan)
            for row, each in zip(alarm, bench, strict=True)
        ]
    )
    return Tried(lead, alarm)


def held_out(
    tried: list[Tried], folds: list[Fold], counts: np.ndarray, allowed: float
) -> tuple[np.ndarray, np.ndarray]:
    """Lead and alarm of every run in the fold that holds it out: (..., runs) each. counts: (..., runs) of each run."""

    def choose(made: Tried, train: np.ndarray) -> np.ndarray:
        groks = ~np.isnan(made.lead).any(1)
        warned, silent = train & groks, train & ~groks
        mean_lead = _mean(counts[..., warned], made.lead[warned])
        false = _mean(counts[..., silent], np.isfinite(made.alarm[silent]).astype(float))
        return alarms.chosen(mean_lead, false, allowed)

    found = alarms.held_out(tried, folds, choose, counts.shape[:-1])
    return found.lead, found.alarm


def _mean(counts: np.ndarray, values: np.ndarray) -> np.ndarray:
    return counts @ values / np.maximum(counts.sum(-1, keepdims=True), 1)


def described(
    name: str,
    split: str,
    folds: list[Fold],
    tried: Mapping[tuple[str, str], list[Tried]],
    bench: list[Watched],
    settings: Mapping[str, Any],
    seed: int,
) -> dict[str, est.Estimate]:
    """The estimates of one signal in one split, without their prefix."""
    allowed = settings["false_alarms"]
    groks = np.array([each.groks for each in bench])
    once = np.ones(len(bench))
    lead, alarm = held_out(tried[name, split], folds, once, allowed)
    T_grok = np.array([each.T_grok for each in bench])
    steps = np.where(groks, np.maximum(T_grok - alarm, 0.0), np.nan)
    missed = int((groks & ~(alarm < np.where(groks, T_grok, np.inf))).sum())
    raised = int((~groks & np.isfinite(alarm)).sum())
    found = {
        "false": est.share(raised, int((~groks).sum())),
        "missed": est.share(missed, int(groks.sum())),
    }
    cell = np.array([each.run["cell"] for each in bench])
    others = {"over_waiting": (FLOOR, 1.0), "under_ceiling": (CEILING, -1.0)}
    compared = {
        key: (other, sign) for key, (other, sign) in others.items() if (other, split) in tried
    }
    if split == "cells":
        found["lead"] = over_cells(lead[groks], cell[groks], est.SHARE)
        found["steps"] = over_cells(steps[groks], cell[groks], est.POSITIVE, "steps")
        for key, (other, sign) in compared.items():
            theirs, _ = held_out(tried[other, split], folds, once, allowed)
            found[key] = over_cells(sign * (lead - theirs)[groks], cell[groks], (-1.0, 1.0))
        return found
    strata = [f"{c}:{half}" for c, half in zip(cell, folds[0].judged, strict=True)]
    words = "mean over runs that grok, bootstrap over seeds within cells that chooses the thresholds again"

    def of(name: str, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        counts = np.apply_along_axis(np.bincount, -1, rows, minlength=len(bench)).astype(float)
        return *held_out(tried[name, split], folds, counts, allowed), counts[..., groks]

    def mean_lead(rows: np.ndarray) -> np.ndarray:
        leads, _, weights = of(name, rows)
        return (weights * leads[..., groks]).sum(-1) / weights.sum(-1)

    def mean_steps(rows: np.ndarray) -> np.ndarray:
        _, when, weights = of(name, rows)
        left = np.maximum(T_grok[groks] - when[..., groks], 0.0)
        return (weights * left).sum(-1) / weights.sum(-1)

    def against(other: str, sign: float) -> est.Statistic:
        def difference(rows: np.ndarray) -> np.ndarray:
            mine, _, weights = of(name, rows)
            theirs, _, _ = of(other, rows)
            return sign * (weights * (mine - theirs)[..., groks]).sum(-1) / weights.sum(-1)

        return difference

    def estimated(statistic: est.Statistic, unit: str, bounds: tuple[float, float]) -> est.Estimate:
        return est.bootstrap(
            statistic, strata, settings["replicates"], seed, words, unit, bounds=bounds
        )

    found["lead"] = estimated(mean_lead, "", est.SHARE)
    found["steps"] = estimated(mean_steps, "steps", est.POSITIVE)
    for key, (other, sign) in compared.items():
        found[key] = estimated(against(other, sign), "", (-1.0, 1.0))
    return found


def over_cells(
    values: np.ndarray, cell: np.ndarray, bounds: tuple[float, float], unit: str = ""
) -> est.Estimate:
    """Mean of the cells' means, Student's interval over cells, clipped to what it can be."""
    means = pd.Series(values).groupby(cell).mean()
    found = est.mean(means, unit)
    words = "mean of the means of held-out cells, Student's interval over cells"
    if found.value is None:
        return found
    low, high = (
        None if end is None else float(np.clip(end, *bounds)) for end in (found.low, found.high)
    )
    return est.estimate(found.value, low, high, len(values), words, unit)


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
    name: str,
    splits: Mapping[str, list[Fold]],
    tried: Mapping[tuple[str, str], list[Tried]],
    bench: list[Watched],
    allowed: float,
) -> Iterator[dict[str, Any]]:
    """A record per run: its events and the signal's alarm where the run was held out, null where there was none."""
    when = {
        split: held_out(tried[name, split], folds, np.ones(len(bench)), allowed)[1]
        for split, folds in splits.items()
    }
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
                f"{split}_alarm": plain(float(found[i])) if np.isfinite(found[i]) else None
                for split, found in when.items()
            },
        }

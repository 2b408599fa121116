"""The signals of a bench as detectors: at every threshold in each fold, and on the runs that a fold holds out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from regrok import signals
from regrok.laws.parts import alarms
from regrok.laws.parts.alarms import HeldOut, Tried
from regrok.laws.parts.bench import Watched
from regrok.laws.parts.folds import Fold


@dataclass(frozen=True)
class Judged:
    """What a signal does on each run: means over the folds that hold the run out, (runs,) each."""

    alarm: np.ndarray
    """Step; inf where one of the folds has none."""
    raised: np.ndarray
    """Share of the folds with an alarm."""
    lead: np.ndarray
    """Share of the delay that is still to come at the alarm; this and all below are NaN of a run that does not grok."""
    late_lead: np.ndarray
    """The same where an alarm at T_mem or before counts 0: what is foreseen once the training set is known."""
    steps: np.ndarray
    """Steps from the alarm to T_grok, 0 of one that comes later or not at all."""
    warned: np.ndarray
    """Share of the folds with an alarm before T_grok."""
    early: np.ndarray
    """Share of the folds with an alarm at T_mem or before."""


def judged(tried: list[Tried], folds: list[Fold], bench: list[Watched], allowed: float) -> Judged:
    """Every run by the detectors of the folds that hold it out. Each run has to be held out by one fold or more."""
    once = np.ones(len(bench))
    found = [
        held_out([made], [fold], once, allowed) for made, fold in zip(tried, folds, strict=True)
    ]
    lead, alarm = np.stack([f.lead for f in found]), np.stack([f.alarm for f in found])
    asked = np.stack([fold.judged for fold in folds])
    groks = np.array([each.groks for each in bench], dtype=bool)
    T_mem = np.array([float(each.run["T_mem"]) for each in bench])
    T_grok = np.array([each.T_grok for each in bench])

    def mean(values: np.ndarray, of: np.ndarray | bool = True) -> np.ndarray:
        return np.where(of, np.where(asked, values, 0).sum(0) / asked.sum(0), np.nan)

    with np.errstate(invalid="ignore"):
        return Judged(
            alarm=mean(alarm),
            raised=mean(np.isfinite(alarm)),
            lead=mean(lead, groks),
            late_lead=mean(late(lead, alarm, T_mem), groks),
            steps=mean(np.maximum(T_grok - alarm, 0.0), groks),
            warned=mean(alarm < T_grok, groks),
            early=mean(alarm <= T_mem, groks),
        )


def late(lead: np.ndarray, alarm: np.ndarray, T_mem: np.ndarray) -> np.ndarray:
    """Leads (…, runs) of which those of an alarm at T_mem or before count 0.

    >>> late(np.array([1.0, 0.4]), np.array([500.0, 600.0]), np.array([500.0, 500.0])).tolist()
    [0.0, 0.4]
    """
    return np.where(alarm > T_mem, lead, 0.0)


def held_out(tried: list[Tried], folds: list[Fold], counts: np.ndarray, allowed: float) -> HeldOut:
    """Every run in the fold that holds it out. counts: (..., runs), how often each run is drawn."""

    def choose(made: Tried, train: np.ndarray) -> np.ndarray:
        groks = ~np.isnan(made.lead).any(1)
        warned, silent = train & groks, train & ~groks
        mean_lead = _mean(counts[..., warned], made.lead[warned])
        false = _mean(counts[..., silent], np.isfinite(made.alarm[silent]).astype(float))
        return alarms.chosen(mean_lead, false, allowed)

    return alarms.held_out(tried, folds, choose, counts.shape[:-1])


def _mean(counts: np.ndarray, values: np.ndarray) -> np.ndarray:
    return counts @ values / np.maximum(counts.sum(-1, keepdims=True), 1)


# In each fold, at every threshold ---------------------------------------------------------------------------------


def in_folds(name: str, bench: list[Watched], folds: list[Fold]) -> list[Tried]:
    """What a signal does in each fold. One that learns nothing says the same in all of them, and is asked once.

    That no run shows it the future is asked of what it learned in the first.
    """
    learned = learned_in(name, bench, folds[0])
    for each in bench:
        signals.refuse_look_ahead(name, each.history, each.steps, learned, cuts=3)
    said = scores(name, bench, learned)
    if not signals.learns(name):
        return [in_fold(said, bench, fold) for fold in folds]
    others = (scores(name, bench, learned_in(name, bench, fold)) for fold in folds[1:])
    return [in_fold(each, bench, f) for each, f in zip([said, *others], folds, strict=True)]


def learned_in(name: str, bench: list[Watched], fold: Fold) -> Any:
    """What a signal learns from the training runs of a fold."""
    chosen = [each for each, mine in zip(bench, fold.train, strict=True) if mine]
    return signals.learned_from(
        name, [each.history for each in chosen], [each.T_grok for each in chosen]
    )


def scores(name: str, bench: list[Watched], learned: Any) -> list[np.ndarray]:
    """What a signal says of each run, with what it learned."""
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

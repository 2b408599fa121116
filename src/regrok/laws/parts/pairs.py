"""What sets families that grok apart from those that do not: their late D, where they part, and alarms.

Two kinds of alarm are tried on held-out seeds (`regrok.laws.parts.past_alone`). One is set as near as no training
family that does not grok passes. The other is set at a stated rate of false alarms. In both the rate on new quiet
families follows from how the threshold was set and says nothing of D: what can fail is whether the alarm comes in time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from regrok.laws.parts import estimate as est
from regrok.laws.parts import partings, past_alone
from regrok.laws.parts.families import NARROW, UNMEASURED, Families, Window, at_equal_step

UNASKED = "no detector could be chosen without their seed"


def of_pair(
    pair: tuple[Families, Families],
    events: tuple[np.ndarray, np.ndarray],
    after: Window,
    settings: Mapping[str, Any],
    seed: int,
    keys: Sequence[str],
) -> dict[str, est.Estimate]:
    """The estimates of a pair, all of these keys: families that grok, and those that do not. events: (f,) of both."""
    ours, theirs = pair
    if min(len(ours.nodes), len(theirs.nodes)) < 2:
        why = NARROW if min(len(ours.nodes), len(theirs.nodes)) else UNMEASURED
        return {key: est.missing(why, len(ours.seeds)) for key in keys}
    late = [at_equal_step(made, event, after) for made, event in zip(pair, events, strict=True)]
    found = {"D_after": partings.difference(*late)}
    found["parting"] = partings.parting(pair, events, settings["replicates"], seed)
    found["half_gap"] = partings.half_gap(pair, events, settings["replicates"], seed)
    if not np.isfinite(ours.transition).any():
        none = est.absent("none of these families groks", len(ours.seeds))
        return found | {key: none for key in keys if key not in found}
    found |= nearest(ours, theirs, settings["memory"])
    return found | at_rate(ours, theirs, settings["memory"], settings["false_rate"])


def judged(
    ours: Families, theirs: Families, memory: int, rate: float | None
) -> tuple[past_alone.Warned, np.ndarray, np.ndarray]:
    """What the detectors say, with the alarms of quiet families apart, (m,), from those of families that grok, (g,)."""
    event = ours.transition
    grokking = np.isfinite(event)
    steps = np.intersect1d(ours.steps, theirs.steps)
    moving, still = (
        past_alone.running(made.D[:, np.isin(made.steps, steps)], memory) for made in (ours, theirs)
    )
    quiet = len(theirs.seeds)
    found = past_alone.warned(
        np.concatenate([theirs.seeds, ours.seeds[grokking]]),
        np.concatenate([still, moving[grokking]]),
        np.concatenate([np.full(quiet, np.nan), event[grokking]]),
        steps,
        rate,
    )
    return found, found.alarm[:quiet], found.alarm[quiet:]


def said(alarm: np.ndarray) -> tuple[np.ndarray, str]:
    """(f,) which families a detector was asked about, and a note of those that none was."""
    asked = ~np.isnan(alarm)
    lost = int((~asked).sum())
    return asked, f"{lost} of {len(alarm)} families are left out: {UNASKED}" if lost else ""


def counted(which: np.ndarray, note: str) -> est.Estimate:
    """The share of families (f,) of which it is true."""
    count, n = int(which.sum()), len(which)
    made = est.share(count, n, f"{count} of {n}")
    return made.noting(note) if n else est.missing(note or "no families")


def nearest(ours: Families, theirs: Families, memory: int) -> dict[str, est.Estimate]:
    """Alarms as near as no training family that does not grok passes: the share of families that grok with one before
    the transition, how long before where there is one, and the share of quiet families with one, which is 1/n of n by
    construction, since of n one lies beyond all others.
    """
    found, still, moving = judged(ours, theirs, memory, None)
    keys = ("warned", "lead", "false_alarms", "falling_share")
    if not len(found.directions):
        none = est.missing("no family to choose a threshold on", len(ours.seeds))
        return dict.fromkeys(keys, none)
    event = ours.transition[np.isfinite(ours.transition)]
    (asked, note), (quiet, lost) = said(moving), said(still)
    lead = (event - moving)[asked]
    before = lead > 0
    without = f"{int((~before).sum())} of {len(lead)} families have none"
    return {
        "warned": counted(before, note),
        "lead": est.mean(lead[before], "steps", without if not before.all() else "").noting(note),
        "false_alarms": counted(np.isfinite(still[quiet]), lost),
        "falling_share": est.share(int((found.directions < 0).sum()), len(found.directions)),
    }


def at_rate(ours: Families, theirs: Families, memory: int, rate: float) -> dict[str, est.Estimate]:
    """Alarms at a stated rate of false ones. Shares are of families that grok, whose seed the detector did not see.

    alarm_warned: with an alarm before the transition; alarm_timely: of these, only alarms that do not come before the
    median width has learned its training set, since an earlier one cannot tell runs that will generalise from others
    that will not have memorised; alarm_lead: mean over all, in steps before the transition, 0 where no alarm comes
    before it. alarm_false, of families that do not grok, is the rate by construction, but for rounding and ties.
    Intervals are over families, for thresholds as they were set.
    """
    found, still, moving = judged(ours, theirs, memory, rate)
    keys = ("alarm_warned", "alarm_timely", "alarm_lead", "alarm_false", "alarm_falling")
    if not len(found.directions):
        why = f"too few families that do not grok to set an alarm that {rate:g} of them raise"
        return dict.fromkeys(keys, est.missing(why, len(ours.seeds)))
    grokking = np.isfinite(ours.transition)
    event, learned = ours.transition[grokking], ours.learned[grokking]
    (asked, note), (quiet, lost) = said(moving), said(still)
    alarm, event, learned = moving[asked], event[asked], learned[asked]
    before = alarm < event
    return {
        "alarm_warned": counted(before, note),
        "alarm_timely": counted(before & (alarm >= learned), note),
        "alarm_lead": est.mean(np.where(before, event - alarm, 0.0), "steps", note),
        "alarm_false": counted(np.isfinite(still[quiet]), lost),
        "alarm_falling": est.share(int((found.directions < 0).sum()), len(found.directions)),
    }

"""The rule that turns an estimate into a verdict: the claim's predicate, applied to the estimate's interval."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping, Sequence, Set
from typing import Any

from regrok.errors import RegrokError
from regrok.study.claims import Claim
from regrok.study.predicates import AllEqual, Holds, Proportion, Sign
from regrok.study.words import (
    DIRECTION,
    INCONCLUSIVE,
    LEVEL,
    NO_SUCH_RUN,
    NOT_REPRODUCED,
    OUT_OF_SCOPE,
    REPRODUCED,
    UNDERSPECIFIED,
    Scale,
)

FEWEST = 5
"""Runs that a share rests on at least: of three that all grok, one in two and a half may still be an exception."""


def _placed(estimate: Mapping[str, Any], band: tuple[float, float]) -> str:
    """inside, outside or across: where the estimate's interval lies relative to the band."""
    low = -math.inf if estimate["low"] is None else estimate["low"]
    high = math.inf if estimate["high"] is None else estimate["high"]
    # An edge that is met up to rounding is met: 0.97 ± 0.03 is stored as 0.99999….
    slack = [1e-12 * abs(edge) if math.isfinite(edge) else 0.0 for edge in band]
    if low >= band[0] - slack[0] and high <= band[1] + slack[1]:
        return "inside"
    if high < band[0] - slack[0] or low > band[1] + slack[1]:
        return "outside"
    return "across"


def number(x: float | None) -> str:
    """Four significant digits, as in sentences and terminals; ? for an unknown one."""
    return "?" if x is None else f"{x:.4g}"


def _band_text(band: tuple[float, float]) -> str:
    low, high = band
    if math.isinf(high):
        return "above 0" if low == math.ulp(0.0) else f"at least {number(low)}"
    if math.isinf(low):
        return "below 0" if high == -math.ulp(0.0) else f"at most {number(high)}"
    return f"exactly {number(low)}" if low == high else f"{number(low)} to {number(high)}"


def criterion(predicate: Any) -> str:
    """The predicate in words, for tables."""
    match predicate:
        case AllEqual(target=target, minimum_runs=least):
            return f"{'every' if target else 'no'} run, of at least {least}"
        case Proportion(target=target, minimum_runs=least, published_runs=None):
            return f"interval holds {number(target)}, at least {least} runs"
        case Proportion(target=target, minimum_runs=least, published_runs=int(of)):
            return f"as {round(target * of)} of {of}, at least {least} runs"
        case Holds(target=target):
            return f"interval holds {number(target)}, within {_band_text(predicate.band())}"
    return _band_text(predicate.band())


def verdict(
    predicate: Any, estimate: Mapping[str, Any], direction: Mapping[str, Any] | None, sign: str
) -> tuple[str, str]:
    """The verdict and its reason; a predicate that is `direction_only` never gives more than the direction.

    estimate: an estimate of the laws. direction: the estimate of the weaker reading, with its sign, or None.
    """
    word, reason = _whole_verdict(predicate, estimate, direction, sign)
    if word == REPRODUCED and getattr(predicate, "direction_only", False):
        return DIRECTION, f"{reason}; another regime than the published one"
    return word, reason


def _whole_verdict(
    predicate: Any, estimate: Mapping[str, Any], direction: Mapping[str, Any] | None, sign: str
) -> tuple[str, str]:
    value, n = estimate["value"], estimate["n"]
    if value is None and estimate.get("absent"):
        return NO_SUCH_RUN, str(estimate["absent"])
    if value is None:
        return INCONCLUSIVE, str(estimate.get("reason", "no estimate"))
    if isinstance(predicate, AllEqual | Proportion):
        return _share_verdict(predicate, estimate)
    if estimate["low"] is None and estimate["high"] is None:
        why = estimate.get("reason")
        return INCONCLUSIVE, f"no interval from {n} runs" + (f" ({why})" if why else "")
    band = predicate.band()
    text = _band_text(band)
    place = _placed(estimate, band)
    if isinstance(predicate, Holds):
        text = number(predicate.target)
        held = _placed(estimate, (predicate.target, predicate.target)) != "outside"
        if held and place != "inside":
            return INCONCLUSIVE, f"the interval holds {text}, and too much beside it"
        place = "inside" if held else "outside"
    if place == "inside":
        how = "holds" if isinstance(predicate, Holds) else "lies within the criterion"
        return REPRODUCED, f"the interval {how} ({text})"
    if place == "across":
        return INCONCLUSIVE, f"the interval straddles the criterion ({text})"
    if direction is not None and direction["value"] is not None:
        bounded = direction["low"] is not None or direction["high"] is not None
        side = Sign(kind="sign", sign="positive" if sign == "positive" else "negative").band()
        if bounded and _placed(direction, side) == "inside":
            return DIRECTION, f"outside the criterion ({text}), with the claimed sign"
    return NOT_REPRODUCED, f"the interval lies outside the criterion ({text})"


def _share_verdict(
    predicate: AllEqual | Proportion, estimate: Mapping[str, Any]
) -> tuple[str, str]:
    """The rule of shares: a share is the claimed one, or lies on its side of one half beyond doubt, or neither."""
    value, n = estimate["value"], estimate["n"]
    claimed = predicate.target
    count = f"{round(value * n)} of {n} runs"
    least = max(predicate.minimum_runs, FEWEST)
    if n < least:
        return INCONCLUSIVE, f"{count}; the rule asks for {least}"
    if estimate["low"] is None or estimate["high"] is None:
        return INCONCLUSIVE, f"{count}; no interval"
    if isinstance(predicate, AllEqual):
        if value == claimed:
            return REPRODUCED, count
        against = count
    else:
        agree, against = _same_share(predicate, estimate, count)
        if agree is not None:
            return agree, against
    low, high = estimate["low"], estimate["high"]
    if low <= 0.5 <= high:
        return INCONCLUSIVE, f"{against}; the interval holds one half"
    return (DIRECTION if (value > 0.5) == (claimed > 0.5) else NOT_REPRODUCED), against


def _same_share(
    predicate: Proportion, estimate: Mapping[str, Any], count: str
) -> tuple[str | None, str]:
    """The verdict where the share may be the published one; else null, with the words that say against what."""
    value, n, claimed = estimate["value"], estimate["n"], predicate.target
    same_side = (value > 0.5) == (claimed > 0.5)
    holds = _placed({"low": claimed, "high": claimed}, (estimate["low"], estimate["high"]))
    of = predicate.published_runs
    if of is None:
        against = f"{count}, against {claimed:g} published"
        compatible = holds == "inside"
    else:
        # Here: the rule is read before the first job and by every command, and few claims need the test.
        from scipy.stats import fisher_exact

        theirs = round(claimed * of)
        against = f"{count}, against {theirs} of {of} published"
        table = [[round(value * n), n - round(value * n)], [theirs, of - theirs]]
        compatible = float(fisher_exact(table).pvalue) >= 1 - LEVEL
    if not compatible:
        return None, against
    if holds == "inside" and same_side:
        return REPRODUCED, against
    return INCONCLUSIVE, f"{against}; no clear majority"


def open_choices(
    predicate: Any, estimate: Mapping[str, Any], choices: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """How the predicate judges a quantity under each choice that a paper leaves open.

    estimate: what else is known of the quantity; choices: {value, low, high} of each. Returns {"low", "high" (the least
    and the largest value), "choices", "met", "contradicted" (how many)}; the rest straddle the criterion.
    """
    words = [verdict(predicate, {**estimate, **each}, None, "")[0] for each in choices]
    values = [each["value"] for each in choices if each["value"] is not None]
    return {
        "low": min(values, default=None),
        "high": max(values, default=None),
        "choices": len(choices),
        "met": sum(word in (REPRODUCED, DIRECTION) for word in words),
        "contradicted": words.count(NOT_REPRODUCED),
    }


def _look_up(claim: Claim, estimand: str, estimates: Mapping[str, Any]) -> Mapping[str, Any]:
    if estimand in estimates:
        return estimates[estimand]
    near = difflib.get_close_matches(estimand, list(estimates), 1)
    hint = f" Did you mean '{near[0]}'?" if near else ""
    raise RegrokError(f"claim {claim.id}: no fit estimates '{estimand}'.{hint}")


def _absent(claim: Claim, estimand: str, estimates: Mapping[str, Any], ran: Set[str]) -> str:
    """What the estimand needs and this build has not; empty where it has all. Whether the names are known is checked
    when a configuration is read."""
    if absent := [name for name in claim.experiments if name not in ran]:
        return f"no runs here of {', '.join(absent)}"
    made = estimand.partition(".")[0]
    if not claim.experiments and not any(key.startswith(f"{made}.") for key in estimates):
        return f"{made} was not computed here"
    return ""


def judge(
    claim: Claim,
    estimates: Mapping[str, Mapping[str, Any]],
    scale: Scale,
    ran: Set[str],
    estimand: str | None = None,
) -> dict[str, Any]:
    """Judge one claim at one scale.

    estimates: those of every fit and computation by <name>.<key>; ran: experiments that have runs at this scale;
    estimand: instead of the claim's own (an alternative estimator). Returns {"verdict", "reason", "criterion", "value",
    "low", "high", "level", "n", "unit", "estimator", "note"}, and "range" (`open_choices`) of a claim that names its
    choices; out of scope unless all experiments that feed it ran, and what rests on none was computed.
    Raises RegrokError where they did and nothing has the estimand.
    """
    nothing = dict.fromkeys(("value", "low", "high", "level"), None)
    nothing |= {"n": 0, "unit": "", "estimator": "", "note": ""}
    predicate = claim.predicate.get(scale)
    reason = _absent(claim, estimand or claim.estimand, estimates, ran)
    if predicate is None or reason:
        reason = reason if predicate else "not judged at this scale"
        words = criterion(predicate) if predicate else ""
        return {"verdict": OUT_OF_SCOPE, "reason": reason, "criterion": words, **nothing}
    estimate = _look_up(claim, estimand or claim.estimand, estimates)
    weaker = None
    if claim.direction is not None:
        weaker = _look_up(claim, claim.direction.estimand, estimates)
    word, reason = verdict(
        predicate, estimate, weaker, claim.direction.sign if claim.direction else ""
    )
    kept: dict[str, Any] = {key: estimate[key] for key in nothing}
    if claim.choices is not None:
        every = _look_up(claim, claim.choices, estimates)
        found = open_choices(predicate, every, every.get("choices", ()))
        kept["range"] = found
        if found["met"] and found["contradicted"]:
            word, reason = UNDERSPECIFIED, _between(found)
    return {"verdict": word, "reason": reason, "criterion": criterion(predicate), **kept}


def _between(found: Mapping[str, Any]) -> str:
    return (
        f"{number(found['low'])} to {number(found['high'])} over {found['choices']} choices that the paper leaves "
        f"open: {found['met']} meet the criterion, {found['contradicted']} contradict it"
    )

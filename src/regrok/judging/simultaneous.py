"""Verdicts that hold together: of thirty intervals at 95 % one or two miss by chance, whatever the papers say.

Bonferroni: with m claims judged, each interval is taken at 1 − 0.05/m, so that all of them hold with 95 %. An estimate
carries its interval, not its distribution; its arms are stretched as Student's t with n − 1 degrees of freedom asks,
on the estimate's own scale, which for resamples and ratios is an approximation. A share is Wilson's again.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Set
from typing import Any

from scipy.special import stdtrit

from regrok.judging.verdicts import judge
from regrok.study.claims import Claim
from regrok.study.predicates import AllEqual, Proportion
from regrok.study.words import Scale


def wilson(value: float, n: int, level: float) -> tuple[float, float]:
    """Wilson's interval of a share of n runs, in closed form; the library of `laws.parts.estimate.share` loads slowly.

    >>> [round(end, 3) for end in wilson(0.5, 10, 0.95)]
    [0.237, 0.763]
    """
    z2 = float(stdtrit(math.inf, 0.5 + level / 2)) ** 2
    centre, scale = value + z2 / (2 * n), 1 + z2 / n
    half = math.sqrt(z2 * (value * (1 - value) / n + z2 / (4 * n**2)))
    low, high = (centre - half) / scale, (centre + half) / scale
    return (0.0 if value == 0 else low), (1.0 if value == 1 else high)


def widened(estimate: Mapping[str, Any], together: int, share: bool) -> dict[str, Any]:
    """The estimate with its interval as one of `together` that hold at once; an end that is not known stays so."""
    value, level, n = estimate["value"], estimate["level"], estimate["n"]
    if choices := estimate.get("choices"):
        plain = {key: known for key, known in estimate.items() if key != "choices"}
        wider = [widened({**plain, **each}, together, share) for each in choices]
        return {**widened(plain, together, share), "choices": wider}
    if value is None or together < 2:
        return dict(estimate)
    at = 1 - (1 - level) / together
    if share:
        low, high = wilson(value, n, at) if n else (estimate["low"], estimate["high"])
        return {**estimate, "low": low, "high": high}
    freedom = max(n - 1, 1)
    stretch = float(stdtrit(freedom, 0.5 + at / 2) / stdtrit(freedom, 0.5 + level / 2))
    low, high = (
        None if end is None else value + stretch * (end - value)
        for end in (estimate["low"], estimate["high"])
    )
    return {**estimate, "low": low, "high": high}


def together(
    claim: Claim,
    estimates: Mapping[str, Mapping[str, Any]],
    scale: Scale,
    ran: Set[str],
    claims: int,
) -> str:
    """The claim's verdict when its interval is one of `claims` that hold at once; for the rest see `judge`."""
    share = isinstance(claim.predicate.get(scale), AllEqual | Proportion)
    wider = {claim.estimand: widened(estimates[claim.estimand], claims, share)}
    if claim.direction is not None and claim.direction.estimand not in wider:
        wider[claim.direction.estimand] = widened(
            estimates[claim.direction.estimand], claims, False
        )
    if claim.choices is not None and claim.choices not in wider:
        wider[claim.choices] = widened(estimates[claim.choices], claims, share)
    return str(judge(claim, wider, scale, ran)["verdict"])

"""Can a rule be met? How often an exact repeat of the published experiment would be called reproduced.

A rule that the authors' own repeat would fail says nothing about them. Where a claim gives the published samples
(mean, standard deviation and runs of each), the repeat is drawn from lognormal distributions of these moments, as
times and norms are positive and skewed, and judged by the rule itself.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

import numpy as np
from scipy.special import stdtrit

from regrok.errors import RegrokError
from regrok.judging.simultaneous import wilson
from regrok.judging.verdicts import verdict
from regrok.study.claims import Claim, Sample
from regrok.study.predicates import AllEqual, Holds, Predicate, Proportion
from regrok.study.words import DIRECTION, LEVEL, REPRODUCED

DRAWS = 2000
"""Repeats that are drawn: a probability of one half is known to a hundredth."""
LEAST = 0.5
"""Probability of being met below which a rule is refused."""


def drawn(sample: Sample, runs: int, rng: np.random.Generator) -> np.ndarray:
    """Repeats of a sample: (DRAWS, runs), lognormal with the sample's mean and standard deviation."""
    variance = math.log1p((sample.sd / sample.mean) ** 2)
    normal = rng.standard_normal((DRAWS, runs))
    return np.exp(math.log(sample.mean) - variance / 2 + math.sqrt(variance) * normal)


def intervals(predicate: Predicate, samples: list[Sample]) -> tuple[np.ndarray, ...]:
    """value, low, high of every repeat: (DRAWS,) each; a mean for one sample, a ratio of means for two.

    Under `holds` the published samples stand in the denominator, with their own errors.
    """
    rng = np.random.default_rng(0)
    repeats = [drawn(sample, sample.runs, rng) for sample in samples]
    means = [x.mean(1) for x in repeats]
    spread = [x.var(1, ddof=1) / x.shape[1] for x in repeats]
    if len(samples) == 1 and not isinstance(predicate, Holds):
        half = stdtrit(samples[0].runs - 1, 0.5 + LEVEL / 2) * np.sqrt(spread[0])
        return means[0], means[0] - half, means[0] + half
    parts = [(v / m**2, s.runs - 1) for v, m, s in zip(spread, means, samples, strict=True)]
    log = np.log(means[0]) - (np.log(means[1]) if len(means) == 2 else 0.0)
    if isinstance(predicate, Holds):
        parts += [((s.sd / s.mean) ** 2 / s.runs, s.runs - 1) for s in samples]
        log = log - math.log(samples[0].mean)
        log = log + (math.log(samples[1].mean) if len(samples) == 2 else 0.0)
    variance = sum(v for v, _ in parts)
    freedom = variance**2 / sum(v**2 / f for v, f in parts)
    half = stdtrit(freedom, 0.5 + LEVEL / 2) * np.sqrt(variance)
    return np.exp(log), np.exp(log - half), np.exp(log + half)


def _shares(
    predicate: AllEqual | Proportion, runs: int
) -> Iterator[tuple[float, dict[str, float]]]:
    """Every outcome of a repeat of a share, with its probability: a count of `runs`."""
    for count in range(runs + 1):
        chance = math.comb(runs, count) * predicate.target**count
        chance *= (1 - predicate.target) ** (runs - count)
        low, high = wilson(count / runs, runs, LEVEL)
        yield chance, {"value": count / runs, "n": runs, "low": low, "high": high}


def power(claim: Claim, predicate: Predicate) -> float | None:
    """Probability that an exact repeat meets the rule; null where the claim does not give the published samples.

    A rule that asks for the direction alone is met by the direction.
    """
    if isinstance(predicate, AllEqual | Proportion):
        of = getattr(predicate, "published_runs", None) or claim.published.runs
        outcomes = list(_shares(predicate, of)) if of else None
    elif claim.published.samples:
        found = zip(*intervals(predicate, claim.published.samples), strict=True)
        n = sum(sample.runs for sample in claim.published.samples)
        keys = ("value", "low", "high")
        outcomes = [
            (1 / DRAWS, dict(zip(keys, map(float, three), strict=True)) | {"n": n})
            for three in found
        ]
    else:
        outcomes = None
    if outcomes is None:
        return None
    met = (REPRODUCED, DIRECTION) if predicate.direction_only else (REPRODUCED,)
    return sum(c for c, estimate in outcomes if verdict(predicate, estimate, None, "")[0] in met)


def refuse_powerless(claims: Iterable[Claim]) -> None:
    """Raise RegrokError naming the entries whose rule an exact repeat would more often fail than meet.

    Entries that were corrected stay as they were written.
    """
    found = []
    for claim in claims:
        for scale, predicate in claim.predicate.items() if claim.corrected is None else ():
            chance = power(claim, predicate)
            if chance is not None and chance < LEAST:
                found.append(
                    f"{claim.id}: predicate.{scale}: an exact repeat of the published runs would meet it in "
                    f"{100 * chance:.0f} of 100 cases; widen it, or compare two samples (kind holds)"
                )
    if found:
        raise RegrokError("\n  ".join(["rules that cannot be met:", *found]))

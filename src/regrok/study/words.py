"""Words that have one spelling everywhere: the folder of the studies, scales, verdicts; and the level of intervals."""

from typing import Literal

LEVEL = 0.95
"""Level of the interval of every estimate, and of the comparison of two shares."""

FRAMES = ("runs", "curves", "experiments", "spectra")
"""The frames of one scale; each is a parquet file of its results."""

STUDIES = "studies"
"""The folder of the studies, beside config.yaml."""

Scale = Literal["smoke", "laptop", "paper"]
SCALES: tuple[Scale, ...] = ("smoke", "laptop", "paper")

Source = Literal["trained", "released", "missing"]
"""Where a build's runs come from; missing: the bundle, and what it lacks is trained."""

REPRODUCED = "reproduced"
DIRECTION = "reproduced in direction only"
NOT_REPRODUCED = "not reproduced"
INCONCLUSIVE = "inconclusive"
UNDERSPECIFIED = "underspecified"
NO_SUCH_RUN = "no such run here"
OUT_OF_SCOPE = "out of scope at this scale"
VERDICTS = (
    *(REPRODUCED, DIRECTION, NOT_REPRODUCED, INCONCLUSIVE),
    *(UNDERSPECIFIED, NO_SUCH_RUN, OUT_OF_SCOPE),
)
UNJUDGED = "not judged yet"
"""Stands for a verdict where no ledger has one."""

Origin = Literal["printed", "released", "ours"]
ORIGINS: tuple[Origin, ...] = ("printed", "released", "ours")
"""Where a claim comes from: the paper prints it, its authors' released runs show it, or we ask it of the law."""


def source(arxiv: str | None) -> str:
    """Where a study's claims are from.

    >>> source("2603.13331"), source(None)
    ('arXiv 2603.13331', 'ours')
    """
    return "ours" if arxiv is None else f"arXiv {arxiv}"

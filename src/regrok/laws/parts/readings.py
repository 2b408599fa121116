"""D of avalanches around the transition, in every way in which a paper that names no window may have read it.

There are five ways to make one D of a window (`ways`), each in windows of three lengths (`stretched`): the paper that
is audited gives exponents before and after, and neither the windows nor how states and networks of one are put
together.
"""

from __future__ import annotations

import numpy as np

from regrok.computations.parts.choices import among
from regrok.computations.parts.finite_size import exponent, over
from regrok.laws.parts import estimate as est
from regrok.laws.parts.families import Families, Window, aligned_sizes, at_equal_step, inside

STRETCH = (1.0, 0.5, 2.0)
"""How long a window is, of the length that it is given; the first is the default."""


def over_families(values: np.ndarray, unit: str = "", log: bool = False) -> est.Estimate:
    """Their mean, with a note of how many are not known."""
    unknown = int(np.isnan(values).sum())
    note = f"{unknown} of {len(values)} families have none" if unknown else ""
    return est.mean(values, unit, note, log)


def ways(
    made: Families, event: np.ndarray, window: Window, replicates: int, seed: int
) -> dict[str, est.Estimate]:
    """D of one window. event: (f,) the transition of each family.

    D: at each step, and the mean over steps; aligned: of sizes averaged in a window of each run's own T_grok; largest:
    of the largest sizes over families; mean_size and largest_size: of the mean and the largest size of the window.
    """
    mask = inside(made.steps, event, window)[:, None, :]  # (f, 1, s)
    within = np.where(mask, made.size, np.nan)
    return {
        "D": over_families(at_equal_step(made, event, window)),
        "aligned": over_families(exponent(aligned_sizes(made, window), made.nodes)),
        "largest": of_largest(made, event, window, replicates, seed),
        "mean_size": over_families(exponent(over(within, "mean", axis=2), made.nodes)),
        "largest_size": over_families(exponent(over(within, "max", axis=2), made.nodes)),
    }


def stretched(name: str, window: Window, factor: float) -> Window:
    """A window so many times as long: the end of one before the transition stays, the start of one after it, the middle
    of one at it. None begins before 0.

    >>> stretched("before", (0.5, 1.0), 4), stretched("after", (1.0, 1.5), 2), stretched("at", (0.75, 1.25), 2)
    ((0.0, 1.0), (1.0, 2.0), (0.5, 1.5))
    """
    low, high = window
    added = (factor - 1) * (high - low)
    before = {"before": added, "at": added / 2, "after": 0.0}[name]
    return max(low - before, 0.0), high + added - before


def of_window(
    made: Families, event: np.ndarray, name: str, window: Window, replicates: int, seed: int
) -> dict[str, est.Estimate]:
    """`ways` of this window; the first carries all of them, and of windows half and twice as long, as its choices."""
    found = {
        (way, factor): each
        for factor in STRETCH
        for way, each in ways(
            made, event, stretched(name, window, factor), replicates, seed
        ).items()
    }
    usual = {way: each for (way, factor), each in found.items() if factor == STRETCH[0]}
    return {**usual, "D": among(found, ("D", STRETCH[0]))}


def of_largest(
    made: Families, event: np.ndarray, window: Window, replicates: int, seed: int
) -> est.Estimate:
    """D of the largest sizes over families, mean over a window of the median transition: the printed s_max ∝ N^D."""
    how = "least squares of the largest sizes, bootstrap over families"
    known = event[np.isfinite(event)]
    mask = inside(made.steps, np.median(known) if len(known) else np.array(np.nan), window)
    if not mask.any():
        return est.missing("no state lies in this window", len(made.seeds), how)
    sizes = made.size[:, :, mask].transpose(0, 2, 1)  # (f, s, w)
    sizes = sizes[np.isfinite(sizes).all(axis=(1, 2))]

    def of(rows: np.ndarray) -> np.ndarray:
        return exponent(sizes[rows].max(axis=-3), made.nodes).mean(axis=-1)

    return est.bootstrap(of, np.zeros(len(sizes)), replicates, seed, how)

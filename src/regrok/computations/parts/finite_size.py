"""How sizes of avalanches go with the number of nodes: the exponent D over a family of widths."""

from __future__ import annotations

import warnings

import numpy as np

STATISTICS = ("max", "mean")
"""s_max ∝ N^D and ⟨s⟩ ∝ N^γ, both over the networks of a width."""


def fitted(sizes: np.ndarray, nodes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Slope and R² of log size over log nodes.

    sizes: (…, widths). Both are (…,), and NaN where a size of some width is not known or zero.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        y = np.where(sizes > 0, np.log(sizes), np.nan)
        x = np.log(nodes) - np.log(nodes).mean()
        centred = y - y.mean(axis=-1, keepdims=True)
        slope = (centred * x).sum(-1) / (x**2).sum()
        left = ((centred - slope[..., None] * x) ** 2).sum(-1)
        return slope, 1 - left / (centred**2).sum(-1)


def exponent(sizes: np.ndarray, nodes: np.ndarray) -> np.ndarray:
    """The slope of `fitted`."""
    return fitted(sizes, nodes)[0]


def over(sizes: np.ndarray, statistic: str, axis: int | tuple[int, ...]) -> np.ndarray:
    """The largest or the mean size over networks (or networks and epochs), those that are not known left out."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a width of which none is known stays NaN
        return (np.nanmax if statistic == "max" else np.nanmean)(sizes, axis=axis)


def known_mean(values: np.ndarray, axis: int) -> np.ndarray:
    """The mean of what is known; NaN where nothing is."""
    return over(values, "mean", axis)

"""An interval over what its rule asks, as SVG without a size of its own: positions are shares of the width.

So its type and its marks keep their size on a telephone, and a style sheet colours them.
"""

from __future__ import annotations

import html
import math
from collections.abc import Iterable, Mapping
from typing import Any

from regrok.judging.axis import Axis, axis_of, drawn_numbers
from regrok.judging.verdicts import number

HEIGHT = 22
"""Pixels of an interval's line."""
TICKS = 24
"""Pixels of the line of numbers under them."""
Band = tuple[float, float]


def common_axis(
    drawn: Iterable[tuple[Mapping[str, Any], Band | None]], printed: float | None = None
) -> Axis | None:
    """The axis on which several estimates and their bands are laid; None where no estimate has a value.

    printed: the published number, which is marked on it.
    """
    pairs = list(drawn)
    numbers = [x for estimate, band in pairs for x in drawn_numbers(estimate, band)]
    if all(estimate.get("value") is None for estimate, _ in pairs):
        return None
    return axis_of([*numbers, printed])


def said(estimate: Mapping[str, Any], unit: str = "") -> str:
    """The estimate in plain words: `0.971 [0.93, 0.99] step`; an unknown end is `?`."""
    if estimate.get("value") is None:
        return "no value"
    low, high = estimate.get("low"), estimate.get("high")
    interval = f" [{number(low)}, {number(high)}]" if low is not None or high is not None else ""
    return f"{number(estimate['value'])}{interval}{f' {unit}' if unit else ''}"


def line(
    estimate: Mapping[str, Any], band: Band | None, axis: Axis, printed: float | None, words: str
) -> str:
    """The SVG of one estimate on an axis; empty without a value.

    words: what a screen reader says instead.
    """
    value, low, high = (estimate.get(key) for key in ("value", "low", "high"))
    if value is None:
        return ""
    middle = HEIGHT / 2
    parts = [f'<line class="base" x1="0" x2="100%" y1="{middle:g}" y2="{middle:g}"/>']
    if band is not None:
        parts.append(_band(band, axis))
    if printed is not None:
        at = _percent(axis.share(printed))
        parts.append(f'<line class="printed" x1="{at}" x2="{at}" y1="1" y2="{HEIGHT - 1}"/>')
    if low is not None or high is not None:
        first = 0.0 if low is None else axis.share(low)
        last = 1.0 if high is None else axis.share(high)
        ends = f'x1="{_percent(first)}" x2="{_percent(last)}"'
        parts.append(f'<line class="range" {ends} y1="{middle:g}" y2="{middle:g}"/>')
        for end, share in ((low, first), (high, last)):
            if end is not None:
                at = _percent(share)
                parts.append(f'<line class="range" x1="{at}" x2="{at}" y1="6" y2="{HEIGHT - 6}"/>')
    at = _percent(axis.share(value))
    parts.append(f'<circle class="value" cx="{at}" cy="{middle:g}" r="4.5"/>')
    return (
        f'<svg class="interval" width="100%" height="{HEIGHT}" role="img" '
        f'aria-label="{html.escape(words)}">{"".join(parts)}</svg>'
    )


def _band(band: Band, axis: Axis) -> str:
    first, last = axis.share(band[0]), axis.share(band[1])
    if last - first < 0.004:
        at = _percent((first + last) / 2)
        return f'<line class="band" x1="{at}" x2="{at}" y1="2" y2="{HEIGHT - 2}"/>'
    width = _percent(last - first)
    return f'<rect class="band" x="{_percent(first)}" width="{width}" y="2" height="{HEIGHT - 4}"/>'


def scale_line(axis: Axis) -> str:
    """The numbers under the intervals, hidden from screen readers, which hear each interval in words."""
    parts = []
    for x in ticks(axis):
        share = axis.share(x)
        anchor = "start" if share < 0.06 else "end" if share > 0.94 else "middle"
        at, words = _percent(share), number(x).replace("-", "−")
        parts.append(f'<line class="tick" x1="{at}" x2="{at}" y1="0" y2="5"/>')
        parts.append(f'<text x="{at}" y="18" text-anchor="{anchor}">{words}</text>')
    return f'<svg class="scale" width="100%" height="{TICKS}" aria-hidden="true">{"".join(parts)}</svg>'


def ticks(axis: Axis) -> list[float]:
    """Two to six round numbers on an axis."""
    low, high = axis.ends()
    if axis.log:
        powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
        found = [10.0**k for k in powers if low <= 10.0**k <= high]
        every = -(-len(found) // 5) or 1
        return found[::every] if len(found) > 1 else [low, math.sqrt(low * high), high]
    rough = (high - low) / 5
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= rough)
    first = math.ceil(low / step)
    return [round(k * step, 12) for k in range(first, math.floor(high / step) + 1)]


def _percent(share: float) -> str:
    return f"{100 * share:.4g}%"

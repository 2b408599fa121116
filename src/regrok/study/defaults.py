"""Options of a law, a figure or a table over their defaults."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from regrok.errors import RegrokError
from regrok.study.messages import nearest


def option(options: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """The options over a module's `DEFAULTS`. Raises RegrokError with the nearest name for an unknown one.

    >>> option({"curves": [0.1]}, {"curves": None, "share": 0.99})
    {'curves': [0.1], 'share': 0.99}
    """
    for key in options:
        if key not in defaults:
            none = "" if defaults else " It takes none."
            raise RegrokError(f"options.{key}: no such option.{nearest(key, defaults)}{none}")
    return {**defaults, **options}

"""The date of a bundle's metadata: SOURCE_DATE_EPOCH, where the environment has one."""

from __future__ import annotations

import os
from collections.abc import Mapping

from regrok.errors import RegrokError

VARIABLE = "SOURCE_DATE_EPOCH"

LAST = 2**32 - 1
"""Seconds since 1970 that every format of files and archives can hold."""


def epoch(environment: Mapping[str, str] | None = None) -> int | None:
    """Seconds since 1970; None where the variable is not set or empty.

    Raises RegrokError for anything but a whole number that every format can hold.
    """
    value = (os.environ if environment is None else environment).get(VARIABLE)
    if not value:
        return None
    if value.isascii() and value.isdecimal() and int(value[:20]) <= LAST:
        return int(value)
    raise RegrokError(
        f"{VARIABLE} is {value!r}; give whole seconds since 1970, from 0 to {LAST}, or unset it"
    )

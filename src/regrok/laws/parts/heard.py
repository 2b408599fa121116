"""Warnings of the libraries that fit: heard and handed on, so that a doubtful fit cannot pass as a sure one."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np


@contextmanager
def heard() -> Iterator[list[str]]:
    """The first lines of the warnings raised inside, each once, in the list that is yielded; nothing is printed.

    The list is filled when the block ends. Underflow to zero is no warning: that is what a density does far out.

    >>> with heard() as said:
    ...     warnings.warn("did not converge\\nmore words", stacklevel=1)
    >>> said
    ['did not converge']
    """
    said: list[str] = []
    with (
        warnings.catch_warnings(record=True) as caught,
        np.errstate(over="warn", divide="warn", invalid="warn", under="ignore"),
    ):
        warnings.simplefilter("always")
        yield said
    said += dict.fromkeys(str(one.message).strip().partition("\n")[0] for one in caught)

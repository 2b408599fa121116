"""A fingerprint of what the numbers of a computation rest on, by which a released result is known to be the code's.

It is of what is said by the definitions that `compute` reaches by name, as the training fingerprint is of those that
training reaches (`regrok.training.code`): functions, classes and constants, in the module, its parts and every other
room. Beside `compute` stand the seed that it is given and what makes JSON of its result. So

- a definition that no name of the computation leads to counts for nothing, though it stand in the same file: another
  estimator of `laws.parts.estimate`, another word of `study.words`;
- comments, docstrings, annotations, the words of an error and the names of files and functions count for nothing;
- a number counts, and so do the words that a result holds: units, notes, reasons;
- what a module does when it is imported counts for every module that Python executes on the way.

Options do not: a result holds all of them, and is taken for the same options alone.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from regrok.training.code.closure import BORDERS, Closure
from regrok.training.code.package import Package

PACKAGE = Path(__file__).resolve().parents[2]

AROUND = ("computations:seed", "laws.parts.estimate:json_of")
"""What every computation rests on beside its own `compute`."""

REGISTRARS = ("laws",)
"""Packages above a part that is used which look modules up by name, and import the types of a study for that."""


class Code:
    """The code of computations in one folder of the package, the present one or another state of it."""

    def __init__(self, folder: Path = PACKAGE):
        self.package = Package(folder, BORDERS, REGISTRARS)

    def computation(self, compute: str) -> Closure:
        """What a computation rests on. Raises RegrokError for no such module, and for code that hides what it uses."""
        found = Closure(self.package, ())
        for root in (f"computations.{compute}:compute", *AROUND):
            found.add(self.package.find(root))
        return found


@cache
def present() -> Code:
    """The code of this process."""
    return Code()


@cache
def fingerprint(compute: str) -> str:
    """12 hexadecimal digits of what the present code says that a computation rests on."""
    return present().computation(compute).digest()

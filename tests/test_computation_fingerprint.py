"""The fingerprint of a computation: an edit of what decides one of its digits changes it, any other leaves it.

Each edit is made in a copy of the package, of which only the text is read.
"""

# ruff: noqa: E501 a table has an edit a line

from __future__ import annotations

import shutil
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from regrok.computations import computations
from regrok.computations.parts.fingerprint import PACKAGE, Code, fingerprint
from regrok.training.code import writer

pytestmark = pytest.mark.beside

COMPUTED = ("circuits", "kernel_shares", "triple_regression", "coefficient_growth")
"""Solved, in closed form, trained, sampled."""

ROOMS = ("computations", "laws", "measures", "study", "training", "kernels")


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("copy") / "regrok"
    folder.mkdir()
    for path in [*PACKAGE.glob("*.py"), *(p for r in ROOMS for p in PACKAGE.glob(f"{r}/**/*.py"))]:
        (folder / path.relative_to(PACKAGE)).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, folder / path.relative_to(PACKAGE))
    yield folder
    # The syntax trees of every state, kept, would make each later collection of garbage take seconds.
    writer.said.cache_clear()


def digests(package: Path) -> dict[str, str]:
    code = Code(package)
    return {name: code.computation(name).digest() for name in COMPUTED}


@cache
def unedited() -> dict[str, str]:
    return digests(PACKAGE)


def changed(package: Path, name: str, old: str, new: str) -> set[str]:
    """The computations whose fingerprint an edit changes; undone again."""
    path = package / name
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1, f"{name}: {old!r} is there {text.count(old)} times"
    path.write_text(text.replace(old, new), encoding="utf-8")
    after = digests(package)
    path.write_text(text, encoding="utf-8")
    return {one for one in COMPUTED if after[one] != unedited()[one]}


HARMLESS = {
    "a word of claims": ("study/words.py", 'NOT_REPRODUCED = "not reproduced"', 'NOT_REPRODUCED = "not found again"'),
    "a new word": ("study/words.py", 'STUDIES = "studies"', 'STUDIES = "studies"\nPAPERS = "papers"'),
    "how laws are looked up": ("laws/__init__.py", "members = frames.experiments\n        else:", "members = frames.experiments.copy()\n        else:"),
    "a field of a run": ("study/run.py", "class Start(Strict):", "class Start(Strict):\n    why: str | None = None\n"),
    "an estimator that none uses": ("laws/parts/estimate.py", "def absent(which: str, n: int = 0,", "def absent(which: str, n: int = 1,"),
    "what is said of an option": ("study/messages.py", "SHOWN = 12", "SHOWN = 13"),
    "a text of an error": ("computations/circuits.py", "should be at least 2 outputs", "give at least 2 outputs"),
    "a comment": ("computations/parts/needed.py", "    before, above = 0.0, 1.0", "    # Nothing is seen.\n    before, above = 0.0, 1.0"),
    "a default, which results hold": ("computations/circuits.py", '"until": 2000.0,', '"until": 3000.0,'),
    "what may be said of a block": ("computations/circuits.py", '"first": "positive",', '"first": "number",'),
    "how a run is trained": ("training/slots.py", "CHUNK = 64", "CHUNK = 65"),
}  # fmt: skip


@pytest.mark.parametrize("kind", HARMLESS)
def test_what_decides_no_digit_leaves_the_fingerprint(package, kind):
    assert changed(package, *HARMLESS[kind]) == set()


EVERY = set(COMPUTED)
HARMFUL = {
    "a number of the module": ("computations/circuits.py", "COARSER = 100.0", "COARSER = 10.0", {"circuits"}),
    "a number of a part": ("computations/parts/needed.py", "LEVEL = 0.5", "LEVEL = 0.4", {"kernel_shares", "triple_regression"}),
    "a part's arithmetic": ("computations/parts/expected_kernel.py", "TOLERANCE = ", "TOLERANCE = 2 * ", {"kernel_shares"}),
    "the level of intervals": ("study/words.py", "LEVEL = 0.95", "LEVEL = 0.9", EVERY),
    "how an interval is made": ("laws/parts/estimate.py", "half = stats.t.ppf(0.5 + LEVEL / 2, x.size - 1)", "half = 2 * stats.t.ppf(0.5 + LEVEL / 2, x.size - 1)", EVERY - {"circuits"}),
    "a word of results": ("laws/parts/estimate.py", "these {n} agree to the last digit", "these {n} are the same", EVERY),
    "the seed": ("computations/__init__.py", "return zlib.crc32(name.encode())", "return zlib.crc32(name.encode()) + 1", EVERY),
    "what is written": ("laws/parts/estimate.py", "return None if isinstance(plain, float) and", "return 0 if isinstance(plain, float) and", EVERY),
    "another room's arithmetic": ("measures/learning_coefficient.py", "return Sampled(found.masked_fill(diverged, math.nan), diverged)", "return Sampled(2 * found, diverged)", {"coefficient_growth"}),
    "what an import does": ("measures/__init__.py", "norms, spectra.\"\"\"", "norms, spectra.\"\"\"\n\nimport torch\n\ntorch.set_default_dtype(torch.float64)", {"coefficient_growth"}),
}  # fmt: skip


@pytest.mark.parametrize("kind", HARMFUL)
def test_what_decides_a_digit_changes_the_fingerprint_of_what_reaches_it(package, kind):
    name, old, new, reach = HARMFUL[kind]
    assert changed(package, name, old, new) == reach


def test_every_computation_has_a_fingerprint_of_its_own():
    found = {name: fingerprint(name) for name in computations()}
    assert len(set(found.values())) == len(found)
    assert all(len(each) == 12 for each in found.values())

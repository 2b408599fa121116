"""The same bits, or where they part: small runs of every kind, trained by two states of the code on one machine."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import numpy as np

from regrok.errors import RegrokError
from regrok.training.generations import Generations
from regrok.training.kinds import KINDS, Kind

SCRIPT = Path(__file__).with_name("bits.py")

Bits = Mapping[str, Any]
"""What bits.py wrote: `kinds` (name → its `runs`, or why they were `refused`), `trainers` (task/model → fingerprint),
`observables` (name → the same)."""


def train(
    sources: Sequence[Path], kinds: Sequence[Kind] = KINDS, device: str = "cpu"
) -> list[Bits]:
    """Train the kinds by the package in each of the folders, side by side.

    Raises RegrokError with what a training said when it failed.
    """
    asked = {
        "kinds": [
            {"name": kind.name, "pair": kind.pair, "way": kind.way, "runs": kind.runs()}
            for kind in kinds
        ],
        "pairs": sorted({kind.pair for kind in kinds}),
        "observables": sorted({name for kind in kinds for name in kind.protocol["measure"]}),
    }
    with tempfile.TemporaryDirectory(prefix="regrok-same-bits-") as temporary:
        folder = Path(temporary)
        sources = [source.resolve() for source in sources]
        (folder / "kinds.json").write_text(json.dumps(asked), encoding="utf-8")
        begun = [
            subprocess.Popen(
                [
                    sys.executable,
                    "-P",
                    str(SCRIPT),
                    "kinds.json",
                    f"{i}.pickle",
                    device,
                    str(source),
                ],
                cwd=folder,
                env={**os.environ, "PYTHONPATH": str(source)},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                encoding="utf-8",
            )
            for i, source in enumerate(sources)
        ]
        said = [process.communicate()[0] for process in begun]
        for source, process, words in zip(sources, begun, said, strict=True):
            if process.returncode:
                raise RegrokError(f"the code in {source} could not train:\n{words.rstrip()}")
        return [pickle.loads((folder / f"{i}.pickle").read_bytes()) for i in range(len(begun))]


# Two runs -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Found:
    """What the comparison of one kind found."""

    kind: Kind
    runs: int = 0
    points: int = 0
    """Logged points that were compared, over all runs."""
    refused: str | None = None
    """Why one of the two states of the code has no such run; then nothing was compared."""
    parted: str | None = None
    """Where the runs part, or None."""
    observables: Mapping[str, str | None] = field(default_factory=dict)
    """The same for each observable that was measured, where the runs have the same bits."""


def compare(theirs: Bits, ours: Bits, kinds: Sequence[Kind] = KINDS) -> list[Found]:
    """Each kind as two states of the code trained it."""
    return [_compared(kind, theirs["kinds"][kind.name], ours["kinds"][kind.name]) for kind in kinds]


def _compared(kind: Kind, theirs: Mapping[str, Any], ours: Mapping[str, Any]) -> Found:
    for whose, side in (("the named commit", theirs), ("the working tree", ours)):
        if "refused" in side:
            why = str(side["refused"]).splitlines()[-1].strip()
            return Found(kind, refused=f"{whose} has no such run: {why}")
    parted: str | None = None
    measured: dict[str, str | None] = dict.fromkeys(kind.protocol["measure"])
    points = 0
    for seed, (one, other) in enumerate(zip(theirs["runs"], ours["runs"], strict=True)):
        points += len(other["curve"]["step"])
        owned = {name: set(_owned(other, name)) for name in measured}
        every = set().union(*owned.values()) if owned else set()
        own = (set(one["curve"]) | set(other["curve"])) - every
        where = first_apart(one, other, own) or _ends_apart(one, other)
        parted = parted or (where and f"seed {seed}: {where}")
        for name, columns in owned.items():
            where = first_apart(one, other, columns) or _spectra_apart(one, other, name)
            measured[name] = measured[name] or (where and f"seed {seed}: {where}")
    return Found(kind, len(ours["runs"]), points, None, parted, {} if parted else measured)


def _owned(run: Mapping[str, Any], observable: str) -> list[str]:
    patterns = run["measured"].get(observable, [])
    return [name for name in run["curve"] if any(fnmatchcase(name, each) for each in patterns)]


def same(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Element by element, whether two arrays of one length hold the same bits; any two NaNs are the same."""
    one, other = np.asarray(one), np.asarray(other)
    if one.dtype != other.dtype:
        return np.zeros(len(other), dtype=bool)
    if one.dtype.kind != "f":
        return np.asarray(one == other)
    bits = np.dtype(f"i{one.dtype.itemsize}")
    return (one.view(bits) == other.view(bits)) | (np.isnan(one) & np.isnan(other))


def first_apart(one: Mapping[str, Any], other: Mapping[str, Any], columns: set[str]) -> str | None:
    """The first logged step at which two curves differ in one of the columns, and in which; None where in none."""
    mine, theirs = one["curve"], other["curve"]
    steps = [np.asarray(each["step"]) for each in (mine, theirs)]
    length = min(map(len, steps))
    apart: list[tuple[int, str]] = []
    for name in sorted(columns):
        if name not in mine or name not in theirs:
            return f"{name} is logged by one of the two alone"
        differ = np.flatnonzero(~same(mine[name][:length], theirs[name][:length]))
        if differ.size:
            apart.append((int(differ[0]), name))
    if apart:
        row, name = min(apart)
        return f"{name} at step {int(steps[1][row]):,}"
    if len(steps[0]) != len(steps[1]):
        return f"the end: step {int(steps[0][-1]):,}, now {int(steps[1][-1]):,}"
    return None


def _ends_apart(one: Mapping[str, Any], other: Mapping[str, Any]) -> str | None:
    mine, theirs = one["tensors"], other["tensors"]
    if set(mine) != set(theirs):
        return "another state of the optimiser"
    for name, values in theirs.items():
        if mine[name].shape != values.shape or not same(mine[name].ravel(), values.ravel()).all():
            what = name if name == "parameters" else f"the optimiser's {name}"
            return f"{what} after the last step, {other['step']:,}"
    return None


def _spectra_apart(one: Mapping[str, Any], other: Mapping[str, Any], kind: str) -> str | None:
    mine, theirs = (
        [(step, power) for step, named, power in run["spectra"] if named == kind]
        for run in (one, other)
    )
    for (step, power), (again, now) in zip(mine, theirs, strict=False):
        both = np.array(power), np.array(now)
        if step != again or len(power) != len(now) or not same(*both).all():
            return f"spectrum at step {again:,}"
    return None if len(mine) == len(theirs) else "the number of spectra"


# What follows ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Judgement:
    """What a comparison says of the present fingerprints. Keys are `task/model` and names of observables."""

    to_declare: dict[str, dict[str, Any]]
    """`trainers`, `observables` → fingerprints that are proven equal and not declared yet."""
    anew: list[str]
    """What trains or measures other bits and is not declared equal: its runs are trained anew."""
    false: list[str]
    """What is declared equal, or says the same, and gives other bits."""
    equal: bool
    """Whether every run of every kind has the same bits, whatever was measured on it."""


def judge(theirs: Bits, ours: Bits, found: Sequence[Found], known: Generations) -> Judgement:
    """Hold what was found against what is declared.

    Trainers are proven equal all together or not at all: a piece of code that all share (an optimiser) may be seen in
    the kinds of one of them alone. An observable is proven for itself, on runs with the same bits.
    """
    compared = [each for each in found if each.refused is None]
    equal = all(each.parted is None for each in compared)
    to_declare: dict[str, dict[str, Any]] = {"trainers": {}, "observables": {}}
    anew: list[str] = []
    false: list[str] = []

    for pair, trainer in ours["trainers"].items():
        mine = [each for each in compared if each.kind.pair == pair]
        undeclared = (
            theirs["trainers"].get(pair) not in known.equal("trainers", pair, trainer).equal
        )
        if any(each.parted for each in mine):
            (anew if undeclared else false).append(pair)
        elif mine and undeclared and equal:
            to_declare["trainers"][pair] = trainer
    for name, codes in ours["observables"].items():
        mine = [each for each in compared if name in each.observables]
        apart = {each.kind.pair for each in mine if each.observables[name]}
        before = theirs["observables"].get(name, {})
        fresh = {
            pair: code
            for pair, code in codes.items()
            if pair in before and before[pair] not in known.equal("observables", name, code).equal
        }
        if apart:  # one pair for which stored values would be taken is one too many
            (anew if apart <= set(fresh) else false).append(name)
        elif mine and fresh and equal:
            to_declare["observables"][name] = sorted(set(fresh.values()))
    return Judgement({k: v for k, v in to_declare.items() if v}, anew, false, equal)

"""Which training code is proven to train the same bits: generations.yaml, read.

The file maps a commit to what is equal to its code: first the fingerprints under which that commit stored its runs,
then one entry for each proof, a `regrok same-bits COMMIT --declare` that trained small runs of every kind by both and
found no bit that differs. Nothing is equal without one. Fingerprints under one commit are equal to one another.
No torch here: the Snakefile asks.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any

from regrok.errors import RegrokError
from regrok.files import write_atomically
from regrok.runs.trained_by import Equal, TrainedBy
from regrok.training.fingerprint import fingerprint, observable_fingerprint, present

FILE = Path(__file__).with_name("generations.yaml")

HEAD = """\
# Training code that is proven to train the same bits, so that runs of the one serve builds by the other.
# Written by `regrok same-bits COMMIT --declare`; nothing is entered by hand. Commit: the fingerprints under which its
# runs were stored, then those of later code with their proof. Read by src/regrok/training/generations.py.
"""

Entry = Mapping[str, Any]
"""`trainers` (task/model → fingerprint) and `observables` (name → one or several), with what is told of the proof."""


KEYS = ("trainers", "observables", "stored", "proven", "machine", "runs", "code")
"""The keys that an entry may have."""


class Generations:
    """The content of generations.yaml: commit → entries."""

    def __init__(self, entries: Mapping[str, Sequence[Entry]]):
        self.entries = entries

    def equal(self, kind: str, key: str, own: str) -> Equal:
        """What is equal to code with the fingerprint `own`.

        kind: `trainers`, with task/model as the key, or `observables`, with a name.
        """
        return Equal(own, equal(own, self._groups(kind, key)))

    def commit(self, trainer: str, task: str, model: str) -> str | None:
        """The commit that holds the code with this fingerprint, else the first that is proven equal to it, or None.

        Equal code may know less: a proof trains what both know, and says nothing of what the older one lacks.
        """
        pair = f"{task}/{model}"
        held = (
            commit
            for commit, entries in self.entries.items()
            for entry in entries
            if "stored" in entry and trainer in _listed(entry.get("trainers", {}).get(pair, []))
        )
        groups = self._groups("trainers", pair)
        equal = (c for c, group in zip(self.entries, groups, strict=True) if trainer in group)
        return next(held, None) or next(equal, None)

    def _groups(self, kind: str, key: str) -> list[list[str]]:
        """For each commit, the fingerprints that are equal."""
        return [
            [each for entry in entries for each in _listed(entry.get(kind, {}).get(key, []))]
            for entries in self.entries.values()
        ]


def equal(own: str, groups: Iterable[Sequence[str]]) -> tuple[str, ...]:
    """All fingerprints that are equal to `own`, itself among them, in the order in which they were written down.

    groups: fingerprints that are equal to one another; two groups with a member in common are one.
    """
    groups = list(groups)
    known = {own}
    while joined := [group for group in groups if known & set(group) and not set(group) <= known]:
        known |= {each for group in joined for each in group}
    ordered = dict.fromkeys(each for group in groups for each in group)
    return tuple(each for each in ordered if each in known) or (own,)


def _listed(value: str | Sequence[str]) -> Sequence[str]:
    return [value] if isinstance(value, str) else value


def read(path: Path | str = FILE) -> Generations:
    """The file's content. Raises RegrokError naming it when it cannot be read."""
    import yaml

    path = Path(path)
    try:
        # Every value is a word here: 12 hexadecimal digits may look like a number.
        content = yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.BaseLoader) or {}
        for commit, entry in ((c, entry) for c, entries in content.items() for entry in entries):
            _check_keys(path, commit, entry)
            if "runs" in entry:
                entry["runs"] = int(entry["runs"])
            for kind in ("trainers", "observables"):
                if not isinstance(entry.get(kind, {}), dict):
                    raise ValueError(f"{kind} is not a list of names and fingerprints")
    except (OSError, AttributeError, TypeError, ValueError, yaml.YAMLError) as error:
        raise RegrokError(
            f"{path} cannot be read ({error}); restore it with: git checkout -- {path}"
        ) from error
    return Generations(content)


def _check_keys(path: Path, commit: str, entry: Entry) -> None:
    """Raises RegrokError for a key that no entry has: what stands under it would count for nothing."""
    for key in entry:
        if key not in KEYS:
            near = get_close_matches(key, KEYS, n=1, cutoff=0.0)[0]
            raise RegrokError(
                f"{path}: {commit}: there is no key {key!r}; did you mean {near!r}? (keys: {', '.join(KEYS)})"
            )


def declare(commit: str, entry: Entry, path: Path | str = FILE) -> None:
    """Write down what a proof has shown to be equal to this commit's code."""
    import yaml

    path = Path(path)
    entries = {known: list(value) for known, value in read(path).entries.items()}
    entries.setdefault(commit, []).append(dict(entry))
    # Else what is said twice is written as a reference.
    entries = json.loads(json.dumps(entries))
    text = yaml.safe_dump(entries, sort_keys=False, width=120, default_flow_style=None)
    write_atomically(path, (HEAD + text).encode())


@cache
def declared() -> Generations:
    """What generations.yaml says."""
    return read()


@cache
def trained_by(task: str, model: str) -> TrainedBy:
    """The present code for runs of this task and model, and what is equal to it."""
    found = declared()
    return TrainedBy(
        found.equal("trainers", f"{task}/{model}", fingerprint(task, model)),
        {
            name: found.equal("observables", name, observable_fingerprint(name, task, model))
            for name in present().observables
        },
    )

"""What some definitions say together with all that they reach by name.

The walk starts at a definition (a function, a class, a constant), reads the names that it uses, and goes on to the
definitions behind them, in its own module or, through imports (also those inside functions, also `module.name`), in
other modules of the package. A name is written as a number, given in the order of the walk: a moved or renamed file
says the same, an import that now leads to another function does not.

What a module does when it is imported (`torch.set_default_dtype(…)`) is taken in for every module that Python executes
to import those of the walk: the packages above them, borders, and modules of which nothing else is used.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Collection
from pathlib import Path

from regrok.errors import RegrokError
from regrok.training.code.package import Alias, Definition, Package, SourceFile
from regrok.training.code.writer import Said, Writer, said

REGISTRIES = ("TASKS", "SIZES", "MODELS", "OBSERVABLES")
"""Dictionaries of which a run uses the entries of its own task, model or observable, and no others."""

BORDERS = (
    *("errors", "files", "runs.states", "runs.store", "training.progress"),
    *("kernels.arithmetic", "kernels.library"),
)
"""Modules that word, write or show what was computed and compute nothing: the walk names what it takes there and stops.
What they do when they are imported is taken in with all that it reaches."""


def registered(registry: Definition) -> tuple[str, ...]:
    """The names of a registry's entries."""
    return tuple(key for key, _ in _entries(registry))


def _entries(registry: Definition) -> list[tuple[str, ast.expr]]:
    found = []
    for statement in registry.statements:
        value = getattr(statement, "value", None)
        keys = value.keys if isinstance(value, ast.Dict) else [None]
        for key, entry in zip(keys, getattr(value, "values", [None]), strict=False):
            if not isinstance(key, ast.Constant):
                raise RegrokError(
                    f"{registry.module.path}: {registry.name} is not written as one dictionary of words and "
                    "entries, so what belongs to one run cannot be told"
                )
            found.append((str(key.value), entry))
    return found


class Closure:
    """What some definitions say together with all that they reach."""

    def __init__(self, package: Package, keys: Collection[str]):
        """keys: the entries of REGISTRIES that are taken."""
        self.package, self.keys = package, frozenset(keys)
        self.attributes: set[str] = set()
        self.reached: dict[Definition | SourceFile, int] = {}
        self._hash = hashlib.sha256()
        self._executed: set[str] = set()

    def add(self, root: Definition) -> None:
        """Take in a definition and what it reaches, in the order in which it is named."""
        if root in self.reached:
            return
        self.reached[root] = len(self.reached)
        pending: list[Definition | SourceFile] = [root]
        for found in pending:  # grows while it is walked
            if isinstance(found, SourceFile):
                self._hash.update(f"\0file {found.meaning}".encode())
                continue
            said = self._said(found)
            self.attributes |= said.attributes
            self._hash.update(b"\0definition")
            for part in said.parts:
                if isinstance(part, str):
                    self._hash.update(part.encode())
                    continue
                if part not in self.reached:
                    self.reached[part] = len(self.reached)
                    pending.append(part)
                self._hash.update(b"\0%d " % self.reached[part])
            for name in (found.module.name, *said.imports):
                for module in self.package.executed(name, self._executed):
                    if module.effects.statements:
                        self.reached[module.effects] = len(self.reached)
                        pending.append(module.effects)

    def _said(self, definition: Definition) -> Said:
        if definition.name not in REGISTRIES:
            return said(definition)
        writer = Writer(definition.module)
        for key, entry in _entries(definition):
            if key in self.keys:
                self._entry(writer, entry)
        return writer.said()

    def _entry(self, writer: Writer, entry: ast.expr) -> None:
        """An entry; a string `package.module:name` is what it names."""
        value = entry.value if isinstance(entry, ast.Constant) else None
        if isinstance(value, str) and self.package.holds(value.partition(":")[0]):
            module, _, name = value.partition(":")
            writer.point(self.package.follow(Alias(module, name)))
        else:
            writer.write(entry)

    @property
    def files(self) -> list[Path]:
        """The files in which what is reached lies."""
        return sorted(
            {
                path
                for part in self.reached
                for path in (part.files if isinstance(part, SourceFile) else [part.module.path])
            }
        )

    def digest(self) -> str:
        """12 hexadecimal digits of what was taken in."""
        return self._hash.hexdigest()[:12]

"""The modules of a package, and what its names lead to."""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from regrok.errors import RegrokError
from regrok.training.code.scopes import binds, says_nothing, stored, type_checking

COMPOUND = (ast.If, ast.For, ast.While, ast.With, ast.Try, ast.TryStar, ast.Match)
"""Statements that hold others, which may do something and bind names as well."""


@dataclass(frozen=True)
class Alias:
    """What an import binds: a module, or a name in one."""

    module: str
    name: str | None = None


@dataclass(eq=False)
class Definition:
    """A top-level definition: the statements that bind its name."""

    module: Module
    name: str
    statements: list[ast.stmt] = field(default_factory=list)


@dataclass(frozen=True)
class SourceFile:
    """A file that is no Python, with the files beside it that it includes."""

    path: Path

    @property
    def meaning(self) -> str:
        """Its text without comments and white space; lines are kept, since the preprocessor reads lines.

        `#include "rows.h"` is replaced by what that file says, so that neither names of headers nor which of them
        holds a definition count; what says `#pragma once` is said once.
        """
        return "\n".join(_said(self.path, {}))

    @property
    def files(self) -> list[Path]:
        """Itself and all that it includes, in the order in which they are read."""
        read: dict[Path, bool] = {}
        for _ in _said(self.path, read):
            pass
        return list(read)


_INCLUDE = re.compile(r'# ?include ?"([^"]+)"')


def _said(path: Path, read: dict[Path, bool]) -> Iterator[str]:
    """The lines that say something, those of included files in their places; read: file → whether it is said once."""
    read.setdefault(path, False)
    text = path.read_text(encoding="utf-8")
    text = re.sub(r"/\*.*?\*/", " ", text, flags=re.DOTALL)
    text = re.sub(r"//[^\n]*", "", text)
    for line in (" ".join(each.split()) for each in text.splitlines()):
        include = _INCLUDE.fullmatch(line)
        beside = path.parent / include[1] if include else None
        if line == "#pragma once":
            read[path] = True
        elif beside is not None and beside.is_file():
            if not read.get(beside):
                yield from _said(beside, read)
        elif line:
            yield line


def _import_of(alias: Alias, name: str) -> ast.stmt:
    """The import that binds this name alone."""
    if alias.name is None:
        return ast.Import([ast.alias(alias.module, name)])
    return ast.ImportFrom(alias.module, [ast.alias(alias.name, name)], 0)


@dataclass(frozen=True)
class External:
    """Something outside the package: `torch.zeros`."""

    name: str


Target = Definition | SourceFile | External | Alias
"""What a name may lead to; an Alias without a name is a module of the package."""


class Module:
    """One module of the package, parsed."""

    def __init__(self, package: Package, name: str, path: Path):
        self.package, self.name, self.path = package, name, path
        self.names: dict[str, Definition | Alias] = {}
        self.effects = Definition(self, "")
        """What importing the module does beside binding names: a call, a loop, a branch, `torch.x = y`."""
        self.imports: list[str] = []
        """Modules of the package that importing this one executes, in the order of the text."""
        self._read(ast.parse(path.read_text(encoding="utf-8"), str(path)).body)

    def _read(self, statements: Iterable[ast.stmt]) -> None:
        for statement in statements:
            if isinstance(statement, ast.Import | ast.ImportFrom):
                self.names |= self.imported(statement)
                self.imports += self.executes(statement)
            elif isinstance(statement, ast.If) and type_checking(statement.test):
                self._read(statement.orelse)
            elif not says_nothing(statement):
                self._bind(statement)

    def _bind(self, statement: ast.stmt) -> None:
        """Enter a statement under the names that it binds, and as an effect where it may do more than that."""
        bound = binds(statement)
        for name in bound:
            known = self.names.get(name)
            if not isinstance(known, Definition):
                made = self.names[name] = Definition(self, name)
                if known is not None:  # `f = cache(f)` uses what was imported as f
                    made.statements.append(_import_of(known, name))
                known = made
            known.statements.append(statement)
        if not bound or isinstance(statement, COMPOUND):
            self.effects.statements.append(statement)
        for each in stored([statement]):
            if isinstance(each, ast.Import | ast.ImportFrom):
                self.imports += self.executes(each)

    def executes(self, statement: ast.Import | ast.ImportFrom) -> list[str]:
        """The modules of the package that an import names; those above them are executed as well."""
        if isinstance(statement, ast.Import):
            named = [each.name for each in statement.names]
        else:
            found = self.imported(statement).values()
            named = [name for a in found for name in (a.module, f"{a.module}.{a.name}")]
        return [each for each in named if self.package.holds(each)]

    def imported(self, statement: ast.Import | ast.ImportFrom) -> dict[str, Alias]:
        """The names that an import binds. Raises RegrokError for `from … import *` of the package."""
        if isinstance(statement, ast.Import):
            return {
                each.asname or each.name.partition(".")[0]: Alias(
                    each.name if each.asname else each.name.partition(".")[0]
                )
                for each in statement.names
            }
        if statement.level:
            parts = self.name.split(".")
            # A package's own name is the folder that its relative imports start from.
            up = statement.level - (self.path.name == "__init__.py")
            base = ".".join(parts[: len(parts) - up])
            origin = f"{base}.{statement.module}" if statement.module else base
        else:
            origin = statement.module or ""
        if statement.names[0].name == "*" and self.package.holds(origin):
            raise RegrokError(
                f"{self.path}:{statement.lineno}: `from {origin} import *` hides which code is used, so no fingerprint "
                "can be given; import what is used by its name"
            )
        return {each.asname or each.name: Alias(origin, each.name) for each in statement.names}


class Package:
    """A package's folder, its modules parsed when they are asked for."""

    def __init__(
        self, folder: Path, borders: Collection[str] = (), registrars: Collection[str] = ()
    ):
        """borders: modules at which a walk stops. registrars: modules that are executed where others are imported and
        do nothing then that these rest on; what is taken from them by name counts as ever."""
        self.folder, self.name = folder, folder.name
        self.borders = {f"{self.name}.{border}" for border in borders}
        self.registrars = {f"{self.name}.{each}" for each in registrars}
        self._modules: dict[str, Module | None] = {}

    def module(self, name: str) -> Module | None:
        """The module, or None where there is none of this name."""
        if name not in self._modules:
            place = self.folder.joinpath(*name.split(".")[1:])
            paths = [place / "__init__.py"]
            if name != self.name:
                paths.append(place.with_suffix(".py"))
            path = next((path for path in paths if path.is_file()), None)
            self._modules[name] = Module(self, name, path) if path else None
        return self._modules[name]

    def executed(self, name: str, seen: set[str]) -> Iterator[Module]:
        """The modules that Python executes for the import of this one: those above it, those that it imports, itself.

        seen: names of modules that were executed before, which grows.
        """
        parts = name.split(".")
        for each in (".".join(parts[:end]) for end in range(1, len(parts) + 1)):
            passed = each in seen or each in self.registrars
            module = None if passed else self.module(each)
            if module is not None:
                seen.add(each)
                for imported in module.imports:
                    yield from self.executed(imported, seen)
                yield module

    def holds(self, name: str) -> bool:
        return name == self.name or name.startswith(f"{self.name}.")

    def find(self, name: str) -> Definition:
        """The definition `training.loop:train_cohort`. Raises RegrokError where there is none."""
        module, _, within = name.partition(":")
        found = self.follow(Alias(f"{self.name}.{module}", within))
        if not isinstance(found, Definition):
            raise RegrokError(f"{self.folder}: there is no {name}")
        return found

    def follow(self, alias: Alias) -> Target:
        """What an import leads to. Raises RegrokError for a name that the package does not have."""
        if not self.holds(alias.module):
            return External(f"{alias.module}.{alias.name}" if alias.name else alias.module)
        if alias.name is None:
            return alias
        module = self.module(alias.module)
        found = module.names.get(alias.name) if module else None
        if isinstance(found, Definition):
            return found
        if isinstance(found, Alias) and found != alias:
            return self.follow(found)
        if self.module(f"{alias.module}.{alias.name}"):
            return Alias(f"{alias.module}.{alias.name}")
        raise RegrokError(f"{self.folder}: {alias.module} has no {alias.name}")

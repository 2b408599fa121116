"""What a piece of the package says: the definitions that it reaches by name, and what each of them says.

The walk starts at a definition (a function, a class, a constant), reads the names that it uses, and goes on to the
definitions behind them, in its own module or, through imports (also those inside functions, also `module.name`), in
other modules of the package. What is written down of a definition is its syntax tree without what cannot change a
number: comments, docstrings, annotations, import lines, the words of an error. A name of the package stands there as a
number, given in the order of the walk, so that neither the names of files nor those of definitions count: a moved
file says the same, an import that now leads to another function does not. A string that names a file beside the
module (`native.cpp`) stands for what that file says.

The tree is written by class and field names, since `ast.dump` and `ast.unparse` differ between minor versions of
Python. A module that is imported for the sake of its side effects alone is not seen.
"""

from __future__ import annotations

import ast
import hashlib
import re
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from regrok.errors import RegrokError

REGISTRIES = ("TASKS", "SIZES", "MODELS", "OBSERVABLES")
"""Dictionaries of which a run uses the entries of its own task, model or observable, and no others."""

BORDERS = ("errors", "files", "runs.store", "training.progress")
"""Modules that word, write or show what was computed and compute nothing: the walk names what it takes there and stops.
"""

UNSEEN = ("eval", "exec", "__import__", "importlib.import_module")
"""What runs code that cannot be told from the text."""

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef
Comprehension = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp


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

    @cached_property
    def said(self) -> Said:
        writer = Writer(self.module)
        writer.body(self.statements)
        return writer.said()


@dataclass(frozen=True)
class SourceFile:
    """A file that is no Python."""

    path: Path

    @property
    def meaning(self) -> str:
        """Its text without comments and white space; lines are kept, since the preprocessor reads lines."""
        text = self.path.read_text(encoding="utf-8")
        text = re.sub(r"/\*.*?\*/", " ", text, flags=re.DOTALL)
        text = re.sub(r"//[^\n]*", "", text)
        return "\n".join(" ".join(line.split()) for line in text.splitlines() if line.strip())


@dataclass(frozen=True)
class External:
    """Something outside the package: `torch.zeros`."""

    name: str


Target = Definition | SourceFile | External | Alias
"""What a name may lead to; an Alias without a name is a module of the package."""


@dataclass(frozen=True)
class Said:
    """What a definition says: words, and what its names lead to."""

    parts: tuple[str | Definition | SourceFile, ...]
    attributes: frozenset[str]
    """Names that may be looked up on some object: `x.name`, and words that `getattr` may be given."""


class Module:
    """One module of the package, parsed."""

    def __init__(self, package: Package, name: str, path: Path):
        self.package, self.name, self.path = package, name, path
        self.names: dict[str, Definition | Alias] = {}
        self.effects = Definition(self, "")
        """What importing the module does beside binding names."""
        self._read(ast.parse(path.read_text(encoding="utf-8"), str(path)).body)

    def _read(self, statements: Iterable[ast.stmt]) -> None:
        for statement in statements:
            if isinstance(statement, ast.Import | ast.ImportFrom):
                self.names |= self.imported(statement)
            elif isinstance(statement, ast.If) and _type_checking(statement.test):
                self._read(statement.orelse)
            elif bound := _binds(statement):
                for name in bound:
                    known = self.names.get(name)
                    if not isinstance(known, Definition):
                        known = self.names[name] = Definition(self, name)
                    known.statements.append(statement)
            elif not _words(statement):
                self.effects.statements.append(statement)

    def imported(self, statement: ast.Import | ast.ImportFrom) -> dict[str, Alias]:
        """The names that an import binds."""
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
        return {each.asname or each.name: Alias(origin, each.name) for each in statement.names}


class Package:
    """A package's folder, its modules parsed when they are asked for."""

    def __init__(self, folder: Path, borders: Collection[str] = BORDERS):
        self.folder, self.name = folder, folder.name
        self.borders = {f"{self.name}.{border}" for border in borders}
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


# One definition -------------------------------------------------------------------------------------------------


UNSAID = {
    *("ctx", "kind", "lineno", "type_comment", "type_ignores", "type_params"),
    *("annotation", "returns"),
}
"""Fields of a syntax tree that cannot change a number."""

_FIELDS: dict[type[ast.AST], list[str]] = {}


def _fields(kind: type[ast.AST]) -> list[str]:
    if kind not in _FIELDS:
        _FIELDS[kind] = sorted(set(kind._fields) - UNSAID)
    return _FIELDS[kind]


class Writer:
    """Writes down what statements say, in a module."""

    def __init__(self, module: Module):
        self.module, self.package = module, module.package
        self.parts: list[str | Definition | SourceFile] = []
        self.attributes: set[str] = set()
        self.scopes: list[dict[str, Alias | None]] = []
        self.in_class = False

    def said(self) -> Said:
        joined: list[str | Definition | SourceFile] = []
        words: list[str] = []
        for part in self.parts:
            if isinstance(part, str):
                words.append(part)
                continue
            joined += [" ".join(words), part]
            words = []
        return Said((*joined, " ".join(words)), frozenset(self.attributes))

    def body(self, statements: Sequence[ast.stmt]) -> None:
        """Statements, less those that say nothing."""
        self.parts.append("[")
        for statement in statements:
            if isinstance(statement, ast.If) and _type_checking(statement.test):
                self.body(statement.orelse)
            elif not _words(statement):
                self.write(statement)
        self.parts.append("]")

    def write(self, node: ast.AST) -> None:
        special = _SPECIAL.get(type(node))
        if special is not None:
            special(self, node)
        else:
            self.plain(node)

    def plain(self, node: ast.AST) -> None:
        """Class and fields; an empty field is not said."""
        parts = self.parts
        parts.append(type(node).__name__)
        parts.append("(")
        for name in _fields(type(node)):
            value = getattr(node, name, None)
            if value is None or value == []:
                continue
            parts.append(name)
            if not isinstance(value, list):
                self.value(value)
            elif isinstance(value[0], ast.stmt):
                self.body(value)
            else:
                parts.append("[")
                for each in value:
                    self.value(each)
                parts.append("]")
        parts.append(")")

    def value(self, value: object) -> None:
        if isinstance(value, ast.AST):
            self.write(value)
        else:
            self.parts.append(repr(value))

    # Names ---------------------------------------------------------------------------------------------------

    def target(self, node: ast.AST) -> Target | None:
        """What a name, or a chain of attributes of modules, leads to; None for a local or a built-in one."""
        if isinstance(node, ast.Name):
            found: Definition | Alias | None
            for scope in reversed(self.scopes):
                if node.id in scope:
                    found = scope[node.id]
                    break
            else:
                found = self.module.names.get(node.id)
            return self.package.follow(found) if isinstance(found, Alias) else found
        if isinstance(node, ast.Attribute):
            base = self.target(node.value)
            if isinstance(base, External):
                return External(f"{base.name}.{node.attr}")
            if isinstance(base, Alias):
                return self.package.follow(Alias(base.module, node.attr))
        return None

    def point(self, target: Target) -> None:
        """Write what a name leads to."""
        if isinstance(target, External):
            self.parts.append(target.name)
            if target.name in UNSEEN:
                self._refuse(None, target.name)
        elif isinstance(target, Alias):  # a module as a value: all of it may be used
            module = self.package.module(target.module)
            if module is None or module.name in self.package.borders:
                self.parts.append("beyond")
                return
            self._all(module)
        elif isinstance(target, Definition) and target.module.name in self.package.borders:
            self.parts += ["beyond", target.name]
        else:
            self.parts.append(target)

    def _all(self, module: Module) -> None:
        self.parts += [found for found in module.names.values() if isinstance(found, Definition)]

    def _refuse(self, node: ast.Name | None, name: str) -> None:
        where = f"{self.module.path}:{node.lineno}" if node is not None else str(self.module.path)
        raise RegrokError(
            f"{where}: {name} hides which code is used, so no fingerprint can be given; import it by its name, or list "
            f"it in a registry ({', '.join(REGISTRIES)}) as 'package.module:name' for pkgutil.resolve_name"
        )

    def name(self, node: ast.Name) -> None:
        target = self.target(node)
        if target is not None:
            self.point(target)
            return
        self.parts.append(node.id)
        if node.id in UNSEEN:
            self._refuse(node, node.id)
        if node.id == "globals":  # what is looked up there can be any of them
            self._all(self.module)

    def attribute(self, node: ast.Attribute) -> None:
        target = self.target(node)
        if target is not None:
            self.point(target)
            return
        self.attributes.add(node.attr)
        self.write(node.value)
        self.parts += [".", node.attr]

    def constant(self, node: ast.Constant) -> None:
        value = node.value
        if isinstance(value, str):
            if "." in value and "/" not in value and not value.endswith(".py"):
                beside = self.module.path.with_name(value)
                if beside.is_file():
                    self.parts.append(SourceFile(beside))
                    return
            if value.isidentifier():
                self.attributes.add(value)
        self.parts.append(f"{type(value).__name__}:{value!r}")

    # Scopes --------------------------------------------------------------------------------------------------

    def function(self, node: FunctionNode) -> None:
        # Decorators and defaults belong to the scope around.
        self.parts += [type(node).__name__, "("]
        # A definition's own name is what leads to it: it is said where it is used.
        if self.scopes or self.in_class:
            self.parts.append(node.name)
        for each in node.decorator_list:
            self.write(each)
        self.arguments(node.args)
        self._inner(_locals(node, self.module), node.body)
        self.parts.append(")")

    def arguments(self, node: ast.arguments) -> None:
        named = [*node.posonlyargs, *node.args, *node.kwonlyargs]
        self.parts += ["args", str(len(node.posonlyargs)), str(len(node.kwonlyargs))]
        self.parts += [each.arg for each in named]
        if node.vararg:
            self.parts += ["*", node.vararg.arg]
        if node.kwarg:
            self.parts += ["**", node.kwarg.arg]
        for each in (*node.defaults, *node.kw_defaults):
            self.value(each)

    def _inner(self, scope: dict[str, Alias | None], body: Sequence[ast.stmt] | ast.expr) -> None:
        outside, self.in_class = self.in_class, False
        self.scopes.append(scope)
        if isinstance(body, ast.expr):
            self.write(body)
        else:
            self.body(body)
        self.scopes.pop()
        self.in_class = outside

    def lambda_(self, node: ast.Lambda) -> None:
        self.parts.append("Lambda(")
        self.arguments(node.args)
        self._inner(dict.fromkeys(_arguments(node.args)), node.body)
        self.parts.append(")")

    def comprehension(self, node: Comprehension) -> None:
        names = (
            name.id
            for each in node.generators
            for name in ast.walk(each.target)
            if isinstance(name, ast.Name)
        )
        self.scopes.append(dict.fromkeys(names))
        self.plain(node)
        self.scopes.pop()

    def class_(self, node: ast.ClassDef) -> None:
        """A class; names bound in its body are seen there, but not in its methods, which is what Python does."""
        self.parts.append("ClassDef(")
        if self.scopes or self.in_class:
            self.parts.append(node.name)
        for part in (*node.decorator_list, *node.bases, *node.keywords):
            self.write(part)
        own: dict[str, Alias | None] = {}
        for statement in node.body:
            own |= dict.fromkeys(_binds(statement))
        outside, self.in_class = self.in_class, True
        for statement in node.body:
            if _words(statement):
                continue
            if isinstance(statement, FunctionNode):
                self.write(statement)
            else:
                self.scopes.append(own)
                self.write(statement)
                self.scopes.pop()
        self.in_class = outside
        self.parts.append(")")

    # Statements that say less than they hold -----------------------------------------------------------------

    def annotated(self, node: ast.AnnAssign) -> None:
        """A field of a class, or an assignment; a bare annotation elsewhere says nothing."""
        if self.in_class:
            self.parts.append("field")
        elif node.value is None:
            return
        self._assignment([node.target], node.value)

    def assigned(self, node: ast.Assign) -> None:
        self._assignment(node.targets, node.value)

    def _assignment(self, targets: Sequence[ast.expr], value: ast.expr | None) -> None:
        self.parts.append("=")
        for target in targets:
            # The name of a constant, as that of a function, is said where it is used.
            if isinstance(target, ast.Name) and not self.scopes and not self.in_class:
                continue
            self.write(target)
        if value is not None:
            self.write(value)

    def raised(self, node: ast.Raise) -> None:
        """That an error is raised, and which; its words change no number."""
        self.parts.append("raise")
        if node.exc is not None:
            self.write(node.exc.func if isinstance(node.exc, ast.Call) else node.exc)

    def asserted(self, node: ast.Assert) -> None:
        self.parts.append("assert")
        self.write(node.test)

    def nothing(self, node: ast.AST) -> None:
        """An import, whose names are followed where they are used."""


_SPECIAL: dict[type[ast.AST], Callable[[Writer, Any], None]] = {
    ast.Name: Writer.name,
    ast.Attribute: Writer.attribute,
    ast.Constant: Writer.constant,
    ast.FunctionDef: Writer.function,
    ast.AsyncFunctionDef: Writer.function,
    ast.Lambda: Writer.lambda_,
    ast.ListComp: Writer.comprehension,
    ast.SetComp: Writer.comprehension,
    ast.DictComp: Writer.comprehension,
    ast.GeneratorExp: Writer.comprehension,
    ast.ClassDef: Writer.class_,
    ast.AnnAssign: Writer.annotated,
    ast.Assign: Writer.assigned,
    ast.Raise: Writer.raised,
    ast.Assert: Writer.asserted,
    ast.Import: Writer.nothing,
    ast.ImportFrom: Writer.nothing,
}


def _type_checking(test: ast.expr) -> bool:
    return (isinstance(test, ast.Name) and test.id == "TYPE_CHECKING") or (
        isinstance(test, ast.Attribute) and test.attr == "TYPE_CHECKING"
    )


def _words(statement: ast.stmt) -> bool:
    """Whether a statement is a docstring, a `pass` or an `...`, which do nothing."""
    return isinstance(statement, ast.Pass) or (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str | type(...))
    )


def _stored(nodes: Iterable[ast.AST]) -> Iterable[ast.AST]:
    """Nodes that bind names, without those of scopes within."""
    pending = list(nodes)
    while pending:
        node = pending.pop()
        if isinstance(node, ast.Name):
            if not isinstance(node.ctx, ast.Load):
                yield node
            continue
        if isinstance(node, FunctionNode | ast.ClassDef):
            yield node
            continue
        if isinstance(node, ast.Lambda | Comprehension):
            continue
        if isinstance(
            node,
            ast.Import
            | ast.ImportFrom
            | ast.Global
            | ast.ExceptHandler
            | ast.MatchAs
            | ast.MatchStar,
        ):
            yield node
        pending += ast.iter_child_nodes(node)


def _binds(statement: ast.stmt) -> list[str]:
    """Names that a statement binds, in its own scope."""
    found = []
    for node in _stored([statement]):
        if isinstance(node, ast.Name):
            found.append(node.id)
        elif isinstance(
            node, FunctionNode | ast.ClassDef | ast.ExceptHandler | ast.MatchAs | ast.MatchStar
        ):
            found += [node.name] if node.name else []
        elif isinstance(node, ast.Import | ast.ImportFrom):
            found += [each.asname or each.name.partition(".")[0] for each in node.names]
    return found


def _arguments(node: ast.arguments) -> list[str]:
    every = [*node.posonlyargs, *node.args, *node.kwonlyargs]
    every += [each for each in (node.vararg, node.kwarg) if each]
    return [each.arg for each in every]


def _locals(node: FunctionNode, module: Module) -> dict[str, Alias | None]:
    """The names of a function's scope: what an import there leads to, None for any other local name."""
    found: dict[str, Alias | None] = dict.fromkeys(_arguments(node.args))
    declared: set[str] = set()
    for each in _stored(node.body):
        if isinstance(each, ast.Global):
            declared |= set(each.names)
        elif isinstance(each, ast.Import | ast.ImportFrom):
            found |= module.imported(each)
        elif isinstance(each, ast.Name):
            found.setdefault(each.id)
        else:
            name = each.name  # type: ignore[attr-defined]
            if name:
                found.setdefault(name)
    return {name: leads for name, leads in found.items() if name not in declared}


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


# What is reached ------------------------------------------------------------------------------------------------


class Closure:
    """What some definitions say together with all that they reach."""

    def __init__(self, package: Package, keys: Collection[str]):
        """keys: the entries of REGISTRIES that are taken."""
        self.package, self.keys = package, frozenset(keys)
        self.attributes: set[str] = set()
        self.reached: dict[Definition | SourceFile, int] = {}
        self._hash = hashlib.sha256()
        self._effects: set[str] = set()

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
            module = found.module
            if module.name not in self._effects:
                self._effects.add(module.name)
                if module.effects.statements:
                    self.reached[module.effects] = len(self.reached)
                    pending.append(module.effects)

    def _said(self, definition: Definition) -> Said:
        if definition.name not in REGISTRIES:
            return definition.said
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
                part.path if isinstance(part, SourceFile) else part.module.path
                for part in self.reached
            }
        )

    def digest(self) -> str:
        """12 hexadecimal digits of what was taken in."""
        return self._hash.hexdigest()[:12]

"""One definition, written down by what it says.

That is its syntax tree without what cannot change a number: comments, docstrings, annotations, import lines, the words
of an error. A name of the package is not written but pointed at, so that neither the names of files nor those of
definitions count; a string that names a file beside the module (`native.cpp`) points at that file. The tree is written
by class and field names, since `ast.dump` and `ast.unparse` differ between minor versions of Python.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from regrok.errors import RegrokError
from regrok.training.code.package import Alias, Definition, External, Module, SourceFile, Target
from regrok.training.code.scopes import (
    Comprehension,
    FunctionNode,
    argument_names,
    binds,
    says_nothing,
    stored,
    type_checking,
)

UNSEEN = ("eval", "exec", "__import__", "importlib.import_module")
"""What runs code that cannot be told from the text."""


@dataclass(frozen=True)
class Said:
    """What a definition says: words, and what its names lead to."""

    parts: tuple[str | Definition | SourceFile, ...]
    attributes: frozenset[str]
    """Names that may be looked up on some object: `x.name`, and words that `getattr` may be given."""
    imports: tuple[str, ...] = ()
    """Modules of the package that imports within it execute."""


@cache
def said(definition: Definition) -> Said:
    """What a definition says."""
    writer = Writer(definition.module)
    writer.effects = definition is definition.module.effects
    writer.body(definition.statements)
    return writer.said()


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
        self.effects = False
        """Whether what an import does is written: that is followed beyond borders."""
        self.imports: list[str] = []

    def said(self) -> Said:
        joined: list[str | Definition | SourceFile] = []
        words: list[str] = []
        for part in self.parts:
            if isinstance(part, str):
                words.append(part)
                continue
            joined += [" ".join(words), part]
            words = []
        return Said((*joined, " ".join(words)), frozenset(self.attributes), tuple(self.imports))

    def body(self, statements: Sequence[ast.stmt]) -> None:
        """Statements, less those that say nothing."""
        self.parts.append("[")
        for statement in statements:
            if isinstance(statement, ast.If) and type_checking(statement.test):
                self.body(statement.orelse)
            elif not says_nothing(statement):
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
            if module is None or self._beyond(module):
                self.parts.append("beyond")
                return
            self._all(module)
        elif isinstance(target, Definition) and self._beyond(target.module):
            self.parts += ["beyond", target.name]
        else:
            self.parts.append(target)

    def _beyond(self, module: Module) -> bool:
        """Whether a module is a border, seen from here; within one only what imports do is written."""
        borders = self.package.borders
        return module.name in borders and not (self.effects or self.module.name in borders)

    def _all(self, module: Module) -> None:
        """Point at all that a module defines, and at the definitions that it imports."""
        for found in module.names.values():
            leads = self.package.follow(found) if isinstance(found, Alias) else found
            if isinstance(leads, Definition):
                self.point(leads)

    def _refuse(self, node: ast.Name | None, name: str) -> None:
        where = f"{self.module.path}:{node.lineno}" if node is not None else str(self.module.path)
        raise RegrokError(
            f"{where}: {name} hides which code is used, so no fingerprint can be given; import it by its name, or list "
            "it in a registry as 'package.module:name' for pkgutil.resolve_name"
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
            # Of a name's length: a file system refuses to look for a long one.
            if "." in value and "/" not in value and not value.endswith(".py") and len(value) < 80:
                beside = self.module.path.parent / value
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
        self._inner(local_names(node, self.module), node.body)
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
        self._inner(dict.fromkeys(argument_names(node.args)), node.body)
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
            own |= dict.fromkeys(binds(statement))
        outside, self.in_class = self.in_class, True
        for statement in node.body:
            if says_nothing(statement):
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

    def imported(self, node: ast.Import | ast.ImportFrom) -> None:
        """An import. Within a function its names are followed where they are used; within another statement (`try`),
        and in the body of a class, here."""
        self.imports += self.module.executes(node)
        if self.scopes and not self.in_class:
            return
        if isinstance(node, ast.Import):
            found = [Alias(each.name) for each in node.names]
        else:
            found = list(self.module.imported(node).values())
        for each in found:
            self.point(self.package.follow(each))


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
    ast.Import: Writer.imported,
    ast.ImportFrom: Writer.imported,
}


def local_names(node: FunctionNode, module: Module) -> dict[str, Alias | None]:
    """The names of a function's scope: what an import there leads to, None for any other local name.

    Raises RegrokError where imports give one name to several things, of which any may be used.
    """
    found: dict[str, Alias | None] = dict.fromkeys(argument_names(node.args))
    declared: set[str] = set()
    for each in stored(node.body):
        if isinstance(each, ast.Global):
            declared |= set(each.names)
        elif isinstance(each, ast.Import | ast.ImportFrom):
            made = module.imported(each)
            for name, leads in made.items():
                if found.get(name, leads) not in (None, leads):
                    raise RegrokError(
                        f"{module.path}:{each.lineno}: {node.name} imports several things as {name}, so no fingerprint "
                        "can tell which is used; give each a name of its own"
                    )
            found |= made
        elif isinstance(each, ast.Name):
            found.setdefault(each.id)
        else:
            name = each.name  # type: ignore[attr-defined]
            if name:
                found.setdefault(name)
    return {name: leads for name, leads in found.items() if name not in declared}

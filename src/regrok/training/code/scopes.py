"""Which names a statement binds, and which statements do nothing."""

from __future__ import annotations

import ast
from collections.abc import Iterable

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef
Comprehension = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp


def type_checking(test: ast.expr) -> bool:
    return (isinstance(test, ast.Name) and test.id == "TYPE_CHECKING") or (
        isinstance(test, ast.Attribute) and test.attr == "TYPE_CHECKING"
    )


def says_nothing(statement: ast.stmt) -> bool:
    """Whether a statement is a docstring, a `pass` or an `...`, which do nothing."""
    return isinstance(statement, ast.Pass) or (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str | type(...))
    )


def stored(nodes: Iterable[ast.AST]) -> Iterable[ast.AST]:
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


def binds(statement: ast.stmt) -> list[str]:
    """Names that a statement binds, in its own scope."""
    found = []
    for node in stored([statement]):
        if isinstance(node, ast.Name):
            found.append(node.id)
        elif isinstance(
            node, FunctionNode | ast.ClassDef | ast.ExceptHandler | ast.MatchAs | ast.MatchStar
        ):
            found += [node.name] if node.name else []
        elif isinstance(node, ast.Import | ast.ImportFrom):
            found += [each.asname or each.name.partition(".")[0] for each in node.names]
    return found


def argument_names(node: ast.arguments) -> list[str]:
    every = [*node.posonlyargs, *node.args, *node.kwonlyargs]
    every += [each for each in (node.vararg, node.kwarg) if each]
    return [each.arg for each in every]

"""Which source files something rests on: the modules that it imports, those that these import, and files beside them.

    closure(script, *modules) → files

Read from the syntax, without importing: absolute and relative imports, also those inside functions, but for those
under TYPE_CHECKING; with each module the __init__ of its packages, which Python executes; and the files beside a
module that its strings name: `native.cpp`, f"{kind}.html.j2", and those that such a file names in turn. Modules that
are looked up by a name in a study (a law, a figure, a table) are not seen; who asks gives them as further roots.
"""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

from regrok.errors import RegrokError

PACKAGE = Path(__file__).resolve().parents[1]

HOUSEKEEPING = {
    "errors.py": "words an error; a job that ends in one leaves no output",
    "pipeline/script.py": "log and terminal around a script's one call",
    "pipeline/locks.py": "who waits for whom",
    "pipeline/warm.py": "which process a script runs in",
    "study/messages.py": "words a refusal",
    "training/progress.py": "what a training job says while it runs",
}
"""Modules whose edit cannot change an output, relative to the package, with the reason. The walk ends at them."""


def closure(*roots: Path | str) -> tuple[Path, ...]:
    """The package's files that the roots rest on, themselves included where they are of the package; sorted.

    roots: files; a relative path is looked for in the package first (`laws/scaling.py`), then in the working
    directory (`workflow/scripts/fit.py`). Raises RegrokError naming a root that is not there or is not Python.
    """
    waiting = [path for root in roots for path in _root(Path(root))]
    found: set[Path] = set()
    while waiting:
        path = waiting.pop()
        if path not in found:
            found.add(path)
            waiting += _direct(path)
    inside = f"{PACKAGE}{os.sep}"
    return tuple(sorted(path for path in found if str(path).startswith(inside)))


def _root(path: Path) -> tuple[Path, ...]:
    """The root's file, after the __init__ of each package around it."""
    if (PACKAGE / path).is_file():
        around = (PACKAGE / folder / "__init__.py" for folder in path.parents)
        return (*(each for each in around if each.is_file()), PACKAGE / path)
    if (Path.cwd() / path).is_file():
        return (Path.cwd() / path,)
    raise RegrokError(f"{path}: no such source file, neither in {PACKAGE} nor in {Path.cwd()}")


@cache
def _direct(path: Path) -> tuple[Path, ...]:
    """What one file names itself. Read once a process, which asks about most files many times."""
    if path.suffix != ".py":
        return tuple(_named(path, path.read_text(encoding="utf-8")))
    try:
        text = path.read_text(encoding="utf-8")
        tree = ast.parse(text)
    except SyntaxError as error:
        raise RegrokError(f"{path}, line {error.lineno}: not Python ({error.msg})") from error
    modules = {file for name in _imports(tree.body, path) for file in _files(name)}
    return (*sorted(modules), *(_named(path, text, tree) if _beside(path.parent) else ()))


# Imports ------------------------------------------------------------------------------------------


def _imports(body: Iterable[ast.stmt], path: Path) -> Iterator[str]:
    """Dotted names that the statements may import; `a.b` of `from a import b` may be a name in `a`."""
    for statement in body:
        if isinstance(statement, ast.Import):
            yield from (alias.name for alias in statement.names)
        elif isinstance(statement, ast.ImportFrom):
            base = _origin(statement, path)
            yield base
            yield from (f"{base}.{alias.name}" for alias in statement.names)
        elif isinstance(statement, ast.If) and _type_checking(statement.test):
            yield from _imports(statement.orelse, path)
        else:
            for part in ("body", "orelse", "finalbody"):
                yield from _imports(getattr(statement, part, ()), path)
            for part in ("handlers", "cases"):
                for inner in getattr(statement, part, ()):
                    yield from _imports(inner.body, path)


def _type_checking(test: ast.expr) -> bool:
    return "TYPE_CHECKING" in (getattr(test, "id", ""), getattr(test, "attr", ""))


def _origin(statement: ast.ImportFrom, path: Path) -> str:
    """The absolute name of the module that is imported from."""
    if not statement.level:
        return statement.module or ""
    folder = path.parents[statement.level - 1]
    if not folder.is_relative_to(PACKAGE):
        return ""  # beside a script, not in the package
    above = [PACKAGE.name, *folder.relative_to(PACKAGE).parts]
    return ".".join([*above, *([statement.module] if statement.module else [])])


@cache
def _files(name: str) -> tuple[Path, ...]:
    """The file of a module of the package, after the __init__ of each package around it; () where there is none."""
    head, *parts = name.split(".")
    if head != PACKAGE.name:
        return ()
    place = PACKAGE.joinpath(*parts)
    path = place.with_suffix(".py") if parts else place / "__init__.py"
    if not path.is_file():
        path = place / "__init__.py"
    if not path.is_file() or path.relative_to(PACKAGE).as_posix() in HOUSEKEEPING:
        return ()
    around = [PACKAGE.joinpath(*parts[:depth], "__init__.py") for depth in range(len(parts))]
    return (*(each for each in around if each.is_file()), path)


# Files beside a module ----------------------------------------------------------------------------


@cache
def _beside(folder: Path) -> tuple[Path, ...]:
    """Files of a folder of the package that are no Python."""
    if not folder.is_relative_to(PACKAGE):
        return ()
    return tuple(
        sorted(path for path in folder.iterdir() if path.is_file() and path.suffix != ".py")
    )


def _named(path: Path, text: str, tree: ast.AST | None = None) -> Iterator[Path]:
    """The files beside `path` that it names: in a string of its syntax, or anywhere in a text that is no Python."""
    others = [other for other in _beside(path.parent) if other != path]
    if tree is None:
        yield from (other for other in others if re.search(rf"\b{re.escape(other.name)}\b", text))
        return
    strings = {each.value for each in ast.walk(tree) if isinstance(each, ast.Constant)}
    patterns = [_pattern(each) for each in ast.walk(tree) if isinstance(each, ast.JoinedStr)]
    for other in others:
        if other.name in strings or any(re.fullmatch(each, other.name) for each in patterns):
            yield other


def _pattern(node: ast.JoinedStr) -> str:
    """An f-string as a pattern, its values as anything. One that is nothing but values matches no file."""
    parts = [
        re.escape(str(part.value)) if isinstance(part, ast.Constant) else ".+"
        for part in node.values
    ]
    return "".join(parts) if any(part.strip("\\.+") for part in parts) else "(?!)"

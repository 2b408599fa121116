"""What a definition says and reaches by name: small packages, of which only the text is read."""

# ruff: noqa: E501 a table has a module a line

from __future__ import annotations

import pytest

from regrok.errors import RegrokError
from regrok.training.code import closure
from regrok.training.code.package import Definition, Package


def small(tmp_path, **modules: str) -> Package:
    folder = tmp_path / "regrok"
    folder.mkdir(exist_ok=True)
    (folder / "__init__.py").write_text("", encoding="utf-8")
    for name, text in modules.items():
        (folder / f"{name}.py").write_text(text, encoding="utf-8")
    return Package(folder)


def digest(package: Package, root: str = "main:go") -> str:
    found = closure.Closure(package, ())
    found.add(package.find(root))
    return found.digest()


def reached(package: Package, root: str = "main:go") -> set[str]:
    found = closure.Closure(package, ())
    found.add(package.find(root))
    return {part.name for part in found.reached if isinstance(part, Definition)}


def test_a_local_name_is_not_the_module_s(tmp_path):
    text = "def other():\n    pass\n\n\ndef go(other):\n    return other\n"
    assert reached(small(tmp_path, main=text)) == {"go"}
    text = "def other():\n    pass\n\n\ndef go():\n    return [other for other in range(3)]\n"
    assert reached(small(tmp_path, main=text)) == {"go"}


def test_names_are_followed_through_modules_re_exports_and_imports_within_functions(tmp_path):
    main = (
        "import regrok.a as short\nfrom regrok import b\n\n\ndef go():\n    from regrok.c import third\n"
        "    return short.first, b.second, third\n"
    )
    package = small(
        tmp_path,
        main=main,
        a="first = 1\nother = 2\n",
        b="from regrok.a import first as second\n",
        c="def third():\n    return fourth\n\n\nfourth = 4\n",
    )
    assert reached(package) == {"go", "first", "third", "fourth"}


def test_functions_that_call_one_another_have_a_fingerprint(tmp_path):
    text = "def go(n):\n    return back(n)\n\n\ndef back(n):\n    return go(n - 1)\n"
    one = digest(small(tmp_path, main=text))
    assert one == digest(small(tmp_path, main=text))
    assert one != digest(small(tmp_path, main=text.replace("n - 1", "n - 2")))


def test_what_a_module_does_when_it_is_imported_counts(tmp_path):
    text = "import torch\n\ntorch.set_default_dtype(torch.float32)\n\n\ndef go():\n    return 1\n"
    one = digest(small(tmp_path, main=text))
    assert one != digest(small(tmp_path, main=text.replace("float32", "float64")))


GO = "\n\ndef go():\n    return f\n"
FOLLOWED = {
    "try": "try:\n    from regrok.a import f\nexcept ImportError:\n    f = None\n" + GO,
    "if": "import sys\n\nif sys.maxsize:\n    from regrok.a import f\nelse:\n    f = None\n" + GO,
    "with": "import contextlib\n\nwith contextlib.suppress(ImportError):\n    from regrok.a import f\n" + GO,
    "a whole module": "try:\n    import regrok.a as f\nexcept ImportError:\n    f = None\n" + GO,
    "by its whole name": "try:\n    import regrok.a\nexcept ImportError:\n    pass\n\n\ndef go():\n    return regrok.a.f\n",
    "bound anew": "from functools import cache\n\nfrom regrok.a import f\n\nf = cache(f)\n" + GO,
    "a class's body": "class go:\n    from regrok.a import f\n",
    "its effects": "def go():\n    import regrok.a\n",
}  # fmt: skip


@pytest.mark.parametrize("how", FOLLOWED)
def test_an_import_within_another_statement_is_followed(tmp_path, how):
    said = "print(1)\n\n\ndef f():\n    return 1\n"
    other = said.replace("print(1)" if how == "its effects" else "return 1", "print(2)")
    one = digest(small(tmp_path, main=FOLLOWED[how], a=said))
    assert one == digest(small(tmp_path, main=FOLLOWED[how], a=said))
    assert one != digest(small(tmp_path, main=FOLLOWED[how], a=other))


def test_an_import_of_which_the_text_does_not_tell_what_it_binds_is_refused(tmp_path):
    package = small(tmp_path, main="from regrok.a import *\n" + GO, a="f = 1\n")
    with pytest.raises(RegrokError, match=r"main\.py:1: `from regrok\.a import \*` hides"):
        digest(package)
    both = (
        "def go(x):\n    if x:\n        from regrok.a import f\n    else:\n        from regrok.b import f\n"
        "    return f\n"
    )
    package = small(tmp_path, main=both, a="f = 1\n", b="f = 2\n")
    with pytest.raises(RegrokError, match="go imports several things as f"):
        digest(package)


@pytest.mark.parametrize(
    "hidden", ["eval('1')", "__import__('regrok.a')", "importlib.import_module('regrok.a')"]
)
def test_code_that_hides_what_it_uses_is_refused(tmp_path, hidden):
    package = small(tmp_path, main=f"import importlib\n\n\ndef go():\n    return {hidden}\n", a="")
    with pytest.raises(RegrokError, match="hides which code is used"):
        digest(package)

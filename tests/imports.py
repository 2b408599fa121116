"""What modules of the package really import: they are imported, and so is what their functions would.

An independent witness of `regrok.pipeline.sources`, which reads the syntax: here Python imports, and imports inside
functions are found in their bytecode, where those under TYPE_CHECKING are not.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

PROGRAM = '''
import builtins, contextlib, dis, functools, importlib, importlib.util, json, sys, types
from pathlib import Path

def inner(code):
    for each in code.co_consts:
        if isinstance(each, types.CodeType):
            yield each
            yield from inner(each)

@functools.cache  # the same whichever root it is read for
def late(file):
    """Imports inside the functions of a module's file."""
    with open(file, encoding="utf-8") as handle:
        code = compile(handle.read(), file, "exec")
    found = []
    for function in inner(code):
        steps = list(dis.get_instructions(function))
        for before, step in zip(steps, steps[1:]):
            if step.opname == "IMPORT_NAME" and step.argval.startswith("regrok"):
                found += [step.argval, *(f"{step.argval}.{name}" for name in before.argval or ())]
    return found

def ours():
    return {n: m for n, m in sys.modules.items() if n.partition(".")[0] == "regrok" and hasattr(m, "__file__")}

direct, real = {}, builtins.__import__

def watched(name, globals=None, locals=None, fromlist=(), level=0):
    """Import, and note by whom: a module is executed once, and its own imports are the same for every root."""
    made = real(name, globals, locals, fromlist, level)
    given = globals or {}
    base = importlib.util.resolve_name("." * level + name, given["__package__"]) if level else name
    if base.partition(".")[0] == "regrok":
        inner = [f"{base}.{n}" for n in fromlist or () if isinstance(getattr(made, n, None), types.ModuleType)]
        direct.setdefault(given.get("__name__", given.get("__file__")), set()).update([base, *inner])
    return made

def execute(root):
    if root.endswith(".py"):
        text = Path(root).read_text(encoding="utf-8").partition("with job(")[0]
        exec(compile(text, root, "exec"), {"snakemake": None, "__file__": root})
    else:
        importlib.import_module(root)

def everything(roots):
    """Import the roots, what their functions import, and so on."""
    builtins.__import__ = watched
    wrapper = types.ModuleType("regrok.pipeline.script")  # housekeeping: what it imports does not count
    wrapper.job = wrapper.require_device = None
    wrapper.told = lambda: True
    sys.modules["regrok.pipeline.script"] = wrapper
    warm = types.ModuleType("regrok.pipeline.warm")  # likewise
    warm.hand_over = lambda *_: None
    sys.modules["regrok.pipeline.warm"] = warm
    for root in roots:
        execute(root)
    seen = set()
    while new := ours().keys() - seen:
        seen |= new
        for name in sorted(new):
            for wanted in late(sys.modules[name].__file__):
                with contextlib.suppress(ModuleNotFoundError):
                    if importlib.util.find_spec(wanted):
                        importlib.import_module(wanted)
    builtins.__import__ = real

def files(root):
    """What a root reaches of the modules that were imported."""
    known, reached, waiting = ours(), set(), [root]
    while waiting:
        name = waiting.pop()
        if name in reached or (name != root and name not in known):
            continue
        reached.add(name)
        waiting += [name.rpartition(".")[0]] if name in known else []  # Python executes the package first
        waiting += direct.get(name, ())
        waiting += late(known[name].__file__) if name in known else []
    return sorted(known[name].__file__ for name in reached if name in known)

roots = json.loads(sys.argv[1])
everything(roots)
print(json.dumps({root: files(root) for root in roots}))
'''


def imported(roots: Iterable[str]) -> dict[str, set[Path]]:
    """Root (`regrok.laws.scaling`, or a script's path from the checkout) → the package's files that it imports."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PROGRAM, json.dumps(list(roots))],
        cwd=ROOT,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return {root: set(map(Path, files)) for root, files in json.loads(done.stdout).items()}

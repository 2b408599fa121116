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
import contextlib, dis, functools, importlib, importlib.util, json, sys, types
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

def files(root):
    for name in [n for n in sys.modules if n.partition(".")[0] == "regrok"]:
        del sys.modules[name]
    wrapper = types.ModuleType("regrok.pipeline.script")  # housekeeping: what it imports does not count
    wrapper.job = wrapper.require_device = None
    wrapper.told = lambda: True
    sys.modules["regrok.pipeline.script"] = wrapper
    warm = types.ModuleType("regrok.pipeline.warm")  # likewise
    warm.hand_over = lambda *_: None
    sys.modules["regrok.pipeline.warm"] = warm
    given = {"snakemake": None, "__file__": root}
    if root.endswith(".py"):
        exec(compile(Path(root).read_text(encoding="utf-8").partition("with job(")[0], root, "exec"), given)
    else:
        importlib.import_module(root)
    seen = set()
    while new := ours().keys() - seen:
        seen |= new
        for name in sorted(new):
            for wanted in late(sys.modules[name].__file__):
                with contextlib.suppress(ModuleNotFoundError):
                    if importlib.util.find_spec(wanted):
                        importlib.import_module(wanted)
    return sorted(m.__file__ for m in ours().values())

print(json.dumps({root: files(root) for root in json.loads(sys.argv[1])}))
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

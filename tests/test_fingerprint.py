"""The fingerprint of the training code: what cannot change a number does not change it, what can does.

Each edit is made in a copy of the package, of which only the text is read.
"""

# ruff: noqa: E501 a table has an edit a line

from __future__ import annotations

import shutil
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import get_args

import pytest

from regrok.errors import RegrokError
from regrok.measures.observables import OBSERVABLES
from regrok.study import run as run_types
from regrok.training import fingerprint
from regrok.training.code import closure, writer
from regrok.training.code.package import SourceFile
from regrok.training.fingerprint import PACKAGE, Code

pytestmark = pytest.mark.beside

MLP = ("modular", "mlp")
PAIRS = (MLP, ("modular", "transformer"), ("sparse_parity", "mlp"), ("xor_clusters", "mlp"))


@pytest.fixture
def package(tmp_path) -> Iterator[Path]:
    folder = tmp_path / "src" / "regrok"
    shutil.copytree(PACKAGE, folder, ignore=shutil.ignore_patterns("__pycache__"))
    yield folder
    # The syntax trees of every copy, kept, would make each later collection of garbage take seconds.
    writer.said.cache_clear()


@cache
def unedited() -> dict[tuple[str, str], str]:
    return trainers(PACKAGE)


def trainers(package: Path) -> dict[tuple[str, str], str]:
    code = Code(package)
    return {pair: code.trainer(*pair).digest() for pair in PAIRS}


def observables(package: Path, pair: tuple[str, str] = MLP) -> dict[str, str]:
    code = Code(package)
    return {name: code.observable(name, *pair).digest() for name in code.observables}


def edit(package: Path, name: str, *changes: tuple[str, str]) -> None:
    path = package / name
    text = path.read_text(encoding="utf-8")
    for old, new in changes:
        assert text.count(old) == 1, f"{name}: {old!r} is there {text.count(old)} times"
        text = text.replace(old, new)
    path.write_text(text, encoding="utf-8")


def changed(package: Path, *edits: tuple[str, str, str]) -> set[tuple[str, str]]:
    """Pairs whose fingerprint the edits change."""
    before = unedited()
    for name, old, new in edits:
        edit(package, name, (old, new))
    after = trainers(package)
    return {pair for pair in PAIRS if before[pair] != after[pair]}


def test_a_copy_in_another_folder_has_the_same_fingerprints(package):
    assert trainers(package) == unedited()
    assert observables(package) == observables(PACKAGE)


def test_the_pairs_have_fingerprints_of_their_own():
    found = unedited()
    assert len(set(found.values())) == len(PAIRS)
    assert fingerprint.fingerprint(*MLP) == found[MLP]
    assert all(len(each) == 12 for each in found.values())


# What changes no number -------------------------------------------------------------------------------

HARMLESS = {
    "comment": ("training/optim.py", "def _prepare(", "# A reason.\ndef _prepare("),
    "docstring": (
        "training/optim.py",
        '"""torch.optim.SGD, dampening 0;',
        '"""SGD as torch has it, dampening 0;',
    ),
    "annotation": ("training/optim.py", "def step(self, *tensors: Any) -> None:", "def step(self, *tensors):"),
    "annotated constant": ("training/slots.py", "CHUNK = 64", "CHUNK: int = 64"),
    "import line": ("training/optim.py", "from functools import partial", "import functools\nfrom functools import partial"),
    "type-checking import": ("tasks/modular.py", "from regrok.study.task import Modular", "from regrok.study.task import Modular, XorClusters"),
    "C++ comment": ("kernels/optimisers.h", "// Optimisers: runs", "// The optimisers: runs"),
    "words of an error": ("tasks/streams.py", "give at least 1", "1 is the least"),
    "progress": ("training/progress.py", "return f\"{seconds:.0f} s\"", "return f\"{seconds:.1f} s\""),
    "the store's files": ("runs/store.py", 'RETRAINED = "its run is trained again"', 'RETRAINED = "its run is trained anew"'),
    "a column": ("runs/rows.py", '"parameters": parameters,', '"parameters": parameters,\n        "task_and_model": f"{run.task.name} {run.model.name}",'),
    "a definition that no training uses": ("training/optim.py", "def _prepare(", "def unused(x):\n    return x\n\n\ndef _prepare("),
    "the outcome's words": ("measures/events.py", 'return "diverged" if outcome', 'return "exploded" if outcome'),
}  # fmt: skip


@pytest.mark.parametrize("kind", HARMLESS)
def test_what_cannot_change_a_number_changes_no_fingerprint(package, kind):
    assert changed(package, HARMLESS[kind]) == set()


def test_a_moved_and_renamed_file_changes_no_fingerprint(package):
    (package / "feeding").mkdir()
    (package / "feeding/__init__.py").write_text('"""Batches."""\n', encoding="utf-8")
    (package / "tasks/streams.py").rename(package / "feeding/counted.py")
    for path in package.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        text = text.replace(
            "from regrok.tasks.streams import", "from regrok.feeding.counted import"
        )
        text = text.replace(
            "from regrok.tasks import streams\n",
            "import regrok.feeding.counted as streams\n",
        )
        path.write_text(text, encoding="utf-8")
    assert not any("tasks.streams import" in p.read_text("utf-8") for p in package.rglob("*.py"))
    (package / "kernels/native.cpp").rename(package / "kernels/passes.cpp")
    edit(package, "kernels/native.py", ('("native.cpp",', '("passes.cpp",'))
    (package / "kernels/elementary.h").rename(package / "kernels/functions.h")
    for path in (package / "kernels").glob("*.h"):
        text = path.read_text(encoding="utf-8")
        path.write_text(text.replace('"elementary.h"', '"functions.h"'), encoding="utf-8")
    assert trainers(package) == unedited()


def meaning(folder: Path, **files: str) -> str:
    """What one.cpp says beside these headers."""
    for name, text in files.items():
        (folder / f"{name}.{'cpp' if name == 'one' else 'h'}").write_text(text, encoding="utf-8")
    return SourceFile(folder / "one.cpp").meaning


def test_cpp_says_the_same_split_into_headers(tmp_path):
    whole = meaning(tmp_path, one="#include <cmath>\nint a;\nint b;  // two\nint c;\n")
    assert whole == "#include <cmath>\nint a;\nint b;\nint c;"
    split = {
        "one": '#include "b.h"\n#include "a.h"\nint c;\n',
        "a": "// The first.\n#pragma once\n#include <cmath>\nint a;\n",
        "b": '#pragma once\n  #  include   "a.h"\nint b;\n',
    }
    assert meaning(tmp_path, **split) == whole
    assert SourceFile(tmp_path / "one.cpp").files == [
        tmp_path / name for name in ("one.cpp", "b.h", "a.h")
    ]
    # Without the pragma the preprocessor reads it twice.
    split["a"] = split["a"].replace("#pragma once\n", "")
    assert meaning(tmp_path, **split).count("int a;") == 2


def test_a_header_that_is_not_beside_is_left_as_a_line(tmp_path):
    assert meaning(tmp_path, one='#include "omp.h"\nint a;\n') == '#include "omp.h"\nint a;'


def test_a_renamed_function_changes_no_fingerprint(package):
    path = package / "training/optim.py"
    path.write_text(path.read_text("utf-8").replace("_prepare", "_warmed_and_clipped"), "utf-8")
    assert trainers(package) == unedited()


def test_a_new_task_changes_no_fingerprint(package):
    (package / "tasks/majority.py").write_text(
        "def make(task, seed):\n    return None\n", encoding="utf-8"
    )
    edit(
        package,
        "tasks/__init__.py",
        ("TASKS = {\n", 'TASKS = {\n    "majority": "regrok.tasks.majority:make",\n'),
    )
    edit(
        package,
        "study/sizes.py",
        ('    "sparse_parity": two', '    "majority": two_classes,\n    "sparse_parity": two'),
    )
    new = '''class Majority(Strict):
    name: Literal["majority"]
    n: Count

    @property
    def train_size(self) -> int:
        return self.n

    @property
    def pairs(self) -> int:
        return 0


Task = Annotated[Majority | Modular'''  # fmt: skip
    edit(package, "study/task.py", ("Task = Annotated[Modular", new))
    assert trainers(package) == unedited()
    assert Code(package).trainer("majority", "mlp").digest() not in unedited().values()


def test_a_new_model_changes_no_fingerprint(package):
    (package / "models/linear.py").write_text("class Linear:\n    pass\n", encoding="utf-8")
    edit(
        package,
        "models/__init__.py",
        ("MODELS = {\n", 'MODELS = {\n    "linear": "regrok.models.linear:Linear",\n'),
    )
    assert trainers(package) == unedited()


def test_a_new_observable_changes_no_fingerprint(package):
    function = 'def sharpness(moment):\n    return Measured({"sharpness": 1.0})\n\n\n'
    entry = 'OBSERVABLES = {\n    "sharpness": Observable(sharpness),\n'
    edit(package, "measures/observables.py", ("OBSERVABLES = {\n", function + entry))
    assert trainers(package) == unedited()
    after = observables(package)
    assert set(after) == {*OBSERVABLES, "sharpness"}
    assert {name: after[name] for name in OBSERVABLES} == observables(PACKAGE)


# What can change a number -----------------------------------------------------------------------------

EVERY = set(PAIRS)
MODULAR = {pair for pair in PAIRS if pair[0] == "modular"}
HARMFUL = {
    "an optimiser's sum": ("training/optim.py", "_CLIP_EPSILON = 1e-6", "_CLIP_EPSILON = 1e-7", EVERY),
    "a branch of an optimiser": ("training/optim.py", "buffer.mul_(momentum.to(flat.dtype)[:, None]).add_(grad)", "buffer.add_(grad)", EVERY),
    "C++": ("kernels/native.cpp", "#include <utility>", "#include <utility>\n#define X 1", EVERY),
    "a header": ("kernels/norms.h", "kNormEpsilon = 1e-5", "kNormEpsilon = 1e-6", EVERY),
    "a header's header": ("kernels/elementary.h", "1.44269504f", "1.44269505f", EVERY),
    "a compiler's flag": ("kernels/native.py", '"-O3"', '"-Ofast"', EVERY),
    "a reference kernel": ("kernels/reference.py", "x.add_(bias.unsqueeze(1))", "x.add_(2 * bias.unsqueeze(1))", EVERY),
    "a task": ("tasks/operations.py", "(a - b) % p, r", "(b - a) % p, r", MODULAR),
    "a model": ("models/transformer.py", "self.heads = int(self.spec.heads)", "self.heads = 1", {("modular", "transformer")}),
    "another model": ("models/mlp.py", "BLOCK_SCALE = 0.5", "BLOCK_SCALE = 1.0", EVERY - {("modular", "transformer")}),
    "the rounding of train_size": ("study/task.py", "round((self.train_fraction or 0) * self.pairs)", "int((self.train_fraction or 0) * self.pairs)", MODULAR),
    "what train_size is computed from": ("study/task.py", "a * (a + 1) // 2", "a * (a - 1) // 2", MODULAR),
    "the batch of a full batch": ("study/run.py", 'return self.task.train_size if self.protocol.batch == "full"', 'return 1 + self.task.train_size if self.protocol.batch == "full"', EVERY),
    "the stopping rule": ("training/loop.py", "self.grokked_at + protocol.tail_steps", "self.grokked_at + 2 * protocol.tail_steps", EVERY),
    "a threshold": ("measures/events.py", '"99": 0.99', '"99": 0.98', EVERY),
    "when a run is left": ("training/evaluate.py", "+ 1e-9", "+ 1e-8", EVERY),
    "a decorator": ("training/evaluate.py", "@torch.no_grad()\n", "", EVERY),
}  # fmt: skip


@pytest.mark.parametrize("kind", HARMFUL)
def test_what_can_change_a_number_changes_the_fingerprints_concerned(package, kind):
    *change, concerned = HARMFUL[kind]
    assert changed(package, tuple(change)) == concerned


def test_each_task_and_model_has_files_of_its_own():
    files = {pair: {p.name for p in Code().trainer(*pair).files} for pair in PAIRS}
    assert {"transformer.py", "modular.py", "loop.py"} <= files["modular", "transformer"]
    compiled = {p.name for p in (PACKAGE / "kernels").iterdir() if p.suffix in (".cpp", ".h")}
    assert {"native.cpp", "norms.h", "elementary.h"} <= compiled <= files["modular", "transformer"]
    assert "mlp.py" not in files["modular", "transformer"]
    assert {"mlp.py", "parity.py", "streams.py"} <= files["sparse_parity", "mlp"]
    assert not {"transformer.py", "modular.py"} & files["sparse_parity", "mlp"]


def test_an_import_that_leads_to_another_function_of_the_name_counts(package):
    (package / "tasks/other.py").write_text(
        "from regrok.tasks.streams import key\n\n\ndef generator(seed, name):\n    return key(seed, name)\n",
        encoding="utf-8",
    )
    edited = (
        "tasks/modular.py",
        "from regrok.tasks.streams import generator",
        "from regrok.tasks.other import generator",
    )
    assert changed(package, edited) == MODULAR


def test_an_edited_observable_concerns_itself_alone(package):
    edit(package, "measures/observables.py", ("shares)[-5:]", "shares)[-6:]"))
    assert trainers(package) == unedited()
    before, after = observables(PACKAGE), observables(package)
    assert [name for name in before if before[name] != after[name]] == ["embedding_spectrum"]


def test_what_two_observables_share_concerns_both(package):
    edit(package, "measures/observables.py", ("power[power > DOMINANT", "power[power >= DOMINANT"))
    before, after = observables(PACKAGE), observables(package)
    differ = {name for name in before if before[name] != after[name]}
    assert differ == {"fourier_low", "fourier_high"}


TRANSFORMER = ("modular", "transformer")
READ = {
    "the groups of parameters": ("models/transformer.py", '("embedding", "position")', '("embedding",)', [TRANSFORMER]),
    "the logits": ("models/mlp.py", "BLOCK_SCALE = 0.5", "BLOCK_SCALE = 1.0", [MLP]),
    "the layout": ("models/layout.py", "ALIGN = 16", "ALIGN = 32", [MLP, TRANSFORMER]),
    "the evaluations": ("training/evaluate.py", "-block.low.amin(-1)", "block.low.amin(-1)", [MLP, TRANSFORMER]),
}  # fmt: skip


@pytest.mark.parametrize("what", READ)
def test_what_an_observable_reads_of_a_run_concerns_it(package, what):
    *change, concerned = READ[what]
    edit(package, change[0], (change[1], change[2]))
    for pair in (MLP, TRANSFORMER):
        before, after = observables(PACKAGE, pair), observables(package, pair)
        differ = {name for name in before if before[name] != after[name]}
        assert differ == (set(before) if pair in concerned else set())


# Imports, registries, borders ----------------------------------------------------------------------


EFFECTS = {
    "the package": "__init__.py",
    "a package of which nothing is used": "training/__init__.py",
    "a module that is imported for others": "study/base.py",
    "a border": "training/progress.py",
    "what a border imports": "runs/trained_by.py",
}


@pytest.mark.parametrize("where", EFFECTS)
def test_what_python_executes_for_an_import_counts(package, where):
    path = package / EFFECTS[where]
    text = path.read_text(encoding="utf-8")
    path.write_text(text + "\nimport torch\n\ntorch.set_default_dtype(torch.float64)\n", "utf-8")
    one = trainers(package)
    assert all(one[pair] != unedited()[pair] for pair in PAIRS)
    path.write_text(
        text + "\nimport torch\n\nif torch:\n    x = torch.set_flush_denormal(True)\n",
        encoding="utf-8",
    )
    other = trainers(package)
    assert all(other[pair] not in (one[pair], unedited()[pair]) for pair in PAIRS)


def test_what_a_border_calls_when_it_is_imported_counts(package):
    path = package / "training/progress.py"
    text = path.read_text(encoding="utf-8")
    call = "\n\ndef prepare():\n    import torch\n\n    torch.set_num_threads(1)\n\n\nprepare()\n"
    path.write_text(text + call, "utf-8")
    one = trainers(package)
    path.write_text(text + call.replace("(1)", "(2)"), "utf-8")
    assert all(one[pair] != digest for pair, digest in trainers(package).items())


def test_a_module_that_is_executed_but_not_for_this_code_does_not_count(package):
    path = package / "study/yaml.py"
    path.write_text(path.read_text("utf-8") + "\nimport torch\n\ntorch.manual_seed(1)\n", "utf-8")
    assert trainers(package) == unedited()


def test_a_registry_that_is_no_plain_dictionary_is_refused(package):
    edit(package, "models/__init__.py", ("MODELS = {", "MODELS = dict() | {"))
    with pytest.raises(RegrokError, match="not written as one dictionary"):
        trainers(package)


def test_every_border_and_every_type_of_a_run_is_where_it_is_said_to_be():
    code = Code()
    for name in closure.BORDERS:
        assert code.package.module(f"regrok.{name}") is not None, name
    assert set(code.observables) == set(OBSERVABLES) == set(get_args(run_types.Observable))
    pending, seen = [run_types.Run], set()
    while pending:
        kind = pending.pop()
        if kind in seen or not hasattr(kind, "model_fields"):
            continue
        seen.add(kind)
        place = kind.__module__.removeprefix("regrok.")
        assert place in fingerprint.TYPES, f"{kind.__name__} lies in {place}"
        for field in kind.model_fields.values():
            pending += [
                each
                for each in (field.annotation, *get_args(field.annotation))
                if isinstance(each, type)
            ]
    assert {
        "Run",
        "Modular",
        "SparseParity",
        "XorClusters",
        "Transformer",
        "MLP",
        "Optimiser",
        "Protocol",
    } <= {kind.__name__ for kind in seen}

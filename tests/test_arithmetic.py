"""Which arithmetic a run is computed by: never other than is said, never two in one run, kept with each run.

Public reports of this kind: sveval#20 (a fallback that computes something else in silence), pytorch#59146 (a compiled
library that cannot be kept, and advice to install what is there).
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pandas as pd
import pytest
import torch

from interrupts import After, Interrupt
from regrok import kernels
from regrok.errors import RegrokError
from regrok.kernels import arithmetic, library, native
from regrok.runs import gather
from regrok.runs.arithmetic import kinds, mixed
from regrok.runs.store import RunStore
from regrok.training import slots
from regrok.training.loop import train_cohort
from small import small_run

COMPILER = shlex.split(os.environ.get("CXX", "")) or ["c++"]
needs_compiler = pytest.mark.skipif(shutil.which(COMPILER[0]) is None, reason="no C++ compiler")
CANNOT_BE_WRITTEN = Path("/proc/self/task")
"""Not even by root."""

# Where the compiled kernels are kept ---------------------------------------------------------------------


@pytest.fixture
def places(tmp_path, monkeypatch):
    """The cache and the temporary folder, neither of which is there yet."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    return tmp_path / "cache/regrok", library.temporary()


@pytest.fixture
def command(tmp_path):
    """A compiler that writes a word, and counts how often it does."""
    script = tmp_path / "compiler"
    script.write_text(
        f"#!/bin/sh\necho once >>{tmp_path}/count\nsleep 0.2\n"
        'while [ $# -gt 1 ]; do shift; done\necho a library >"$1"\n',
        encoding="utf-8",
    )
    script.chmod(0o755)
    return [str(script), "-shared"]


def read(path: Path) -> str:
    """As a loader does: what is no library is an OSError."""
    text = path.read_text(encoding="utf-8")
    if text != "a library\n":
        raise OSError("file too short")
    return text


def test_a_cache_that_cannot_be_written_is_stood_in_for_by_a_folder_of_ones_own(places, command):
    """sveval#20: the same library from another folder, and no other arithmetic."""
    cache, temporary = places
    cache.parent.mkdir()
    cache.symlink_to(CANNOT_BE_WRITTEN)
    assert library.opened("it.so", command, read) == "a library\n"
    assert (temporary / "it.so").exists()
    assert temporary.stat().st_mode & 0o777 == 0o700
    library.opened("it.so", command, read)
    assert (temporary.parents[1] / "count").read_text(encoding="utf-8").count("once") == 1, (
        "kept for the next job"
    )


def test_where_no_folder_can_be_written_the_error_names_each(places, command):
    cache, temporary = places
    for folder in places:
        folder.parent.mkdir(exist_ok=True)
        folder.symlink_to(CANNOT_BE_WRITTEN)
    with pytest.raises(RegrokError) as caught:
        library.opened("it.so", command, read)
    assert str(cache) in str(caught.value) and str(temporary) in str(caught.value)
    assert "XDG_CACHE_HOME" in str(caught.value) and "compiler" not in str(caught.value)


@needs_compiler
def test_kernels_that_can_be_kept_nowhere_are_not_replaced_by_others(monkeypatch):
    """pytorch#59146: the compiler is there, so torch's own operations are no answer."""
    monkeypatch.setattr(library, "folders", lambda: [CANNOT_BE_WRITTEN])
    with pytest.raises(RegrokError, match=f"no folder can hold .*{CANNOT_BE_WRITTEN}"):
        native._built.__wrapped__()


def test_a_temporary_folder_that_others_can_write_is_not_trusted(places, command):
    cache, temporary = places
    cache.parent.mkdir()
    cache.symlink_to(CANNOT_BE_WRITTEN)
    temporary.mkdir()
    temporary.chmod(0o777)
    with pytest.raises(RegrokError, match="this user alone"):
        library.opened("it.so", command, read)


def test_without_a_home_the_temporary_folder_serves(places, monkeypatch):
    def homeless():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setenv("XDG_CACHE_HOME", "relative/folders/count/for/nothing")
    monkeypatch.setattr(Path, "home", homeless)
    assert library.folders() == [places[1]]


def test_a_damaged_library_is_compiled_again(places, command):
    library.opened("it.so", command, read)
    (places[0] / "it.so").write_text("a li", encoding="utf-8")
    assert library.opened("it.so", command, read) == "a library\n"


def test_two_jobs_at_once_compile_once_and_leave_nothing(places, command):
    program = (  # the module alone, since its package would bring torch
        "import runpy, sys; from pathlib import Path\n"
        "opened = runpy.run_path(sys.argv[1])['opened']\n"
        "print(opened('it.so', sys.argv[2:], Path.read_text), end='')\n"
    )
    call = [sys.executable, "-c", program, library.__file__, *command]
    jobs = [subprocess.Popen(call, stdout=subprocess.PIPE) for _ in range(2)]
    assert [job.communicate()[0] for job in jobs] == [b"a library\n"] * 2
    assert (places[1].parents[1] / "count").read_text(encoding="utf-8").count("once") == 1
    assert sorted(path.suffix for path in places[0].iterdir()) == [".lock", ".so"]


@pytest.mark.parametrize(
    ("script", "told"),
    [
        (
            "printf 'In file included from a\\na.cpp:3: error: no such word\\nnote: b\\n' >&2; exit 1",
            "failed: a.cpp:3: error: no such word",
        ),
        ("exit 3", "failed: without a word, exit status 3"),
    ],
)
def test_a_compiler_that_fails_is_told_in_its_own_words(tmp_path, monkeypatch, script, told):
    """pytorch#59146: no advice to install what is there."""
    path = tmp_path / "cc"
    path.write_text(
        f'#!/bin/sh\n[ "$1" = --version ] && exec echo version\n{script}\n', encoding="utf-8"
    )
    path.chmod(0o755)
    monkeypatch.setenv("CXX", str(path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    found, why = native._built.__wrapped__()
    assert found is None and told in why and "Install" not in why


def test_a_disk_without_room_for_the_kernels_is_no_reason_for_others(places, tmp_path):
    path = tmp_path / "full"
    path.write_text(
        "#!/bin/sh\necho 'ld: final link failed: No space left on device' >&2; exit 1\n",
        encoding="utf-8",
    )
    path.chmod(0o755)
    with pytest.raises(RegrokError, match="No space left"):
        library.opened("it.so", [str(path)], read)


# Kept with each run ---------------------------------------------------------------------------------------


def test_a_run_keeps_what_computed_it(tmp_path):
    run, store = (
        small_run(0, protocol={"max_steps": 10, "curve_every": 10}),
        RunStore(tmp_path, "x"),
    )
    train_cohort("c", [run], store, slots=1)
    row = gather.row(store.read(run))
    assert row["processor"] == arithmetic.processor()
    assert row["arithmetic"].startswith(f"{kernels.backend()} kernels")
    assert f"torch {torch.__version__}" in row["arithmetic"] and "1 thread" in row["arithmetic"]
    assert store.arithmetic_of(run) == f"{row['processor']}: {row['arithmetic']}"


def test_what_changes_bits_changes_the_words(monkeypatch):
    def words():
        return str(arithmetic.arithmetic(torch.device("cpu"), torch.float32))

    found = [words()]
    monkeypatch.setenv("MKL_CBWR", "COMPATIBLE")
    found.append(words())
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "DEFAULT")
    found.append(words())
    monkeypatch.setattr(native, "load", lambda: None)
    found.append(words())
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    found.append(words())
    monkeypatch.setattr(torch, "__version__", "3.0")
    found.append(words())
    assert len(set(found)) == 6
    assert "reference kernels" in found[-1] and "2 threads" in found[-1]


def test_runs_of_two_kinds_of_arithmetic_are_counted_and_told():
    runs = pd.DataFrame(
        {
            "processor": ["X", "X", "Y", None],
            "arithmetic": ["native", "native", "reference", None],
        }
    )
    found = kinds(runs)
    assert [(each["processor"], each["runs"]) for each in found] == [("X", 2), ("Y", 1), (None, 1)]
    assert "3 kinds of arithmetic" in mixed(found) and "1 run by Y: reference" in mixed(found)
    # A table from before: nothing is known, and nothing is mixed.
    assert kinds(runs[[]]) == [{"processor": None, "arithmetic": None, "runs": 4}]
    assert mixed(kinds(runs[[]])) == mixed(found[:1]) == ""


# Never two in one run -------------------------------------------------------------------------------------


@pytest.mark.parametrize("moved", [False, True])
def test_a_checkpoint_is_continued_by_the_arithmetic_that_wrote_it_alone(
    tmp_path, monkeypatch, capsys, moved
):
    """sveval#20: half of a run by one arithmetic and half by another is no run."""
    run, store = small_run(0), RunStore(tmp_path, "x")
    with pytest.raises(Interrupt):
        train_cohort("c", [run], store, slots=1, checkpoint_seconds=0, progress=After(8))
    if moved:
        elsewhere = arithmetic.Arithmetic("Another", "reference kernels")
        monkeypatch.setattr(slots, "arithmetic", lambda *_: elsewhere)
    begun = []
    original = slots.Engine.start

    def start(self, slot, run, checkpoint=None, *rest):
        begun.append(0 if checkpoint is None else checkpoint["step"])
        original(self, slot, run, checkpoint, *rest)

    monkeypatch.setattr(slots.Engine, "start", start)
    train_cohort("c", [run], store, slots=1)
    assert begun == [0 if moved else 40]
    told = capsys.readouterr().err
    assert (f"run {run.run_id} stood at step 40" in told) is moved
    assert ("Another: reference kernels" in told) is moved
    assert store.read(run).facts["processor"] == ("Another" if moved else arithmetic.processor())

"""The fingerprint of the training code: what cannot change a number does not change it."""

import pytest

from regrok.tasks import TASKS
from regrok.training import fingerprint

CODE = '''"""What it does."""
# A reason.
def step(x):
    """Shapes."""
    return x * 2
'''


def meaning(tmp_path, text, name="file.py"):
    path = tmp_path / name
    path.write_text(text)
    return fingerprint._meaning(path)


@pytest.mark.parametrize(
    "same",
    [
        CODE.replace("# A reason.\n", ""),
        CODE.replace("Shapes.", "Shapes and units."),
        CODE.replace("x * 2", "x  *  2  # twice"),
        CODE.replace("\n    return", "\n\n    return"),
    ],
)
def test_comments_docstrings_and_white_space_do_not_count(tmp_path, same):
    assert meaning(tmp_path, same) == meaning(tmp_path, CODE)


@pytest.mark.parametrize("other", [CODE.replace("2", "3"), CODE.replace("*", "+")])
def test_code_counts(tmp_path, other):
    assert meaning(tmp_path, other) != meaning(tmp_path, CODE)


def test_a_function_of_nothing_but_a_docstring_stays_a_function(tmp_path):
    assert "def hook" in meaning(tmp_path, 'def hook():\n    """Nothing."""\n')


def test_cpp_comments_do_not_count_and_code_does(tmp_path):
    plain = "int f(int x) {\n  return x + 1;\n}\n"
    commented = "/* why\n more */\nint f(int x) {  // adds\n  return x + 1;\n}\n"
    assert meaning(tmp_path, commented, "a.cpp") == meaning(tmp_path, plain, "b.cpp")
    assert meaning(tmp_path, plain.replace("1", "2"), "c.cpp") != meaning(tmp_path, plain, "b.cpp")


def test_every_training_file_exists_and_a_model_s_file_belongs_to_it_alone():
    for name in fingerprint.TRAINING:
        assert (fingerprint.PACKAGE / name).exists(), name
    kernels = {f"kernels/{p.name}" for p in (fingerprint.PACKAGE / "kernels").glob("*.[cp][py]*")}
    assert kernels <= set(fingerprint.TRAINING)
    sources = {
        path.relative_to(fingerprint.PACKAGE).as_posix()
        for task in TASKS
        for model in ("mlp", "transformer")
        for path in fingerprint.training_sources(task, model)
    }
    for folder in ("models", "tasks"):
        assert {
            f"{folder}/{p.name}" for p in (fingerprint.PACKAGE / folder).glob("*.py")
        } <= sources
    transformer = {p.name for p in fingerprint.training_sources("modular", "transformer")}
    mlp = {p.name for p in fingerprint.training_sources("sparse_parity", "mlp")}
    assert "transformer.py" in transformer - mlp and "mlp.py" in mlp - transformer
    assert "modular.py" in transformer - mlp and "parity.py" in mlp - transformer
    assert "loop.py" in transformer & mlp

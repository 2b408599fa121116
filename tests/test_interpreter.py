"""Snakemake starts scripts with an unquoted path to Python, and that Python imports the code of one checkout."""

import pytest

from regrok.errors import RegrokError
from regrok.pipeline import interpreter
from regrok.pipeline.interpreter import refuse_foreign, refuse_foreign_here, startable


def test_a_plain_path_stays_as_it_is():
    assert startable("/opt/größe-λ/bin/python3.12") == "/opt/größe-λ/bin/python3.12"


@pytest.mark.parametrize("home", ["/home/ada/My Documents", "/home/ada/it's", "/home/ada/a(1)"])
def test_within_a_checkout_the_path_from_there_will_do(home):
    assert startable(f"{home}/regrok/.venv/bin/python", f"{home}/regrok") == ".venv/bin/python"


def test_an_environment_elsewhere_below_such_a_folder_is_refused():
    with pytest.raises(RegrokError, match="make install"):
        startable("/home/my user/conda/bin/python", "/srv/regrok")


@pytest.fixture
def checkout(tmp_path):
    (tmp_path / "src/regrok").mkdir(parents=True)
    (tmp_path / "Snakefile").write_text("", encoding="utf-8")
    return tmp_path


def test_an_installed_copy_is_refused_with_what_to_do(checkout, monkeypatch):
    # gflow-cli#760: the code of one place worked under the commit of another.
    copy = checkout / "venv/lib/python3.12/site-packages/regrok"
    monkeypatch.setattr(interpreter, "PACKAGE", copy)
    monkeypatch.delenv("PYTHONPATH", raising=False)
    for refuse in (refuse_foreign, refuse_foreign_here):
        with pytest.raises(RegrokError) as refusal:
            refuse(checkout)
        for word in (str(copy), str(checkout / "src/regrok"), "make install", "--editable"):
            assert word in str(refusal.value)


def test_a_checkout_s_own_package_is_taken_also_by_a_link(checkout, tmp_path_factory, monkeypatch):
    monkeypatch.setattr(interpreter, "PACKAGE", (checkout / "src/regrok").resolve())
    refuse_foreign(checkout)
    link = tmp_path_factory.mktemp("link") / "here"
    link.symlink_to(checkout)
    refuse_foreign(link)


def test_a_folder_that_is_no_checkout_takes_any_package(tmp_path):
    refuse_foreign_here(tmp_path)
    with pytest.raises(RegrokError):
        refuse_foreign(tmp_path)
